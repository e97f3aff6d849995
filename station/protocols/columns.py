"""From the values of a row to the columns of a layout, whichever protocol brought them.

A column holds whole numbers of one, two or four bytes, or floating-point numbers of four. What it
cannot hold is invalid; it is never cut off, wrapped around or made infinite.
"""

import itertools

import numpy as np
import numpy.typing as npt

from contract.frame import Quality
from contract.layouts import Layout

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.uint8]
# Members of an enumeration are found slowly; this one is looked up for each row.
_INVALID = np.uint8(Quality.INVALID)


def bounds(dtype: str) -> tuple[float, float]:
    """Return the lowest and the highest number that a raw type of the contract can hold."""
    found = np.dtype(dtype)
    info = np.iinfo(found) if found.kind == "i" else np.finfo(found)
    return float(info.min), float(info.max)


class Columns:
    """The columns of one layout; all columns of one type side by side are made together."""

    def __init__(self, layout: Layout) -> None:
        """Work out what each value of a row can hold."""
        repeats = [column.repeat for column in layout.columns]
        types = [column.signal.dtype for column in layout.columns]
        self._low, self._high = (
            np.repeat(ends, repeats) for ends in zip(*map(bounds, types), strict=True)
        )
        self._whole = np.repeat([np.dtype(name).kind == "i" for name in types], repeats)
        self._runs = _runs(layout)

    def of(self, row: Floats, quality: Flags) -> tuple[npt.NDArray[np.generic], ...]:
        """Return one raw array per column; changes both arrays it is given, shape (width,).

        Args:
            row: values in raw units of the layout; becomes whole where the column is, and 0 where
                the quality is invalid or worse.
            quality: of each value; becomes invalid where the column cannot hold the value.
        """
        np.rint(row, out=row, where=self._whole)
        quality[~((row >= self._low) & (row <= self._high))] = _INVALID
        row[quality >= _INVALID] = 0.0
        columns: list[npt.NDArray[np.generic]] = []
        for start, stop, dtype, places in self._runs:
            run = row[start:stop].astype(dtype)
            columns += [run[place] for place in places]
        return tuple(columns)


def _runs(layout: Layout) -> list[tuple[int, int, np.dtype[np.generic], list[slice]]]:
    """Return runs of columns of one type: begin, end, type, and each column's place in it."""
    found: list[tuple[int, int, np.dtype[np.generic], list[slice]]] = []
    start = 0
    for dtype, columns in itertools.groupby(
        layout.columns, lambda column: np.dtype(column.signal.dtype)
    ):
        ends = list(itertools.accumulate((c.repeat for c in columns), initial=0))
        places = [slice(*ends_of) for ends_of in itertools.pairwise(ends)]
        found.append((start, start + ends[-1], dtype, places))
        start += ends[-1]
    return found
