"""The regulation signal: a market's -1..1 signal that rides on the schedule.

The signal is a file of one value per period and repeats when it ends. Which value holds at a
moment depends on that moment alone (periods are counted from the Unix epoch), so two parts
of the system, or a restarted station, never disagree about it.
"""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from station.dispatch.errors import RegulationError


@dataclass(frozen=True)
class RegulationSignal:
    """Values -1..1 (discharge positive), one per period, times a capacity."""

    values: tuple[float, ...]
    capacity_kw: float
    period_s: float

    def power_at(self, t_ms: int) -> float:
        """Return the power to add to the schedule at a moment, kW."""
        period = int(t_ms // (self.period_s * 1000))
        return self.capacity_kw * self.values[period % len(self.values)]


def load_regulation(file: Path, capacity_kw: float, period_s: float) -> RegulationSignal:
    """Read a regulation signal: CSV, the last column of each row, header and '#' lines apart.

    Raises:
        RegulationError: no such file, no values, or a value that is not within -1..1.
    """
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            rows = [row for row in csv.reader(stream) if row and not row[0].startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        raise RegulationError(file, 0, f"cannot be read: {error}") from error
    values = []
    for number, row in enumerate(rows, start=1):
        try:
            value = float(row[-1])
        except ValueError as error:
            if number == 1:
                continue
            raise RegulationError(file, number, f"{row[-1]!r} is no number") from error
        if not math.isfinite(value) or abs(value) > 1:
            raise RegulationError(file, number, f"{value} is not within -1..1; divide by capacity")
        values.append(value)
    if not values:
        raise RegulationError(file, 0, "holds no values; give one per period")
    return RegulationSignal(tuple(values), capacity_kw, period_s)
