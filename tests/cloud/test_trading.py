"""The desk of the cloud: real rules of a market, real limits, real orders, real history."""

import asyncio
import dataclasses
import datetime as dt
from decimal import Decimal

import numpy as np
import pytest

from cloud import alarms, bid_job
from cloud.bid_job import BidJob
from cloud.catalogue import LayoutCatalogue
from cloud.config_market import ExchangeSection, MarketSection
from cloud.epochs import EpochKeys
from cloud.history.query import History, Limits
from cloud.keys import open_keys
from cloud.market import bids
from cloud.market.battery import Battery
from cloud.market.bid import BidInterval, BidSet, Direction, OfferMode, Segment
from cloud.market.bids import (
    Approver,
    Award,
    Cleared,
    Content,
    Delivery,
    Document,
    Judgement,
    Measured,
    NewBid,
    NotYet,
)
from cloud.market.desk.limits import limits_of, past_limits, set_limits
from cloud.market.errors import MarketError
from cloud.market.exchanges import load_market
from cloud.market.exchanges.statements import write_statement
from cloud.market.forecast import LEVELS, Forecast
from cloud.market.forecasts import as_record
from cloud.market.risk import Limits as DeskLimits
from cloud.market.statement import Item, Line, Statement, total_of
from cloud.trading import TradingDesk, open_exchanges
from cloud.vault.vault import Vault
from contract import layouts
from contract.frame import Frame
from tests.cloud.history.conftest import open_store
from tests.cloud.stations import create_station

MARKET = load_market("test-exchange")
BATTERY = Battery(10, 10, 20, 0.94, 0.94, wear_per_mwh=20, soc=0.5)
"""Of a station of 10 MW and 20 MWh."""


def product():
    """The day-ahead energy of the market, whatever it is called."""
    return next(p for p in MARKET.products if p.kind.value == "energy" and p.stage == "day_ahead")


DAY = dt.date(2026, 3, 3)


def content(power: str = "2", *, price: str = "400", forecast: bool = True) -> Content:
    rules = product()
    starts = rules.intervals_ms(DAY)
    offered = [
        (start, Direction.CHARGE if at < len(starts) // 2 else Direction.DISCHARGE)
        for at, start in enumerate(starts)
    ]
    intervals = tuple(
        BidInterval(
            start,
            (Segment(way, Decimal(power), Decimal("100" if way is Direction.CHARGE else price)),),
        )
        for start, way in offered
    )
    mean = np.where(np.arange(len(starts)) < len(starts) // 2, 80.0, 450.0)
    spread = np.linspace(-60, 60, len(LEVELS))
    known = Forecast(
        *("price.day_ahead", starts[0], rules.interval_min, starts[0] - 86_400_000, mean),
        quantiles=mean[:, None] + spread,
        version="ensemble/1",
    )
    inputs = {"battery": dataclasses.asdict(BATTERY)}
    if forecast:
        inputs["forecast"] = as_record(known)
    bid_set = BidSet(
        *("haibin-1", MARKET.id, rules.id, DAY, rules.interval_min),
        OfferMode.QUANTITY_PRICE,
        intervals,
    )
    return Content(bid_set, inputs, ("ensemble/1",))


def gate_ms() -> int:
    return product().gate_closure_ms(product().intervals_ms(DAY)[0])


@pytest.fixture
async def parts(pool, tmp_path):
    await create_station(pool, "haibin-1")
    async with pool.connection() as conn:
        await conn.execute("UPDATE stations SET rated_power_kw = 10000, capacity_kwh = 20000")
    keys = open_keys(tmp_path / "keys")
    vault = Vault(pool, keys)
    epochs = EpochKeys(pool, keys)
    history = History(pool, epochs, vault, LayoutCatalogue(pool), Limits(20_000))
    return pool, vault, keys, history


@pytest.fixture
def desk(parts):
    return TradingDesk(*parts)


async def drafted(parts, given: Content, gate: int | None = None):
    pool, vault = parts[:2]
    new = NewBid("east", gate or gate_ms(), given)
    now_ms = new.gate_ms - 3_600_000
    bid = await bids.draft(pool, vault, new, who="ann", why="", now_ms=now_ms)
    return await bids.load(pool, vault, bid), now_ms


async def test_a_bid_is_judged_by_rules_risk_and_limits_and_by_the_same_dice_twice(parts, desk):
    await set_limits(
        parts[0],
        "east",
        DeskLimits(
            max_cvar=1e6, rule_power_mw=1, rule_cvar=1e6, trader_power_mw=5, trader_cvar=1e6
        ),
        who="zhou",
        why="the year's budget",
    )
    bid, now_ms = await drafted(parts, content())

    judged = await desk.judge(bid, bid.versions[0], now_ms)
    again = await desk.judge(bid, bid.versions[0], now_ms)

    assert judged == again
    assert (judged.violations, judged.breaches) == ((), ())
    assert judged.approver is Approver.TRADER
    assert judged.figures["power_mw"] == 2
    assert judged.figures["var"] <= judged.figures["cvar"] <= judged.figures["worst"]


async def test_a_limit_that_is_broken_is_named_in_both_languages(parts, desk):
    await set_limits(parts[0], "east", DeskLimits(max_power_mw=1), who="zhou", why="")
    bid, now_ms = await drafted(parts, content())

    judged = await desk.judge(bid, bid.versions[0], now_ms)

    assert judged.blocked == "limits"
    assert judged.breaches[0].en == "limit max_power_mw of desk east is 1 MW, the bid has 2 MW"
    assert "限额 max_power_mw" in judged.breaches[0].zh


async def test_without_a_forecast_a_limit_of_risk_blocks_and_without_limits_a_head_approves(
    parts, desk
):
    bid, now_ms = await drafted(parts, content(forecast=False))

    free = await desk.judge(bid, bid.versions[0], now_ms)
    await set_limits(parts[0], "east", DeskLimits(max_cvar=1e9), who="zhou", why="")
    limited = await desk.judge(bid, bid.versions[0], now_ms)

    assert (free.blocked, free.approver) == ("", Approver.HEAD_TRADER)
    assert "no forecast to weigh it with" in limited.breaches[0].en


async def test_rules_of_the_market_are_checked(parts, desk):
    bid, now_ms = await drafted(parts, content(power="200"))

    judged = await desk.judge(bid, bid.versions[0], now_ms)

    assert judged.blocked == "rules"
    assert all(one.en and one.zh for one in judged.violations)


async def test_limits_keep_their_history_and_wake_what_they_blocked(parts, desk):
    pool, vault = parts[:2]
    await set_limits(pool, "east", DeskLimits(max_power_mw=1), who="zhou", why="too small")
    bid, now_ms = await drafted(parts, content())
    worker = bids.Worker(pool, vault, exchanges={}, desk=desk, clock=lambda: now_ms)
    await worker.run()
    blocked = (await bids.load(pool, vault, bid.id)).versions[0].blocked

    await set_limits(pool, "east", DeskLimits(max_power_mw=5), who="zhou", why="better")
    await worker.run()

    assert blocked == "limits"
    assert str((await bids.load(pool, vault, bid.id)).versions[0].state) == "checked"
    assert [(one.number, one.set_by) for one in await past_limits(pool, "east")] == [
        *((2, "zhou"), (1, "zhou")),
    ]
    assert (await limits_of(pool, "west")) == DeskLimits()


async def test_the_book_counts_the_other_bids_of_the_day(parts, desk):
    await set_limits(parts[0], "east", DeskLimits(max_book_cvar=1e9), who="zhou", why="")
    bid, now_ms = await drafted(parts, content())
    other = dataclasses.replace(content().bid_set, product="intraday")
    pool, vault = parts[:2]
    name = await bids.draft(
        *(pool, vault, NewBid("east", gate_ms(), dataclasses.replace(content(), bid_set=other))),
        who="ann",
        why="",
        now_ms=now_ms,
    )
    loose = Judgement(figures={"cvar": 700.0})

    class Weighed:
        async def judge(self, asked, version, at_ms):
            return loose if asked.id == name else Judgement(violations=loose.violations)

    await bids.Worker(pool, vault, exchanges={}, desk=Weighed(), clock=lambda: now_ms).run()
    judged = await desk.judge(bid, bid.versions[0], now_ms)

    assert judged.figures["book_cvar"] == pytest.approx(judged.figures["cvar"] + 700.0)


async def test_what_is_cleared_is_ordered_once_and_again_when_it_changes(parts, desk):
    bid, now_ms = await drafted(parts, content())
    first = bid.begin_ms

    def cleared(power: str) -> Cleared:
        award = Award(first, Direction.DISCHARGE, Decimal(power), Decimal(400))
        return Cleared(product().interval_min, (award,), "CNY")

    once = await desk.schedule(bid, [cleared("2")], now_ms)
    again = await desk.schedule(bid, [cleared("2")], now_ms)
    more = await desk.schedule(bid, [cleared("2"), cleared("1.5")], now_ms)

    assert once == again
    assert more != once
    assert set(once.orders) & set(more.orders) == set(once.orders[1:])


def meter(t0_ms: int, minutes: int, *, out_kw: float, from_ms: int) -> Frame:
    """A meter that tells every ten seconds, and whose station discharges from a time on."""
    layout = layouts.METER
    n = minutes * 6
    times = t0_ms + 10_000 * np.arange(n)
    told = {
        "energy_discharged_kwh": 5_000 + np.maximum(times - from_ms, 0) / 3_600_000 * out_kw,
        "energy_charged_kwh": np.full(n, 7_000.0),
    }
    values = []
    for column in layout.columns:
        signal = column.signal
        given = told.get(signal.name, np.zeros(n))
        values.append(np.round(given / signal.scale)[:, None].astype(signal.dtype))
    quality = np.zeros((n, layout.width), dtype=np.uint8)
    return Frame("METER", layout, t0_ms, 10_000, tuple(values), quality)


async def test_the_stored_meter_tells_what_was_delivered_and_nothing_before_it_knows(
    pool, tmp_path
):
    stored = await open_store(pool, tmp_path)
    keys = open_keys(tmp_path)
    vault = Vault(pool, keys)
    desk = TradingDesk(pool, vault, keys, stored.history)
    whole = content().bid_set
    offers = dataclasses.replace(whole, station="alpha", intervals=whole.intervals[:4])
    given = dataclasses.replace(content(), bid_set=offers)
    bid, now_ms = await drafted((pool, vault), given)
    second_ms = bid.begin_ms + 15 * 60_000

    await stored.put([meter(bid.begin_ms - 300_000, 40, out_kw=6_000, from_ms=second_ms)])
    await stored.compact()
    await stored.roll_up()
    early = await desk.measure(bid, Cleared(15, (), "EUR"), now_ms)
    await stored.put([meter(bid.begin_ms + 2_100_000, 35, out_kw=6_000, from_ms=second_ms)])
    await stored.compact()
    await stored.roll_up()
    late = await desk.measure(bid, Cleared(15, (), "EUR"), now_ms)

    assert early == NotYet()
    assert late.flags == ()
    energy = [float(one.energy_mwh) for one in late.measured]
    assert energy == pytest.approx([0.0, 1.5, 1.5, 1.5], abs=0.02)
    assert isinstance(late.measured[0], Measured)


async def test_a_station_without_a_meter_is_named(parts, desk):
    bid, now_ms = await drafted(parts, content())

    with pytest.raises(MarketError, match="haibin-1 has sent nothing of a meter"):
        await desk.measure(bid, Cleared(15, (), "EUR"), now_ms)


async def test_a_statement_is_split_by_product_and_the_rest_is_said(parts, desk):
    bid, _ = await drafted(parts, content())
    name, begin = product().id, bid.begin_ms

    def line(start_ms: int | None, item: Item, detail: str, amount: str) -> Line:
        return Line(start_ms, item, detail, Decimal(1), "MWh", Decimal(amount), Decimal(amount))

    lines = (
        line(begin, Item.ENERGY, name, "120.34"),
        line(begin + 900_000, Item.ENERGY, name, "-20.04"),
        line(begin, Item.ENERGY, "intraday-energy", "7.77"),
        line(None, Item.FEE, "", "-1.11"),
    )
    told = Statement("1", MARKET.id, "haibin-1", DAY, MARKET.currency, lines, total_of(lines))
    paper = Document("s.csv", "text/csv", write_statement(told, MARKET))

    settled = await desk.settle(bid, Cleared(15, (), MARKET.currency), Delivery(()), paper)

    assert settled.amount == Decimal("100.30")
    assert settled.lines == {"energy": Decimal("100.30")}
    assert settled.notes == ("6.66 EUR of the day's statement are for other products",)


async def test_a_near_gate_becomes_an_alarm_and_ends_as_one(parts, monkeypatch):
    pool, vault, keys, history = parts
    await drafted(parts, content(forecast=False))
    clock = [gate_ms() - 7_200_000]
    monkeypatch.setattr(bid_job, "_now_ms", lambda: clock[0])
    job = BidJob(pool, vault, keys, history, MarketSection())

    async def edges() -> list[tuple[str, bool]]:
        async with pool.connection() as conn:
            found = await conn.execute("SELECT code, active FROM cloud_edges ORDER BY id")
            return await found.fetchall()

    for minutes in (120, 50, 49, -1, -2):
        clock[0] = gate_ms() - minutes * 60_000
        await job.work()
    told = await edges()
    engine = alarms.Engine(pool, vault, alarms.load())
    await engine.run(clock[0])

    assert told == [
        ("cloud.bid_deadline", True),
        ("cloud.bid_deadline", False),
        ("cloud.bid_missed", True),
    ]


def test_configured_exchanges_are_opened_with_their_tokens(tmp_path):
    token = tmp_path / "token"
    token.write_text("secret\n", "utf-8")
    section = MarketSection(
        exchanges=(
            ExchangeSection(
                market=MARKET.id, url="http://127.0.0.1:9", participant="p", token_file=token
            ),
        )
    )

    opened = open_exchanges(section, lambda: 0)
    answer = asyncio.run(opened[MARKET.id].state(content().bid_set, "k"))

    assert set(opened) == {MARKET.id}
    assert isinstance(answer, bids.Unclear)
