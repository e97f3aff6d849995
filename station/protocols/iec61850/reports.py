"""From reports to readings: one reading per tick of the device, each tick once.

Measurements and states come in different data sets. A reading is made of each report that
brings the time object with a time stamp not seen before; members that a report leaves out
keep their last value, and states are taken as they were at that time, so that a replay of
buffered reports tells the past and not the present.

A device's clock may jump. Reports that come when the replay is over are of this moment,
whatever their stamps say: then a stamp that is far from the station's clock makes values
questionable, and one that went far back ends what was remembered of the ticks before. A stamp
whose clock has failed by the device's own word makes values questionable, too.
"""

import math
from collections import deque

import numpy as np

from station.clock import now_ms
from station.protocols.driver import FastReading, Reading
from station.protocols.iec61850.ber import (
    CLOCK_FAILURE,
    CLOCK_NOT_SYNCHRONIZED,
    GOOD,
    QUESTIONABLE,
    Codes,
    Decoded,
    Decoder,
    Floats,
    Members,
)
from station.protocols.iec61850.history import Newest, Remembered
from station.protocols.iec61850.mapping import Binding, BoundSignal, Leaf
from station.protocols.iec61850.signals import SignalTable

_REMEMBERED_TICKS = 8192
"""More than any device buffers; a tick that comes again is recognised among these."""
_END_OF_TIME = float(1 << 62)
_DOUBT = np.uint8(QUESTIONABLE)
_NO_NUMBER, _ALL_GOOD = np.zeros(1), np.full(1, GOOD, np.uint8)
"""What stands for a quality that a device does not send."""


class ReadingMaker:
    """Keeps the newest values of one device and makes readings of them.

    Attributes:
        newest_ms: the newest tick.
        floor_ms: ticks up to this time were handed over by an earlier process; until the
            replay is over.
        measurements: the data set whose reports make readings.
        doubted: the binding is not the engineer's: every value is questionable.
        clock_error_s: how far the device's clock is ahead of the station's, when that is more
            than the mapping allows; else 0.
        clock_failed: the device says that the clock of its newest stamp has failed.
    """

    def __init__(self, device: str, binding: Binding, floor_ms: int = 0) -> None:
        """Start without values.

        Args:
            device: its tag.
            binding: how signals lie in its data sets.
            floor_ms: newest tick that an earlier process handed over.
        """
        self.device = device
        self.newest_ms = floor_ms
        self.floor_ms = 0
        self.measurements = binding.measurements
        self.doubted = False
        self.clock_error_s = 0.0
        self.clock_failed = False
        self._binding = binding
        self._ticks: deque[int] = deque(maxlen=_REMEMBERED_TICKS)
        self._known: set[int] = set()
        self._replay_to: dict[str, float] = {}
        """Until a stamp newer than this comes, a data set's reports may be of the past."""
        leaves = _leaves(binding)
        faults = CLOCK_FAILURE
        if binding.mapping.needs_synchronized_clock:
            faults |= CLOCK_NOT_SYNCHRONIZED
        self._decoders = {
            name: Decoder([(leaf.member, leaf.way, leaf.basic_type) for leaf in found], faults)
            for name, found in leaves.items()
        }
        self._measured = Newest(len(leaves[binding.measurements]))
        self._states = {
            name: _remembered(found, binding)
            for name, found in leaves.items()
            if name != binding.measurements
        }
        order = [leaf for name in leaves for leaf in leaves[name]]
        places = {leaf: place for place, leaf in enumerate(order)}
        self._table = SignalTable(binding.layout, binding.signals, places)
        self._fast = {
            name: (signals, SignalTable(binding.layout, signals, places))
            for name, signals in _state_signals(binding).items()
        }
        self._told: dict[str, tuple[int, dict[str, float]]] = {}
        measured = leaves[binding.measurements]
        self._time = None if binding.time is None else measured.index(binding.time)

    def read(self, data_set: str, members: Members) -> int:
        """Take what the device holds in a data set when it is asked; return its time stamp.

        What is reported next may be older, until the replay of what the device kept is over.

        Raises:
            BadReply: the encoding is broken.
        """
        decoded = self._decoders[data_set].decode(members)
        if data_set in self._states:
            self._states[data_set].keep(decoded, newest=True)
            self._replay_to[data_set] = self._states[data_set].newest_ms
            return 0
        self._measured.read(decoded)
        stamp = self._stamp(decoded)
        self._replay_to[data_set] = stamp if self._time is not None else math.inf
        return stamp

    def resumed(self, data_set: str) -> None:
        """The device continues where it stopped: nothing comes twice and nothing is missing."""
        if data_set == self.measurements:
            self.floor_ms = 0
            self._measured.go_back()

    def overflowed(self, data_set: str) -> None:
        """The device dropped reports: what is not sent again may have changed meanwhile."""
        (self._states.get(data_set) or self._measured).doubt()

    def settled(self) -> None:
        """The replay has had its time: what comes from now on is of its moment."""
        self._replay_to = dict.fromkeys(self._decoders, -math.inf)
        self.floor_ms = 0

    def decode(self, data_set: str, members: Members) -> Decoded:
        """Return the leaves of the members of a report, to be taken.

        Raises:
            BadReply: the encoding is broken.
        """
        return self._decoders[data_set].decode(members)

    def complete(self, decoded: Decoded) -> bool:
        """Whether all states are as new as these measurements: nothing is to be waited for."""
        stamp = self._stamp(decoded)
        return stamp > 0 and all(states.newest_ms >= stamp for states in self._states.values())

    def take(self, data_set: str, decoded: Decoded, report_ms: int = 0) -> Reading | None:
        """Take the members of a report; return the reading they complete.

        Args:
            data_set: its reference.
            decoded: the members that the report includes.
            report_ms: when the device made the report, for mappings without a time object.
        """
        replay_to = self._replay_to.get(data_set, -math.inf)
        if data_set in self._states:
            states = self._states[data_set]
            states.keep(decoded, newest=replay_to == -math.inf)
            if states.newest_ms > replay_to:
                self._replay_to[data_set] = -math.inf
            return None
        stamp = self._stamp(decoded) if self._time is not None else report_ms
        if stamp > replay_to:
            self._replay_to[data_set] = replay_to = -math.inf
            self.floor_ms = 0
        if replay_to == -math.inf:
            self._check_clock(stamp)
        self._note_clock(decoded)
        self._measured.keep(decoded)
        return self._at(stamp)

    def checked(self, data_set: str, members: Members) -> Reading | None:
        """Take a data set that was asked for beside its reports, which may be newer.

        Returns:
            A reading, if it holds measurements of a tick that no report has told.

        Raises:
            BadReply: the encoding is broken.
        """
        decoded = self._decoders[data_set].decode(members)
        if data_set in self._states:
            self._states[data_set].keep(decoded)
            return None
        stamp = self._stamp(decoded)
        if 0 < stamp < self.newest_ms:
            return None
        self._note_clock(decoded)
        self._measured.keep(decoded)
        return self._at(stamp)

    def time_of(self, members: Members) -> int:
        """Return the time stamp in the measurement data set, 0 when there is none.

        Raises:
            BadReply: the encoding is broken.
        """
        return self._stamp(self._decoders[self.measurements].decode(members))

    def states(self, data_set: str) -> FastReading | None:
        """Return the states of the moment in a data set, None when they are told already.

        They are the newest by the device's time stamps, so that a replay of buffered reports
        tells nothing twice and no state of the past. They are not known while the binding is
        doubted: another object's state may lie there.
        """
        signals, table = self._fast.get(data_set, ((), self._table))
        if not signals:
            return None
        values, quality = table.evaluate(*self._leaves_at(_END_OF_TIME))
        found = {}
        for signal in signals:
            name = self._binding.layout.columns[signal.column].signal.name
            place = self._binding.layout.offset(name)[0]
            known = quality[place] == GOOD and not self.doubted
            found[name] = float(values[place]) if known else math.nan
        stamp = int(self._states[data_set].newest_ms)
        told = self._told.get(data_set)
        if told is not None and told[0] == stamp and _same(told[1], found):
            return None
        self._told[data_set] = (stamp, found)
        received_ms = now_ms()
        return FastReading(
            self.device, self._binding.layout.name, stamp or received_ms, received_ms, found
        )

    def _stamp(self, decoded: Decoded) -> int:
        place = self._time
        if place is None or decoded.status[place] > QUESTIONABLE:
            return 0
        return int(decoded.numbers[place])

    def _note_clock(self, decoded: Decoded) -> None:
        """See what the device says of the clock of its stamp."""
        if self._time is not None and decoded.status[self._time] <= QUESTIONABLE:
            self.clock_failed = bool(decoded.status[self._time] == QUESTIONABLE)

    def _check_clock(self, stamp: int) -> None:
        """Compare the stamp of a report of this moment with the station's clock."""
        allowed_s = self._binding.mapping.max_error_s
        error_s = (stamp - now_ms()) / 1000
        self.clock_error_s = error_s if abs(error_s) > allowed_s else 0.0
        if stamp < self.newest_ms - allowed_s * 1000:
            self._ticks.clear()
            self._known.clear()
            self.newest_ms = stamp
            # States were enabled first: their replay is over, and their stamps went back, too.
            self._replay_to = dict.fromkeys(self._replay_to, -math.inf)

    def _at(self, stamp: int) -> Reading | None:
        """Return the reading of a tick, None when it was handed over before."""
        if stamp <= self.floor_ms or stamp in self._known:
            return None
        if len(self._ticks) == self._ticks.maxlen:
            self._known.discard(self._ticks[0])
        self._ticks.append(stamp)
        self._known.add(stamp)
        self.newest_ms = max(self.newest_ms, stamp)
        values, quality = self._table.evaluate(*self._leaves_at(stamp))
        if self.clock_error_s or self.clock_failed or self.doubted:
            quality = np.maximum(quality, _DOUBT)
        raw, quality = self._table.raw(values, quality)
        return Reading(self.device, self._binding.layout.name, stamp, now_ms(), raw, quality)

    def _leaves_at(self, moment_ms: float) -> tuple[Floats, Codes]:
        """Return all leaves as they were at a time, and a place for what is not sent."""
        found = [
            (self._states.get(name) or self._measured).at(moment_ms) for name in self._decoders
        ]
        numbers = np.concatenate([*(one.numbers for one in found), _NO_NUMBER])
        status = np.concatenate([*(one.status for one in found), _ALL_GOOD])
        return numbers, status


def _same(one: dict[str, float], other: dict[str, float]) -> bool:
    """Whether two tellings are equal; what is not known equals itself."""
    return one.keys() == other.keys() and all(
        value == other[name] or (math.isnan(value) and math.isnan(other[name]))
        for name, value in one.items()
    )


def _leaves(binding: Binding) -> dict[str, list[Leaf]]:
    """Return the leaves that are needed, by data set and each once; measurements come last."""
    found: dict[str, dict[Leaf, None]] = {name: {} for name in binding.reports}
    if binding.time is not None:
        found[binding.time.data_set][binding.time] = None
    for signal in binding.signals:
        for point in signal.points:
            for leaf in (point.value, point.quality, point.time):
                if leaf is not None:
                    found[leaf.data_set][leaf] = None
    return {name: list(leaves) for name, leaves in found.items()}


def _remembered(leaves: list[Leaf], binding: Binding) -> Remembered:
    """Return an empty memory of a data set of states."""
    members: dict[int, list[int]] = {}
    for place, leaf in enumerate(leaves):
        members.setdefault(leaf.member, []).append(place)
    stamps = {
        point.value.member: leaves.index(point.time)
        for signal in binding.signals
        for point in signal.points
        if point.time in leaves and point.time.member == point.value.member
    }
    return Remembered({m: np.array(found, np.intp) for m, found in members.items()}, stamps)


def _state_signals(binding: Binding) -> dict[str, tuple[BoundSignal, ...]]:
    """Return the signals that lie whole in one data set other than the measurements'."""
    found: dict[str, list[BoundSignal]] = {}
    for signal in binding.signals:
        data_sets = {point.value.data_set for point in signal.points}
        one_value = binding.layout.columns[signal.column].repeat == 1
        if len(data_sets) == 1 and binding.measurements not in data_sets and one_value:
            found.setdefault(data_sets.pop(), []).append(signal)
    return {data_set: tuple(signals) for data_set, signals in found.items()}
