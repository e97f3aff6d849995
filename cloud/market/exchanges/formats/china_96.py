"""The 96-point table of Chinese spot markets, with Chinese headings.

Each row is a segment of a 时段, which is named by its end as the trading centres print it: 00:15
to 24:00. The centres' own upload templates are not public; this table carries what the rules ask
for. It begins with the byte-order mark that spreadsheets need to show Chinese.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TypeVar

from cloud.market.bid import BidSet, Direction, OfferMode
from cloud.market.errors import BadDocument
from cloud.market.exchanges.formats.curves import Row, bids_from, rows_from
from cloud.market.exchanges.formats.text import day, decimal, number, rows_of, table
from cloud.market.exchanges.market import Market, Product
from cloud.market.exchanges.sending import Document, Party, Sending
from cloud.market.units import HOUR_MIN

_WHOSE = ("市场", "品种", "电站", "交易单元", "运行日", "申报方式")
COLUMNS = (*_WHOSE, "时段", "方向", "段号", "容量(MW)", "报价")
MODES = {
    OfferMode.QUANTITY_PRICE: "报量报价",
    OfferMode.QUANTITY_ONLY: "报量不报价",
    OfferMode.SELF_SCHEDULE: "自调度",
}
DIRECTIONS = {
    Direction.CHARGE: "充电",
    Direction.DISCHARGE: "放电",
    Direction.UP: "上调",
    Direction.DOWN: "下调",
    Direction.BOTH: "调频",
}
K = TypeVar("K")
_MIN_PER_DAY = 1440


def write(bids: Sequence[BidSet], market: Market, party: Party, sending: Sending) -> Document:
    """Return the table of bids."""
    rows = []
    for bid in bids:
        product = market.product(bid.product)
        begin_ms, _ = product.calendar.day_bounds_ms(bid.day)
        counted: dict[tuple[int, Direction | None], int] = {}
        for row in rows_from(bid):
            number_of = counted[row.start_ms, row.direction] = (
                counted.get((row.start_ms, row.direction), 0) + 1
            )
            minutes = (row.start_ms - begin_ms) // 60_000 + bid.interval_min
            rows.append(_cells(row, party, minutes, number_of))
    return Document(f"{sending.key}.csv", "text/csv", table(COLUMNS, rows, mark=True))


def _cells(row: Row, party: Party, minutes: int, segment: int) -> list[str]:
    offered = row.direction is not None
    return [
        row.market,
        row.product,
        row.station,
        party.unit,
        row.day.isoformat(),
        MODES[row.mode],
        f"{minutes // HOUR_MIN:02d}:{minutes % HOUR_MIN:02d}",
        DIRECTIONS[row.direction] if row.direction is not None else "",
        str(segment) if offered else "",
        number(row.power_mw) if offered else "",
        "" if row.price is None else number(row.price),
    ]


def read(body: bytes, market: Market) -> tuple[BidSet, ...]:
    """Read a table of bids.

    Raises:
        BadDocument: names line, column and what is wrong.
    """
    rows = rows_of(body, COLUMNS)
    return bids_from(_row(row, f"line {line}", market) for line, row in enumerate(rows, 2))


def _row(row: Mapping[str, str], where: str, market: Market) -> Row:
    product = market.product(row["品种"])
    delivery = day(row["运行日"], f"{where}, 运行日")
    direction = _word(DIRECTIONS, row["方向"], f"{where}, 方向") if row["方向"] else None
    return Row(
        row["电站"],
        row["市场"],
        product.id,
        delivery,
        product.interval_min,
        _word(MODES, row["申报方式"], f"{where}, 申报方式"),
        _start_ms(row["时段"], f"{where}, 时段", product, delivery),
        direction,
        decimal(row["容量(MW)"] or "0", f"{where}, 容量(MW)"),
        decimal(row["报价"], f"{where}, 报价") if row["报价"] else None,
    )


def _start_ms(text: str, where: str, product: Product, delivery: dt.date) -> int:
    hours, _, minutes = text.partition(":")
    if not (hours.isdecimal() and minutes.isdecimal()):
        raise BadDocument(f"{where}: {text!r} is no end of a period as 00:15 or 24:00")
    end = int(hours) * HOUR_MIN + int(minutes)
    if end % product.interval_min or not 0 < end <= _MIN_PER_DAY:
        raise BadDocument(f"{where}: {text!r} ends no {product.interval_min}-minute period")
    begin_ms, _ = product.calendar.day_bounds_ms(delivery)
    return begin_ms + (end - product.interval_min) * 60_000


def _word(words: Mapping[K, str], text: str, where: str) -> K:
    for key, word in words.items():
        if word == text:
            return key
    raise BadDocument(f"{where}: {text!r} is none of {'、'.join(words.values())}")
