"""Markets by their rules, and the gates of a station that close next."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from cloud import fleet
from cloud.api.answers import ERRORS, WordsAnswer
from cloud.api.bid_answers import ListedAnswer, listed_answer
from cloud.api.context import Desk, DeskOf, MarketReader
from cloud.api.image import now_ms
from cloud.api.stations import StationId
from cloud.market import bids
from cloud.market.desk.gates import GateSeen, gates
from cloud.market.exchanges import DayGate, Gate, Market, Product, load_market, market_ids

router = APIRouter(tags=["markets"], responses=ERRORS)

MarketId = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$", description="of a profile")]
_HOUR_MS = 3_600_000
_MOST_HOURS = 24 * 8


class GateRule(BaseModel):
    """When bids are due: at a time of a day before, or so long before their interval."""

    days_before: int | None = Field(None, description="days before delivery")
    at: dt.time | None = Field(None, description="time of that day, the market's own")
    minutes_before: int | None = Field(None, description="minutes before each interval")


class OriginAnswer(BaseModel):
    """Where a rule comes from."""

    since: str = Field(description="since when it holds; empty: not known")
    source: str = Field(description="the publication; empty for an assumption")
    assumed: str = Field(description="why it is taken to be so; empty for what is published")


class ProductAnswer(BaseModel):
    """What can be offered, and by which rules."""

    id: str
    name: Mapping[str, str] = Field(description="by language: en, zh")
    kind: str = Field(description="energy, peak, regulation or reserve")
    stage: str = Field(description="day_ahead, intraday or real_time")
    directions: list[str]
    price_unit: str
    interval_min: int
    modes: list[str] = Field(description="how much a bid may leave to the market")
    max_segments: int = Field(description="for each direction of an interval")
    price_floor: Decimal
    price_cap: Decimal
    price_step: Decimal
    power_step_mw: Decimal
    min_power_mw: Decimal
    gate: GateRule
    amend: str = Field(description="what may change after submission")
    reason_needed: bool
    prices_fixed_for_day: bool
    exclusive_with: list[str]
    soc_band_h: Decimal = Field(description="hours of full power kept in store each way")
    origins: dict[str, OriginAnswer] = Field(description="by name of the field")


class MarketAnswer(BaseModel):
    """A market's rules."""

    id: str
    name: Mapping[str, str]
    currency: str
    timezone: str
    products: list[ProductAnswer]
    assumptions: dict[str, str] = Field(description="what is assumed, by key, with the reason")


class MarketList(BaseModel):
    """The markets that are known."""

    markets: list[MarketAnswer]


class GateAnswer(BaseModel):
    """A gate, and our bid for it."""

    desk: str
    market: str
    product: str
    day: dt.date
    begin_ms: int = Field(description="of the first interval that is due")
    end_ms: int
    gate_ms: int = Field(description="when bids are due")
    bid: ListedAnswer | None = Field(description="null: there is none yet")
    drafting: Literal["nothing_pays", "failed"] | None = Field(
        description="why there is none, where the drafting has looked; null: it has not"
    )
    why: str = Field(description="of a drafting that failed; it is tried again")
    words: WordsAnswer | None = Field(
        description="in both languages: why the drafting failed, or what the price would have to do"
        " and when the energy is used better; null: nothing is told"
    )


class GateList(BaseModel):
    """Gates in the order in which they close."""

    now_ms: int
    gates: list[GateAnswer]


@router.get("/markets")
async def list_markets(_: MarketReader) -> MarketList:
    """All markets that are known, with their products, limits, steps and gates."""
    return MarketList(markets=[_market(load_market(name)) for name in market_ids()])


@router.get("/markets/{market}")
async def show_market(_: MarketReader, market: MarketId) -> MarketAnswer:
    """One market's rules, each with where it comes from."""
    return _market(load_market(market))


@router.get("/stations/{station}/gates")
async def list_gates(
    parts: DeskOf,
    _: MarketReader,
    station: StationId,
    ahead_h: Annotated[float, Query(gt=0, le=_MOST_HOURS, description="hours from now on")] = 36,
    back_h: Annotated[float, Query(ge=0, le=_MOST_HOURS, description="hours before now")] = 0,
) -> GateList:
    """The gates of a station that close next, each with our bid and its state."""
    present = now_ms()
    seen = await gates_of(
        parts,
        station,
        present,
        ahead_ms=round(ahead_h * _HOUR_MS),
        back_ms=round(back_h * _HOUR_MS),
    )
    return GateList(now_ms=present, gates=[_gate(one) for one in seen])


async def gates_of(
    parts: Desk, station: str, present_ms: int, *, ahead_ms: int, back_ms: int
) -> tuple[GateSeen, ...]:
    """Read the gates of a station; NotFound where there is no such station."""
    await fleet.find(parts.services.pool, station)
    first, last = (
        dt.datetime.fromtimestamp(at / 1e3, dt.UTC).date()
        for at in (present_ms - back_ms, present_ms + ahead_ms)
    )
    wide = dt.timedelta(days=8)  # a gate lies at most a week before its delivery
    listed = await bids.listed(parts.services.pool, first - wide, last + wide, station=station)
    sections = [one for one in parts.services.config.market.desks if one.station == station]
    looks = await bids.looks_at(parts.services.pool, parts.services.vault, station, present_ms)
    return gates(sections, listed, present_ms, ahead_ms=ahead_ms, back_ms=back_ms, looks=looks)


def _gate(one: GateSeen) -> GateAnswer:
    return GateAnswer(
        desk=one.desk,
        market=one.market.id,
        product=one.product.id,
        day=one.product.calendar.day_of(one.begin_ms),
        begin_ms=one.begin_ms,
        end_ms=one.end_ms,
        gate_ms=one.gate_ms,
        bid=None if one.bid is None else listed_answer(one.bid),
        drafting=None if one.look is None else "failed" if one.look.failed else "nothing_pays",
        why=one.look.why.en if one.look is not None and one.look.failed else "",
        words=None
        if one.look is None or not one.look.why.en
        else WordsAnswer(en=one.look.why.en, zh=one.look.why.zh),
    )


def _market(one: Market) -> MarketAnswer:
    return MarketAnswer(
        id=one.id,
        name=one.name,
        currency=one.currency,
        timezone=one.calendar.zone,
        products=[_product(product) for product in one.products],
        assumptions=one.assumptions(),
    )


def _product(one: Product) -> ProductAnswer:
    facts = {name: getattr(one, name) for name in ProductAnswer.model_fields}
    facts |= {
        "gate": _rule(one.gate),
        "origins": {name: OriginAnswer(**_plain(told)) for name, told in one.origins.items()},
    }
    return ProductAnswer.model_validate(facts)


def _plain(origin: object) -> dict[str, str]:
    return {name: getattr(origin, name) for name in OriginAnswer.model_fields}


def _rule(gate: Gate) -> GateRule:
    if isinstance(gate, DayGate):
        return GateRule(days_before=gate.days_before, at=gate.at)
    return GateRule(minutes_before=gate.minutes_before)
