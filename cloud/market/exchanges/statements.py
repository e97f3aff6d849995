"""Settlement statements as the markets print them, and back.

Three dresses of the same facts: a table in English with times in UTC, one in Chinese whose 时段
are named by their end, and a report of the Australian kind with C, I and D rows in market time.
"""

import csv
import datetime as dt
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from cloud.market.errors import BadDocument
from cloud.market.exchanges.formats.text import day, decimal, number, rows_of, utc_ms, utc_text
from cloud.market.exchanges.formats.text import table as csv_table
from cloud.market.exchanges.market import Market
from cloud.market.exchanges.words import Format
from cloud.market.statement import Item, Line, Statement, total_of
from cloud.market.units import HOUR_MIN

_TOTAL = "total"
_ZH = {
    Item.ENERGY.value: "电能量",
    Item.IMBALANCE.value: "偏差",
    Item.DEVIATION.value: "偏差考核",
    Item.CONTRACT.value: "合约差价",
    Item.CAPACITY.value: "容量",
    Item.MILEAGE.value: "调频里程",
    Item.FEE.value: "费用",
    _TOTAL: "合计",
}
_FIELDS = ("id", "market", "station", "day", "currency", "at", "item", "detail")
_FIELDS_OF_MONEY = ("quantity", "unit", "price", "amount")
_ENGLISH = ("statement", "market", "station", "delivery_day", "currency", "start_utc", "item")
_CHINESE = ("结算单号", "市场", "电站", "运行日", "币种", "时段", "项目")
_AUSTRALIAN = ("STATEMENTID", "MARKETID", "STATIONID", "TRADINGDATE", "CURRENCY")
_MARKS = ("SETTLEMENTS", "STATION", "1")
_AEMO_TIME = "%Y/%m/%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class _Dress:
    columns: tuple[str, ...]
    items: Mapping[str, str]


_PLAIN = {name: name for name in _ZH}
_DRESSES = {
    Format.CURVE_CSV: _Dress((*_ENGLISH, "detail", *_FIELDS_OF_MONEY), _PLAIN),
    Format.CHINA_96: _Dress((*_CHINESE, "明细", "数量", "单位", "价格", "金额"), _ZH),
    Format.AEMO_JSON: _Dress(
        (*_AUSTRALIAN, "INTERVAL_START", "ITEM", "DETAIL", "QUANTITY", "UNIT", "PRICE", "AMOUNT"),
        _PLAIN,
    ),
}


def write_statement(statement: Statement, market: Market) -> bytes:
    """Return a statement in its market's dress."""
    dress = _DRESSES.get(market.format, _DRESSES[Format.CURVE_CSV])
    head = (
        statement.id,
        statement.market,
        statement.station,
        statement.day.isoformat(),
        statement.currency,
    )
    rows = [
        (
            *head,
            "" if one.start_ms is None else _label(one.start_ms, statement.day, market),
            dress.items[one.item.value],
            one.detail,
            number(one.quantity),
            one.unit,
            number(one.price),
            number(one.amount),
        )
        for one in statement.lines
    ]
    rows.append((*head, "", dress.items[_TOTAL], "", "", "", "", number(statement.total)))
    if market.format is Format.AEMO_JSON:
        marked = [("D", *_MARKS, *row) for row in rows]
        return b"C,STATEMENT\r\n" + csv_table(("I", *_MARKS, *dress.columns), marked)
    return csv_table(dress.columns, rows, mark=market.format is Format.CHINA_96)


def read_statement(body: bytes, market: Market) -> Statement:
    """Read a statement.

    Raises:
        BadDocument: it cannot be read, is of several days or of another market, or its lines do
            not add up to its total.
    """
    dress = _DRESSES.get(market.format, _DRESSES[Format.CURVE_CSV])
    rows = rows_of(_unmarked(body) if market.format is Format.AEMO_JSON else body, dress.columns)
    names = dict(zip((*_FIELDS, *_FIELDS_OF_MONEY), dress.columns, strict=True))
    cells = [{field: row[name] for field, name in names.items()} for row in rows]
    heads = {tuple(row[field] for field in _FIELDS[:5]) for row in cells}
    if len(heads) != 1:
        raise BadDocument(f"{len(heads)} statements in one file: hand them in one by one")
    name, of_market, station, date, currency = heads.pop()
    if (of_market, currency) != (market.id, market.currency):
        raise BadDocument(f"statement of {of_market} in {currency}, not of {market.id}")
    delivery = day(date, "day")
    items = {word: item for item, word in dress.items.items()}
    lines, totals = [], []
    for count, row in enumerate(cells, 2):
        where = f"line {count}"
        if items.get(row["item"]) == _TOTAL:
            totals.append(decimal(row["amount"], f"{where}, {names['amount']}"))
        else:
            lines.append(_line(row, items, where, (delivery, market)))
    return _whole(
        Statement(name, of_market, station, delivery, currency, tuple(lines), _sum(totals))
    )


def _sum(totals: Sequence[Decimal]) -> Decimal:
    if len(totals) != 1:
        raise BadDocument(f"{len(totals)} totals; a statement has one")
    return totals[0]


def _whole(read: Statement) -> Statement:
    added = total_of(read.lines)
    if added != read.total:
        raise BadDocument(
            f"statement {read.id}: its lines add up to {added}, its total is {read.total}: "
            f"{read.total - added} {read.currency} are unexplained"
        )
    return read


def _line(
    row: Mapping[str, str], items: Mapping[str, str], where: str, frame: tuple[dt.date, Market]
) -> Line:
    if row["item"] not in items:
        raise BadDocument(f"{where}: item {row['item']!r} is not known")
    return Line(
        start_ms=_moment(row["at"], where, *frame) if row["at"] else None,
        item=Item(items[row["item"]]),
        detail=row["detail"],
        quantity=decimal(row["quantity"], where),
        unit=row["unit"],
        price=decimal(row["price"], where),
        amount=decimal(row["amount"], where),
    )


def _step_min(market: Market) -> int:
    """Return the length of the periods that a Chinese statement labels, by their end."""
    return min(one.interval_min for one in market.products)


def _label(start_ms: int, delivery: dt.date, market: Market) -> str:
    match market.format:
        case Format.CHINA_96:
            begin, _ = market.calendar.day_bounds_ms(delivery)
            end = (start_ms - begin) // 60_000 + _step_min(market)
            return f"{end // HOUR_MIN:02d}:{end % HOUR_MIN:02d}"
        case Format.AEMO_JSON:
            return market.calendar.local(start_ms).strftime(_AEMO_TIME)
        case _:
            return utc_text(start_ms)


def _moment(text: str, where: str, delivery: dt.date, market: Market) -> int:
    try:
        match market.format:
            case Format.CHINA_96:
                hours, minutes = text.split(":")
                end = int(hours) * HOUR_MIN + int(minutes)
                begin, _ = market.calendar.day_bounds_ms(delivery)
                return begin + (end - _step_min(market)) * 60_000
            case Format.AEMO_JSON:
                local = dt.datetime.strptime(text, _AEMO_TIME).replace(tzinfo=dt.UTC)
                return market.calendar.at_ms(local.date(), local.time())
            case _:
                return utc_ms(text, where)
    except ValueError as error:
        raise BadDocument(f"{where}: {text!r} is no time of {delivery}") from error


def _unmarked(body: bytes) -> bytes:
    """Return the headings and rows of a C/I/D report as a plain table."""
    try:
        rows = list(csv.reader(io.StringIO(body.decode(), newline="")))
    except UnicodeDecodeError as error:
        raise BadDocument(f"byte {error.start} is no UTF-8") from error
    skip = 1 + len(_MARKS)
    heads = [row[skip:] for row in rows if row[:skip] == ["I", *_MARKS]]
    if len(heads) != 1:
        raise BadDocument(f"{len(heads)} headings I,{','.join(_MARKS)}; a statement has one")
    return csv_table(heads[0], [row[skip:] for row in rows if row[:skip] == ["D", *_MARKS]])
