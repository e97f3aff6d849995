"""One delivery day: from forecasts and a battery to bids for all markets at once.

Energy is planned on the expected price, together with every capacity product on its own expected
price; no interval promises the same power or stored energy twice.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

import numpy as np

from cloud.market.bid import BidInterval, BidSet, Direction, OfferMode
from cloud.market.desk.offers import energy_offers, energy_words, held_offers, held_words
from cloud.market.errors import BadProfile, MarketError
from cloud.market.exchanges import Kind, Market, Product
from cloud.market.forecast import Floats, Forecast
from cloud.market.plans import (
    STILL_MW,
    CapacityProduct,
    IntervalReason,
    Plan,
    PlanRequest,
    SideMarket,
    Wish,
    explain,
    make_plan,
)
from cloud.market.station_battery import StationBattery
from cloud.market.units import HOUR_MIN, MINUTE_MS
from contract.words import Words

_WORTH_SAYING = 1e-3
"""Gaps of the plan below a tenth of a per cent are not told."""


class NothingToBid(MarketError):  # noqa: N818 - an outcome: there is no open interval left
    """All gates of the day have closed, or the forecast does not reach the day."""


@dataclass(frozen=True)
class DraftRequest:
    """What a day's bids are made from.

    Attributes:
        station: its id.
        market: the rules.
        product: of energy, which sets the intervals.
        day: of delivery, in the market's time.
        now_ms: intervals whose gate has closed by then are left out.
        sold: what the station can sell, with its SOC as expected when the day begins.
        energy: forecast of the energy price; longer steps are held over the product's intervals.
        held: by id of a regulation or reserve product, the forecast of its price per MW and hour.
        held_most_mw: greatest power held for each of them.
        side: by id of another product of energy, as a regional market, the forecast of its price.
        side_most_mw: greatest power sold or bought at each of them.
        used: by id, MWh that a MW held is expected to move in an hour.
        mode: how much is left to the market.
        committed: by beginning of an interval, MW that is sold (positive) or bought already; only
            what differs from it is offered.
        from_ms: what begins earlier is neither planned nor offered; the SOC is that of then.
        until_ms: what begins then or later is planned, but not offered yet; None: all is offered.
        wishes: what should hold besides the battery's limits.
        end_value: of one MWh left in the cells; None: what the forecast's cheapest hours, and the
            way in and out, make it worth.
    """

    station: str
    market: Market
    product: Product
    day: dt.date
    now_ms: int
    sold: StationBattery
    energy: Forecast
    held: Mapping[str, Forecast] = field(default_factory=dict)
    held_most_mw: float = float("inf")
    side: Mapping[str, Forecast] = field(default_factory=dict)
    side_most_mw: float = float("inf")
    used: Mapping[str, float] = field(default_factory=dict)
    mode: OfferMode = OfferMode.QUANTITY_PRICE
    committed: Mapping[int, float] = field(default_factory=dict)
    from_ms: int = 0
    until_ms: int | None = None
    wishes: tuple[Wish, ...] = ()
    end_value: float | None = None


@dataclass(frozen=True)
class Draft:
    """Bids with everything that a person needs to judge them.

    Attributes:
        bids: one for each product that is offered.
        starts_ms: UTC epoch of the planned intervals.
        request: what was planned with.
        plan: power, SOC, worth of energy, wishes that were broken.
        reasons: one for each interval.
        notes: what a reader must know: flags of the forecasts, what the station did not tell.
        told: by product and beginning of an interval, why so much or nothing is offered of it.
        models: what has formed the offers besides the plan.
        beside_mw: power promised beside curves, discharge positive, one for each interval; None:
            the offers are the plan's, and what it does besides them is promised elsewhere.
    """

    bids: tuple[BidSet, ...]
    starts_ms: tuple[int, ...]
    request: PlanRequest
    plan: Plan
    reasons: tuple[IntervalReason, ...]
    notes: tuple[str, ...]
    told: Mapping[str, Mapping[int, Words]] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    beside_mw: tuple[float, ...] | None = None


def draft(request: DraftRequest) -> Draft:
    """Plan a day and write its bids.

    Raises:
        NothingToBid: no interval of the day is open and forecast.
        BadProfile: a product beside it is not of the kind that it is named as.
        PlanFailed: no plan was found in time.
    """
    starts = _open_starts(request)
    step_h = request.product.interval_min / HOUR_MIN
    price = at(request.energy, starts)
    products = tuple(_capacity(request, name, starts) for name in request.held)
    plan_request = PlanRequest(
        battery=request.sold.battery,
        price=price,
        step_h=step_h,
        capacity=products,
        side=_side(request, starts),
        wishes=request.wishes,
        end_value=worth_at_end(request, price) if request.end_value is None else request.end_value,
    )
    plan = make_plan(plan_request)
    reasons = explain(plan_request, plan, *_names(request, starts))
    committed = np.array([request.committed.get(start, 0.0) for start in starts])
    beside = sum(plan.side_mw.values(), committed)
    energy = energy_offers(starts, reasons, request.product, request.mode, beside)
    sets = [_set(request, request.product, energy)]
    why = energy_words(reasons, request.product, beside)
    told = {request.product.id: dict(zip(starts, why, strict=True))}
    for product, offers, words in (
        *_beside(request, starts, plan_request, plan, reasons),
        *_ready(request, starts, plan_request, plan),
    ):
        sets.append(_set(request, product, offers))
        told[product.id] = words
    return Draft(
        bids=tuple(one for one in sets if any(part.segments for part in one.intervals)),
        starts_ms=starts,
        request=plan_request,
        plan=plan,
        reasons=reasons,
        notes=_notes(request, plan),
        told=told,
    )


def _names(
    request: DraftRequest, starts: tuple[int, ...]
) -> tuple[dict[str, Words], tuple[str, ...]]:
    """Return what readers call the products that are held, and the beginnings of intervals."""
    names = {name: request.market.product(name).name for name in request.held}
    zone = request.market.calendar.zone
    times = (dt.datetime.fromtimestamp(start / 1e3, ZoneInfo(zone)) for start in starts)
    return (
        {name: Words(told.get("en", name), told.get("zh", name)) for name, told in names.items()},
        tuple(f"{one:%H:%M}" for one in times),
    )


_Offered = tuple[Product, tuple[BidInterval, ...], dict[int, Words]]


def _beside(
    request: DraftRequest,
    starts: tuple[int, ...],
    planned: PlanRequest,
    plan: Plan,
    reasons: tuple[IntervalReason, ...],
) -> Iterator[_Offered]:
    """Return what is offered at other markets of energy; where one rests, the battery may work."""
    elsewhere = Words(
        "nothing is offered here: another market pays better", "此处不申报：其他市场价格更优"
    )
    for one in planned.side:
        product = request.market.product(one.id)
        sold = [
            replace(reason, power_mw=float(power), price=float(price))
            for reason, power, price in zip(reasons, plan.side_mw[one.id], one.price, strict=True)
        ]
        told = {
            start: elsewhere if abs(part.power_mw) <= STILL_MW < abs(whole.power_mw) else why
            for start, whole, part, why in zip(
                starts, reasons, sold, energy_words(sold, product), strict=True
            )
        }
        yield product, energy_offers(starts, sold, product, request.mode), told


def _ready(
    request: DraftRequest, starts: tuple[int, ...], planned: PlanRequest, plan: Plan
) -> Iterator[_Offered]:
    """Return what is offered as power held ready."""
    for one in planned.capacity:
        product = request.market.product(one.id)
        cost = one.used * request.sold.battery.wear_per_mwh
        begins, power = _whole_blocks(request, product, starts, plan.capacity[one.id].offered_mw)
        words = dict(zip(begins, held_words(power, cost, product), strict=True))
        yield product, held_offers(begins, power, cost, product, request.mode), words


def at(forecast: Forecast, starts_ms: tuple[int, ...]) -> Floats:
    """Return a forecast's means at the beginnings of intervals, shape (intervals,)."""
    step_ms = forecast.step_min * MINUTE_MS
    places = (np.array(starts_ms, np.int64) - forecast.start_ms) // step_ms
    taken: Floats = forecast.mean[places]
    return taken


def worth_at_end(request: DraftRequest, price: Floats) -> float:
    """Return what a MWh left in the cells at the end saves: buying it in the next cheap hours.

    The next day is taken to be as this one: its cheapest quarter, over the way in; but never
    more than it would bring, nor less than nothing.
    """
    battery = request.sold.battery
    cheap = float(np.quantile(price, 0.25)) / battery.charge_efficiency
    brings = float(np.quantile(price, 0.75)) * battery.discharge_efficiency - battery.wear_per_mwh
    return max(min(cheap, brings), 0.0)


def _open_starts(request: DraftRequest) -> tuple[int, ...]:
    forecast = request.energy
    end_ms = forecast.start_ms + len(forecast.mean) * forecast.step_min * MINUTE_MS
    starts = tuple(
        start
        for start in request.product.intervals_ms(request.day)
        if max(forecast.start_ms, request.from_ms) <= start < end_ms
        and request.product.gate_closure_ms(start) > request.now_ms
    )
    if not starts:
        raise NothingToBid(
            Words(
                f"{request.market.id}, {request.product.id}, {request.day}: every gate has closed, "
                "or no interval is forecast; choose a later day, or import the prices that are "
                "missing",
                f"{request.market.id}，{request.product.id}，{request.day}：各时段均已截止或没有"
                "预测；请选择其后日期，或导入缺失的价格",
            )
        )
    return starts


def _side(request: DraftRequest, starts: tuple[int, ...]) -> tuple[SideMarket, ...]:
    found = []
    for name, forecast in request.side.items():
        product = request.market.product(name)
        if product.kind is not Kind.ENERGY or product.interval_min != request.product.interval_min:
            raise BadProfile(
                f"{request.market.id}: {name} is no product of energy by "
                f"{request.product.interval_min} minutes; name another one as side, or none"
            )
        found.append(SideMarket(name, at(forecast, starts), request.side_most_mw))
    return tuple(found)


def _capacity(request: DraftRequest, name: str, starts: tuple[int, ...]) -> CapacityProduct:
    product = request.market.product(name)
    if product.kind not in {Kind.REGULATION, Kind.RESERVE}:
        raise BadProfile(
            f"{request.market.id}: {name} is no product that pays for power held; name another one "
            "as held, or none"
        )
    direction = product.directions[0] if product.directions else Direction.BOTH
    return CapacityProduct(
        id=name,
        direction=direction,
        price=at(request.held[name], starts),
        hours=float(product.soc_band_h),
        most_mw=request.held_most_mw,
        used=request.used.get(name, 0.0),
        blocks=tuple(start // (product.interval_min * MINUTE_MS) for start in starts),
    )


def _whole_blocks(
    request: DraftRequest, product: Product, starts: tuple[int, ...], power: Floats
) -> tuple[tuple[int, ...], Floats]:
    """Keep the offers all of whose planned intervals lie in the plan, each once."""
    planned = dict(zip(starts, power.tolist(), strict=True))
    within = [
        begin
        for begin in product.intervals_ms(request.day)
        if begin in planned
        and product.gate_closure_ms(begin) > request.now_ms
        and begin + (product.interval_min - request.product.interval_min) * MINUTE_MS in planned
    ]
    return tuple(within), np.array([planned[begin] for begin in within])


def _set(request: DraftRequest, product: Product, intervals: tuple[BidInterval, ...]) -> BidSet:
    return BidSet(
        station=request.station,
        market=request.market.id,
        product=product.id,
        day=request.day,
        interval_min=product.interval_min,
        mode=request.mode if request.mode in product.modes else product.modes[0],
        intervals=tuple(
            one for one in intervals if request.until_ms is None or one.start_ms < request.until_ms
        ),
    )


def _notes(request: DraftRequest, plan: Plan) -> tuple[str, ...]:
    flags = [*request.energy.flags, *(f for one in request.held.values() for f in one.flags)]
    gap = (
        [f"the plan may be {plan.gap:.2%} short of the best one"]
        if plan.gap > _WORTH_SAYING
        else []
    )
    broken = (one.sentence for one in plan.broken)
    return tuple(dict.fromkeys((*request.sold.notes, *flags, *broken, *gap)))
