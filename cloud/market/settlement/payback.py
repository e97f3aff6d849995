"""When the market desk has paid for itself, beside the guide's two years.

The guide's budget (requirement A28): 1.5 million CNY for algorithms and data governance at the
start, 0.25 million CNY a year for data and new models, return within 2.0 years.
"""

from dataclasses import dataclass
from decimal import Decimal

_DAYS_PER_YEAR = 365


@dataclass(frozen=True, slots=True)
class Investment:
    """What the desk costs.

    Attributes:
        initial: at the start.
        yearly: in every year.
        currency: of both.
        reference_years: the return that was aimed at.
    """

    initial: Decimal
    yearly: Decimal
    currency: str
    reference_years: Decimal


GUIDE = Investment(Decimal(1_500_000), Decimal(250_000), "CNY", Decimal("2.0"))


@dataclass(frozen=True, slots=True)
class Payback:
    """What the revenue so far says.

    Attributes:
        yearly_revenue: revenue so far, brought to a year of 365 days.
        yearly_net: less the yearly cost.
        years: until the start is paid back; None: never at this rate.
        in_time: whether that is within the reference.
        needed_yearly: revenue a year that would pay it back in the reference's time.
        roi: net gain over the initial cost after the reference's time.
        course: (year, money that is in or out by its end), from year 0 on.
    """

    yearly_revenue: Decimal
    yearly_net: Decimal
    years: Decimal | None
    in_time: bool
    needed_yearly: Decimal
    roi: Decimal
    course: tuple[tuple[int, Decimal], ...]


def payback(
    revenue: Decimal, days: int, investment: Investment = GUIDE, *, course_years: int = 5
) -> Payback:
    """Return when the investment is paid back by what was earned on `days` settled days.

    `revenue` is what the desk earned (or earned more than a baseline), in the investment's
    currency.

    Raises:
        ValueError: there is no settled day.
    """
    if days < 1:
        raise ValueError("no day is settled yet: payback needs at least one")
    yearly = revenue * _DAYS_PER_YEAR / days
    net = yearly - investment.yearly
    years = investment.initial / net if net > 0 else None
    aim = investment.reference_years
    return Payback(
        yearly_revenue=yearly,
        yearly_net=net,
        years=years,
        in_time=years is not None and years <= aim,
        needed_yearly=investment.initial / aim + investment.yearly,
        roi=(net * aim - investment.initial) / investment.initial,
        course=tuple((year, net * year - investment.initial) for year in range(course_years + 1)),
    )
