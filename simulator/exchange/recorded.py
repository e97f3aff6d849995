"""Recorded prices, played back as if they were today's."""

import bisect
import csv
import datetime as dt
import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from itertools import pairwise
from pathlib import Path

from simulator.errors import ConfigError
from simulator.exchange.config import PriceConfig

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_WAVES_MIN = (47, 71, 173)  # prime to one another: the pattern does not repeat for weeks
_WEEK_MS = 7 * _DAY_MS
_CENT = Decimal("0.01")
_CLOCK = len("00:00")


@dataclass(frozen=True)
class Recorded:
    """Prices with the times from which they hold, rising, UTC epoch ms."""

    times_ms: tuple[int, ...]
    prices: tuple[Decimal, ...]
    scale: Decimal
    offset_ms: int
    span_ms: int
    ripple: Decimal = Decimal(0)

    def at(self, now_ms: int) -> Decimal:
        """Return the price that holds at a moment of today."""
        since = (now_ms - self.offset_ms - self.times_ms[0]) % self.span_ms
        index = bisect.bisect_right(self.times_ms, self.times_ms[0] + since) - 1
        price = (self.prices[index] * self.scale).quantize(_CENT)
        if not self.ripple:
            return price
        waves = (math.sin(math.tau * now_ms / 60_000 / minutes) for minutes in _WAVES_MIN)
        swing = Decimal(str(round(sum(waves) / len(_WAVES_MIN), 6)))
        return price + (self.ripple * swing).quantize(_CENT)


def load(config: PriceConfig) -> Recorded:
    """Read a recording.

    Raises:
        ConfigError: a column is missing, a value is no number, or it is shorter than two rows.
    """
    rows = _rows(config.file, config.column, config.at)
    if len(rows) < 2:  # noqa: PLR2004 - one row has no step
        raise ConfigError(config.file, config.column, len(rows), "needs two rows at the least")
    times = tuple(at for at, _ in rows)
    whole = times[-1] - times[0] + min(b - a for a, b in pairwise(times))
    unit = _WEEK_MS if whole >= _WEEK_MS else _DAY_MS
    return Recorded(
        times,
        tuple(price for _, price in rows),
        config.scale,
        config.offset_days * _DAY_MS + config.offset_hours * _HOUR_MS,
        max(whole // unit * unit, unit),
        config.ripple,
    )


@cache
def _rows(file: Path, column: str, at: str) -> tuple[tuple[int, Decimal], ...]:
    """Read a column once, however many products are priced by it."""
    config = PriceConfig(file=file, column=column, at=at)
    return tuple(sorted(_parquet(config) if file.suffix == ".parquet" else _csv(config)))


def _csv(config: PriceConfig) -> Iterable[tuple[int, Decimal]]:
    with config.file.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        for column in (config.at, config.column):
            if column not in (reader.fieldnames or ()):
                raise ConfigError(
                    config.file, column, None, f"is no column of it: {reader.fieldnames}"
                )
        for row in reader:
            try:
                yield _time_ms(row[config.at]), Decimal(row[config.column])
            except (ValueError, InvalidOperation) as error:
                where = f"line {reader.line_num}"
                raise ConfigError(config.file, where, row, "needs a time and a price") from error


def _time_ms(text: str) -> int:
    if len(text) == _CLOCK:
        clock = dt.time.fromisoformat(text)
        return (clock.hour * 60 + clock.minute) * 60_000
    moment = dt.datetime.fromisoformat(text)
    return int(moment.replace(tzinfo=moment.tzinfo or dt.UTC).timestamp()) * 1000


def _parquet(config: PriceConfig) -> Iterable[tuple[int, Decimal]]:
    import pyarrow.parquet  # noqa: PLC0415 - only who has recordings in it needs it

    table = pyarrow.parquet.read_table(config.file)
    at = config.at if config.at in table.column_names else "__index_level_0__"
    for column in (at, config.column):
        if column not in table.column_names:
            raise ConfigError(config.file, column, None, f"is no column of {table.column_names}")
    times = table.column(at).cast(pyarrow.timestamp("ms"), safe=False).cast("int64")
    prices = table.column(config.column).to_pylist()
    for time, price in zip(times.to_pylist(), prices, strict=True):
        if price is not None and price == price:  # noqa: PLR0124 - a gap is not a number
            yield time, Decimal(str(price))
