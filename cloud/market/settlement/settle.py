"""A day settled by its market's rules."""

import calendar
import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction

from cloud.market.exchanges import Market
from cloud.market.exchanges.settlement_file import (
    AemoFile,
    ChinaFile,
    ImbalanceFile,
    TwoSettlementFile,
)
from cloud.market.settlement.money import Rounding, rounding_of
from cloud.market.settlement.record import DayRecord, Incomplete, check_readings
from cloud.market.settlement.schemes import china_spot, gross, imbalance, two_settlements
from cloud.market.statement import Item, Line, Statement


def settle(record: DayRecord, market: Market, *, provisional: bool = False) -> Statement:
    """Return the statement that a market's rules make of a day.

    Args:
        record: what happened.
        market: the rules.
        provisional: settle what is metered so far; else the whole day has to be there.

    Raises:
        Incomplete: a reading or a price is missing.
        BadProfile: an award is of a product that the market does not trade.
    """
    if not provisional:
        check_readings(record, market.calendar)
    rounding = rounding_of(market.settlement.rounding.value)
    lines = sorted(_lines(record, market, rounding), key=_place)
    exact = sum((line.amount for line in lines), Decimal(0))
    total = rounding.money(Fraction(exact))
    if total != exact:  # only the sum of the day is rounded here
        rest = total - exact
        lines.append(Line(None, Item.FEE, "rounding", Decimal(1), "day", rest, rest))
    name = f"{market.id}/{record.station}/{record.day}"
    return Statement(
        name, market.id, record.station, record.day, market.currency, tuple(lines), total
    )


def capacity_compensation(
    available_mw: Mapping[dt.date, Decimal], price_per_mw_month: Decimal, market: Market
) -> Decimal:
    """Return a month's capacity compensation, as Shandong pays storage by available capacity.

    The mean of the days' available capacity times the price of the month; a day that is not
    named counts as not available.

    Raises:
        Incomplete: no day is named, or days of several months.
    """
    months = {(day.year, day.month) for day in available_mw}
    if len(months) != 1:
        raise Incomplete(
            f"capacity is compensated by the month; days of {len(months)} months are given",
            f"容量补偿按月计算；给出的日期跨 {len(months)} 个月",
        )
    days = calendar.monthrange(*months.pop())[1]
    mean = sum(map(Fraction, available_mw.values()), Fraction(0)) / days
    return rounding_of(market.settlement.rounding.value).money(mean * Fraction(price_per_mw_month))


def _lines(record: DayRecord, market: Market, rounding: Rounding) -> Iterator[Line]:
    match market.settlement:
        case TwoSettlementFile():
            return two_settlements(record, market, rounding)
        case ImbalanceFile():
            return imbalance(record, market, rounding)
        case AemoFile():
            return gross(record, market, rounding)
        case ChinaFile() as rules:
            return china_spot(record, market, rounding, rules)


def _place(line: Line) -> tuple[int, str, str]:
    return (line.start_ms or 0, line.item.value, line.detail)
