"""When a rack should be retired: the trend of its health, carried on to the rule's bounds.

A straight line is laid through the history by least squares, each point weighted by its own
interval. Two things make the date uncertain: the line's slope, known from the points' scatter
about it (Draper and Smith, Applied Regression Analysis, 1998, ch. 1), and the estimate's own
interval, of which nothing averages out, since all estimates of a rack err alike. The dates between
which nine of ten such racks reach the bound follow from both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from cloud.health.rule import RetirementRule

Series = npt.NDArray[np.float64]

_NORMAL_90 = 1.645
_HORIZON_DAYS, _STEP_DAYS = 30 * 365.25, 5.0
_YEAR_DAYS, _DAY_S = 365.25, 86_400.0
_LEAST_POINTS = 5
_LEAST_HALF_WIDTH = 1e-4
_SPREAD_OF_OTHERS = 0.03
"""Half the interval, as a share, of a resistance or a spread whose interval nobody told."""


class Verdict(StrEnum):
    """What an owner should do about a rack."""

    RETIRE = "retire"
    PLAN = "plan"
    KEEP = "keep"
    UNKNOWN = "unknown"


VERDICT_TEXTS = {
    Verdict.RETIRE: {"en": "retire now", "zh": "应退役"},
    Verdict.PLAN: {"en": "plan the retirement", "zh": "安排退役"},
    Verdict.KEEP: {"en": "keep", "zh": "继续使用"},
    Verdict.UNKNOWN: {"en": "history too short", "zh": "历史数据不足"},
}
CONDITION_TEXTS = {
    "soh_below": {"en": "capacity", "zh": "容量"},
    "resistance_ratio_above": {"en": "resistance", "zh": "内阻"},
    "capacity_spread_above": {"en": "spread of cell capacities", "zh": "单体容量极差"},
}


@dataclass(frozen=True)
class HealthPoint:
    """What was known of a rack at one time; NaN is not known. Shares of the fresh rack's.

    Attributes:
        at: aware UTC.
        soh_half_width: half the interval that holds nine times in ten.
        capacity_spread: largest minus least cell capacity as a share of the mean.
    """

    at: datetime
    soh: float
    soh_half_width: float
    resistance_ratio: float = np.nan
    capacity_spread: float = np.nan


@dataclass(frozen=True)
class Crossing:
    """When a condition is met: expected, and the ends of nine cases in ten; None: in 30 years not.

    Attributes:
        condition: its key in the rule.
        now: what stands against the bound today, by the trend; per_year: how it moves.
        per_year_half_width: half the interval of the movement.
    """

    condition: str
    bound: float
    now: float
    per_year: float
    per_year_half_width: float
    expected: datetime | None
    earliest: datetime | None
    latest: datetime | None


@dataclass(frozen=True)
class Outlook:
    """What is to be expected of a rack.

    Attributes:
        verdict: by the rule; binding: the condition that is met first, or None.
        crossings: of all conditions with a trend.
    """

    verdict: Verdict
    binding: Crossing | None
    crossings: tuple[Crossing, ...]


@dataclass(frozen=True)
class RackOutlook:
    """A row of a page: a rack, its latest health, and its outlook."""

    rack: str
    latest: HealthPoint | None
    outlook: Outlook


def outlooks(
    histories: Mapping[str, Sequence[HealthPoint]], rule: RetirementRule, today: datetime
) -> list[RackOutlook]:
    """Return a row for each rack, in the order of the mapping."""
    return [
        RackOutlook(
            rack=rack,
            latest=max(history, key=lambda point: point.at, default=None),
            outlook=outlook(history, rule, today),
        )
        for rack, history in histories.items()
    ]


def outlook(history: Sequence[HealthPoint], rule: RetirementRule, today: datetime) -> Outlook:
    """Return what is to be expected of a rack.

    Args:
        history: in any order; what lies after today is not looked at.
        rule: of the owner.
        today: aware UTC.
    """
    points = [point for point in history if point.at <= today]
    days = np.array([(point.at - today).total_seconds() / _DAY_S for point in points])
    soh = np.array([point.soh for point in points])
    half = np.array([point.soh_half_width for point in points])
    resistance = np.array([point.resistance_ratio for point in points])
    spread = np.array([point.capacity_spread for point in points])
    conditions = rule.conditions
    wanted = (
        ("soh_below", conditions.soh_below, soh, half, -1.0),
        (
            "resistance_ratio_above",
            conditions.resistance_ratio_above,
            resistance,
            _SPREAD_OF_OTHERS * resistance,
            1.0,
        ),
        (
            "capacity_spread_above",
            conditions.capacity_spread_above,
            spread,
            _SPREAD_OF_OTHERS * spread,
            1.0,
        ),
    )
    crossings = []
    for name, bound, values, widths, sign in wanted:
        known = np.isfinite(values) & np.isfinite(widths) & (days >= -rule.outlook.trend_days)
        if bound is not None and _long_enough(days[known], rule):
            line = _line(days[known], values[known], widths[known])
            crossings.append(_crossing(name, bound, line, sign, today))
    return _judged(tuple(crossings), rule, today)


def _long_enough(days: Series, rule: RetirementRule) -> bool:
    return len(days) >= _LEAST_POINTS and bool(np.ptp(days) >= rule.outlook.least_days)


@dataclass(frozen=True)
class _Line:
    """A weighted line: value today, slope a day, their covariance, and the lasting error's sd."""

    level: float
    slope: float
    covariance: Series
    lasting_sd: float


def _line(days: Series, values: Series, half_widths: Series) -> _Line:
    sd = np.maximum(half_widths, _LEAST_HALF_WIDTH) / _NORMAL_90
    design = np.column_stack([np.ones_like(days), days]) / sd[:, None]
    normal = np.linalg.inv(design.T @ design)
    level, slope = normal @ design.T @ (values / sd)
    away = (values - level - slope * days) / sd
    scatter = float(away @ away) / (len(days) - 2)
    covariance = np.asarray(normal * scatter, np.float64)
    return _Line(float(level), float(slope), covariance, float(np.median(sd)))


def _crossing(name: str, bound: float, line: _Line, sign: float, today: datetime) -> Crossing:
    """Return when a line meets a bound from below (sign 1) or from above (sign -1)."""
    ahead = np.arange(0.0, _HORIZON_DAYS, _STEP_DAYS)
    value = line.level + line.slope * ahead
    covariance = line.covariance
    fit = covariance[0, 0] + 2 * ahead * covariance[0, 1] + ahead**2 * covariance[1, 1]
    band = _NORMAL_90 * np.sqrt(np.maximum(fit, 0) + line.lasting_sd**2)

    def first(values: Series) -> datetime | None:
        met = np.flatnonzero(sign * (values - bound) >= 0)
        return today + timedelta(days=float(ahead[met[0]])) if len(met) else None

    return Crossing(
        condition=name,
        bound=bound,
        now=line.level,
        per_year=line.slope * _YEAR_DAYS,
        per_year_half_width=float(_NORMAL_90 * np.sqrt(covariance[1, 1]) * _YEAR_DAYS),
        expected=first(value),
        earliest=first(value + sign * band),
        latest=first(value - sign * band),
    )


def _judged(crossings: tuple[Crossing, ...], rule: RetirementRule, today: datetime) -> Outlook:
    if not crossings:
        return Outlook(Verdict.UNKNOWN, None, ())
    met = [crossing for crossing in crossings if crossing.expected is not None]
    binding = min(met, key=lambda crossing: crossing.expected or today, default=None)
    if binding is None or binding.expected is None:
        return Outlook(Verdict.KEEP, None, crossings)
    if binding.expected <= today:
        return Outlook(Verdict.RETIRE, binding, crossings)
    soon = binding.expected <= today + timedelta(days=rule.outlook.within_years * _YEAR_DAYS)
    return Outlook(Verdict.PLAN if soon else Verdict.KEEP, binding, crossings)
