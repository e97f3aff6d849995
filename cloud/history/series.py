"""From stored buckets and frames to the series of an answer."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cloud.history.blocks.reading import Track
from cloud.history.model import Series, SignalRef
from cloud.history.rollups.arithmetic import Buckets, coarser, is_power, reduce_samples
from cloud.history.rollups.sql_rows import KWH_PER_KW_MS
from contract.frame import Frame, Quality
from contract.signals import Signal


def of_buckets(
    ref: SignalRef, signal: Signal, starts_ms: NDArray[np.int64], buckets: Buckets
) -> Series:
    """Return the series of buckets that have samples.

    Args:
        ref: which signal.
        signal: it.
        starts_ms: shape (n,).
        buckets: shape (n, 1), in the signal's unit.
    """
    has = buckets.count[:, 0] > 0
    found = buckets.rows(has)
    energies: tuple[NDArray[np.float64] | None, ...] = (None, None)
    if is_power(signal):
        energies = (found.out[:, 0] * KWH_PER_KW_MS, found.into[:, 0] * KWH_PER_KW_MS)
    return Series(
        ref,
        signal.unit,
        starts_ms[has],
        found.total[:, 0] / found.count[:, 0],
        minimum=found.minimum[:, 0],
        maximum=found.maximum[:, 0],
        last=found.last[:, 0],
        count=found.count[:, 0].astype(np.int64),
        discharged_kwh=energies[0],
        charged_kwh=energies[1],
    )


def regrouped(
    quarters: Buckets, quarter_ms: int, first_ms: int, starts_ms: NDArray[np.int64]
) -> Buckets:
    """Roll quarter hours up into the buckets of a calendar.

    Args:
        quarters: dense from `first_ms` up to the last element of `starts_ms`.
        quarter_ms: their length.
        first_ms: start of the first quarter hour, equal to the first of `starts_ms`.
        starts_ms: starts of the buckets and the end of the last, shape (n + 1,).
    """
    return coarser(quarters, quarter_ms, (starts_ms[:-1] - first_ms) // quarter_ms)


def of_track(ref: SignalRef, unit: str, track: Track, bucket_ms: int) -> Series:
    """Bucket a raw track, for signals without rollups of this fineness (cells by the minute)."""
    if not len(track.times_ms):
        nothing = np.zeros(0)
        return Series(
            *(ref, unit, nothing.astype(np.int64), nothing),
            minimum=nothing,
            maximum=nothing,
            last=nothing,
            count=nothing.astype(np.int64),
        )
    first_ms = int(track.times_ms[0]) // bucket_ms * bucket_ms
    n = (int(track.times_ms[-1]) - first_ms) // bucket_ms + 1
    usable = np.isfinite(track.values)[:, None]
    found = reduce_samples(
        track.times_ms - first_ms,
        np.zeros(len(track.times_ms), dtype=np.int64),
        np.where(usable, track.values[:, None], 0.0),
        usable,
        (n, bucket_ms),
    )
    has = found.count[:, 0] > 0
    starts = first_ms + np.arange(n, dtype=np.int64) * bucket_ms
    count = found.count[has, 0]
    return Series(
        ref,
        unit,
        starts[has],
        found.total[has, 0] / count,
        minimum=found.minimum[has, 0],
        maximum=found.maximum[has, 0],
        last=found.last[has, 0],
        count=count.astype(np.int64),
    )


def of_cell_days(
    ref: SignalRef, unit: str, days: Sequence[dict[str, Frame]], span: tuple[int, int]
) -> Series:
    """Return the quarter hours of one cell: mean, minimum and maximum."""
    column = (ref.index or 1) - 1
    parts: dict[str, list[NDArray[np.float64]]] = {"mean": [], "minimum": [], "maximum": []}
    times: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    for day in days:
        frame = day["mean"]
        at = frame.times_ms
        rows = frame.quality_of(ref.signal)[:, column] != Quality.MISSING
        rows &= (at >= span[0]) & (at < span[1])
        times.append(at[rows])
        for name, part in parts.items():
            part.append(day[name].physical(ref.signal)[rows, column])
    values = {name: np.concatenate([np.zeros(0), *part]) for name, part in parts.items()}
    return Series(
        ref,
        unit,
        np.concatenate(times),
        values["mean"],
        minimum=values["minimum"],
        maximum=values["maximum"],
    )
