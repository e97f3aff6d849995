"""Settled days in the store: bids with plan and forecast, cleared, metered, with a statement."""

import datetime as dt
from dataclasses import asdict
from decimal import Decimal

import numpy as np

from cloud.db import Pool
from cloud.market import bids, prices
from cloud.market.award import Award as MarketAward
from cloud.market.battery import Battery
from cloud.market.bid import BidInterval, BidSet, Direction, OfferMode, Segment
from cloud.market.bids import (
    Award,
    Cleared,
    Content,
    Delivery,
    Document,
    Judgement,
    Measured,
    NewBid,
    Scheduled,
    State,
    rows,
)
from cloud.market.bids.settlements import put_settlement
from cloud.market.exchanges import load_market
from cloud.market.exchanges.statements import write_statement
from cloud.market.forecast import LEVELS, Forecast
from cloud.market.forecasts import as_record
from cloud.market.settlement import DayRecord, Reading, explain, reconcile, settle
from cloud.trading.parts import part_of
from cloud.trading.settling import SettledDay
from cloud.vault.vault import Vault
from contract.words import Words

MARKET = load_market("cn-shandong")
PRODUCT = next(
    one for one in MARKET.products if one.kind.value == "energy" and one.stage.value == "day_ahead"
)
REAL_TIME = next(
    one for one in MARKET.products if one.kind.value == "energy" and one.stage.value == "real_time"
)
SERIES = "shandong.day_ahead"
BATTERY = Battery(10, 10, 20, 0.94, 0.94, wear_per_mwh=60.0, soc=0.0)
_CHARGE_H, _DISCHARGE_H = (2, 4), (18, 20)
_WAY = (State.CHECKED, State.APPROVED, State.SUBMITTED, State.ACCEPTED)


def price_of(day: dt.date, hour: float) -> float:
    """A price of the day: a valley at night, a peak in the evening, another one each day."""
    lift = 20.0 * (day.toordinal() % 5)
    return 320.0 + (lift if hour >= 12 else -lift) + 180.0 * np.sin((hour - 12) / 24 * 2 * np.pi)


async def settle_day(
    pool: Pool, vault: Vault, station: str, day: dt.date, *, known_before_ms: int = 50_000_000
) -> str:
    """Bring a day of day-ahead energy from its draft to its statement; return the bid's id.

    8 MW are charged from 2:00 and discharged from 18:00, two hours each; the last quarter hour of
    the discharge delivers half of its 2 MWh, and the real-time price is 30 above the day-ahead.
    Its forecast was made so long before the day began.
    """
    content = _content(station, day, known_before_ms)
    offers = content.bid_set
    gate_ms = PRODUCT.gate_closure_ms(offers.intervals[0].start_ms)
    new = NewBid("desk", gate_ms, content)
    bid = await bids.draft(pool, vault, new, who="drafting", why="", now_ms=gate_ms - 3_600_000)
    awards = tuple(
        Award(one.start_ms, part.direction, part.power_mw, _paid(day, one.start_ms))
        for one in offers.intervals
        for part in one.segments
    )
    last = [one for one in offers.intervals if one.segments][-1]
    measured = [
        Measured(one.start_ms, _delivered(one, last=one is last)) for one in offers.intervals
    ]
    cleared = Cleared(PRODUCT.interval_min, awards, MARKET.currency)
    record = _record(station, day, awards, measured)
    told = settle(record, MARKET)
    agreed = SettledDay(
        Words("all lines agree", "全部一致"),
        told,
        reconcile(told, told),
        explain(record, MARKET, told.lines),
    )
    document = Document("s.csv", "text/csv", write_statement(told, MARKET))
    paid = part_of(await bids.load(pool, vault, bid), told, agreed, MARKET)
    papers = {
        State.CHECKED: Judgement(figures={"var": 1_000.0, "cvar": 1_500.0}),
        State.CLEARED: cleared,
        State.SCHEDULED: Scheduled(()),
        State.DELIVERED: Delivery(tuple(measured)),
    }
    keys, before = await vault.keys(station), State.DRAFTED
    after = (State.CLEARED, State.SCHEDULED, State.DELIVERED, State.SETTLED)
    async with pool.connection() as conn, conn.transaction():
        for state in (*_WAY, *after):
            step = rows.Step(1, before, state, gate_ms, "test", "")
            await rows.move(conn, keys, bid, step, approved_by="test")
            if state is State.SETTLED:
                await put_settlement(conn, keys, bid, 1, paid, at_ms=gate_ms)
            elif state in papers:
                await rows.put_paper(conn, keys, bid, 1, papers[state], at_ms=gate_ms)
            before = state
        await rows.put_paper(conn, keys, bid, 1, document, at_ms=gate_ms)
        await conn.execute("DELETE FROM bid_turns WHERE bid = %s", [bid])
    return bid


async def store_prices(pool: Pool, first: dt.date, last: dt.date) -> None:
    """Store the day-ahead prices of days and of the week before them."""
    series = prices.Series(
        *(SERIES, prices.Kind.DAY_AHEAD, "CNY/MWh", "SD", "Asia/Shanghai", PRODUCT.interval_min),
        publication=prices.Publication("day-1 17:00"),
    )
    day, found = first - dt.timedelta(days=7), []
    while day <= last:
        found += [prices.Row(at, float(_paid(day, at))) for at in PRODUCT.intervals_ms(day)]
        day += dt.timedelta(days=1)
    now_ms = found[-1].start_ms + 90_000_000
    await prices.import_rows(pool, series, found, source="test", now_ms=now_ms)


def _content(station: str, day: dt.date, known_before_ms: int) -> Content:
    starts = PRODUCT.intervals_ms(day)
    believed = np.array([price_of(day, _hour(at)) - 10.0 for at in starts])
    forecast = Forecast(
        *("price", starts[0], PRODUCT.interval_min, starts[0] - known_before_ms, believed),
        quantiles=believed[:, None] + np.linspace(-40, 40, len(LEVELS)),
        version="ensemble/1",
        members={"naive.week": believed - 15.0, "lear.84": believed + 5.0},
        weights={"naive.week": 0.25, "lear.84": 0.75},
    )
    bid_set = BidSet(
        *(station, MARKET.id, PRODUCT.id, day, PRODUCT.interval_min),
        OfferMode.QUANTITY_PRICE,
        tuple(BidInterval(at, _segments(at)) for at in starts),
    )
    inputs = {
        "battery": asdict(BATTERY),
        "forecast": as_record(forecast),
        "plan": {
            "starts_ms": list(starts),
            "step_h": PRODUCT.interval_min / 60,
            "price": believed.tolist(),
            "power_mw": [float(_planned(at)) for at in starts],
            "soc": [],
        },
    }
    return Content(bid_set, inputs, ("ensemble/1",))


def _segments(at_ms: int) -> tuple[Segment, ...]:
    hour = _hour(at_ms)
    if _CHARGE_H[0] <= hour < _CHARGE_H[1]:
        return (Segment(Direction.CHARGE, Decimal(8), Decimal(1000)),)
    if _DISCHARGE_H[0] <= hour < _DISCHARGE_H[1]:
        return (Segment(Direction.DISCHARGE, Decimal(8), Decimal(10)),)
    return ()


def _planned(at_ms: int) -> Decimal:
    signs = {Direction.CHARGE: -1, Direction.DISCHARGE: 1}
    return sum((signs[part.direction] * part.power_mw for part in _segments(at_ms)), Decimal(0))


def _hour(at_ms: int) -> float:
    local = MARKET.calendar.local(at_ms)
    return local.hour + local.minute / 60


def _paid(day: dt.date, at_ms: int) -> Decimal:
    return Decimal(f"{price_of(day, _hour(at_ms)):.2f}")


def _delivered(one: BidInterval, *, last: bool) -> Decimal:
    signs = {Direction.CHARGE: -1, Direction.DISCHARGE: 1}
    power = sum((signs[part.direction] * part.power_mw for part in one.segments), Decimal(0))
    return power * PRODUCT.interval_min / 60 / (2 if last else 1)


def _record(
    station: str, day: dt.date, awards: tuple[Award, ...], measured: list[Measured]
) -> DayRecord:
    minutes = PRODUCT.interval_min
    return DayRecord(
        station,
        day,
        tuple(
            MarketAward(PRODUCT.id, a.start_ms, minutes, a.direction, a.power_mw, a.price)
            for a in awards
            if a.price is not None
        ),
        tuple(Reading(one.start_ms, minutes, one.energy_mwh) for one in measured),
        {
            PRODUCT.id: {at: _paid(day, at) for at in PRODUCT.intervals_ms(day)},
            REAL_TIME.id: {at: _paid(day, at) + 30 for at in PRODUCT.intervals_ms(day)},
        },
    )
