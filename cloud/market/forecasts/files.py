"""A Parquet file with a time column becomes a history."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from cloud.market.errors import BadSeries, NoSuchFile
from cloud.market.forecasts.history import Floats, History, Times
from cloud.market.units import MINUTE_MS

_ROLES: Final = ("price", "forecast", "settled")
_USAGE: Final = (
    "price=COLUMN, forecast=COLUMN (known at gate closure), settled=COLUMN (known two days later), "
    "separated by commas"
)


@dataclass(frozen=True)
class Columns:
    """Which columns of a file are what.

    Attributes:
        price: what is to be forecast.
        forecasts: known at gate closure.
        settled: daily values known two days later.
    """

    price: str
    forecasts: tuple[str, ...] = ()
    settled: tuple[str, ...] = ()


def parse_columns(text: str) -> Columns:
    """Read a map as "price=rt,forecast=load,forecast=wind,settled=gas".

    Raises:
        BadSeries: a role is unknown, or there is not exactly one price.
    """
    found: dict[str, list[str]] = {role: [] for role in _ROLES}
    for part in text.split(","):
        role, _, column = (word.strip() for word in part.partition("="))
        if role not in found or not column:
            raise BadSeries(f"columns: {part!r} is none of {_USAGE}")
        found[role].append(column)
    if len(found["price"]) != 1:
        raise BadSeries(f"columns: name the price once: {_USAGE}")
    return Columns(found["price"][0], tuple(found["forecast"]), tuple(found["settled"]))


def read_history(
    file: Path, columns: Columns, zone: str = "UTC"
) -> tuple[History, tuple[str, ...]]:
    """Read a file with one column of times.

    Times without a zone are taken as UTC. Gaps become NaN; of doubles the first counts.

    Returns:
        The history, and notes on what was assumed or mended.

    Raises:
        BadSeries: the file or a column is missing, or its times have no step.
    """
    from pyarrow import ArrowInvalid, types  # noqa: PLC0415 - slow to load
    from pyarrow import parquet as pq  # noqa: PLC0415

    if not file.exists():
        raise NoSuchFile(file)
    try:
        table = pq.read_table(file)
    except OSError as error:
        raise BadSeries(
            f"{file}: {error.strerror or 'cannot be read'}: name a Parquet file"
        ) from error
    except ArrowInvalid as error:
        raise BadSeries(f"{file}: not a Parquet file: {error}") from error
    clocks = [field for field in table.schema if types.is_timestamp(field.type)]
    if len(clocks) != 1:
        raise BadSeries(f"{file}: has {len(clocks)} columns of times; give a file with one")
    wanted = (columns.price, *columns.forecasts, *columns.settled)
    for name in wanted:
        if name not in table.column_names:
            known = ", ".join(name for name in table.column_names if name != clocks[0].name)
            raise BadSeries(f"{file}: there is no column {name!r}; there are {known}")
    notes = [] if clocks[0].type.tz else [f"{file.name}: times without a zone, taken as UTC"]
    times = table[clocks[0].name].cast("timestamp[ms]", safe=False).to_numpy().astype(np.int64)
    step_ms, order = _step(file, times, notes)
    place = (times[order] - times[order][0]) // step_ms
    length = int(place[-1]) + 1
    if length > len(order):
        notes.append(f"{file.name}: {length - len(order):,} intervals missing")

    def laid(name: str) -> Floats:
        values = np.full(length, np.nan)
        values[place] = _numbers(file, table[name], name)[order]
        return values

    history = History(
        int(times[order][0]),
        int(step_ms // MINUTE_MS),
        laid(columns.price),
        {name: laid(name) for name in columns.forecasts},
        {name: laid(name) for name in columns.settled},
        zone=zone,
    )
    return history, tuple(notes)


def _step(file: Path, times: Times, notes: list[str]) -> tuple[int, Times]:
    """Return the step in ms and the order of the rows that count."""
    unique, order = np.unique(times, return_index=True)
    if len(unique) < len(times):
        doubles = len(times) - len(unique)
        notes.append(f"{file.name}: {doubles:,} rows with a time that is there already: left out")
    if len(unique) == 1:
        raise BadSeries(f"{file}: has one time; give a series")
    steps, counts = np.unique(np.diff(unique), return_counts=True)
    step_ms = int(steps[counts.argmax()])
    on_grid = (unique - unique[0]) % step_ms == 0
    if not on_grid.all():
        raise BadSeries(
            f"{file}: {int((~on_grid).sum())} times lie off its grid of "
            f"{step_ms / MINUTE_MS:g} minutes; resample it first"
        )
    return step_ms, order


def _numbers(file: Path, column: Any, name: str) -> Floats:
    from pyarrow import ArrowInvalid, ArrowNotImplementedError  # noqa: PLC0415

    try:
        values = column.cast("float64").to_numpy()
    except (ArrowInvalid, ArrowNotImplementedError) as error:
        raise BadSeries(f"{file}: column {name!r} holds no numbers") from error
    return np.asarray(values, np.float64)
