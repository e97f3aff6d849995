"""Price-quantity curves as a table: one row a segment, times in UTC.

Exchanges' own upload tables differ from one another and are open to members only; this one
carries the same facts and is what the test exchange reads.
"""

from collections.abc import Mapping, Sequence

from cloud.market.bid import BidSet, Direction, OfferMode
from cloud.market.errors import BadDocument
from cloud.market.exchanges.formats.curves import Row, bids_from, rows_from
from cloud.market.exchanges.formats.text import (
    choice,
    day,
    decimal,
    number,
    rows_of,
    table,
    utc_ms,
    utc_text,
)
from cloud.market.exchanges.sending import Document, Sending

COLUMNS = (
    "station",
    "market",
    "product",
    "delivery_day",
    "minutes",
    "mode",
    "start_utc",
    "direction",
    "power_mw",
    "price",
)


def write(bids: Sequence[BidSet], sending: Sending) -> Document:
    """Return the table of bids."""
    rows = (_cells(row) for bid in bids for row in rows_from(bid))
    return Document(f"{sending.key}.csv", "text/csv", table(COLUMNS, rows))


def _cells(row: Row) -> list[str]:
    return [
        row.station,
        row.market,
        row.product,
        row.day.isoformat(),
        str(row.interval_min),
        row.mode.value,
        utc_text(row.start_ms),
        "" if row.direction is None else row.direction.value,
        "" if row.direction is None else number(row.power_mw),
        "" if row.price is None else number(row.price),
    ]


def read(body: bytes) -> tuple[BidSet, ...]:
    """Read a table of bids.

    Raises:
        BadDocument: names line, column and what is wrong.
    """
    return bids_from(_row(row, line) for line, row in enumerate(rows_of(body, COLUMNS), 2))


def _row(row: Mapping[str, str], line: int) -> Row:
    def at(column: str) -> tuple[str, str]:
        return row[column], f"line {line}, {column}"

    minutes, where = at("minutes")
    if not minutes.isdecimal():
        raise BadDocument(f"{where}: {minutes!r} is no whole number of minutes")
    direction = choice(Direction, *at("direction")) if row["direction"] else None
    return Row(
        row["station"],
        row["market"],
        row["product"],
        day(*at("delivery_day")),
        int(minutes),
        choice(OfferMode, *at("mode")),
        utc_ms(*at("start_utc")),
        direction,
        decimal(row["power_mw"] or "0", at("power_mw")[1]),
        decimal(*at("price")) if row["price"] else None,
    )
