"""How often healthy racks come to a warning, and what so few of them prove."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cell_lab.anomaly.racks import BLOCK, Racks
from station.estimators.anomaly import Detector, judge, start

BUDGET_PER_RACK_YEAR = 12.0
"""One warning of a healthy rack in a month."""
YEAR_H = 8766.0
_HOUR_S = 3600.0


@dataclass(frozen=True)
class FalseAlarms:
    """Healthy racks: how long they were watched and how often a warning came.

    Attributes:
        rack_hours: watched.
        warnings: warnings and alarms.
        alarms: of these.
        notices: and warnings and alarms.
    """

    rack_hours: float
    warnings: int
    alarms: int
    notices: int

    @property
    def per_rack_year(self) -> float:
        """How many warnings came in a rack-year."""
        return self.warnings / self.rack_hours * YEAR_H

    @property
    def at_most_per_rack_year(self) -> float:
        """How many there are at most, with 95 % confidence."""
        return upper_rate(self.warnings, self.rack_hours / YEAR_H)

    def and_(self, other: "FalseAlarms") -> "FalseAlarms":
        """Return both together."""
        return FalseAlarms(
            self.rack_hours + other.rack_hours,
            self.warnings + other.warnings,
            self.alarms + other.alarms,
            self.notices + other.notices,
        )


def count_false_alarms(
    detector: Detector, racks: Racks, settle_s: float, tell: Callable[[float], None] | None = None
) -> FalseAlarms:
    """Return how often healthy racks came to a notice, a warning, an alarm.

    What stands when the first hours, those of learning, are over counts as if it began then.
    """
    place = racks.place
    state = start(racks.model, place)
    counts = np.zeros(4, np.int64)
    settle = int(settle_s / BLOCK)
    for number in range(racks.blocks):
        state, told = judge(detector, racks.model, place, state, racks.advance())
        if number == settle:
            for level in told.level.tolist():
                counts[level] += level > 0
        elif number > settle:
            for finding in told.findings:
                counts[finding.level] += not finding.renamed
        if tell and number % 50 == 0:
            tell(number / racks.blocks)
    hours = (racks.blocks - settle) * BLOCK / _HOUR_S * place.racks
    return FalseAlarms(hours, int(counts[2:].sum()), int(counts[3]), int(counts[1:].sum()))


def upper_rate(events: int, time: float) -> float:
    """Return the rate that 95 % of Poisson laws with so few events lie below (Garwood 1936).

    Found by bisection of the Poisson distribution function.
    """
    low, high = 0.0, 10.0 + 3.0 * events
    for _ in range(80):
        middle = (low + high) / 2
        terms = np.cumsum(np.concatenate([[0.0], np.log(np.arange(1, events + 1))]))
        chance = np.exp(np.arange(events + 1) * np.log(max(middle, 1e-300)) - middle - terms).sum()
        low, high = (middle, high) if chance > 0.05 else (low, middle)  # noqa: PLR2004
    return high / time
