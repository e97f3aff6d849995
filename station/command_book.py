"""The book of commands under way: what is to be kept of them, and what is to be told now.

A command is told to the cloud when it has settled; when it has stayed accepted for a minute; and,
where no measurement can show its delivery (contactors, starts), when it was accepted. So a loop
that issues twenty set-points a second makes one record of each. What a converter's commands have
forgotten, because a failure came between, is superseded by the next set-point that is accepted.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from contract.commands import MAX_NAME, CommandRecord, CommandState, shown
from contract.words import Words
from station.dispatch.commands import MEASURED_POINTS, Command

LATE_MS = 60_000
"""A command accepted for so long is told before it has settled."""

MOST_OPEN = 5_000
"""Commands under way that are remembered: far more than all devices of a station can have."""

_NO_CAUSE = Words("", "")


@dataclass
class _Open:
    """A command under way and the highest rank of state that was told of it."""

    record: CommandRecord
    told: int = -1


@dataclass(frozen=True)
class Page:
    """Records since the last page: all that changed, and those of them (and late ones) to tell."""

    at_ms: int
    changed: tuple[CommandRecord, ...] = ()
    due: tuple[CommandRecord, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.changed or self.due)


class CommandBook:
    """Follows every command from its issue until it has settled."""

    def __init__(
        self, station: str, likely_cause: Callable[[Command], Words] = lambda _: _NO_CAUSE
    ) -> None:
        """Start empty.

        Args:
            station: the station's id.
            likely_cause: asked once for each command that fails.
        """
        self._station = station
        self._likely_cause = likely_cause
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._accepted: dict[tuple[str, str], str] = {}
        self._changed: dict[str, CommandRecord] = {}

    def note(self, commands: Sequence[Command]) -> None:
        """Take commands that were issued or whose life went on, in the order of events."""
        for command in commands:
            known = self._open.get(command.id)
            record = self._record(command)
            if known is not None and known.record.age > record.age:
                continue
            if record.state is CommandState.ACCEPTED:
                self._supersede(record)
            self._take(record)

    def settle(self, device: str, point: str, at_ms: int, *, delivered: bool) -> None:
        """Settle what a device was told at a point, by what the plant itself has shown since.

        Args:
            device: tag of the device.
            point: what was written.
            at_ms: when the plant was seen.
            delivered: it has done it; else it has not in the time it had.
        """
        for one in list(self._open.values()):
            record = one.record
            if (record.device, record.point) != (device, point) or record.settled_ms:
                continue
            state = CommandState.DELIVERED if delivered else CommandState.FAILED
            reason = "" if delivered else "not confirmed by the plant"
            self._take(replace(record, state=state, settled_ms=at_ms, reason=reason))

    def page(self, now_ms: int) -> Page:
        """Return what is to be kept and told since the last page."""
        changed = tuple(self._changed.values())
        self._changed.clear()
        due = []
        for one in list(self._open.values()):
            record = one.record
            if record.state.rank > one.told and _is_due(record, now_ms):
                one.told = record.state.rank
                due.append(record)
            if record.settled_ms:
                del self._open[record.id]
        while len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)
        return Page(now_ms, changed, tuple(sorted(due, key=lambda r: r.issued_ms)))

    def _take(self, record: CommandRecord) -> None:
        self._open.setdefault(record.id, _Open(record)).record = record
        self._changed[record.id] = record

    def _supersede(self, newer: CommandRecord) -> None:
        place = (newer.device, newer.point)
        before = self._open.get(self._accepted.get(place, ""))
        self._accepted[place] = newer.id
        if before is None or before.record.id == newer.id:
            return
        if before.record.state is CommandState.ACCEPTED:
            at_ms = newer.accepted_ms
            self._take(replace(before.record, state=CommandState.SUPERSEDED, settled_ms=at_ms))

    def _record(self, command: Command) -> CommandRecord:
        state = CommandState(command.state.value)
        failed = state is CommandState.FAILED
        cause = self._likely_cause(command) if failed else _NO_CAUSE
        return CommandRecord(
            id=command.id,
            station=self._station,
            device=command.device,
            point=command.point,
            value=command.value,
            source=command.source or "none",
            requester=shown(command.requester, MAX_NAME),
            bound_by=shown(command.bound_by),
            state=state,
            reason=shown(command.reason),
            issued_ms=command.issued_ms,
            accepted_ms=command.accepted_ms,
            settled_ms=command.settled_ms,
            cause_en=shown(cause.en),
            cause_zh=shown(cause.zh),
        )


def _is_due(record: CommandRecord, now_ms: int) -> bool:
    if record.state is not CommandState.ACCEPTED:
        return record.settled_ms > 0
    return record.point not in MEASURED_POINTS or now_ms - record.accepted_ms >= LATE_MS
