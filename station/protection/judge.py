"""From values to levels: delay, dead band and clearing time, for all devices of a rule at once.

What is not known never looks healthy: a value that cannot be read keeps the last one's
standing. A delay that runs goes on running, and a level that stands goes on standing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from station.protection.levels import Level
from station.protection.rules import Rule, Sense

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Reading:
    """A quantity at all devices that have it; arrays of shape (devices,).

    Attributes:
        devices: their tags.
        containers: the container of each, empty for the whole station.
        values: NaN where not known.
        times_ms: device times.
        cells: 1-based index of the cell that has the value, 0 for none.
    """

    devices: tuple[str, ...]
    containers: tuple[str, ...]
    values: Floats
    times_ms: Ints
    cells: Ints


@dataclass(frozen=True, eq=False)
class Judgement:
    """What is remembered of one rule; arrays (levels, devices), `value` and `known` (devices,).

    Attributes:
        devices, containers: as read last.
        over: the value was beyond the limit when last known.
        over_s: for how long.
        began_ms: device time at which it went beyond.
        standing: the level is reached and has not ended.
        back_s: for how long the value is back behind limit and dead band.
        value, cells, known: as read last.
    """

    devices: tuple[str, ...]
    containers: tuple[str, ...]
    over: Flags
    over_s: Floats
    began_ms: Ints
    standing: Flags
    back_s: Floats
    value: Floats
    cells: Ints
    known: Flags
    index: Mapping[str, int] = field(default_factory=dict)


def judge(rule: Rule, reading: Reading, before: Judgement | None, dt_s: float) -> Judgement:
    """Return a rule's judgement after `dt_s` more seconds.

    Args:
        rule: limits, delays, dead bands.
        reading: the quantity now.
        before: the judgement of the last cycle, None at the start.
        dt_s: station time since then.
    """
    levels = [level for _, level in rule.levels]
    was = _aligned(before, reading, len(levels))
    sign = 1.0 if rule.sense is Sense.HIGH else -1.0
    limit = sign * _column([level.limit for level in levels])
    band = _column([level.dead_band for level in levels])
    known = np.isfinite(reading.values)
    value = np.where(known, sign * reading.values, -np.inf)
    over = np.where(known, value > limit, was.over)
    over_s = np.where(over, np.where(was.over, was.over_s + dt_s, 0.0), 0.0)
    began = np.where(over & ~was.over, reading.times_ms, was.began_ms)
    back = known & (value <= limit - band)
    back_s = np.where(back, np.where(was.back_s >= 0, was.back_s + dt_s, 0.0), -1.0)
    delay = _column([level.delay_s for level in levels])
    clear = _column([level.clear_s for level in levels])
    standing = (was.standing & ~(back & (back_s >= clear))) | (over & (over_s >= delay))
    return Judgement(
        devices=reading.devices,
        containers=reading.containers,
        over=over,
        over_s=over_s,
        began_ms=began,
        standing=standing,
        back_s=back_s,
        value=np.where(known, reading.values, was.value),
        cells=np.where(known, reading.cells, was.cells),
        known=known,
        index=was.index,
    )


def edges(rule: Rule, now: Judgement, before: Judgement | None) -> list[tuple[Level, int]]:
    """Return (level, device index) of the levels that stand now and did not before."""
    was = _aligned(before, now, len(rule.levels)).standing
    fresh = now.standing & ~was
    names = [level for level, _ in rule.levels]
    return [(names[i], int(j)) for i, j in zip(*np.nonzero(fresh), strict=True)]


def highest(rule: Rule, judgement: Judgement) -> list[tuple[Level, int, int]]:
    """Return (level, level index, device index) of the highest level of each affected device."""
    names = [level for level, _ in rule.levels]
    found = []
    for j in np.nonzero(judgement.standing.any(axis=0))[0]:
        i = int(np.nonzero(judgement.standing[:, j])[0][-1])
        found.append((names[i], i, int(j)))
    return found


def _column(numbers: list[float]) -> Floats:
    return np.array(numbers, dtype=np.float64)[:, None]


def _aligned(before: Judgement | None, reading: Reading | Judgement, levels: int) -> Judgement:
    """Return the last judgement in the order of the devices read now; new ones start clean."""
    if before is not None and before.devices == reading.devices and len(before.over) == levels:
        return before
    clean = _clean(reading, levels)
    if before is None or len(before.over) != levels:
        return clean
    kept = [(before.index[d], k) for d, k in clean.index.items() if d in before.index]
    if kept:
        old, new = (list(side) for side in zip(*kept, strict=True))
        for name in ("over", "over_s", "began_ms", "standing", "back_s"):
            getattr(clean, name)[:, new] = getattr(before, name)[:, old]
        clean.value[new], clean.cells[new] = before.value[old], before.cells[old]
    return clean


def _clean(reading: Reading | Judgement, levels: int) -> Judgement:
    shape = (levels, len(reading.devices))
    return Judgement(
        devices=reading.devices,
        containers=reading.containers,
        over=np.zeros(shape, dtype=np.bool_),
        over_s=np.zeros(shape),
        began_ms=np.zeros(shape, dtype=np.int64),
        standing=np.zeros(shape, dtype=np.bool_),
        back_s=np.full(shape, -1.0),
        value=np.full(shape[1], np.nan),
        cells=np.zeros(shape[1], dtype=np.int64),
        known=np.zeros(shape[1], dtype=np.bool_),
        index={device: k for k, device in enumerate(reading.devices)},
    )
