"""When a rack is to be retired: where the line of its ageing meets the SOH that a rule names.

The rule is one figure, a SOH below which a rack no longer earns its place. The range is that of the
present SOH and of its trend at their 90 % intervals together. Ageing that turns faster near the end
(a knee) is not foreseen by a straight line: the range is of the present pace.
"""

import math
from dataclasses import dataclass
from typing import Final

from cloud.health.trend import DAY_MS, YEAR_DAYS, Trend
from contract.words import Words

CONFIDENCE: Final = 0.9
_FARTHEST_YEARS: Final = 40.0
"""Beyond it a date says nothing."""


@dataclass(frozen=True)
class Rule:
    """A rack is retired when its SOH falls below `soh` (share of one)."""

    soh: float = 0.7

    @property
    def words(self) -> Words:
        """The rule as people read it."""
        percent = f"{self.soh * 100:g}"
        return Words(
            f"retired when SOH falls below {percent} %, at the present pace of ageing",
            f"SOH 低于 {percent} % 时退役，按当前衰减速度推算",
        )


@dataclass(frozen=True)
class EndOfLife:
    """Dates in epoch ms; None: not within forty years."""

    earliest_ms: int | None
    expected_ms: int | None
    latest_ms: int | None


def end_of_life(
    soh: float, half_width: float, pace: Trend, rule: Rule, now_ms: int
) -> EndOfLife | None:
    """Return when the rule is met, or None where the present SOH is not known.

    Args:
        soh: present, share of one.
        half_width: half of its 90 % interval; NaN counts as none.
        pace: change per year.
        rule: when a rack is retired.
        now_ms: the present, epoch ms.
    """
    if not math.isfinite(soh):
        return None
    width = half_width if math.isfinite(half_width) else 0.0
    left = soh - rule.soh
    fast, slow = pace.per_year - pace.half_width, pace.per_year + pace.half_width
    return EndOfLife(
        _met(left - width, fast, now_ms),
        _met(left, pace.per_year, now_ms),
        _met(left + width, slow, now_ms),
    )


def _met(left: float, per_year: float, now_ms: int) -> int | None:
    if left <= 0:
        return now_ms
    if per_year >= 0 or left / -per_year > _FARTHEST_YEARS:
        return None
    return now_ms + round(left / -per_year * YEAR_DAYS * DAY_MS)
