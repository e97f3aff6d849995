"""Rollups as arithmetic: from samples to buckets, from fine buckets to coarse ones.

A bucket of a signal knows its minimum, maximum, sum, count and last value, and for a power its
energy in each direction. All numbers are kept in raw units (see `contract.signals`): sums of
scaled integers are whole numbers that a float64 holds exactly, so the order in which data
arrive cannot change a digit, and a quarter hour made of minutes equals one made of samples.

A sample belongs to the bucket of its grid time. Energy: each sample of a power stands for one
step of its grid, or until the next sample of its minute if that comes earlier; where there is no
sample there is no energy, and `count` says how much was seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.frame import Frame, Quality
from contract.layouts import Layout
from contract.signals import Signal

MINUTE_MS: Final = 60_000
QUARTER_MS: Final = 15 * MINUTE_MS
ENERGY_UNIT: Final = "kW"
"""Signals in this unit that may be of either sign or a limit: their integral is an energy."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Buckets:
    """Dense buckets of several signals: arrays of shape (buckets, signals), raw units.

    Attributes:
        count: samples with a usable value; 0 where the bucket has none, and then all is 0.
        minimum, maximum, total: over these samples.
        last: value of the newest of them.
        last_ms: its grid time, counted from the bucket's start.
        out, into: integral of positive and of negative values (as a positive number), raw
            times milliseconds.
    """

    count: Floats
    minimum: Floats
    maximum: Floats
    total: Floats
    last: Floats
    last_ms: Floats
    out: Floats
    into: Floats

    @classmethod
    def empty(cls, buckets: int, signals: int) -> "Buckets":
        """Buckets without a sample."""
        return cls(*(np.zeros((buckets, signals)) for _ in fields(cls)))

    def rows(self, chosen: slice | NDArray[np.bool_]) -> "Buckets":
        """Some of the buckets."""
        return Buckets(*(column[chosen] for column in vars(self).values()))

    def column(self, number: int) -> "Buckets":
        """All buckets of one signal."""
        return Buckets(*(column[:, [number]] for column in vars(self).values()))


def scalars(layout: Layout) -> tuple[Signal, ...]:
    """The signals of a layout that have one value a sample; only these are rolled up here."""
    return tuple(column.signal for column in layout.columns if column.repeat == 1)


def is_power(signal: Signal) -> bool:
    """Whether the signal's integral is an energy in kWh."""
    return signal.unit == ENERGY_UNIT


def aggregate(
    frames: Sequence[Frame], layout: Layout, start_ms: int, end_ms: int, tier_ms: int
) -> Buckets:
    """Roll up samples with grid times in [start_ms, end_ms); frames of one device and layout.

    Frames of one grid have been merged before (`reading.merged`), so that a sample is in one
    frame only; frames of several grids (another step or phase) are taken together by time.

    Args:
        frames: they may reach beyond the range.
        layout: theirs.
        start_ms: a multiple of `tier_ms`.
        end_ms: another.
        tier_ms: length of a bucket.
    """
    names = [signal.name for signal in scalars(layout)]
    n_buckets = (end_ms - start_ms) // tier_ms
    pieces = [piece for f in frames if (piece := f.between(start_ms, end_ms)) is not None]
    if not pieces or not names or not any(f.present.any() for f in pieces):
        return Buckets.empty(n_buckets, len(names))
    power = np.array([is_power(signal) for signal in scalars(layout)], dtype=np.float64)
    times = np.concatenate([_grid_times(f) for f in pieces])
    steps = np.concatenate([np.full(f.present.sum(), f.step_ms) for f in pieces])
    values = np.vstack([_stacked(f, names) for f in pieces])
    quality = np.vstack([np.hstack([f.quality_of(n) for n in names])[f.present] for f in pieces])
    usable = (quality < Quality.INVALID) & np.isfinite(values)
    if len(pieces) > 1:
        order = np.argsort(times, kind="stable")
        times, steps, values, usable = times[order], steps[order], values[order], usable[order]
    found = reduce_samples(times - start_ms, steps, values, usable, (n_buckets, tier_ms))
    return replace(found, out=found.out * power, into=found.into * power)


def _grid_times(frame: Frame) -> NDArray[np.int64]:
    """Grid times of the samples, without their jitter."""
    return frame.t0_ms + frame.step_ms * np.flatnonzero(frame.present).astype(np.int64)


def _stacked(frame: Frame, names: Sequence[str]) -> Floats:
    return np.hstack([frame.raw(name) for name in names])[frame.present].astype(np.float64)


def reduce_samples(
    times: NDArray[np.int64],
    steps: NDArray[np.int64],
    values: Floats,
    usable: NDArray[np.bool_],
    grid: tuple[int, int],
) -> Buckets:
    """Reduce at least one sample, sorted by time, to dense buckets.

    Args:
        times: ms since the first bucket's start, shape (n,).
        steps: for how long each sample stands at most, ms, shape (n,).
        values: shape (n, signals).
        usable: which of them count, shape (n, signals).
        grid: number of buckets and their length in ms.
    """
    n_buckets, tier_ms = grid
    bucket = times // tier_ms
    first = np.flatnonzero(np.r_[True, bucket[1:] != bucket[:-1]])
    where = bucket[first]
    seen = usable.astype(np.float64)
    until_next = np.minimum(np.r_[np.diff(times), steps[-1]], steps)
    ends = np.r_[first[1:] - 1, len(times) - 1]
    until_next[ends] = steps[ends]
    stands = until_next[:, None] * seen
    clean = np.where(usable, values, 0.0)
    rows = np.where(usable, np.arange(len(times))[:, None], -1)
    newest = np.maximum.reduceat(rows, first)
    columns = np.arange(values.shape[1])[None, :]
    last = np.where(newest >= 0, clean[newest, columns], 0.0)
    last_ms = np.where(newest >= 0, (times % tier_ms)[newest], 0)
    count = np.add.reduceat(seen, first)
    least = np.minimum.reduceat(np.where(usable, values, np.inf), first)
    most = np.maximum.reduceat(np.where(usable, values, -np.inf), first)
    reduced = Buckets(
        count=count,
        minimum=np.where(count > 0, least, 0.0),
        maximum=np.where(count > 0, most, 0.0),
        total=np.add.reduceat(clean, first),
        last=last,
        last_ms=last_ms.astype(np.float64),
        out=np.add.reduceat(np.maximum(clean, 0.0) * stands, first),
        into=np.add.reduceat(np.maximum(-clean, 0.0) * stands, first),
    )
    dense = Buckets.empty(n_buckets, values.shape[1])
    for field in fields(Buckets):
        getattr(dense, field.name)[where] = getattr(reduced, field.name)
    return dense


def coarser(fine: Buckets, tier_ms: int, first: NDArray[np.int64]) -> Buckets:
    """Roll neighbouring buckets up into coarse ones.

    Args:
        fine: dense buckets of `tier_ms`, at least one.
        tier_ms: their length.
        first: index of the fine bucket with which each coarse one begins, ascending from 0;
            a coarse bucket reaches up to the next one's first.
    """
    number = np.arange(len(fine.count))[:, None]
    has = fine.count > 0
    newest = np.maximum.reduceat(np.where(has, number, -1), first)
    columns = np.arange(fine.count.shape[1])[None, :]
    filled = newest >= 0
    chosen = np.maximum(newest, 0)
    since = (chosen - first[:, None]) * tier_ms
    least = np.minimum.reduceat(np.where(has, fine.minimum, np.inf), first)
    most = np.maximum.reduceat(np.where(has, fine.maximum, -np.inf), first)
    return Buckets(
        count=np.add.reduceat(fine.count, first),
        minimum=np.where(filled, least, 0.0),
        maximum=np.where(filled, most, 0.0),
        total=np.add.reduceat(fine.total, first),
        last=np.where(filled, fine.last[chosen, columns], 0.0),
        last_ms=np.where(filled, fine.last_ms[chosen, columns] + since, 0.0),
        out=np.add.reduceat(fine.out, first),
        into=np.add.reduceat(fine.into, first),
    )


def overlay(below: Buckets, above: Buckets) -> Buckets:
    """Buckets of `above` where it has any sample in the bucket, else those of `below`.

    A recomputed bucket holds everything that is stored for it, so it takes the place of the
    older one whole, signal by signal.
    """
    newer = above.count > 0
    return Buckets(
        *(np.where(newer, getattr(above, f.name), getattr(below, f.name)) for f in fields(below))
    )


def united(one: Buckets, other: Buckets) -> Buckets:
    """Combine buckets of the same time and signal out of two layouts of a device."""
    both = (one.count > 0) & (other.count > 0)
    later = np.where(both, other.last_ms >= one.last_ms, other.count > 0)
    return Buckets(
        count=one.count + other.count,
        minimum=np.where(both, np.minimum(one.minimum, other.minimum), one.minimum + other.minimum),
        maximum=np.where(both, np.maximum(one.maximum, other.maximum), one.maximum + other.maximum),
        total=one.total + other.total,
        last=np.where(later, other.last, one.last),
        last_ms=np.where(later, other.last_ms, one.last_ms),
        out=one.out + other.out,
        into=one.into + other.into,
    )


def scaled(buckets: Buckets, scale: float) -> Buckets:
    """From raw units to the signal's unit; energies come out in unit times milliseconds."""
    names = ("minimum", "maximum", "total", "last", "out", "into")
    return replace(buckets, **{name: getattr(buckets, name) * scale for name in names})
