"""Markets and their products, read from files of rules.

A market is added by writing a file: nothing here knows a province or an exchange by name.
"""

import datetime as dt
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from cloud.market.bid import Direction, OfferMode
from cloud.market.errors import BadProfile
from cloud.market.exchanges.gates import Calendar, DayGate, Gate, IntervalGate
from cloud.market.exchanges.profile_file import (
    DayGateFile,
    IntervalGateFile,
    MarketFile,
    ProductFile,
    Stated,
    stated_values,
)
from cloud.market.exchanges.settlement_file import SettlementFile
from cloud.market.exchanges.words import Amend, Format, Kind, Role, Stage
from cloud.market.units import DAY_MS
from contract.words import Words

V = TypeVar("V")
PROFILES = Path(__file__).with_name("profiles")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value of a profile comes from.

    Attributes:
        since: year, month or day since when it holds; empty: not known.
        source: title of the publication; empty for an assumption.
        assumed: why it is taken to be so; empty for a published value.
    """

    since: str
    source: str
    assumed: str


@dataclass(frozen=True, slots=True)
class Product:
    """What can be offered in a market, and by which rules.

    Attributes:
        id: as "day-ahead-energy".
        market: id of its market.
        name: by language (en, zh).
        kind: energy, peak, regulation or reserve.
        stage: day_ahead, intraday or real_time.
        code: the exchange's own name, as "RAISEREG" or "A47".
        format: how bids of it are written.
        directions: what may be offered.
        price_unit: as "EUR/MWh".
        interval_min: minutes.
        modes: how much a bid may leave to the market.
        max_segments: most segments per direction in an interval.
        price_floor, price_cap, price_step: in `price_unit`.
        power_step_mw, min_power_mw: of each segment; least of an offered direction.
        gate: when bids are due.
        price_gate: when the day's prices are due, if earlier than the MW; None: with them.
        calendar: the market's clock.
        roles: who may offer it.
        amend: what may change after submission.
        reason_needed: whether an amendment must say why.
        prices_fixed_for_day: one ladder of prices for all intervals of the day.
        trapezium_needed: whether each interval carries a trapezium.
        exclusive_with: products that a station may not offer on the same day.
        clearing_floor, clearing_cap: limits of the cleared price, if they differ.
        soc_band_h: hours of full power to be kept in store each way; 0: none asked.
        origins: where each value comes from, by name of the field.
    """

    id: str
    market: str
    name: Mapping[str, str]
    kind: Kind
    stage: Stage
    code: str
    format: Format
    directions: tuple[Direction, ...]
    price_unit: str
    interval_min: int
    modes: tuple[OfferMode, ...]
    max_segments: int
    price_floor: Decimal
    price_cap: Decimal
    price_step: Decimal
    power_step_mw: Decimal
    min_power_mw: Decimal
    gate: Gate
    price_gate: Gate | None
    calendar: Calendar
    roles: tuple[Role, ...]
    amend: Amend
    reason_needed: bool
    prices_fixed_for_day: bool
    trapezium_needed: bool
    exclusive_with: tuple[str, ...]
    clearing_floor: Decimal
    clearing_cap: Decimal
    soc_band_h: Decimal
    origins: Mapping[str, Origin] = field(default_factory=dict, repr=False)

    def gate_closure_ms(self, start_ms: int) -> int:
        """Return when bids of the interval beginning at `start_ms` are due, UTC epoch ms."""
        return self.calendar.closure_ms(self.gate, start_ms)

    def intervals_ms(self, day: dt.date) -> tuple[int, ...]:
        """Return the beginnings of the intervals of a delivery day, UTC epoch ms."""
        return self.calendar.intervals_ms(day, self.interval_min)


@dataclass(frozen=True, slots=True)
class Eligibility:
    """What a station needs in a role, and what it may then offer."""

    role: Role
    min_power_mw: Decimal
    min_hours: Decimal
    products: tuple[str, ...]
    modes: tuple[OfferMode, ...]


@dataclass(frozen=True, slots=True)
class Market:
    """A market's rules.

    Attributes:
        id: as "cn-shandong".
        name: by language (en, zh).
        currency: ISO 4217.
        format: how bids are written.
        calendar: its clock.
        products: what can be offered.
        roles: what a station needs, by role.
        settlement: how it settles; see `cloud.market.settlement`.
        origins: where every value comes from, by key, as "products.peak.price_cap".
    """

    id: str
    name: Mapping[str, str]
    currency: str
    format: Format
    calendar: Calendar
    products: tuple[Product, ...]
    roles: tuple[Eligibility, ...]
    settlement: SettlementFile
    origins: Mapping[str, Origin] = field(repr=False)

    def product(self, name: str) -> Product:
        """Return a product.

        Raises:
            BadProfile: the market has no such product.
        """
        for one in self.products:
            if one.id == name:
                return one
        known = ", ".join(one.id for one in self.products)
        raise BadProfile(
            Words(
                f"{self.id}: product {name!r} is not traded there; choose from {known}",
                f"{self.id}：没有交易品种 {name!r}；可选：{known}",
            )
        )

    def final_ms(self, day: dt.date) -> int:
        """Return from when on a delivery day's statement is revised no more, UTC epoch ms."""
        return self.calendar.day_bounds_ms(day)[1] + self.settlement.final_days.value * DAY_MS

    def eligibility(self, role: Role) -> Eligibility | None:
        """Return what a role asks for; None: the market does not know the role."""
        return next((one for one in self.roles if one.role is role), None)

    def assumptions(self) -> dict[str, str]:
        """Return the values that are assumed, by key, with the reason why."""
        return {key: one.assumed for key, one in self.origins.items() if one.assumed}


def market_ids() -> tuple[str, ...]:
    """Return the ids of the markets that come with the product."""
    return tuple(sorted(file.stem for file in PROFILES.glob("*.toml")))


def load_market(id_or_file: str | Path) -> Market:
    """Read a market's rules, by its id or from a file.

    Raises:
        BadProfile: there is none, or a key is missing, unknown or wrong.
    """
    file = PROFILES / f"{id_or_file}.toml"
    if isinstance(id_or_file, Path) or str(id_or_file).endswith(".toml"):
        file = Path(id_or_file)
    elif str(id_or_file) not in market_ids():
        raise BadProfile(
            f"market {str(id_or_file)!r} is not known; choose from {', '.join(market_ids())} or "
            "name a file that ends in .toml"
        )
    else:
        return _packaged(file)
    return _market(_read(file))


@cache
def _packaged(file: Path) -> Market:
    return _market(_read(file))


def _read(file: Path) -> MarketFile:
    try:
        text = file.read_text("utf-8")
        return MarketFile.model_validate(tomllib.loads(text, parse_float=Decimal))
    except OSError as error:
        raise BadProfile(f"{file}: {error.strerror}: name a readable TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadProfile(f"{file}: not a TOML file: {error}: mend that line") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "file"
        raise BadProfile(f"{file}: {key}: {_remedy(first['type'], first['msg'])}") from error


def _remedy(kind: str, message: str) -> str:
    if kind == "missing":
        return "is required; add it"
    if kind == "extra_forbidden":
        return "is not a known key; check its spelling or remove it"
    return message.removeprefix("Value error, ")


def _market(read: MarketFile) -> Market:
    calendar = Calendar(read.zone, read.day_start)
    origins = {
        key: Origin(
            one.since or "", read.sources[one.source].title if one.source else "", one.assumed or ""
        )
        for key, one in stated_values(read)
    }
    return Market(
        id=read.id,
        name=read.name.model_dump(),
        currency=read.currency,
        format=read.format,
        calendar=calendar,
        products=tuple(_product(one, read, calendar, origins) for one in read.products),
        roles=tuple(
            Eligibility(
                one.role,
                one.min_power_mw.value,
                one.min_hours.value,
                one.products.value,
                one.modes.value,
            )
            for one in read.roles
        ),
        settlement=read.settlement,
        origins=origins,
    )


def _product(
    read: ProductFile, whole: MarketFile, calendar: Calendar, origins: Mapping[str, Origin]
) -> Product:
    prefix = f"products.{read.id}."
    return Product(
        id=read.id,
        market=whole.id,
        name=read.name.model_dump(),
        kind=read.kind,
        stage=read.stage,
        code=read.code,
        format=read.format or whole.format,
        directions=read.directions,
        price_unit=read.price_unit,
        interval_min=read.interval_min.value,
        modes=read.modes.value,
        max_segments=read.max_segments.value,
        price_floor=read.price_floor.value,
        price_cap=read.price_cap.value,
        price_step=read.price_step.value,
        power_step_mw=read.power_step_mw.value,
        min_power_mw=read.min_power_mw.value,
        gate=_gate(read.gate.value),
        price_gate=_gate(read.price_gate.value) if read.price_gate else None,
        calendar=calendar,
        roles=read.roles.value,
        amend=read.amend.value,
        reason_needed=_or(read.reason_needed, default=False),
        prices_fixed_for_day=_or(read.prices_fixed_for_day, default=False),
        trapezium_needed=_or(read.trapezium_needed, default=False),
        exclusive_with=_or(read.exclusive_with, default=()),
        clearing_floor=_or(read.clearing_floor, default=read.price_floor.value),
        clearing_cap=_or(read.clearing_cap, default=read.price_cap.value),
        soc_band_h=_or(read.soc_band_h, default=Decimal(0)),
        origins={
            key.removeprefix(prefix): one for key, one in origins.items() if key.startswith(prefix)
        },
    )


def _gate(given: DayGateFile | IntervalGateFile) -> Gate:
    if isinstance(given, DayGateFile):
        return DayGate(given.days_before, given.at)
    return IntervalGate(given.minutes_before, given.together_min)


def _or(stated: Stated[V] | None, *, default: V) -> V:
    return default if stated is None else stated.value
