"""Recordings of whole lives of cells: the end of every charge, and the capacity of every cycle."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cell_lab.errors import ChargeEndsError
from station.estimators.soh_features import CHARGE_END, ChargeHistory, Series

_NEEDED = ("batch", "cell", "cycle_index", *CHARGE_END, "capacity")


@dataclass(frozen=True)
class Life:
    """One cell under test.

    Attributes:
        batch, cell: names as in the file.
        history: what the field would see.
        capacity_ah: what the bench measured, shape (cycles,); NaN where it did not.
    """

    batch: str
    cell: str
    history: ChargeHistory
    capacity_ah: Series

    @property
    def held(self) -> int:
        """How many numbers of its charges are missing."""
        return int(np.count_nonzero(~np.isfinite(self.history.charge_end)))

    @property
    def unmeasured(self) -> int:
        """How many of its cycles have no capacity, or none above zero."""
        return int(np.count_nonzero(~measured(self.capacity_ah)))


def measured(capacity_ah: Series) -> npt.NDArray[np.bool_]:
    """Return which capacities can be compared with."""
    return np.isfinite(capacity_ah) & (np.nan_to_num(capacity_ah) > 0)


def read_lives(path: Path) -> list[Life]:
    """Return the cells of a file, each in the order of its cycles.

    Raises:
        ChargeEndsError: the file cannot be read, lacks a column, or has a cycle twice.
    """
    import pyarrow as pa  # noqa: PLC0415 - only the laboratory needs it
    import pyarrow.parquet as pq  # noqa: PLC0415

    if not path.is_file():
        raise ChargeEndsError(path, "there is no such file; check the path")
    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise ChargeEndsError(path, "is no Parquet file") from error
    except OSError as error:
        raise ChargeEndsError(path, error.strerror or "cannot be read") from error
    missing = [name for name in _NEEDED if name not in table.column_names]
    if missing:
        raise ChargeEndsError(path, f"has no column {', '.join(missing)}")
    if table.num_rows == 0:
        raise ChargeEndsError(path, "has no rows")
    try:
        charge_end = np.column_stack([_numbers(table[name]) for name in CHARGE_END])
        cycle, capacity_ah = _numbers(table["cycle_index"]), _numbers(table["capacity"])
    except (TypeError, ValueError) as error:
        raise ChargeEndsError(path, f"a column holds no numbers ({error})") from error
    rows: dict[tuple[str, str], list[int]] = {}
    names = zip(table["batch"].to_pylist(), table["cell"].to_pylist(), strict=True)
    for row, (batch, cell) in enumerate(names):
        rows.setdefault((str(batch), str(cell)), []).append(row)
    lives = []
    for (batch, cell), unordered in rows.items():
        order = np.array(unordered)[np.argsort(cycle[unordered], kind="stable")]
        if not (np.diff(cycle[order]) > 0).all() or not np.isfinite(cycle[order]).all():
            raise ChargeEndsError(path, f"cell {cell} has a cycle_index twice, or one is missing")
        history = ChargeHistory(cycle[order], charge_end[order])
        lives.append(Life(batch, cell, history, capacity_ah[order]))
    return lives


def _numbers(column: npt.ArrayLike) -> Series:
    return np.asarray(column, dtype=np.float64)
