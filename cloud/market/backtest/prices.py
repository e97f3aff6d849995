"""Recorded prices for a back-test: read whole, checked, on one grid with the market's local time.

A file is Parquet with one column (or index) of UTC times. The real-time price (`rt`) sets the
grid; a day-ahead price (`da`) may stand in the same file or by the hour in a second one, and is
held over the steps of its hour.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from cloud.market.errors import BadSeries, NoSuchFile
from cloud.market.units import MINUTE_MS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DAY_MIN = 1440
_SHOWN = 3
_ROLES = ("rt", "da", "load")


@dataclass(frozen=True)
class Prices:
    """Prices on one grid.

    Attributes:
        start_ms: UTC epoch of the first step.
        step_min: minutes a step.
        price: real-time price, shape (steps,).
        day_ahead: of the step's hour, shape (steps,), NaN where there is none; None: no such
            market.
        day: number of the local day of each step, shape (steps,), counted from 1970.
        minutes: local minute of the day of each step, shape (steps,).
        load: forecast of the load known with the day-ahead price, shape (steps,); None: not given.
    """

    start_ms: int
    step_min: int
    price: Floats
    day_ahead: Floats | None
    day: Ints
    minutes: Ints
    load: Floats | None = None

    @property
    def steps_a_day(self) -> int:
        """Steps of a day without a clock change."""
        return DAY_MIN // self.step_min

    def first_of(self, day: int) -> int:
        """Return the first step of a local day (the number of steps if it lies after them)."""
        return int(np.searchsorted(self.day, day))


def read_columns(text: str) -> dict[str, str]:
    """Read a map of columns, "rt=spp,da=da_price".

    Raises:
        BadSeries: a part is no ROLE=COLUMN, a role is unknown, or `rt` is missing.
    """
    found: dict[str, str] = {}
    for part in text.split(","):
        role, sign, column = (word.strip() for word in part.partition("="))
        if not sign or not column or role not in _ROLES:
            raise BadSeries(
                f"columns: {part!r} is not rt=, da= or load=COLUMN; write e.g. rt=spp,da=ahead"
            )
        found[role] = column
    if "rt" not in found:
        raise BadSeries("columns: rt=COLUMN is missing: name the column of the price to trade at")
    return found


def read_prices(
    files: Sequence[Path], columns: dict[str, str], zone: str, *, naive_utc: bool = False
) -> Prices:
    """Read recorded prices.

    Args:
        files: Parquet files; each column is looked for in all of them.
        columns: by role, see `read_columns`.
        zone: IANA name of the market's local time.
        naive_utc: take times that name no zone for UTC.

    Raises:
        BadSeries: a file or column is missing, times name no zone, have gaps, doubles or no
            order, or steps differ.
    """
    tables = [(file, _table(file, naive_utc=naive_utc)) for file in files]
    times, price = _column(tables, columns["rt"])
    step_min = _step(columns["rt"], times)
    _refuse_empty(columns["rt"], times, price)
    held = {
        role: hold(columns[role], *_column(tables, columns[role]), times, step_min)
        for role in ("da", "load")
        if role in columns
    }
    return on_local_days(
        times, price, step_min, zone, day_ahead=held.get("da"), load=held.get("load")
    )


def on_local_days(
    times: Ints,
    price: Floats,
    step_min: int,
    zone: str,
    *,
    day_ahead: Floats | None = None,
    load: Floats | None = None,
) -> Prices:
    """Return prices of consecutive steps with their local days; see `Prices`.

    Args:
        times: UTC epoch ms of the steps' beginnings, shape (steps,).
        price: shape (steps,).
        step_min: minutes a step.
        zone: IANA name of the market's local time.
        day_ahead: shape (steps,); None: no such market.
        load: shape (steps,); None: not given.
    """
    local_ms = times + _offsets(times, zone)
    return Prices(
        start_ms=int(times[0]),
        step_min=step_min,
        price=price,
        day_ahead=day_ahead,
        day=local_ms // (DAY_MIN * MINUTE_MS),
        minutes=local_ms // MINUTE_MS % DAY_MIN,
        load=load,
    )


def _table(file: Path, *, naive_utc: bool) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - only who reads a file needs it
    from pyarrow import parquet  # noqa: PLC0415 - as above

    if not file.exists():
        raise NoSuchFile(file)
    try:
        table = parquet.read_table(file)
    except (OSError, pa.ArrowException) as error:
        raise BadSeries(
            f"{file}: cannot be read as Parquet: {error}; name a Parquet file of prices"
        ) from error
    for number, one in enumerate(table.schema):
        if naive_utc and pa.types.is_timestamp(one.type) and one.type.tz is None:
            aware = table[one.name].cast(pa.timestamp("ms"), safe=False)
            table = table.set_column(number, one.name, aware.cast(pa.timestamp("ms", tz="UTC")))
    return table


def _column(tables: Sequence[tuple[Path, Any]], name: str) -> tuple[Ints, Floats]:
    """Return times and values of a column."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    holding = [(file, table) for file, table in tables if name in table.column_names]
    if not holding:
        there = "; ".join(f"{file.name}: {', '.join(t.column_names)}" for file, t in tables)
        raise BadSeries(f"there is no column {name!r} ({there}); mend --columns")
    file, table = holding[0]
    stamps = [one for one in table.schema if pa.types.is_timestamp(one.type)]
    if len(stamps) != 1:
        raise BadSeries(
            f"{file}: {len(stamps)} columns hold times; one index of UTC times is needed"
        )
    if stamps[0].type.tz is None:
        raise BadSeries(
            f"{file}: its times ({stamps[0].name}) name no zone; write them with UTC, "
            "e.g. frame.tz_localize('UTC'), or say --naive-utc if UTC is what they are"
        )
    times = table[stamps[0].name].cast(pa.timestamp("ms", tz="UTC"), safe=False)
    try:
        values = table[name].cast(pa.float64()).to_numpy()
    except pa.ArrowException as error:
        raise BadSeries(f"{file}: {name} holds no numbers: {error}") from error
    return (
        np.asarray(times.cast(pa.int64()).to_numpy(), np.int64),
        np.asarray(values, np.float64),
    )


def _step(name: str, times: Ints) -> int:
    if len(times) < 2:  # noqa: PLR2004 - a step lies between two
        raise BadSeries(f"{name}: {len(times)} rows; at least some weeks are needed")
    apart = np.diff(times)
    step = int(np.median(apart))
    bad = np.flatnonzero(apart != step)
    if step <= 0 or DAY_MIN * MINUTE_MS % step or step % MINUTE_MS:
        raise BadSeries(f"{name}: rows are {step / MINUTE_MS:g} minutes apart; no part of a day")
    if len(bad):
        what = "gap, double or disorder"
        raise BadSeries(
            f"{name}: {len(bad)} places with a {what}, the first after {_utc(int(times[bad[0]]))}; "
            "fill or sort the file first (the market's price import names each of them)"
        )
    return step // MINUTE_MS


def _refuse_empty(name: str, times: Ints, price: Floats) -> None:
    bad = np.flatnonzero(~np.isfinite(price))
    if len(bad):
        shown = ", ".join(_utc(int(times[n])) for n in bad[:_SHOWN])
        raise BadSeries(f"{name}: {len(bad)} steps without a price ({shown}): fill or cut them")


def hold(name: str, at: Ints, values: Floats, times: Ints, step_min: int) -> Floats:
    """Hold values over the steps of their interval; NaN beyond them.

    Args:
        name: of the values, for the error.
        at: UTC epoch ms of the intervals, shape (n,).
        values: of the intervals, shape (n,).
        times: UTC epoch ms of the steps, shape (steps,).
        step_min: minutes a step.

    Raises:
        BadSeries: doubled times, or fewer than two values.
    """
    order = np.argsort(at, kind="stable")
    at, values = at[order], values[order]
    apart = np.diff(at)
    if len(at) < 2 or (apart <= 0).any():  # noqa: PLR2004 - an interval lies between two
        raise BadSeries(f"{name}: doubled times, or fewer than two rows")
    length = max(int(np.median(apart)), step_min * MINUTE_MS)
    place = np.searchsorted(at, times, side="right") - 1
    covered = (place >= 0) & (times - at[np.maximum(place, 0)] < length)
    return np.where(covered, values[np.maximum(place, 0)], np.nan)


def _offsets(times: Ints, zone: str) -> Ints:
    """Milliseconds that local clocks are ahead of UTC, found by the hour."""
    info = ZoneInfo(zone)
    hours, back = np.unique(times // (60 * MINUTE_MS), return_inverse=True)
    found = [_offset_ms(int(hour) * 60 * MINUTE_MS, info) for hour in hours]
    return np.array(found, np.int64)[back]


def _offset_ms(moment_ms: int, info: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(moment_ms / 1000, UTC).astimezone(info).utcoffset()
    return 0 if offset is None else round(offset.total_seconds() * 1000)


def _utc(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")
