"""A day settled by its market's rules."""

from collections.abc import Iterator
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
from cloud.market.settlement.record import DayRecord, check_readings
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
