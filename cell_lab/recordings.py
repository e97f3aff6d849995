"""Recordings of single cells under test: what was measured, and the SOC that the bench counted.

Files have charging positive, as cyclers write it. Here, as everywhere in this house, discharge
is positive.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cell_lab.errors import RecordingError

Series = npt.NDArray[np.float64]

_NEEDED = ("profile", "time_s", "voltage_v", "current_a", "temperature_c", "soc")
_LG_HG2_AH = 2.78
"""C/20 capacity of the LG 18650HG2, the reference of that set's SOC."""


@dataclass(frozen=True)
class Recording:
    """One profile of one cell.

    Attributes:
        cell, profile: names as in the file; chamber_c: nominal temperature.
        capacity_ah: the reference of its SOC.
        time_s: rising; elapsed_s: since the sample before, the first sample's like the second's.
        voltage_v, current_a, temperature_c, soc: shape (samples,); discharge is positive.
    """

    cell: str
    profile: str
    chamber_c: float
    capacity_ah: float
    time_s: Series
    elapsed_s: Series
    voltage_v: Series
    current_a: Series
    temperature_c: Series
    soc: Series

    @property
    def name(self) -> str:
        """Profile and temperature, as people call it."""
        return f"{self.profile}@{self.chamber_c:g}C"

    @property
    def slow(self) -> bool:
        """Whether the current is so small that the voltage shows the open circuit's."""
        return bool(np.abs(self.current_a).max() < self.capacity_ah / 15)


def read_recordings(path: Path, cell: str | None = None) -> list[Recording]:
    """Return the recordings of a file, of one cell or of all, in the file's order.

    Raises:
        RecordingError: the file cannot be read, lacks a column, or holds no such cell.
    """
    import pyarrow as pa  # noqa: PLC0415 - only the laboratory needs it
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise RecordingError(path, str(error).splitlines()[0]) from error
    missing = [name for name in _NEEDED if name not in table.column_names]
    if missing:
        raise RecordingError(path, f"has no column {', '.join(missing)}")
    columns = {name: table[name].to_numpy() for name in table.column_names}
    rows = len(columns["time_s"])
    cells = columns.get("cell", np.full(rows, path.stem.removesuffix("_dev")))
    chambers = columns.get("t_chamber_c", np.round(columns["temperature_c"]))
    capacities = columns.get("q_ref_ah", np.full(rows, _LG_HG2_AH))
    ends = np.flatnonzero(
        (cells[1:] != cells[:-1])
        | (columns["profile"][1:] != columns["profile"][:-1])
        | (chambers[1:] != chambers[:-1])
        | (np.diff(columns["time_s"]) <= 0)
    )
    starts = np.concatenate([[0], ends + 1, [rows]])
    found = []
    for low, high in pairwise(starts):
        if cell is not None and str(cells[low]) != cell:
            continue
        time_s = columns["time_s"][low:high].astype(np.float64)
        elapsed_s = np.diff(time_s, prepend=np.nan)
        elapsed_s[0] = elapsed_s[1] if len(elapsed_s) > 1 else 1.0
        series = {
            name: columns[name][low:high].astype(np.float64)
            for name in ("voltage_v", "temperature_c", "soc")
        }
        found.append(
            Recording(
                cell=str(cells[low]),
                profile=str(columns["profile"][low]),
                chamber_c=float(chambers[low]),
                capacity_ah=float(capacities[low]),
                time_s=time_s,
                elapsed_s=elapsed_s,
                current_a=-columns["current_a"][low:high].astype(np.float64),
                **series,
            )
        )
    if not found:
        names = ", ".join(sorted({str(name) for name in cells}))
        raise RecordingError(path, f"holds no cell {cell!r}, only {names}")
    return found
