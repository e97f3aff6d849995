"""Numbers, times and tables as texts; what every format needs."""

import csv
import datetime as dt
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from cloud.market.errors import BadDocument

T = TypeVar("T")


def number(value: Decimal) -> str:
    """Return a number in plain digits, exactly as it is."""
    return format(value, "f")


def decimal(text: str, where: str) -> Decimal:
    """Read a number.

    Raises:
        BadDocument: it is none.
    """
    try:
        value = Decimal(text.strip())
    except InvalidOperation as error:
        raise BadDocument(f"{where}: {text!r} is no number") from error
    if not value.is_finite():
        raise BadDocument(f"{where}: {text!r} is no finite number")
    return value


def utc_text(moment_ms: int) -> str:
    """Return a moment as 2026-03-10T11:00:00Z, with milliseconds only if it has any."""
    moment = dt.datetime.fromtimestamp(moment_ms / 1000, dt.UTC)
    exact = "milliseconds" if moment_ms % 1000 else "seconds"
    return moment.isoformat(timespec=exact).replace("+00:00", "Z")


def utc_ms(text: str, where: str) -> int:
    """Read a moment that names its offset from UTC.

    Raises:
        BadDocument: it is no moment, or names no offset.
    """
    try:
        moment = dt.datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise BadDocument(f"{where}: {text!r} is no time as 2026-03-10T11:00:00Z") from error
    if moment.tzinfo is None:
        raise BadDocument(f"{where}: {text!r} names no offset from UTC; end it with Z")
    return round(moment.timestamp() * 1000)


def day(text: str, where: str) -> dt.date:
    """Read a day.

    Raises:
        BadDocument: it is none.
    """
    try:
        return dt.date.fromisoformat(text.strip())
    except ValueError as error:
        raise BadDocument(f"{where}: {text!r} is no day as 2026-03-10") from error


def choice(kind: Callable[[str], T], text: str, where: str) -> T:
    """Read one of an enumeration's words.

    Raises:
        BadDocument: it is none of them.
    """
    try:
        return kind(text.strip())
    except ValueError as error:
        raise BadDocument(f"{where}: {text!r} is not known there") from error


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, mark: bool = False) -> bytes:
    """Return a CSV table; `mark` begins it with the byte-order mark that spreadsheets look for."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue().encode("utf-8-sig" if mark else "utf-8")


def rows_of(body: bytes, columns: Sequence[str]) -> list[Mapping[str, str]]:
    """Read a CSV table whose columns are exactly these, in any order.

    Raises:
        BadDocument: it is no text, or a column is missing, unknown or short.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadDocument(f"byte {error.start} is no UTF-8: save the table as UTF-8") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    given = reader.fieldnames or ()
    if set(given) != set(columns) or len(given) != len(columns):
        raise BadDocument(f"columns are {', '.join(given)}; wanted are {', '.join(columns)}")
    rows: list[Mapping[str, str]] = []
    try:
        for row in reader:
            if None in row or None in row.values():
                raise BadDocument(f"line {reader.line_num} has not {len(columns)} cells")
            rows.append(row)
    except csv.Error as error:
        raise BadDocument(f"line {reader.line_num}: {error}") from error
    return rows
