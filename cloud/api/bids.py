"""Bids of a station: look, draft, ask what-if, change, approve, withdraw."""

import asyncio
import datetime as dt
from dataclasses import asdict, replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from cloud import fleet
from cloud.access import Action, Resource, authorize
from cloud.api.answers import ERRORS, ErrorAnswer, WordsAnswer
from cloud.api.bid_answers import (
    BidAnswer,
    BidList,
    bid_answer,
    judgement_answer,
    listed_answer,
    offers_of,
)
from cloud.api.bid_requests import (
    ApproveRequest,
    BidForecast,
    DraftRequest,
    EditRequest,
    HistogramAnswer,
    OffersRequest,
    PossibleDayAnswer,
    ViolationAnswer,
    WhatIfAnswer,
    WithdrawRequest,
)
from cloud.api.context import BidApprover, BidEditor, Desk, DeskOf, MarketReader
from cloud.api.image import now_ms
from cloud.api.stations import StationId
from cloud.config_desk import DeskSection
from cloud.errors import NotFound
from cloud.market import bids
from cloud.market.bid import BidSet
from cloud.market.bids import Bid, Content, NewBid, Version, fingerprint
from cloud.market.desk.newest import newest_forecast
from cloud.market.desk.what_if import WhatIf, what_if
from cloud.market.errors import BidRefused
from cloud.market.exchanges import load_market
from cloud.market.wear import DEFAULT_WEAR, read_wear
from cloud.sold import sold_now
from cloud.trading.context import context_of
from contract.words import Words

_CHANGED: dict[int | str, dict[str, object]] = {
    409: {"model": ErrorAnswer, "description": "The bid is not what the caller saw."}
}
router = APIRouter(prefix="/stations/{station}/bids", tags=["bids"], responses=ERRORS | _CHANGED)

BidId = Annotated[UUID, Path(description="id of the bid")]
_MOST_DAYS = 92


@router.get("")
async def list_bids(
    parts: DeskOf,
    _: MarketReader,
    station: StationId,
    first: Annotated[dt.date | None, Query(alias="from", description="delivery day")] = None,
    last: Annotated[dt.date | None, Query(alias="to", description="last day, included")] = None,
) -> BidList:
    """The bids of a station by delivery day; by default of today and tomorrow."""
    found = await fleet.find(parts.services.pool, station)
    today = dt.datetime.now(found.zone).date()
    begin = first or today
    end = last or begin + dt.timedelta(days=1)
    end = min(end, begin + dt.timedelta(days=_MOST_DAYS))
    there = await bids.listed(parts.services.pool, begin, end, station=station)
    return BidList(bids=[listed_answer(one) for one in there])


@router.get("/{bid}")
async def show_bid(parts: DeskOf, _: MarketReader, station: StationId, bid: BidId) -> BidAnswer:
    """One bid whole: versions, log, judgements, clearing, delivery, settlement."""
    return await _whole(parts, await load(parts, station, bid))


@router.get("/{bid}/forecast")
async def show_forecast(
    parts: DeskOf,
    _: MarketReader,
    station: StationId,
    bid: BidId,
    version: Annotated[int | None, Query(ge=1, description="default: the first")] = None,
) -> BidForecast:
    """The forecast of the price that a version is paid by, with its bands."""
    found = await load(parts, station, bid)
    made = _version(found, version or 1)
    inputs = made.content.inputs
    record = inputs.get("own_forecast") or inputs.get("forecast")
    if record is None:
        raise NotFound(
            Words(
                f"version {made.number} of bid {bid} was made without a forecast",
                f"申报 {bid} 的版本 {made.number} 未依据预测编制",
            )
        )
    product = load_market(found.market).product(found.product)
    names = set(BidForecast.model_fields) - {"unit"}
    return BidForecast(unit=product.price_unit, **{name: record[name] for name in names})


@router.post("", status_code=201)
async def draft_bid(
    parts: DeskOf, session: BidEditor, station: StationId, body: DraftRequest, response: Response
) -> BidAnswer:
    """Draft a bid; where exactly this one is there already it is answered with 200.

    It is checked with what the station can sell now and weighed with the newest forecast of its
    day.
    """
    present, services = now_ms(), parts.services
    product = load_market(body.market).product(body.product)
    offers = BidSet(
        *(station, body.market, body.product, body.day, product.interval_min, body.mode),
        intervals=tuple(one.interval() for one in body.intervals),
    )
    section = _section(parts, station, body.market)
    rule = read_wear((section.wear_file if section else None) or DEFAULT_WEAR)
    sold = await sold_now(services.pool, services.live, station, rule)
    beside = await bids.listed(services.pool, body.day, body.day, station=station)
    for one in beside:
        if (one.product, one.begin_ms) == (body.product, offers.intervals[0].start_ms):
            there = await bids.load(services.pool, services.vault, one.id)
            if there.versions[0].content.bid_set == offers:
                response.status_code = 200
                return await _whole(parts, there)
    place = station, body.market, body.day
    known = await newest_forecast(services.pool, services.vault, place, section, present)
    about = {"battery": asdict(sold.battery), "notes": list(sold.notes)}
    gate_ms = product.gate_closure_ms(offers.intervals[0].start_ms)
    new = NewBid(body.desk, gate_ms, Content(offers, about | known.inputs, known.versions))
    made = await bids.draft(
        services.pool, services.vault, new, who=session.user.name, why=body.why, now_ms=present
    )
    return await _whole(parts, await bids.load(services.pool, services.vault, made))


@router.post("/{bid}/what-if")
async def weigh_offers(
    parts: DeskOf, session: MarketReader, station: StationId, bid: BidId, body: OffersRequest
) -> WhatIfAnswer:
    """Check and weigh edited offers as the desk would, without storing them."""
    found = await load(parts, station, bid)
    base = _version(found, body.version)
    offers = offers_of(base.content.bid_set, body.intervals, body.mode)
    services = parts.services
    section = services.config.market
    context = await context_of(services.pool, services.vault, section, found, now_ms())
    told = await asyncio.to_thread(what_if, found, base, offers, context, body.why)
    enough = told.judgement.approver is not bids.Approver.HEAD_TRADER
    wanted = Action.APPROVE_BID if enough else Action.APPROVE_LARGE_BID
    may = authorize(session.user, wanted, Resource("station", station)).allowed
    return _what_if(offers, told, may=may and not told.judgement.blocked)


@router.post("/{bid}/versions", status_code=201)
async def edit_bid(
    parts: DeskOf, session: BidEditor, station: StationId, bid: BidId, body: EditRequest
) -> BidAnswer:
    """Make a new version; it is checked, weighed and approved anew."""
    found = await load(parts, station, bid)
    if found.versions[-1].number != body.newest:
        number = found.versions[-1].number
        raise BidRefused(
            Words(
                f"bid {bid} has version {number} by now; you have changed one that is no longer "
                "the newest: open it again and repeat the change",
                f"申报 {bid} 已有版本 {number}；您修改的不是最新版本，请重新打开后再修改",
            )
        )
    base = _version(found, body.version)
    offers = offers_of(base.content.bid_set, body.intervals, body.mode)
    services = parts.services
    await bids.edit(
        services.pool,
        services.vault,
        found,
        replace(base.content, bid_set=offers),
        who=session.user.name,
        why=body.why,
        now_ms=now_ms(),
        fallback=body.fallback,
    )
    return await _whole(parts, await load(parts, station, bid))


@router.post("/{bid}/approve")
async def approve_bid(
    parts: DeskOf, session: BidApprover, station: StationId, bid: BidId, body: ApproveRequest
) -> BidAnswer:
    """Approve exactly the version that was looked at; it is handed to the exchange at once."""
    found = await load(parts, station, bid)
    looked_at = _version(found, body.version)
    if fingerprint(looked_at.content.bid_set) != body.fingerprint:
        raise BidRefused(
            Words(
                f"the fingerprint {body.fingerprint!r} is not that of version {body.version} of "
                f"bid {bid}; look at it again",
                f"指纹 {body.fingerprint!r} 与申报 {bid} 的版本 {body.version} 不符；请重新核对",
            )
        )
    large = authorize(session.user, Action.APPROVE_LARGE_BID, Resource("station", station))
    services = parts.services
    await bids.approve(
        services.pool,
        services.vault,
        found,
        body.version,
        who=session.user.name,
        why=body.why,
        may_large=large.allowed,
        now_ms=now_ms(),
    )
    return await _whole(parts, await load(parts, station, bid))


@router.post("/{bid}/withdraw")
async def withdraw_bid(
    parts: DeskOf, session: BidEditor, station: StationId, bid: BidId, body: WithdrawRequest
) -> BidAnswer:
    """Take a bid back: open versions at once, one that stands by asking the exchange."""
    services, found = parts.services, await load(parts, station, bid)
    await bids.withdraw(
        services.pool,
        services.vault,
        found,
        who=session.user.name,
        why=body.why,
        now_ms=now_ms(),
    )
    return await _whole(parts, await load(parts, station, bid))


def _section(parts: Desk, station: str, market: str) -> DeskSection | None:
    """Return what is configured of the desk that bids for a station at a market."""
    desks = parts.services.config.market.desks
    return next((one for one in desks if (one.station, one.market) == (station, market)), None)


async def load(parts: Desk, station: str, bid: UUID) -> Bid:
    """Read a bid of a station.

    Raises:
        NotFound: the station has no such bid.
    """
    found = await bids.load(parts.services.pool, parts.services.vault, str(bid))
    if found.station != station:
        raise NotFound(
            Words(
                f"station {station} has no bid {bid}; GET its bids for those it has",
                f"电站 {station} 没有申报 {bid}；请在申报页查看现有申报",
            )
        )
    return found


def _version(bid: Bid, number: int) -> Version:
    try:
        return bid.of(number)
    except KeyError as error:
        raise NotFound(
            Words(f"bid {bid.id} has no version {number}", f"申报 {bid.id} 没有版本 {number}")
        ) from error


async def _whole(parts: Desk, bid: Bid) -> BidAnswer:
    pool, vault = parts.services.pool, parts.services.vault
    papers = await bids.papers_of(pool, vault, bid)
    return bid_answer(bid, papers, await bids.log_of(pool, vault, bid))


def _what_if(offers: BidSet, told: WhatIf, *, may: bool) -> WhatIfAnswer:
    histogram = HistogramAnswer(edges=list(told.edges), counts=list(told.counts))
    return WhatIfAnswer(
        fingerprint=fingerprint(offers),
        judgement=judgement_answer(told.judgement),
        violations=[
            ViolationAnswer(
                rule=one.rule,
                start_ms=one.start_ms,
                segment=one.segment,
                words=WordsAnswer(en=one.words("en"), zh=one.words("zh")),
                origin=one.origin,
            )
            for one in told.violations
        ],
        histogram=histogram if told.counts else None,
        scenarios=told.scenarios,
        missed_mwh=told.missed_mwh,
        days=[
            PossibleDayAnswer(rank=one.rank, revenue=one.revenue, price=list(one.price))
            for one in told.days
        ],
        may_approve=may,
    )
