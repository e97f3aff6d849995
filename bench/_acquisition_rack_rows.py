"""What the run of 400 devices says: ticks missed, neighbours of a dead device, when it was told.

Pure sums of what the driver published. What never came counts as badly as it can: an unread
device misses every tick, a silence that nobody told lasts as long as it was watched.
"""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench._acquisition_rows import Rows, row
from station.protocols.driver import (
    DeviceStatus,
    FastHealth,
    MissedReading,
    Publication,
    Reading,
)

BEHIND_GATEWAY = "G"
"""The tags of devices that share one line begin with it."""
_SECOND_MS = 1000
_LATE_MS, _BACK_TARGET_S = 100.0, 5.0


@dataclass
class Heard:
    """What the driver published."""

    readings: list[Reading] = field(default_factory=list)
    statuses: list[DeviceStatus] = field(default_factory=list)
    missed: list[MissedReading] = field(default_factory=list)
    fast: FastHealth | None = None

    def __call__(self, publication: Publication) -> None:
        match publication:
            case Reading():
                # Values are not kept: fifteen seconds of them are gigabytes of arrays.
                late = Reading(
                    publication.device, publication.layout, publication.time_ms,
                    publication.received_ms, (), publication.quality[:0],
                )  # fmt: skip
                self.readings.append(late)
            case DeviceStatus():
                self.statuses.append(publication)
            case MissedReading():
                self.missed.append(publication)
            case FastHealth():
                self.fast = publication
            case _:
                pass


@dataclass(frozen=True)
class Windows:
    """When the sound run began and ended, two fell silent, came back, and all ended."""

    begin_ms: int
    sound_ms: int
    dead_ms: int
    woken_ms: int
    end_ms: int


def tick_rows(heard: Heard, devices: Sequence[str], windows: Windows) -> Rows:
    """Return how late readings are after their tick while all are sound, and what is missing."""
    begin_ms, end_ms = windows.begin_ms, windows.sound_ms
    late_ms = [one.received_ms - one.time_ms for one in _between(heard, begin_ms, end_ms)]
    told = Counter(one.kind for one in heard.missed if begin_ms <= one.time_ms < end_ms)
    return [
        row("modbus_tick_to_reading_p50_ms", _percentile(late_ms, 50), "ms"),
        row("modbus_tick_to_reading_p99_ms", _percentile(late_ms, 99), "ms", 1000),
        row(
            "modbus_ticks_missed",
            _ticks_missed(heard, devices, begin_ms, end_ms),
            "ticks",
            0,
            peers={f"told: {kind}": float(count) for kind, count in told.items()},
        ),
    ]


def dead_rows(
    heard: Heard, devices: Sequence[str], dead: Collection[str], windows: Windows
) -> Rows:
    """Compare the neighbours with themselves before; tell when the silent were told and back."""
    neighbours = [device for device in devices if device not in dead]
    silent = windows.dead_ms, windows.woken_ms
    missed = [
        one
        for one in heard.missed
        if one.device not in dead and windows.dead_ms <= one.time_ms < windows.woken_ms
    ]
    told = [
        _first_s((one.since_ms for one in _silences(heard, device)), *silent) for device in dead
    ]
    back = [
        _first_s(
            (one.received_ms for one in heard.readings if one.device == device),
            windows.woken_ms,
            windows.end_ms,
        )
        for device in dead
    ]
    return [
        _delay_row(heard, neighbours, windows),
        row(
            "dead_device_neighbour_ticks_missed",
            _ticks_missed(heard, neighbours, *silent),
            "ticks",
            0,
            peers={"told": float(len(missed))},
        ),
        row("dead_device_told_s", max(told), "s", _BACK_TARGET_S),
        row("dead_device_back_s", max(back), "s", _BACK_TARGET_S),
    ]


def _delay_row(heard: Heard, neighbours: Collection[str], windows: Windows) -> dict[str, object]:
    """Return how much later than each one's own median the neighbours are read."""
    own: dict[str, list[int]] = defaultdict(list)
    for one in _between(heard, windows.begin_ms, windows.sound_ms):
        own[one.device].append(one.received_ms - one.time_ms)
    usual = {device: statistics.median(own[device]) for device in neighbours if device in own}

    def delays(begin_ms: int, end_ms: int, *, gateway: bool) -> list[float]:
        return [
            one.received_ms - one.time_ms - usual[one.device]
            for one in _between(heard, begin_ms, end_ms)
            if one.device in usual and one.device.startswith(BEHIND_GATEWAY) == gateway
        ]

    alone = delays(windows.dead_ms, windows.woken_ms, gateway=False)
    together = delays(windows.dead_ms, windows.woken_ms, gateway=True)
    sound = [
        *delays(windows.begin_ms, windows.sound_ms, gateway=False),
        *delays(windows.begin_ms, windows.sound_ms, gateway=True),
    ]
    peers = {
        "none dead": _percentile(sound, 99),
        "other lines": _percentile(alone, 99),
        "same line, p50": _percentile(together, 50),
        "latest of all": max([*alone, *together], default=math.inf),
    }
    delay_ms = max(_percentile(alone, 99), _percentile(together, 99))
    return row("dead_device_delay_ms", delay_ms, "ms", _LATE_MS, peers=peers)


def _between(heard: Heard, begin_ms: int, end_ms: int) -> Iterator[Reading]:
    return (one for one in heard.readings if begin_ms <= one.received_ms < end_ms)


def _ticks_missed(heard: Heard, devices: Collection[str], begin_ms: int, end_ms: int) -> int:
    """Return how many whole seconds of the time have no reading, over all the devices.

    A reading that came after the end counts as come: how late it is, another row says.
    """
    seconds = range(-(-begin_ms // _SECOND_MS), end_ms // _SECOND_MS)
    come: dict[str, set[int]] = defaultdict(set)
    for reading in heard.readings:
        come[reading.device].add(reading.time_ms // _SECOND_MS)
    return sum(len(set(seconds) - come[device]) for device in devices)


def _silences(heard: Heard, device: str) -> Iterator[DeviceStatus]:
    return (one for one in heard.statuses if one.device == device and not one.connected)


def _first_s(times_ms: Iterable[int], begin_ms: int, end_ms: int) -> float:
    """Return the seconds to the first time since the beginning; all of them if there is none."""
    return (min((ms for ms in times_ms if ms >= begin_ms), default=end_ms) - begin_ms) / 1000


def _percentile(values: Sequence[float], of_100: int) -> float:
    """Return the percentile, infinite where nothing came that could be on time."""
    return float(np.percentile(values, of_100)) if values else math.inf
