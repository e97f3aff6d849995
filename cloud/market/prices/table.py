"""Rows on their way into a series, and a stretch of a series on its way out."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud.market.units import DAY_MIN

Millis = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Table:
    """Rows of one series; all arrays have shape (n,).

    Attributes:
        start_ms: beginning of the interval, UTC.
        known_ms: when the value became known, UTC.
        value: in the series' unit; NaN where a file has an empty field.
    """

    start_ms: Millis
    known_ms: Millis
    value: Floats

    def __len__(self) -> int:
        return len(self.start_ms)

    def only(self, keep: Mask) -> "Table":
        """Return the rows where `keep` is set."""
        return Table(self.start_ms[keep], self.known_ms[keep], self.value[keep])

    def in_order(self) -> "Table":
        """Return the rows by interval, then by the time they became known."""
        order = np.lexsort((self.known_ms, self.start_ms))
        return Table(self.start_ms[order], self.known_ms[order], self.value[order])


@dataclass(frozen=True)
class Reading:
    """A stretch of a series on its grid, as it could be seen at a time.

    Attributes:
        series: id.
        start_ms: beginnings of the intervals, UTC, without holes, shape (n,).
        step_min: minutes an interval.
        value: shape (n,); NaN where nothing was known.
        known_ms: when each value became known, shape (n,); 0 where nothing was.
    """

    series: str
    start_ms: Millis
    step_min: int
    value: Floats
    known_ms: Millis

    @property
    def days(self) -> float:
        """How many days of values there are, holes not counted."""
        return float(np.isfinite(self.value).sum()) * self.step_min / DAY_MIN
