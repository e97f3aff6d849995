"""How fast a rack ages: the slope of its daily SOH, robust against single days that are off."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

DAY_MS: Final = 86_400_000
YEAR_DAYS: Final = 365.25
LEAST_DAYS: Final = 30.0
"""Within less than a month the wander of an estimate looks like ageing."""
_MOST_POINTS: Final = 400
_Z90: Final = 1.645


@dataclass(frozen=True)
class Trend:
    """Change of SOH in share of one per year (negative: ageing), and half of its 90 % interval."""

    per_year: float
    half_width: float


def trend(times_ms: NDArray[np.int64], soh: NDArray[np.float64]) -> Trend | None:
    """Return the slope of daily SOH, or None where less than a month is known.

    Theil and Sen's estimator (the median of the slopes of all pairs); its interval is the normal
    one of a straight line's slope with the robust scatter of the days about that line.

    Args:
        times_ms: start of each day, epoch ms, shape (n,).
        soh: share of one, NaN = not known, shape (n,).
    """
    known = np.isfinite(soh)
    days = times_ms[known].astype(np.float64) / DAY_MS
    values = soh[known]
    if len(days) < 3 or days[-1] - days[0] < LEAST_DAYS:  # noqa: PLR2004 - a line and one more
        return None
    step = -(-len(days) // _MOST_POINTS)
    days, values = days[::step], values[::step]
    one, other = np.triu_indices(len(days), 1)
    slope = float(np.median((values[other] - values[one]) / (days[other] - days[one])))
    rest = values - slope * days
    scatter = 1.4826 * float(np.median(np.abs(rest - np.median(rest))))
    width = _Z90 * scatter / float(np.sqrt(((days - days.mean()) ** 2).sum()))
    return Trend(slope * YEAR_DAYS, width * YEAR_DAYS)
