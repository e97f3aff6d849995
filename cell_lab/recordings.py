"""Recordings of single cells under test: what was measured, and the SOC that the bench counted.

Files have charging positive, as cyclers write it. Here, as everywhere in this house, discharge
is positive.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cell_lab.errors import RecordingColumnsError, RecordingError

Series = npt.NDArray[np.float64]

_NEEDED = ("profile", "time_s", "voltage_v", "current_a", "temperature_c", "soc")
_LEAST_V, _MOST_V = 1.0, 5.0
_BEYOND, _CLEAR = 0.1, 0.1
"""SOC counted on a bench may stand a little beyond; so much charge has a clear direction."""

CapacityOf = Callable[[str], float]
"""From the name of a cell to the capacity in Ah that its SOC refers to; NaN: not known."""


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


def read_recordings(
    path: Path, cell: str | None = None, capacity_of: CapacityOf | None = None
) -> list[Recording]:
    """Return the recordings of a file, of one cell or of all, in the file's order.

    Args:
        path: the file.
        cell: only this one.
        capacity_of: asked where the file has no column q_ref_ah.

    Raises:
        RecordingError: the file cannot be read, lacks a column, or holds no such cell.
    """
    columns = _columns(path)
    names = columns["cell"]
    if cell is not None and cell not in names:
        known = ", ".join(sorted({str(name) for name in names}))
        raise RecordingError(path, f"holds no cell {cell!r}, only {known}")
    if "q_ref_ah" not in columns and capacity_of is None:
        raise RecordingError(path, "has no column q_ref_ah; name the capacity by --capacity-ah")
    found = [
        _recording(columns, slice(low, high), capacity_of)
        for low, high in pairwise(_edges(columns))
        if cell in (None, str(names[low]))
    ]
    for recording in found:
        _check(path, recording)
    return found


def _columns(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of a file; one without cells is of one cell, named as the file."""
    import pyarrow as pa  # noqa: PLC0415 - only the laboratory needs it
    import pyarrow.parquet as pq  # noqa: PLC0415

    if not path.is_file():
        raise RecordingError(path, "there is no such file; check the path")
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise RecordingColumnsError(path, "is no Parquet file") from error
    missing = [name for name in _NEEDED if name not in table.column_names]
    if missing:
        raise RecordingColumnsError(path, f"has no column {', '.join(missing)}")
    if not table.num_rows:
        raise RecordingError(path, "has no rows")
    columns = {name: table[name].to_numpy() for name in table.column_names}
    columns.setdefault("cell", np.full(table.num_rows, path.stem))
    return columns


def _edges(columns: dict[str, npt.NDArray[Any]]) -> list[int]:
    """Return where recordings begin, and the end: at another name, or where time starts anew."""
    changed = np.diff(columns["time_s"]) <= 0
    for name in ("cell", "profile", "t_chamber_c"):
        if name in columns:
            changed |= columns[name][1:] != columns[name][:-1]
    return [0, *(np.flatnonzero(changed) + 1).tolist(), len(columns["time_s"])]


def _recording(
    columns: dict[str, npt.NDArray[Any]], rows: slice, capacity_of: CapacityOf | None
) -> Recording:
    series = {
        name: columns[name][rows].astype(np.float64)
        for name in ("time_s", "voltage_v", "current_a", "temperature_c", "soc")
    }
    cell = str(columns["cell"][rows.start])
    if "t_chamber_c" in columns:
        chamber_c = float(columns["t_chamber_c"][rows.start])
    else:
        chamber_c = float(np.round(np.median(series["temperature_c"])))
    if "q_ref_ah" in columns:
        capacity_ah = float(columns["q_ref_ah"][rows.start])
    else:
        assert capacity_of is not None  # noqa: S101 - checked where the file was read
        capacity_ah = capacity_of(cell)
    elapsed_s = np.diff(series["time_s"], prepend=np.nan)
    elapsed_s[0] = elapsed_s[1] if len(elapsed_s) > 1 else 1.0
    if not np.isfinite(capacity_ah):
        capacity_ah = _counted_ah(series, elapsed_s)
    return Recording(
        cell=cell,
        profile=str(columns["profile"][rows.start]),
        chamber_c=chamber_c,
        capacity_ah=capacity_ah,
        time_s=series["time_s"],
        elapsed_s=elapsed_s,
        voltage_v=series["voltage_v"],
        current_a=-series["current_a"],
        temperature_c=series["temperature_c"],
        soc=series["soc"],
    )


def _counted_ah(series: dict[str, Series], elapsed_s: Series) -> float:
    """Return the capacity that SOC and current mean together: charge moved for each unit."""
    charged_ah = np.cumsum(series["current_a"] * elapsed_s) / 3600
    slope = np.polyfit(series["soc"], charged_ah, 1)[0] if np.ptp(series["soc"]) > 0 else 0.0
    return float(slope)


def _check(path: Path, recording: Recording) -> None:
    """Refuse what can only be another unit, another sign, or no number.

    Raises:
        RecordingError: naming the recording and what it looks like.
    """
    where = f"{recording.cell} {recording.name}"
    series = (recording.voltage_v, recording.current_a, recording.temperature_c, recording.soc)
    if not all(np.isfinite(values).all() for values in series):
        raise RecordingError(path, f"{where}: a value is missing; leave such samples out")
    if np.abs(recording.soc - 0.5).max() > 0.5 + _BEYOND:
        raise RecordingError(path, f"{where}: SOC must be a share of 1; it looks like percent")
    if not _LEAST_V < np.median(recording.voltage_v) < _MOST_V:
        raise RecordingError(path, f"{where}: voltage_v must be that of one cell, in V")
    if recording.capacity_ah <= 0:
        raise RecordingError(path, f"{where}: the capacity must be more than 0 Ah")
    risen = recording.soc[-1] - recording.soc[0]
    charged = -float((recording.current_a * recording.elapsed_s).sum()) / 3600
    charged /= recording.capacity_ah
    if abs(risen) > _CLEAR and abs(charged) > _CLEAR and (risen > 0) != (charged > 0):
        raise RecordingError(
            path, f"{where}: SOC falls while current_a charges; charging must be positive: turn it"
        )
