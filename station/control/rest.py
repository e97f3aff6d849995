"""Which converters rest: stopped to save their losses, and started again when they are needed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from station.dispatch.commands import ACTIVE_KW

_AGAIN_MS = 30_000
"""A converter that goes on running is told again after the time it takes to stop."""


@dataclass
class Rest:
    """Sends converters to sleep that the split has left without power for a while.

    Attributes:
        after_ms: so long without power; None: nobody ever sleeps.
        asleep: who sleeps now.
    """

    after_ms: int | None
    asleep: set[str] = field(default_factory=set)
    _idle_since_ms: dict[str, int] = field(default_factory=dict)
    _told_ms: dict[str, int] = field(default_factory=dict)

    def fall_asleep(
        self,
        sleeping: Collection[str],
        setpoints: Mapping[str, float],
        running: Collection[str],
        now_ms: int,
    ) -> list[str]:
        """Return the converters that are to be stopped now; wake those that have power again.

        Args:
            sleeping: converters that the split can do without.
            setpoints: kW by converter.
            running: converters that run.
            now_ms: steady time.
        """
        if self.after_ms is None:
            return []
        idle = {tag for tag in sleeping if abs(setpoints.get(tag, 0.0)) <= ACTIVE_KW}
        self.asleep &= idle
        since = self._idle_since_ms
        self._idle_since_ms = {tag: since.get(tag, now_ms) for tag in idle}
        tired = [
            tag
            for tag, begun_ms in sorted(self._idle_since_ms.items())
            if tag in running and now_ms - begun_ms >= self.after_ms
        ]
        told = [tag for tag in tired if now_ms - self._told_ms.get(tag, -_AGAIN_MS) >= _AGAIN_MS]
        self._told_ms |= dict.fromkeys(told, now_ms)
        self.asleep |= set(tired)
        return told
