"""From reports to readings: one reading per tick of the device, each tick once.

Measurements and states come in different data sets. A reading is made of each report that
brings the time object with a time stamp not seen before; members that a report leaves out
keep their last value, and states are taken as they were at that time, so that a replay of
buffered reports tells the past and not the present.
"""

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from contract.frame import Quality
from station.protocols.driver import FastReading, Reading
from station.protocols.health import now_ms
from station.protocols.iec61850.lib import AccessError, BitString, Value
from station.protocols.iec61850.mapping import Binding, BoundSignal, Leaf, Point, SignalSource

_REMEMBERED_TICKS = 8192
"""More than any device buffers; a tick that comes again is recognised among these."""
_REMEMBERED_STATES = 256
_END_OF_TIME = 1 << 62

_VALIDITY = (Quality.GOOD, Quality.INVALID, Quality.INVALID, Quality.QUESTIONABLE)
"""IEC 61850-7-3, Quality: good, reserved, invalid, questionable by the library's number."""
_TEST_BIT = 11


class ReadingMaker:
    """Keeps the newest values of one device and makes readings of them."""

    def __init__(self, device: str, binding: Binding, floor_ms: int = 0) -> None:
        """Start without values.

        Args:
            device: its tag.
            binding: how signals lie in its data sets.
            floor_ms: ticks up to this time were handed over by an earlier process.
        """
        self.device = device
        self.newest_ms = floor_ms
        self.floor_ms = 0
        self._binding = binding
        self._history: dict[tuple[str, int], deque[tuple[int, Value]]] = {}
        self._ticks: deque[int] = deque(maxlen=_REMEMBERED_TICKS)
        self._known: set[int] = set()
        self._stamps = _time_leaves(binding)
        self._states = _state_signals(binding)
        self._told: dict[str, tuple[int, dict[str, float]]] = {}

    def seed(self, data_set: str, values: Sequence[Value]) -> None:
        """Keep values, without making a reading of them."""
        for member, value in enumerate(values):
            if value is not None:
                self._keep(data_set, member, value)

    def take(self, data_set: str, values: Sequence[Value], report_ms: int = 0) -> Reading | None:
        """Take the members of a report or a data set; return the reading they complete.

        Args:
            data_set: its reference.
            values: one per member, None where it is not included.
            report_ms: when the device made the report, for mappings without a time object.
        """
        self.seed(data_set, values)
        if data_set != self._binding.measurements:
            return None
        stamp = self.time_of(values) if self._binding.time is not None else report_ms
        if stamp <= self.floor_ms or stamp in self._known:
            return None
        self._remember(stamp)
        return self._reading(stamp)

    def states(self, data_set: str) -> FastReading | None:
        """Return the states of the moment in a data set, None when they are told already.

        They are the newest by the device's time stamps, so that a replay of buffered reports
        tells nothing twice and no state of the past.
        """
        signals = self._states.get(data_set, ())
        found = {}
        for signal in signals:
            value, quality = self._value(signal, _END_OF_TIME)
            name = self._binding.layout.columns[signal.column].signal.name
            found[name] = value if quality is Quality.GOOD else math.nan
        members = {point.value.member for signal in signals for point in signal.points}
        stamp = max(
            (past[-1][0] for m in members if (past := self._history.get((data_set, m)))), default=0
        )
        if not found or self._told.get(data_set) == (stamp, found):
            return None
        self._told[data_set] = (stamp, found)
        received_ms = now_ms()
        return FastReading(
            self.device, self._binding.layout.name, stamp or received_ms, received_ms, found
        )

    def time_of(self, values: Sequence[Value]) -> int:
        """Return the time stamp in values of the measurement data set, 0 when there is none."""
        time = self._binding.time
        if time is None or time.member >= len(values):
            return 0
        stamp = _walk(values[time.member], time.way)
        return stamp if isinstance(stamp, int) else 0

    def _keep(self, data_set: str, member: int, value: Value) -> None:
        leaf = self._stamps.get((data_set, member))
        stamp = _walk(value, leaf.way) if leaf is not None else None
        kept = 1 if data_set == self._binding.measurements else _REMEMBERED_STATES
        past = self._history.setdefault((data_set, member), deque(maxlen=kept))
        moment = stamp if isinstance(stamp, int) else 0
        if past and kept > 1 and moment < past[-1][0]:
            merged = sorted([*past, (moment, value)], key=lambda entry: entry[0])
            past.clear()
            past.extend(merged)
        else:
            past.append((moment, value))

    def _remember(self, stamp: int) -> None:
        if len(self._ticks) == self._ticks.maxlen:
            self._known.discard(self._ticks[0])
        self._ticks.append(stamp)
        self._known.add(stamp)
        self.newest_ms = max(self.newest_ms, stamp)

    def _at(self, leaf: Leaf, moment: int) -> Value:
        """Return a leaf's value as it was at a time (measurements: as it is now)."""
        past = self._history.get((leaf.data_set, leaf.member))
        if not past:
            return None
        if leaf.data_set == self._binding.measurements:
            return _walk(past[-1][1], leaf.way)
        number = bisect_right(past, moment, key=lambda entry: entry[0])
        return _walk(past[max(0, number - 1)][1], leaf.way)

    def _reading(self, stamp: int) -> Reading:
        layout = self._binding.layout
        quality = np.full(layout.width, Quality.MISSING, np.uint8)
        values: list[npt.NDArray[np.generic]] = [
            np.zeros(column.repeat, column.signal.dtype) for column in layout.columns
        ]
        for signal in self._binding.signals:
            column = layout.columns[signal.column]
            value, found = self._value(signal, stamp)
            raw = value if column.signal.dtype == "f4" else round(value / column.signal.scale)
            dtype = np.dtype(column.signal.dtype)
            if dtype.kind == "i" and not np.iinfo(dtype).min <= raw <= np.iinfo(dtype).max:
                raw, found = 0, Quality.INVALID
            values[signal.column][0] = raw
            quality[layout.offset(column.signal.name)[0]] = found
        return Reading(self.device, layout.name, stamp, now_ms(), tuple(values), quality)

    def _value(self, signal: BoundSignal, stamp: int) -> tuple[float, Quality]:
        """Return a signal's physical value (0 when there is none) and its quality."""
        found = [self._point(point, stamp) for point in signal.points]
        worst = max(quality for _, quality in found)
        if worst >= Quality.INVALID:
            return 0.0, worst
        numbers = [number for number, _ in found]
        if signal.source.bits:
            return float(sum(1 << bit for bit, number in enumerate(numbers) if number)), worst
        return _physical(signal.source, numbers[0], worst)

    def _point(self, point: Point, stamp: int) -> tuple[float, Quality]:
        value = self._at(point.value, stamp)
        if value is None:
            return 0.0, Quality.MISSING
        number = _number(value, point.value.basic_type)
        if number is None:
            return 0.0, Quality.INVALID
        quality = self._at(point.quality, stamp) if point.quality is not None else None
        return number, _quality(quality)


def _physical(source: SignalSource, number: float, quality: Quality) -> tuple[float, Quality]:
    if source.states is not None:
        state = source.states.get(int(number))
        return (0.0, Quality.INVALID) if state is None else (float(state), quality)
    value = number * source.scale + source.offset
    low = -math.inf if source.low is None else source.low
    high = math.inf if source.high is None else source.high
    return value, quality if low <= value <= high else max(quality, Quality.QUESTIONABLE)


def _number(value: Value, basic_type: str) -> float | None:
    """Return a leaf's value as a number, None when it is none."""
    if isinstance(value, AccessError):
        return None
    if isinstance(value, BitString):
        if basic_type == "Dbpos":  # the first bit is the more significant
            return float((value.bits & 1) << 1 | value.bits >> 1 & 1)
        return float(value.bits)
    if isinstance(value, bool | int | float) and math.isfinite(value):
        return float(value)
    return None


def _quality(value: Value) -> Quality:
    if not isinstance(value, BitString):
        return Quality.GOOD
    found = _VALIDITY[value.bits & 3]
    in_test = value.bits >> _TEST_BIT & 1
    return max(found, Quality.QUESTIONABLE) if in_test else found


def _walk(value: Value, way: tuple[int, ...]) -> Value:
    """Follow element indices; an access error on the way is the end of it."""
    for index in way:
        if isinstance(value, AccessError):
            return value
        if not isinstance(value, list) or index >= len(value):
            return None
        value = value[index]
    return value


def _state_signals(binding: Binding) -> dict[str, tuple[BoundSignal, ...]]:
    """Return the signals that lie whole in one data set other than the measurements'."""
    found: dict[str, list[BoundSignal]] = {}
    for signal in binding.signals:
        data_sets = {point.value.data_set for point in signal.points}
        if len(data_sets) == 1 and binding.measurements not in data_sets:
            found.setdefault(data_sets.pop(), []).append(signal)
    return {data_set: tuple(signals) for data_set, signals in found.items()}


def _time_leaves(binding: Binding) -> dict[tuple[str, int], Leaf]:
    """Return where the time stamp of each member lies, for members that have one."""
    found: dict[tuple[str, int], Leaf] = {}
    for signal in binding.signals:
        for point in signal.points:
            if point.time is not None and point.time.member == point.value.member:
                found.setdefault((point.value.data_set, point.value.member), point.time)
    return found
