"""Settled days as a table of lines, for spreadsheets and audits."""

import csv
import datetime as dt
import io
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from cloud.market.money import StationDay

_DIGITS: Final = 6
"""Quantities are told to the Wh: at no price of a market that changes a cent of the amount."""
_COLUMNS: Final = (
    *("start_utc", "day", "station", "market", "item", "detail"),
    *("quantity", "unit", "price", "amount", "currency"),
)


def table_of(days: Iterable[StationDay]) -> str:
    """Return every line of settled days as CSV with UTC times."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for day in days:
        told = day.statement
        for line in told.lines:
            at = "" if line.start_ms is None else _utc(line.start_ms)
            writer.writerow(
                (
                    *(at, told.day, told.station, told.market, line.item.value, line.detail),
                    *(
                        quantity_told(line.quantity),
                        line.unit,
                        f"{line.price:f}",
                        f"{line.amount:f}",
                    ),
                    told.currency,
                )
            )
    return out.getvalue()


def quantity_told(quantity: Decimal) -> str:
    """A quantity without the endless digits that thirds of an hour leave."""
    rounded = round(quantity, _DIGITS)
    return f"{quantity if rounded == quantity else rounded:f}"


def _utc(at_ms: int) -> str:
    return dt.datetime.fromtimestamp(at_ms / 1e3, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
