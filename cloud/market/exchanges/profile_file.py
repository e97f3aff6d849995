"""A market's rules as a file: what may stand in it, checked when it is read.

Every value says since when it holds and where it is published (`since`, `source`), or that it is
an assumption and of what kind (`assumed`): `{ value = 5, since = "2024-07", source = "rules" }`.
"""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, Field, field_validator, model_validator

from cloud.market.bid import Direction, OfferMode
from cloud.market.exchanges.settlement_file import SettlementFile, StatedBase, Strict
from cloud.market.exchanges.words import Amend, Format, Kind, Role, Stage

T = TypeVar("T")
Id = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]


class Stated(StatedBase, Generic[T]):
    """A value with its date and its source, or with the reason why it is assumed."""

    value: T


class Words(Strict):
    """A name in both languages."""

    en: Annotated[str, Field(min_length=1)]
    zh: Annotated[str, Field(min_length=1)]


class Source(Strict):
    """Where values come from."""

    title: Annotated[str, Field(min_length=1)]
    dated: Annotated[str, Field(pattern=r"^\d{4}(-\d{2}){0,2}$")] | None = None
    about: str = ""


class DayGateFile(Strict):
    """Due at a local time, days before the delivery day."""

    days_before: Annotated[int, Field(ge=0, le=7)]
    at: dt.time


class IntervalGateFile(Strict):
    """Due minutes before each interval, or before a stretch of them that are due together."""

    minutes_before: Annotated[int, Field(ge=0, le=1440)]
    together_min: Annotated[int, Field(ge=0, le=1440)] = 0


class ProductFile(Strict):
    """One product of a market; power in MW, prices in `price_unit`."""

    id: Id
    name: Words
    kind: Kind
    stage: Stage
    code: str = ""
    format: Format | None = None
    directions: Annotated[tuple[Direction, ...], Field(min_length=1)]
    price_unit: Annotated[str, Field(min_length=1)]
    interval_min: Stated[Literal[1, 5, 10, 15, 30, 60]]
    modes: Stated[Annotated[tuple[OfferMode, ...], Field(min_length=1)]]
    roles: Stated[Annotated[tuple[Role, ...], Field(min_length=1)]]
    max_segments: Stated[Annotated[int, Field(ge=1, le=1000)]]
    price_floor: Stated[Decimal]
    price_cap: Stated[Decimal]
    price_step: Stated[Annotated[Decimal, Field(gt=0)]]
    power_step_mw: Stated[Annotated[Decimal, Field(gt=0)]]
    min_power_mw: Stated[Annotated[Decimal, Field(ge=0)]]
    gate: Stated[DayGateFile | IntervalGateFile]
    price_gate: Stated[DayGateFile] | None = None
    amend: Stated[Amend]
    reason_needed: Stated[bool] | None = None
    prices_fixed_for_day: Stated[bool] | None = None
    trapezium_needed: Stated[bool] | None = None
    exclusive_with: Stated[tuple[Id, ...]] | None = None
    clearing_floor: Stated[Decimal] | None = None
    clearing_cap: Stated[Decimal] | None = None
    soc_band_h: Stated[Annotated[Decimal, Field(ge=0)]] | None = None

    @model_validator(mode="after")
    def _limits_in_order(self) -> "ProductFile":
        if self.price_floor.value >= self.price_cap.value:
            raise ValueError(
                f"{self.id}: price_floor {self.price_floor.value} lies not below price_cap "
                f"{self.price_cap.value}; raise the cap or lower the floor"
            )
        whole = self.price_cap.value % self.price_step.value
        if whole or self.price_floor.value % self.price_step.value:
            raise ValueError(
                f"{self.id}: price_floor and price_cap are no multiples of price_step "
                f"{self.price_step.value}; name a step that divides both"
            )
        return self


class RoleFile(Strict):
    """What a station needs in order to take part in a role."""

    role: Role
    min_power_mw: Stated[Annotated[Decimal, Field(ge=0)]]
    min_hours: Stated[Annotated[Decimal, Field(ge=0)]]
    products: Stated[tuple[Id, ...]]
    modes: Stated[tuple[OfferMode, ...]]


class MarketFile(Strict):
    """A market's file."""

    id: Id
    name: Words
    zone: str
    day_start: dt.time = dt.time(0)
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    format: Format
    about: str = ""
    sources: dict[str, Source]
    products: Annotated[tuple[ProductFile, ...], Field(min_length=1)]
    roles: Annotated[tuple[RoleFile, ...], Field(min_length=1)]
    settlement: SettlementFile

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{zone} is no time zone; name one as Europe/Brussels") from error
        return zone

    @model_validator(mode="after")
    def _consistent(self) -> "MarketFile":
        ids = [one.id for one in self.products]
        if len(ids) != len(set(ids)):
            raise ValueError("products: two have the same id; rename one")
        named = [name for role in self.roles for name in role.products.value]
        named += [n for p in self.products if p.exclusive_with for n in p.exclusive_with.value]
        for name in named:
            if name not in ids:
                raise ValueError(f"{name} is no product here; choose from {', '.join(ids)}")
        for key, stated in stated_values(self):
            if stated.source is not None and stated.source not in self.sources:
                raise ValueError(
                    f"{key}: source {stated.source} is not listed; add [sources.{stated.source}]"
                )
        return self


def stated_values(model: BaseModel, key: str = "") -> Iterator[tuple[str, StatedBase]]:
    """Yield every stated value of a model with its key, as `products.peak.price_cap`."""
    for name in type(model).model_fields:
        yield from _stated(getattr(model, name), f"{key}.{name}" if key else name)


def _stated(value: Any, key: str) -> Iterator[tuple[str, StatedBase]]:
    if isinstance(value, StatedBase):
        yield key, value
    elif isinstance(value, BaseModel):
        yield from stated_values(value, key)
    elif isinstance(value, tuple):
        for number, one in enumerate(value):
            label = getattr(one, "id", None) or getattr(one, "role", None) or str(number)
            yield from _stated(one, f"{key}.{label}")
