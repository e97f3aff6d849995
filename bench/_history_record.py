"""Everything that is stored and asked in the benchmark of history, and what is true of it.

- `seconds`, `cells`: the recorded day of a small station (see `_history_plant`);
- `quarters`: 15-min history of a grid meter and a feeder, 32 signals, a year or more;
- batches of ten seconds of a large station (17,020 points at 1 s, 434 devices), whose devices
  each repeat another part of the recorded day.

The true answers are computed here from the frames alone, so every store is held to them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bench._history_layouts import CONVERTER, RACK
from bench._history_plant import DAY_S, T0_MS, frame_of, record_day
from contract import layouts
from contract.frame import Frame
from contract.layout import Layout

HOUR_MS = 3_600_000
QUARTER_MS = 900_000
DAY_MS = 86_400_000
BATCH_S = 10
METER = "meter"
METERED = {METER: layouts.METER, "feeder": layouts.PCS}
"""Devices with 15-min history, 32 signals together."""
POWER = "active_power_kw"
_BIG_CONVERTERS, _BIG_RACKS = 34, 400
_STRIDE_S = 1_009
"""A prime: the parts of the day that devices of the large station repeat never coincide."""

Answer = tuple[NDArray[np.float64], ...]
"""Arrays that every store must give equally: times in epoch ms as numbers, values in units."""


@dataclass(frozen=True)
class Record:
    """What is stored, from `start_ms` on; the quarter hours begin a whole number of days there."""

    seconds: Sequence[Frame]
    cells: Sequence[Frame]
    quarters: Sequence[Frame]

    @property
    def start_ms(self) -> int:
        """The first second of the recorded day."""
        return self.seconds[0].t0_ms

    @property
    def end_ms(self) -> int:
        """The end of the recorded day."""
        return self.seconds[0].end_ms

    @property
    def tables(self) -> dict[str, Sequence[Frame]]:
        """The three parts by name."""
        return {"seconds": self.seconds, "cells": self.cells, "quarters": self.quarters}

    def moved(self, start_ms: int, quarters: Sequence[Frame]) -> "Record":
        """Return the same day at another time, with other quarter hours."""
        seconds, cells = (
            [replace(frame, t0_ms=start_ms) for frame in frames]
            for frames in (self.seconds, self.cells)
        )
        return Record(seconds, cells, quarters)

    def thinned(self) -> "Record":
        """Return the record with one hour only of all 1 s data but the first converter's.

        For stores that take minutes to load a day: a question for a signal of that converter, or
        for cells, touches as much data as in the whole.
        """
        until = self.start_ms + HOUR_MS
        hours = [frame.between(self.start_ms, until) for frame in self.seconds[1:]]
        kept = [frame for frame in hours if frame is not None]
        return Record([self.seconds[0], *kept], self.cells, self.quarters)

    @cached_property
    def asked_signals(self) -> tuple[str, ...]:
        """Signals of the first converter that questions go through: those that are measured."""
        return tuple(
            column.signal.name
            for column in CONVERTER.columns
            if column.signal.unit and "setpoint" not in column.signal.name
        )


def values_in(frames: Sequence[Frame]) -> int:
    """How many values frames hold."""
    return sum(frame.n * frame.layout.width for frame in frames)


def make_record(length_s: int = DAY_S, days: int = 365) -> Record:
    """Return the first seconds of the day, and quarter hours of so many days up to it."""
    day = record_day(length_s)
    return Record(day.seconds, day.cells, quarter_hours(T0_MS - days * DAY_MS, days))


def quarter_hours(start_ms: int, days: int, devices: Mapping[str, Layout] = METERED) -> list[Frame]:
    """Return 15-min history of the meter (12 signals) and the feeder (20 signals).

    Two cycles a day of a height that changes from day to day; other signals follow or wander.
    """
    rng = np.random.default_rng(11)
    n = days * 96
    hour = np.arange(n) % 96 / 4
    shape = np.select(
        [hour < 2, (hour >= 8) & (hour < 10), (hour >= 12) & (hour < 14)], [-1, 1, -1]
    )
    shape = np.where((hour >= 18) & (hour < 20), 1, shape)
    height = np.repeat(rng.uniform(600, 1_800, days), 96)
    power = shape * height + rng.normal(0, 2, n)
    measured = {
        POWER: power,
        "reactive_power_kvar": 20 + rng.normal(0, 1, n),
        "frequency_hz": np.round(50 + rng.normal(0, 0.01, n), 2),
        **{f"voltage_{p}_v": 35_000 + rng.normal(0, 40, n) for p in ("ab", "bc", "ca")},
        **{f"current_{p}_a": np.abs(power) / 60 + rng.normal(0, 0.1, n) for p in "abc"},
        "energy_discharged_kwh": 123_456 + np.cumsum(np.maximum(power, 0)) / 4,
        "energy_charged_kwh": 130_456 + np.cumsum(np.maximum(-power, 0)) / 4,
        "heatsink_temperature_c": 30 + np.abs(power) / 60 + rng.normal(0, 0.5, n),
    }
    return [
        frame_of(device, layout, start_ms, QUARTER_MS, measured)
        for device, layout in devices.items()
    ]


def large_batch(record: Record, number: int) -> list[Frame]:
    """Return ten seconds of the large station: 34 converters, 400 racks, 17,020 points."""
    frames = []
    for layout, prefix, count in ((CONVERTER, "C", _BIG_CONVERTERS), (RACK, "R", _BIG_RACKS)):
        kind = [frame for frame in record.seconds if frame.layout is layout]
        for index in range(count):
            source = kind[index % len(kind)]
            first = (index * _STRIDE_S + number * BATCH_S) % (source.n - BATCH_S)
            rows = slice(first, first + BATCH_S)
            values = tuple(column[rows] for column in source.values)
            device, at_ms = f"{prefix}{index:03d}", record.start_ms + number * BATCH_S * 1_000
            frames.append(
                Frame(device, layout, at_ms, source.step_ms, values, source.quality[rows])
            )
    return frames


def newest(batch: Sequence[Frame]) -> Answer:
    """The last row of every device of a batch, one array in the order of its frames."""
    rows = [
        frame.physical(column.signal.name)[-1] for frame in batch for column in frame.layout.columns
    ]
    return (np.concatenate(rows),)


def series(frame: Frame, signal: str, start_ms: int, end_ms: int) -> Answer:
    """Times and values of a signal in [start_ms, end_ms)."""
    piece = frame.between(start_ms, end_ms)
    assert piece is not None  # noqa: S101 - questions lie inside the record
    return piece.times_ms.astype(np.float64), piece.physical(signal)[:, 0]


def buckets(frame: Frame, signal: str, start_ms: int, end_ms: int) -> Answer:
    """Starts, means, minima and maxima of the quarter hours of a signal."""
    times, values = series(frame, signal, start_ms, end_ms)
    starts = times - times % QUARTER_MS
    first = np.flatnonzero(np.r_[True, starts[1:] != starts[:-1]])
    counts = np.diff(np.r_[first, len(starts)])
    means = np.add.reduceat(values, first) / counts
    lowest, highest = np.minimum.reduceat(values, first), np.maximum.reduceat(values, first)
    return starts[first], means, lowest, highest


def daily_energy(frame: Frame, start_ms: int, end_ms: int) -> Answer:
    """Starts of the days (UTC) and their net energy in kWh, discharge positive."""
    times, power_kw = series(frame, POWER, start_ms, end_ms)
    days = times[::96]
    return days, power_kw.reshape(len(days), 96).sum(axis=1) / 4


def cells_at(cells: Sequence[Frame], at_ms: int) -> Answer:
    """Voltages and temperatures of every cell of every rack at or before a time, (racks, n)."""
    rows = [(at_ms - frame.t0_ms) // frame.step_ms for frame in cells]
    volts, warm = (
        np.stack([frame.physical(name)[row] for frame, row in zip(cells, rows, strict=True)])
        for name in ("cell_voltage_v", "cell_temperature_c")
    )
    return volts, warm
