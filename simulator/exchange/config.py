"""The test exchange's configuration (TOML), checked on load."""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from simulator.errors import ConfigError
from simulator.files import Strict, load_toml

Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]


class PriceConfig(Strict):
    """Recorded prices: a column of a CSV or Parquet file.

    `at` is the column of times (ISO 8601 in UTC, or HH:MM of a day that repeats); Parquet may
    have an index of times instead. The price of now is the one recorded `offset_days` and
    `offset_hours` earlier; past its end the recording begins again, after whole weeks if it has
    one. `ripple` moves the price up and down by so much at most, by a fixed pattern of minutes,
    so that what is traded within a day differs from the day ahead: it is not recorded.
    """

    file: Path
    column: str
    at: str = "start"
    offset_days: int = 0
    offset_hours: Annotated[int, Field(ge=-23, le=23)] = 0
    ripple: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    scale: Decimal = Decimal(1)


class ProductConfig(Strict):
    """A product; bids are due at a local time days before, or minutes before an interval.

    Intervals of one stretch of `due_together_min` minutes of the day are due together.
    """

    id: Name
    code: str = ""
    kind: Literal["energy", "capacity"] = "energy"
    stage: Literal["day_ahead", "intraday", "real_time"]
    format: Literal["curve-csv", "china-96", "aemo-json", "iec-62325"]
    interval_min: Literal[1, 5, 10, 15, 30, 60]
    due_days_before: Annotated[int, Field(ge=0, le=7)] | None = None
    due_at: dt.time | None = None
    due_minutes_before: Annotated[int, Field(ge=0, le=1440)] | None = None
    due_together_min: Annotated[int, Field(ge=0, le=1440)] = 0
    price_floor: Decimal
    price_cap: Decimal
    most_segments: Annotated[int, Field(ge=1)] = 10
    price: PriceConfig

    @model_validator(mode="after")
    def _one_gate(self) -> "ProductConfig":
        by_day = self.due_days_before is not None and self.due_at is not None
        if by_day == (self.due_minutes_before is not None):
            raise ValueError("name due_days_before and due_at, or due_minutes_before alone")
        return self


class MarketConfig(Strict):
    """A market of the exchange.

    Attributes:
        settle: "net": awards at their prices and the rest at the imbalance price; "gross": all
            metered energy at the price of the only energy product, times `loss_factor`.
        imbalance: prices of the rest; without it, those of the last energy product.
        provisional: a statement is given while its day lasts, for what the meter has told so far.
    """

    id: Name
    zone: str
    day_start: dt.time = dt.time(0)
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    settle: Literal["net", "gross"] = "net"
    loss_factor: Decimal = Decimal(1)
    imbalance: PriceConfig | None = None
    provisional: bool = False
    products: Annotated[tuple[ProductConfig, ...], Field(min_length=1)]

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{zone} is no time zone; name one as Europe/Berlin") from error
        return zone

    def product(self, name: str) -> ProductConfig | None:
        """Return a product by its id."""
        return next((one for one in self.products if one.id == name), None)


class ExchangeConfig(Strict):
    """Everything the exchange is told. Paths are relative to the configuration file.

    Attributes:
        token_file: holds the one secret that every request must bring; made if it is missing.
        folder: for what has arrived (`journal.jsonl`), and the file drop (`inbox`, `outbox`).
        clock: "system", or "manual": stands at `start` and moves only when told.
    """

    host: Literal["127.0.0.1", "::1", "localhost"] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 0
    token_file: Path
    folder: Path
    ports_out: Path | None = None
    clock: Literal["system", "manual"] = "system"
    start: dt.datetime | None = None
    markets: Annotated[tuple[MarketConfig, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _start_of_manual_clock(self) -> "ExchangeConfig":
        if self.clock == "manual" and (self.start is None or self.start.tzinfo is None):
            raise ValueError("a manual clock needs start with its offset: 2026-03-09T08:00:00Z")
        return self

    def market(self, name: str) -> MarketConfig | None:
        """Return a market by its id."""
        return next((one for one in self.markets if one.id == name), None)


def load_config(path: Path) -> ExchangeConfig:
    """Read a configuration; its paths become absolute.

    Raises:
        ConfigError: names the file, the key, the value and the remedy.
    """
    config = load_toml(path, ExchangeConfig)
    base = path.resolve().parent
    markets = tuple(_placed(market, base, path) for market in config.markets)
    placed = {
        "token_file": base / config.token_file,
        "folder": base / config.folder,
        "ports_out": None if config.ports_out is None else base / config.ports_out,
        "markets": markets,
    }
    return config.model_copy(update=placed)


def _placed(market: MarketConfig, base: Path, path: Path) -> MarketConfig:
    def at(price: PriceConfig, key: str) -> PriceConfig:
        file = base / price.file
        if not file.is_file():
            raise ConfigError(path, f"{key}.file", str(price.file), "name a file that exists")
        return price.model_copy(update={"file": file})

    products = tuple(
        one.model_copy(update={"price": at(one.price, f"markets.{market.id}.{one.id}.price")})
        for one in market.products
    )
    imbalance = market.imbalance and at(market.imbalance, f"markets.{market.id}.imbalance")
    return market.model_copy(update={"products": products, "imbalance": imbalance})
