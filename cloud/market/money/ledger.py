"""Settled days added up: by market, hour, station, day and item, each currency for itself."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from cloud.market.battery import Battery
from cloud.market.forecast import Floats
from cloud.market.money.waterfall import Waterfall, add_up
from cloud.market.risk.kupiec import Kupiec, kupiec
from cloud.market.settlement import (
    Comparison,
    Profit,
    Reading,
    compare,
    profit,
    revenue_by_hour,
    revenue_by_item,
    revenue_by_market,
    revenue_by_station,
)
from cloud.market.statement import Item, Statement

_ZERO: Final = Decimal(0)
_CENT: Final = Decimal("0.01")


@dataclass(frozen=True)
class StationDay:
    """One station's settled day in one market.

    Attributes:
        statement: of the exchange.
        zone: the market's local time, IANA.
        waterfall: from plan to actual.
        readings: the meter in the time of the bids.
        wear_per_mwh: price of wear that the bids were made with.
        planned_out_mwh: energy that the plan meant to discharge.
        battery: that the first bid was made for; None: it brought none.
        series: of the energy price; None: not configured.
        ours: total of our own settlement; None: there is none.
        differs: whether a line is off by more than a cent.
        perfect: most that could have been earned in the traded time with its prices known, net of
            wear; None: not computed.
        prices: what came in the traded time, shape (steps,), with their step in minutes; None: not
            stored.
        weighed: of each bid that was weighed, its VaR at 95 % and what it has earned, net of wear.
        traded: beginning and end of each settled bid, UTC epoch ms.
    """

    statement: Statement
    zone: str
    waterfall: Waterfall
    readings: tuple[Reading, ...]
    wear_per_mwh: Decimal
    planned_out_mwh: Decimal
    battery: Battery | None = None
    series: str | None = None
    ours: Decimal | None = None
    differs: bool = False
    perfect: Decimal | None = None
    prices: tuple[Floats, int] | None = None
    weighed: tuple[tuple[float, float], ...] = ()
    traded: tuple[tuple[int, int], ...] = ()

    @property
    def profit(self) -> Profit:
        """Revenue less wear, with losses beside it."""
        return profit(self.statement, self.readings, wear_per_mwh=self.wear_per_mwh)

    @property
    def plan_net(self) -> Decimal:
        """What the plan would have earned, less its wear."""
        wear = (self.planned_out_mwh * self.wear_per_mwh).quantize(_CENT, ROUND_HALF_UP)
        return self.waterfall.of("plan") - wear

    @property
    def net(self) -> Decimal:
        """Actual money less wear."""
        return self.profit.net

    @property
    def traded_net(self) -> Decimal:
        """Actual money less wear in the time of settled bids, which the other figures are of."""
        return self.net - self.waterfall.of("outside")


@dataclass(frozen=True)
class Ledger:
    """All settled days of one currency.

    Attributes:
        currency: of every amount.
        days: settled days of stations.
        total: revenue.
        by_market, by_station, by_hour, by_item, by_day: they add up to `total` each; hour -1 is
            what belongs to no hour.
        waterfall: from plan to actual.
        wear: cost of ageing; positive.
        net: total less wear.
        charged_mwh, discharged_mwh, lost_mwh: at the meter; what the stores hold more at the end
            than at the beginning counts as lost until it is discharged. Negative: more was
            discharged than charged, so the stores ended emptier.
        lost_money: losses at the mean price paid for charging, which is in the revenue already.
        compared: net in the time of settled bids against plan and perfect foresight of the same
            time, over the days that have all three.
        compared_days: how many these are.
        net_by_day: of each calendar day, oldest first.
        var_test: how often bids lost more than their VaR; None: none was weighed.
    """

    currency: str
    days: tuple[StationDay, ...]
    total: Decimal
    by_market: Mapping[str, Decimal]
    by_station: Mapping[str, Decimal]
    by_hour: Mapping[int, Decimal]
    by_item: Mapping[Item, Decimal]
    by_day: Mapping[dt.date, Decimal]
    waterfall: Waterfall
    wear: Decimal
    net: Decimal
    charged_mwh: Decimal
    discharged_mwh: Decimal
    lost_mwh: Decimal
    lost_money: Decimal
    compared: Comparison | None
    compared_days: int
    net_by_day: Mapping[dt.date, Decimal]
    var_test: Kupiec | None


def ledgers(days: Iterable[StationDay]) -> tuple[Ledger, ...]:
    """Return a ledger for each currency, by its name."""
    by_currency: dict[str, list[StationDay]] = {}
    for one in days:
        by_currency.setdefault(one.statement.currency, []).append(one)
    return tuple(_ledger(name, by_currency[name]) for name in sorted(by_currency))


def _ledger(currency: str, days: Sequence[StationDay]) -> Ledger:
    ordered = sorted(days, key=lambda one: (one.statement.day, one.statement.station))
    statements = [one.statement for one in ordered]
    profits = [one.profit for one in ordered]
    hours: dict[int, Decimal] = {}
    by_day: dict[dt.date, Decimal] = {}
    net_by_day: dict[dt.date, Decimal] = {}
    for one in ordered:
        for hour, amount in revenue_by_hour([one.statement], one.zone).items():
            hours[hour] = hours.get(hour, _ZERO) + amount
        day = one.statement.day
        by_day[day] = by_day.get(day, _ZERO) + one.statement.total
        net_by_day[day] = net_by_day.get(day, _ZERO) + one.net
    both = [one for one in ordered if one.perfect is not None]
    total = sum((one.total for one in statements), _ZERO)
    net = sum((one.net for one in profits), _ZERO)
    return Ledger(
        currency=currency,
        days=tuple(ordered),
        total=total,
        by_market=revenue_by_market(statements),
        by_station=revenue_by_station(statements),
        by_hour=dict(sorted(hours.items())),
        by_item=revenue_by_item(statements),
        by_day=by_day,
        waterfall=add_up((one.waterfall for one in ordered), currency),
        wear=total - net,
        net=net,
        charged_mwh=sum((one.charged_mwh for one in profits), _ZERO),
        discharged_mwh=sum((one.discharged_mwh for one in profits), _ZERO),
        lost_mwh=sum((one.lost_mwh for one in profits), _ZERO),
        lost_money=sum((one.lost_money for one in profits), _ZERO),
        compared=_compared(both) if both else None,
        compared_days=len(both),
        net_by_day=net_by_day,
        var_test=_tested([pair for one in ordered for pair in one.weighed]),
    )


def _tested(weighed: Sequence[tuple[float, float]]) -> Kupiec | None:
    breaches = sum(-earned > var for var, earned in weighed)
    return kupiec(breaches, len(weighed)) if weighed else None


def _compared(days: Sequence[StationDay]) -> Comparison:
    return compare(
        sum((one.traded_net for one in days), _ZERO),
        sum((one.plan_net for one in days), _ZERO),
        sum((one.perfect or _ZERO for one in days), _ZERO),
    )
