"""The pages of the market desk, and the parts of them that renew themselves."""

import datetime as dt
import math
from typing import Annotated, Any, Final
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response

from cloud import fleet
from cloud.access import Action, Resource, authorize
from cloud.api.bid_answers import bid_answer
from cloud.api.bids import load
from cloud.api.context import Forbidden
from cloud.api.markets import gates_of
from cloud.errors import NotFound
from cloud.fleet import Station
from cloud.market import bids
from cloud.market.bids import Bid, Judgement, Listed, Settlement
from cloud.market.desk.gates import GateSeen
from cloud.market.desk.limits import limits_of
from cloud.market.desk.position import traded
from cloud.market.errors import MarketError
from cloud.market.exchanges import DayGate, Kind, load_market
from cloud.trading.meter import StationMeter
from cloud.web import bid_view, desk_view, position_view, together_view
from cloud.web import format as form
from cloud.web.desk_log import who_words
from cloud.web.desk_words import (
    blocked_words,
    market_name,
    money_unit,
    product_name,
    state_words,
)
from cloud.web.frame_view import Crumb, frame
from cloud.web.look import StationLook, day_of, look_at_all, pick
from cloud.web.visit import PageVisit, Visit

router = APIRouter(include_in_schema=False)

_DAY_MS: Final = 86_400_000
_BACK_MS: Final = 6 * 3_600_000
_STEP_MIN: Final = 15
_INTERVALS: Final = 8
_MINUTE_MS: Final = 60_000


@router.get("/desk")
async def desk_page(
    visit: PageVisit,
    station: Annotated[str | None, Query()] = None,
    bid: Annotated[UUID | None, Query()] = None,
) -> Response:
    """What closes next, what we offer for it, at which risk, and what it came to."""
    _require(visit, Action.READ_MARKET)
    looks = await look_at_all(visit.parts)
    look = _chosen(visit, looks, station)
    title = look.station.title(visit.language) if look is not None else visit.t("Desk")
    crumbs = [Crumb(visit.t("Desk"), "/desk"), Crumb(title)]
    context = await frame(visit, looks, page="desk", here="desk", crumbs=crumbs)
    stations = [(one.station.id, one.station.title(visit.language)) for one in looks]
    context |= {"station": None, "stations": stations, "bid": None}
    if look is not None:
        seen = await _gates(visit, look.station)
        shown = await _the_bid(visit, look.station, seen, bid)
        context |= {
            "station": look.station,
            "gates": await _gates_view(visit, look.station, seen),
            "position": await _position(visit, look.station),
            "bid": shown,
            **(await _bid_context(visit, look.station, shown) if shown is not None else {}),
        }
    return visit.render("desk.html", context)


@router.get("/bids")
async def bids_page(
    visit: PageVisit,
    station: Annotated[str | None, Query()] = None,
    date: Annotated[str | None, Query()] = None,
) -> Response:
    """The bids of a delivery day, whatever has become of them."""
    _require(visit, Action.READ_MARKET)
    looks = await look_at_all(visit.parts)
    look = _chosen(visit, looks, station)
    crumbs = [Crumb(visit.t("Desk"), "/desk"), Crumb(visit.t("Bids"))]
    context = await frame(visit, looks, page="bids", here="bids", crumbs=crumbs)
    zone = look.station.zone if look is not None else dt.UTC
    day = _day(date) or dt.datetime.fromtimestamp(visit.now_ms / 1e3, zone).date()
    step = dt.timedelta(days=1)
    there = []
    if look is not None:
        there = await bids.listed(visit.parts.services.pool, day, day, station=look.station.id)
    context |= {
        "station": look.station if look is not None else None,
        "stations": [(one.station.id, one.station.title(visit.language)) for one in looks],
        "date": day.isoformat(),
        "before": (day - step).isoformat(),
        "after": (day + step).isoformat(),
        "rows": [_listed(visit, look.station, one) for one in there] if look is not None else [],
    }
    return visit.render("bids.html", context)


@router.get("/stations/{station}/bids/{bid}")
async def bid_page(visit: PageVisit, station: str, bid: UUID) -> Response:
    """One bid whole: its versions side by side, its reasons, what it was made from, its log."""
    _require(visit, Action.READ_MARKET)
    looks = await look_at_all(visit.parts)
    look = pick(looks, station)
    found = await load(visit.parts, station, bid)
    title = visit.t("Bid {id}", id=found.id[:8])
    crumbs = [
        Crumb(visit.t("Desk"), "/desk"),
        Crumb(visit.t("Bids"), f"/bids?station={quote(station)}&date={found.day}"),
        Crumb(title),
    ]
    context = await frame(visit, looks, page="bid", here="bids", crumbs=crumbs)
    context |= await _bid_context(visit, look.station, found)
    services = visit.parts.services
    papers = await bids.papers_of(services.pool, services.vault, found)
    context |= {
        "station": look.station,
        "bid": found,
        "whole": bid_view.whole(visit, look.station, found, papers),
    }
    return visit.render("bid.html", context)


@router.get("/fragments/stations/{station}/gates")
async def gates_fragment(visit: PageVisit, station: str) -> Response:
    """The gates around now."""
    _require(visit, Action.READ_MARKET)
    found = await fleet.find(visit.parts.services.pool, station)
    view = await _gates_view(visit, found, await _gates(visit, found))
    return visit.fragment("fragments/gates.html", "gates", view)


@router.get("/fragments/stations/{station}/position")
async def position_fragment(visit: PageVisit, station: str) -> Response:
    """Awarded against delivered, now."""
    _require(visit, Action.READ_MARKET)
    found = await fleet.find(visit.parts.services.pool, station)
    view = await _position(visit, found)
    return visit.fragment("fragments/position.html", "position", view)


@router.get("/fragments/stations/{station}/bids/{bid}/life")
async def life_fragment(visit: PageVisit, station: str, bid: UUID) -> Response:
    """The life and the log of a bid."""
    _require(visit, Action.READ_MARKET)
    found = await fleet.find(visit.parts.services.pool, station)
    view = await _life(visit, found, await load(visit.parts, station, bid))
    return visit.fragment("fragments/bid_life.html", "life", view)


def _require(visit: Visit, action: Action) -> None:
    decision = authorize(visit.session.user, action, Resource("page"))
    if not decision.allowed:
        raise Forbidden(decision.rule)


def _chosen(visit: Visit, looks: list[StationLook], station: str | None) -> StationLook | None:
    """The station asked for; else the first that a desk bids for, else the first."""
    if station:
        return pick(looks, station)
    traded_for = {one.station for one in visit.parts.services.config.market.desks}
    first = next((one for one in looks if one.station.id in traded_for), None)
    return first or (looks[0] if looks else None)


async def _gates(visit: Visit, station: Station) -> list[GateSeen]:
    seen = await gates_of(
        visit.parts, station.id, visit.now_ms, ahead_ms=2 * _DAY_MS, back_ms=_BACK_MS
    )
    return desk_view.shown(seen, visit.now_ms)


async def _gates_view(visit: Visit, station: Station, seen: list[GateSeen]) -> dict[str, Any]:
    services = visit.parts.services
    names = [one.bid.id for one in seen if one.bid is not None]
    told = await bids.papers_of_many(services.pool, services.vault, names, [Judgement])
    found = await bids.load_many(services.pool, services.vault, names)
    papers = {one.id: (one, told[one.id]) for one in found}
    missed = await bids.missed(services.pool, station.id, visit.now_ms)
    day = day_of(visit.now_ms, station)
    return desk_view.gates_view(visit, station, seen, papers, day, missed)


async def _the_bid(
    visit: Visit, station: Station, seen: list[GateSeen], asked: UUID | None
) -> Bid | None:
    """The bid asked for; else that of the next day-ahead gate, else of the next gate."""
    if asked is not None:
        return await load(visit.parts, station.id, asked)
    with_bid = [one for one in seen if one.bid is not None]
    ahead = [one for one in with_bid if one.gate_ms > visit.now_ms]
    days = [one for one in ahead if isinstance(one.product.gate, DayGate)]
    for one in (*days, *ahead, *with_bid):
        if one.bid is not None:
            services = visit.parts.services
            return await bids.load(services.pool, services.vault, one.bid.id)
    return None


async def _bid_context(visit: Visit, station: Station, bid: Bid) -> dict[str, Any]:
    services = visit.parts.services
    papers = await bids.papers_of(services.pool, services.vault, bid)
    log = await bids.log_of(services.pool, services.vault, bid)
    market = load_market(bid.market)
    product = market.product(bid.product)
    user, place = visit.session.user, Resource("station", station.id)
    may = {
        name: authorize(user, action, place).allowed
        for name, action in (
            ("edit", Action.EDIT_BID),
            ("approve", Action.APPROVE_BID),
            ("large", Action.APPROVE_LARGE_BID),
        )
    }
    whole = bid_answer(bid, papers, log).model_dump(mode="json")
    together = together_view.together_view(visit, *await together_view.planned_with(visit, bid))
    return {
        "market": market_name(visit.language, market),
        "product": product_name(visit.language, product),
        "day": form.date(bid.day.isoformat()),
        "unit": money_unit(visit.language, product.price_unit),
        "price_unit": money_unit(visit.language, f"{market.currency}/MWh"),
        "held": product.kind in {Kind.REGULATION, Kind.RESERVE},
        "currency": money_unit(visit.language, market.currency),
        "life": desk_view.life_view(visit, station, bid, log, papers),
        "may": may,
        "together": together,
        "facts": {
            "unsigned": [
                row["name"] for row in together["rows"] if row["id"] != bid.id and not row["signed"]
            ],
            "station": station.id,
            "zone": station.timezone,
            "me": user.name,
            "may": may,
            "bid": whole,
            "currency": money_unit(visit.language, market.currency),
            "unit": money_unit(visit.language, product.price_unit),
            "price_unit": money_unit(visit.language, f"{market.currency}/MWh"),
            "held": product.kind in {Kind.REGULATION, Kind.RESERVE},
            "cap": float(product.price_cap),
            "floor": float(product.price_floor),
            "max_segments": product.max_segments,
            "directions": [way.value for way in product.directions],
            "limits": (await limits_of(services.pool, bid.desk)).model_dump(),
        },
    }


async def _life(visit: Visit, station: Station, bid: Bid) -> dict[str, Any]:
    services = visit.parts.services
    log = await bids.log_of(services.pool, services.vault, bid)
    papers = await bids.papers_of(services.pool, services.vault, bid)
    return desk_view.life_view(visit, station, bid, log, papers)


async def _position(visit: Visit, station: Station) -> dict[str, Any]:
    """The last intervals and the one that lasts, as far as the meter has told them."""
    services = visit.parts.services
    step_ms = _STEP_MIN * _MINUTE_MS
    begin_ms = (visit.now_ms // step_ms - _INTERVALS) * step_ms
    moment = await _moment(visit, station)
    meter = StationMeter(services.pool, services.history)
    try:
        told = await meter.so_far(station.id, begin_ms, visit.now_ms, _STEP_MIN)
    except (MarketError, NotFound):
        told = ()
    span = begin_ms, moment.until_ms
    trades = await traded(services.pool, services.vault, station.id, *span)
    explained = await _explained(visit, station, begin_ms)
    return position_view.view(visit, station, trades, told, explained, _STEP_MIN, moment)


async def _moment(visit: Visit, station: Station) -> position_view.Moment:
    """What the station tells at this moment: of its meter, else of its controller."""
    services = visit.parts.services
    image = await services.live.latest(station.id)
    known = (await fleet.devices(services.pool)).get(station.id, set())
    topology = fleet.from_devices(known | (set(image.frames) if image else set()))
    points = {} if image is None else image.points
    power_kw = points.get(f"{topology.meter}:active_power_kw")
    if power_kw is None:
        power_kw = points.get(f"{topology.controller}:delivered_power_kw")
    told = image is not None and power_kw is not None and math.isfinite(power_kw)
    signal_kw = points.get(f"{topology.controller}:regulation_power_kw")
    return position_view.Moment(
        has_meter=topology.meter is not None,
        power_mw=power_kw / 1e3 if told and power_kw is not None else None,
        at_ms=image.at_ms if told and image is not None else None,
        until_ms=day_of(visit.now_ms, station)[1],
        regulation_mw=None
        if signal_kw is None or not math.isfinite(signal_kw)
        else signal_kw / 1e3,
    )


async def _explained(visit: Visit, station: Station, begin_ms: int) -> dict[int, bids.Explained]:
    """What settlements say of intervals since a time, by their beginning."""
    services = visit.parts.services
    day = dt.datetime.fromtimestamp(begin_ms / 1e3, station.zone).date()
    there = await bids.listed(services.pool, day, day + dt.timedelta(days=1), station=station.id)
    settled = {
        one.id: one.version
        for one in there
        if one.state is bids.State.SETTLED and one.end_ms > begin_ms
    }
    papers = await bids.papers_of_many(services.pool, services.vault, list(settled), [Settlement])
    found: dict[int, bids.Explained] = {}
    for name, version in settled.items():
        paper = papers[name].get(version, {}).get(Settlement)
        if paper is not None:
            found |= {told.start_ms: told for told in paper.deviations}
    return found


def _listed(visit: Visit, station: Station, one: Listed) -> dict[str, Any]:
    product = load_market(one.market).product(one.product)
    return {
        "id": one.id,
        "short": one.id[:8],
        "product": product_name(visit.language, product),
        "span": desk_view.span(one.begin_ms, one.end_ms, station.zone),
        "gate": f"{form.day(one.gate_ms, station.zone)} {form.clock(one.gate_ms, station.zone)}",
        "version": one.version,
        "state": one.state.value,
        "words": blocked_words(visit.t, one.blocked) or state_words(visit.t, one.state),
        "fallback": one.fallback,
        "approved_by": who_words(visit.t, one.approved_by or form.NO_VALUE),
        "desk": one.desk,
    }


def _day(text: str | None) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        return None
