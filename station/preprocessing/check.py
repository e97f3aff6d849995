"""One signal of the cells of many racks: what is a spike, what stands still, what has a wrong unit.

Cells of a rack carry one current, so a cell is looked at against the others of its rack: what they
all do together is the plant's doing. All arrays are of racks by cells; NaN is not usable.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from station.preprocessing.settings import Checks

Grid = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Seconds = npt.NDArray[np.float64]
NO_MISTAKE = -1
_T = TypeVar("_T", np.float32, np.float64)


@dataclass(frozen=True, eq=False)
class Seen:
    """What is remembered of the samples before.

    Attributes:
        value: the last usable value of each cell; NaN before the first.
        believed: the last one that was no spike.
        since_s: since when a cell has had its value, (racks, cells).
        mean_then: the mean of its rack at that time.
    """

    value: Grid
    believed: Grid
    since_s: Seconds
    mean_then: Grid

    @classmethod
    def nothing(cls, racks: int, cells: int) -> "Seen":
        """Return the memory before the first sample."""
        unknown = np.full((racks, cells), np.nan, np.float32)
        return cls(unknown, unknown, np.zeros((racks, cells)), unknown)

    def of(self, racks: npt.NDArray[np.intp]) -> "Seen":
        """Return the memory of some racks."""
        if len(racks) == len(self.value) and (np.diff(racks) == 1).all():
            return self
        return Seen(
            self.value[racks], self.believed[racks], self.since_s[racks], self.mean_then[racks]
        )

    def with_racks(self, racks: npt.NDArray[np.intp], seen: "Seen") -> "Seen":
        """Return the memory after some racks have been seen anew."""
        if len(racks) == len(self.value) and (np.diff(racks) == 1).all():
            return seen
        return Seen(
            _put(self.value, racks, seen.value),
            _put(self.believed, racks, seen.believed),
            _put(self.since_s, racks, seen.since_s),
            _put(self.mean_then, racks, seen.mean_then),
        )


def _put(
    whole: npt.NDArray[_T], racks: npt.NDArray[np.intp], part: npt.NDArray[_T]
) -> "npt.NDArray[_T]":
    after = whole.copy()
    after[racks] = part
    return after


@dataclass(frozen=True, eq=False)
class Found:
    """What one sample of each rack shows.

    Attributes:
        spike: cells that have jumped away from the others, and not yet twice.
        frozen: cells that stand still while the others move.
        mistake: which of the mistakes of units each rack shows, (racks,); NO_MISTAKE: none.
    """

    spike: Flags
    frozen: Flags
    mistake: npt.NDArray[np.intp]


def check(checks: Checks, before: Seen, values: Grid, time_s: Seconds) -> tuple[Found, Seen]:
    """Return what is found in one sample of each rack, and what is remembered then.

    Args:
        checks: what is looked for.
        before: what is remembered of these racks.
        values: of the cells in the unit of the signal, NaN where not usable.
        time_s: device times, (racks,).
    """
    usable = ~np.isnan(values)
    mean = _mean(values, usable)
    mistake = _mistakes(checks, mean)
    spike = _spikes(checks, before, values)
    same = values == before.value
    since_s = np.where(same, before.since_s, time_s[:, None])
    mean_then = np.where(same, before.mean_then, mean[:, None])
    frozen = same & (time_s[:, None] - since_s >= checks.frozen_s)
    frozen &= np.abs(mean[:, None] - mean_then) >= checks.moved
    seen = Seen(
        value=np.where(usable, values, before.value),
        believed=np.where(usable & ~spike, values, before.believed),
        since_s=since_s,
        mean_then=mean_then,
    )
    return Found(spike, frozen, mistake), seen


def _mean(values: Grid, usable: Flags) -> Grid:
    count = usable.sum(axis=1)
    total = np.where(usable, values, np.float32(0)).sum(axis=1)
    known = total / np.maximum(count, 1)
    return np.where(count > 0, known, np.nan).astype(np.float32)


def _spikes(checks: Checks, before: Seen, values: Grid) -> Flags:
    """Return the cells that are away from where they were believed and from where they were.

    A cell that stays where it jumped to is there; one that comes back was never away.
    """
    step = values - before.value
    together = _mean(step, ~np.isnan(step))[:, None]
    away = np.abs(step - together) > checks.spike
    odd = np.flatnonzero(away.any(axis=1))
    spike: Flags = np.zeros_like(away)
    if odd.size:
        # One cell far away moves the mean of a rack, but not its median, which costs more.
        median = np.nanmedian(step[odd], axis=1, keepdims=True)
        away_now = np.abs(step[odd] - median) > checks.spike
        away_still = np.abs(values[odd] - before.believed[odd] - median) > checks.spike
        spike[odd] = away_now & away_still
    return spike


def _mistakes(checks: Checks, mean: Grid) -> npt.NDArray[np.intp]:
    """Return the first mistake of units that explains a mean which is not plausible."""
    found = np.full(len(mean), NO_MISTAKE, np.intp)
    (low, high), (least, most) = checks.usual, checks.plausible
    odd = (mean < least) | (mean > most)
    if not odd.any():
        return found
    for number, mistake in enumerate(checks.mistakes):
        right = mean * mistake.factor + mistake.offset
        fits = odd & (found == NO_MISTAKE) & (right >= low) & (right <= high)
        found[fits] = number
    return found
