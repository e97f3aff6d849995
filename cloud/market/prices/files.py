"""Files of prices: CSV and Parquet, in UTC or in local time, read into rows of one series."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from cloud.market.errors import BadSeries, NoSuchFile
from cloud.market.prices.cells import Cell, no_numbers, not_numbers, odd_line
from cloud.market.prices.findings import Code, Finding
from cloud.market.prices.local_time import to_utc
from cloud.market.prices.series import Series, conversion
from cloud.market.prices.table import Floats, Millis, Table

_CSV: Final = (".csv", ".txt", ".gz")
_SHOWN: Final = 5


@dataclass(frozen=True)
class Layout:
    """How a file is laid out.

    Attributes:
        time: column of the intervals' times; None: the only column of times.
        value: column of the values.
        known: column of the times at which values became known; None: by the series' rule.
        timezone: of times that name no zone.
        unit: of the values, if not the series' own.
        label: whether a time is the interval's beginning or its end.
        time_format: as strptime has it, where times are not ISO 8601.
        delimiter: between columns of a CSV file.
        decimal: the decimal point of a CSV file.
    """

    value: str
    time: str | None = None
    known: str | None = None
    timezone: str = "UTC"
    unit: str | None = None
    label: Literal["start", "end"] = "start"
    time_format: str | None = None
    delimiter: str = ","
    decimal: str = "."


def read_file(
    file: Path, layout: Layout, series: Series, now_ms: int
) -> tuple[Table, list[Finding]]:
    """Read a file's rows; return them with what is wrong with its local times or its cells.

    Raises:
        BadSeries: the file cannot be read, or lacks a column.
    """
    import pyarrow as pa  # noqa: PLC0415 - some hundred milliseconds that only an import needs

    if not file.exists():
        raise NoSuchFile(file)
    try:
        data = _read(file, layout)
    except (OSError, pa.ArrowException) as error:
        raise BadSeries(_unreadable(file, layout, error)) from error
    time = layout.time or _only_times(file, data)
    column = _column(file, data, layout.value)
    wrong = _no_numbers(file, layout, column)
    if wrong and len(wrong) < len(column):
        none = np.zeros(len(column), np.int64)
        table = Table(none, none, np.full(len(column), np.nan))
        return table, [not_numbers(wrong, len(column), layout.value)]
    value = _numbers(file, layout.value, column)
    if layout.unit is not None:
        factor, offset = conversion(layout.unit, series)
        value = value * factor + offset
    zone = _zone(layout.timezone)
    known = None
    if layout.known is not None:
        given, aware = _times(file, layout.known, _column(file, data, layout.known), layout)
        known = given if aware else to_utc(given, zone).utc_ms
    wall, aware = _times(file, time, _column(file, data, time), layout)
    if layout.label == "end":
        wall = wall - series.step_ms
    found: list[Finding] = []
    start = wall
    if not aware:
        converted = to_utc(wall, zone, known)
        start = converted.utc_ms
        found = _never(wall[converted.never], layout.timezone)
    if known is None:
        known = series.publication.known_ms(start, series.step_ms, series.zone_info, now_ms)
    return Table(start, known, value), found


def _never(wall: Millis, timezone: str) -> list[Finding]:
    if not wall.size:
        return []
    names = ", ".join(
        str(one).replace("T", " ") for one in wall[:_SHOWN].astype("M8[ms]").astype("M8[m]")
    )
    text = (
        f"{names}{' and more' if wall.size > _SHOWN else ''}: the clock of {timezone} skipped this "
        "hour; remove the row, or name the time zone that the file is in (UTC has no such hours)"
    )
    return [Finding(Code.NEVER_SHOWN, int(wall.size), int(wall[0]), int(wall[-1]), text)]


def _read(file: Path, layout: Layout) -> Any:
    if not _is_csv(file):
        from pyarrow import parquet  # noqa: PLC0415 - as above

        return parquet.read_table(file)
    from pyarrow import csv  # noqa: PLC0415 - as above

    formats = [csv.ISO8601] if layout.time_format is None else [layout.time_format]
    return csv.read_csv(
        file,
        parse_options=csv.ParseOptions(delimiter=layout.delimiter),
        convert_options=csv.ConvertOptions(
            decimal_point=layout.decimal,
            timestamp_parsers=formats,
            null_values=[""],  # "n/a" and the like are told, not taken for a gap
            strings_can_be_null=True,
        ),
    )


def _unreadable(file: Path, layout: Layout, error: Exception) -> str:
    text = _is_csv(file) and isinstance(error, ValueError)  # it is there, and no cells are found
    if text and (odd := odd_line(file, layout.delimiter)):
        return (
            f"{file}: {odd}; quote a cell that holds the delimiter, or name it (--delimiter) and "
            "the decimal point (--decimal)"
        )
    return f"{file}: cannot be read: {error}; name a Parquet file, or a CSV file (.csv)"


def _no_numbers(file: Path, layout: Layout, column: Any) -> list[Cell]:
    """Return the cells of a CSV file that hold something, but no number."""
    import pyarrow as pa  # noqa: PLC0415 - as above
    import pyarrow.compute as pc  # noqa: PLC0415 - as above

    if not _is_csv(file):
        return []
    floats = pa.types.is_floating(column.type)
    if not pa.types.is_string(column.type) and not (floats and pc.any(pc.is_nan(column)).as_py()):
        return []
    return no_numbers(file, layout.value, layout.delimiter, layout.decimal)


def _is_csv(file: Path) -> bool:
    return file.suffix.lower() in _CSV


def _only_times(file: Path, data: Any) -> str:
    import pyarrow as pa  # noqa: PLC0415 - as above

    names = [str(field.name) for field in data.schema if pa.types.is_timestamp(field.type)]
    if len(names) != 1:
        raise BadSeries(
            f"{file}: {len(names)} of its columns ({', '.join(data.column_names)}) hold times; "
            "name the one of the intervals, e.g. --columns time=NAME,value=NAME"
        )
    return names[0]


def _column(file: Path, data: Any, name: str) -> Any:
    if name not in data.column_names:
        raise BadSeries(
            f"{file}: there is no column {name!r}; it has {', '.join(data.column_names)}"
        )
    return data[name].combine_chunks()


def _numbers(file: Path, name: str, column: Any) -> Floats:
    import pyarrow as pa  # noqa: PLC0415 - as above

    try:
        values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowException as error:
        raise BadSeries(f"{file}: column {name!r} holds no numbers: {error}") from error
    return np.asarray(values, np.float64)


def _times(file: Path, name: str, column: Any, layout: Layout) -> tuple[Millis, bool]:
    """Return times as milliseconds, and whether they are UTC (else they are wall-clock)."""
    import pyarrow as pa  # noqa: PLC0415 - as above
    import pyarrow.compute as pc  # noqa: PLC0415 - as above

    try:
        if pa.types.is_string(column.type) and layout.time_format is not None:
            column = pc.strptime(column, format=layout.time_format, unit="ms")
        elif pa.types.is_string(column.type) or pa.types.is_date(column.type):
            column = column.cast(pa.timestamp("ms"))
        if not pa.types.is_timestamp(column.type):
            raise BadSeries(
                f"{file}: column {name!r} holds {column.type}, no times; write ISO 8601, or name "
                "their format, e.g. --time-format '%d.%m.%Y %H:%M'"
            )
        aware = column.type.tz is not None
        plain = column.cast(pa.timestamp("ms"), safe=False) if not aware else column
        whole = plain.cast(pa.timestamp("ms", tz=column.type.tz), safe=False)
        numbers = whole.cast(pa.int64())
    except pa.ArrowException as error:
        raise BadSeries(f"{file}: column {name!r} holds no times: {error}") from error
    if numbers.null_count:
        raise BadSeries(
            f"{file}: column {name!r} has {numbers.null_count} empty fields; every row needs a time"
        )
    return np.asarray(numbers.to_numpy(zero_copy_only=False), np.int64), aware


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadSeries(f"timezone {name!r} is not in the IANA list; write e.g. UTC") from error
