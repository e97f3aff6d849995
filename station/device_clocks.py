"""Device clocks that lie ahead: what a device says is dated no later than it came.

A time of the future would make data look fresh long after they have stopped, would date alarms
behind those of the devices around, and would bar the right times that follow. So samples of such
a clock are set back by whole seconds: they keep their steps, and a repetition stays one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from station.alarms import CLOCK_SKEW_MS, JUST_ARRIVED_MS, Condition
from station.protocols import Bundle, FastReading

_SECOND_MS = 1000
_LEAD_MS = _SECOND_MS
"""A step of the grid: clocks that a time server keeps differ by less."""
_SLACK_MS = 5 * _SECOND_MS
"""An answer that comes later than usual does not mean that the clock was set."""

_Stream = tuple[str, str]
"""Device and layout."""


@dataclass
class _Ahead:
    """How far a stream is set back, what its clock was ahead by last, and when that was heard."""

    back_ms: int
    lead_ms: int
    received_ms: int


class DeviceClocks:
    """Knows whose clock lies ahead, and by how much."""

    def __init__(self) -> None:
        """Take every clock for right."""
        self._ahead: dict[_Stream, _Ahead] = {}

    def take(self, bundle: Bundle) -> Bundle:
        """Return the readings with times that are not of the future."""
        lead_ms = bundle.time_ms - bundle.received_ms
        ahead = lead_ms > _LEAD_MS
        if not self._ahead and not ahead.any():
            return bundle
        back_ms = np.zeros(len(bundle.devices), np.int64)
        rows = zip(bundle.devices, lead_ms.tolist(), bundle.received_ms.tolist(), strict=True)
        for at, (device, lead, received) in enumerate(rows):
            back_ms[at] = self._back_ms((device, bundle.layout), lead, received)
        return replace(bundle, time_ms=bundle.time_ms - back_ms)

    def take_fast(self, reading: FastReading) -> FastReading:
        """Return a fast reading with a time that is not of the future."""
        lead_ms = reading.time_ms - reading.received_ms
        if lead_ms <= _LEAD_MS:
            return reading
        return replace(reading, time_ms=reading.received_ms)

    def conditions(self, now_ms: int) -> Iterator[Condition]:
        """Yield the devices whose samples would be dated wrongly without this."""
        for (device, _), ahead in self._ahead.items():
            if ahead.lead_ms > CLOCK_SKEW_MS and now_ms - ahead.received_ms < JUST_ARRIVED_MS:
                value = round(ahead.lead_ms / 1000, 1)
                yield Condition("clock.unsynchronised", device, now_ms, value=value)

    def _back_ms(self, stream: _Stream, lead_ms: int, received_ms: int) -> int:
        if lead_ms <= _LEAD_MS:
            self._ahead.pop(stream, None)
            return 0
        known = self._ahead.get(stream)
        steady = known is not None and -_SLACK_MS < lead_ms - known.back_ms <= _LEAD_MS
        if known is None or not steady:
            back_ms = -(-lead_ms // _SECOND_MS) * _SECOND_MS
            known = self._ahead[stream] = _Ahead(back_ms, lead_ms, received_ms)
        known.lead_ms, known.received_ms = lead_ms, received_ms
        return known.back_ms
