"""Revenue of the settled days brought to a year, how sure that is, and when the desk is paid back.

The days are taken as a sample of all days: the year's revenue is 365 times their mean, and its
half-width at 90 % that of the mean by Student's t. Seasons that are not settled yet are not in it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import stdev
from typing import Final

from cloud.market.settlement import Investment, Payback, payback

CONFIDENCE: Final = 0.9
_DAYS: Final = 365
_FEWEST: Final = 2
_Z: Final = 1.6448536269514722  # of the normal distribution, both sides together 10 %


@dataclass(frozen=True, slots=True)
class Annual:
    """A year at the rate of the settled days.

    Attributes:
        days: settled.
        yearly: revenue a year, net of wear.
        half_width: of `yearly`, at 90 %; None: one day says nothing about the next.
        expected: when the investment is paid back at `yearly`.
        early, late: at the upper and lower end of `yearly`; None as `half_width`.
        investment: what is to be paid back, with its reference.
    """

    days: int
    yearly: Decimal
    half_width: Decimal | None
    expected: Payback
    early: Payback | None
    late: Payback | None
    investment: Investment


def annual(daily: Sequence[Decimal], investment: Investment) -> Annual:
    """Return a year's revenue from that of settled days, in the investment's currency.

    Raises:
        ValueError: no day is settled yet.
    """
    days, total = len(daily), sum(daily, Decimal(0))
    expected = payback(total, days, investment)
    if days < _FEWEST:
        return Annual(days, expected.yearly_revenue, None, expected, None, None, investment)
    off = student_t(days - 1) * stdev(map(float, daily)) / math.sqrt(days)
    width = Decimal(repr(round(off, 6)))
    return Annual(
        days,
        expected.yearly_revenue,
        width * _DAYS,
        expected,
        payback(total + width * days, days, investment),
        payback(total - width * days, days, investment),
        investment,
    )


def student_t(freedom: int) -> float:
    """Return Student's t at 95 % one-sided, by Hill's expansion of the normal quantile.

    Abramowitz and Stegun, 26.7.5; exact for one and two degrees of freedom, elsewhere within 1 %.
    """
    if freedom == 1:
        return 6.313752  # tan(0.45 pi)
    if freedom == 2:  # noqa: PLR2004 - the closed form of two degrees
        return 2.919986
    z, v = _Z, float(freedom)
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    )
