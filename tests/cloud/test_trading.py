"""The desk of the cloud: real rules of a market, real limits, real orders, real history."""

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cloud import alarms, bid_job
from cloud.bid_job import BidJob
from cloud.catalogue import LayoutCatalogue
from cloud.config_market import ExchangeSection, MarketSection
from cloud.epochs import EpochKeys
from cloud.history.query import History, Limits
from cloud.keys import open_keys
from cloud.market import bids, prices
from cloud.market.award import Award as MarketAward
from cloud.market.battery import Battery
from cloud.market.bid import BidInterval, BidSet, Direction, OfferMode, Segment
from cloud.market.bids import (
    Approver,
    Award,
    Cleared,
    Content,
    Document,
    Judgement,
    Measured,
    NewBid,
    NotYet,
    Settlement,
    Unclear,
)
from cloud.market.desk.limits import limits_of, past_limits, set_limits
from cloud.market.errors import MarketError
from cloud.market.exchanges import ExchangeClient, Patience, load_market
from cloud.market.exchanges.statements import write_statement
from cloud.market.forecast import LEVELS, Forecast
from cloud.market.forecasts import as_record
from cloud.market.risk import Limits as DeskLimits
from cloud.market.settlement import DayRecord, Reading, settle
from cloud.market.statement import Item, Line, Statement, total_of
from cloud.trading import TradingDesk, open_exchanges
from cloud.trading.exchanges import shortest_min
from cloud.trading.meter import StationMeter
from cloud.trading.parts import part_of
from cloud.trading.published import PublishedPrices
from cloud.trading.settling import SettledDay
from cloud.vault.vault import Vault
from contract import layouts
from contract.frame import Frame
from contract.limits import LimitReason
from contract.words import Words
from tests.cloud.history.conftest import open_store
from tests.cloud.market.bids.trade_hall import HallExchange, trade_hall
from tests.cloud.stations import create_station
from tests.exchange_market import running_exchange, write_config

MARKET = load_market("test-exchange")
BATTERY = Battery(10, 10, 20, 0.94, 0.94, wear_per_mwh=20, soc=0.5)
"""Of a station of 10 MW and 20 MWh."""


def product():
    """The day-ahead energy of the market, whatever it is called."""
    return next(p for p in MARKET.products if p.kind.value == "energy" and p.stage == "day_ahead")


DAY = dt.date(2026, 3, 3)
NOW_MS = 1_790_000_000_000
"""When the published prices are looked at."""
Array = np.ndarray


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


def desk_of(pool, vault, keys, history, section: MarketSection | None = None) -> TradingDesk:
    meter = StationMeter(pool, history)
    given = section or MarketSection()
    return TradingDesk(pool, vault, keys, meter, section=given, clock=lambda: NOW_MS)


@pytest.fixture
def desk(parts):
    return desk_of(*parts)


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
    cases = {one.name: one.revenue for one in judged.stressed}
    assert (next(iter(cases)), len(cases)) == ("expected", 6)


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
    other = dataclasses.replace(content().bid_set, product="intraday-energy")
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


def meter(t0_ms: int, step_s: int, n: int, net_kwh: Callable[[Array], Array]) -> Frame:
    """A meter whose counters follow the net energy since a time, discharge positive."""
    layout = layouts.METER
    net = net_kwh(t0_ms + 1_000 * step_s * np.arange(n))
    told = {
        "energy_discharged_kwh": 50_000 + net,
        "energy_charged_kwh": np.full(n, 70_000.0),
    }
    values = []
    for column in layout.columns:
        signal = column.signal
        given = told.get(signal.name, np.zeros(n))
        values.append(np.round(given / signal.scale)[:, None].astype(signal.dtype))
    quality = np.zeros((n, layout.width), dtype=np.uint8)
    return Frame("METER", layout, t0_ms, 1_000 * step_s, tuple(values), quality)


async def test_the_stored_decisions_of_the_controller_are_told_by_interval(pool, tmp_path):
    """Of 600 kW the SOC band grants 480 kW for ten minutes; a person decides the last five."""
    stored = await open_store(pool, tmp_path)
    layout, begin_ms = layouts.DISPATCH, NOW_MS // 900_000 * 900_000
    told = {
        "asked_power_kw": np.full(601, 600.0),
        "granted_power_kw": np.full(601, 480.0),
        "dispatch_source": np.where(np.arange(601) < 300, 1.0, 2.0),
        "binding_limit": np.full(601, float(LimitReason.SOC_BAND)),
    }
    values = [
        np.round(told.get(one.signal.name, np.zeros(601)) / one.signal.scale)[:, None].astype(
            one.signal.dtype
        )
        for one in layout.columns
    ]
    quality = np.zeros((601, layout.width), dtype=np.uint8)
    await stored.put([Frame("STATION", layout, begin_ms, 1_000, tuple(values), quality)])
    await stored.compact()
    await stored.roll_up()
    meter_of_it = StationMeter(pool, stored.history)

    found = await meter_of_it.decided("alpha", begin_ms, begin_ms + 900_000, 5)

    first, second = found[begin_ms], found[begin_ms + 300_000]
    assert sorted(found) == [begin_ms, begin_ms + 300_000]
    assert (first.asked_mwh, first.granted_mwh) == (Decimal("0.05"), Decimal("0.04"))
    assert (first.source, first.limit) == (None, LimitReason.SOC_BAND.words)
    assert second.source == Words("manual", "手动")
    assert await meter_of_it.decided("beta", begin_ms, begin_ms + 900_000, 5) == {}


async def test_the_stored_meter_tells_what_was_delivered_and_nothing_before_it_knows(
    pool, tmp_path
):
    stored = await open_store(pool, tmp_path)
    keys = open_keys(tmp_path)
    vault = Vault(pool, keys)
    desk = desk_of(pool, vault, keys, stored.history)
    whole = content().bid_set
    offers = dataclasses.replace(whole, station="alpha", intervals=whole.intervals[:4])
    given = dataclasses.replace(content(), bid_set=offers)
    bid, now_ms = await drafted((pool, vault), given)
    second_ms = bid.begin_ms + 15 * 60_000

    def net(times: Array) -> Array:
        return np.maximum(times - second_ms, 0) / 600.0  # 6 MW

    await stored.put([meter(bid.begin_ms - 300_000, 10, 240, net)])
    await stored.compact()
    await stored.roll_up()
    early = await desk.measure(bid, Cleared(15, (), "EUR"), now_ms)
    await stored.put([meter(bid.begin_ms + 2_100_000, 10, 210, net)])
    await stored.compact()
    await stored.roll_up()
    late = await desk.measure(bid, Cleared(15, (), "EUR"), now_ms)

    assert early == NotYet()
    assert late.flags == ()
    energy = [float(one.energy_mwh) for one in late.measured]
    assert energy == pytest.approx([0.0, 1.5, 1.5, 1.5], abs=0.02)
    assert isinstance(late.measured[0], Measured)


async def test_a_minute_that_is_still_filling_is_no_end_of_an_interval(pool, tmp_path):
    stored = await open_store(pool, tmp_path)
    keys = open_keys(tmp_path)
    vault = Vault(pool, keys)
    desk = desk_of(pool, vault, keys, stored.history)
    whole = content().bid_set
    offers = dataclasses.replace(whole, station="alpha", intervals=whole.intervals[:1])
    given = dataclasses.replace(content(), bid_set=offers)
    bid, now_ms = await drafted((pool, vault), given)

    def net(times: Array) -> Array:
        return np.maximum(times - bid.begin_ms, 0) / 600.0  # 6 MW

    until_20_s_before = (bid.end_ms - 20_000 - (bid.begin_ms - 300_000)) // 10_000
    await stored.put([meter(bid.begin_ms - 300_000, 10, until_20_s_before, net)])
    await stored.compact()
    await stored.roll_up()
    early = await desk.measure(bid, Cleared(15, (), "EUR"), now_ms)
    await stored.put([meter(bid.end_ms - 20_000, 10, 12, net)])
    await stored.compact()
    await stored.roll_up()
    late = await desk.measure(bid, Cleared(15, (), "EUR"), now_ms)

    assert early == NotYet()
    assert [float(one.energy_mwh) for one in late.measured] == pytest.approx([1.5], abs=0.02)


async def test_a_station_without_a_meter_is_named(parts, desk):
    bid, now_ms = await drafted(parts, content())

    with pytest.raises(MarketError, match="haibin-1 has sent nothing of a meter"):
        await desk.measure(bid, Cleared(15, (), "EUR"), now_ms)


async def test_a_statement_is_split_by_product_and_the_rest_is_said(parts):
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

    settled = part_of(bid, told, SettledDay(Words("checked", "已核对")), MARKET)

    assert settled.amount == Decimal("100.30")
    assert settled.lines == {"energy": Decimal("100.30")}
    assert [note.en for note in settled.notes] == [
        "6.66 EUR of the day's statement are for something else",
        "checked",
    ]
    assert [note.zh for note in settled.notes] == ["当日结算单另有 6.66 EUR 属其他项目", "已核对"]


async def test_a_line_of_the_whole_day_counts_once_and_in_no_part_of_the_day(parts):
    whole = content()
    offers = whole.bid_set
    first = dataclasses.replace(
        whole, bid_set=dataclasses.replace(offers, intervals=offers.intervals[:4])
    )
    second = dataclasses.replace(
        whole, bid_set=dataclasses.replace(offers, intervals=offers.intervals[4:8])
    )
    name = product().id
    fee = Line(None, Item.CAPACITY, name, Decimal(1), "day", Decimal(24), Decimal(24))
    told = Statement("1", MARKET.id, "haibin-1", DAY, MARKET.currency, (fee,), Decimal(24))
    done = SettledDay(Words("checked", "已核对"))

    bids_of_parts = [(await drafted(parts, given))[0] for given in (first, second)]
    split = [part_of(bid, told, done, MARKET) for bid in bids_of_parts]
    once = part_of(dataclasses.replace(bids_of_parts[0], end_ms=whole_end()), told, done, MARKET)

    assert [one.amount for one in split] == [0, 0]
    assert "24 EUR of day-ahead-energy are for the whole day" in split[0].notes[0].en
    assert once.amount == 24


def whole_end() -> int:
    return MARKET.calendar.day_bounds_ms(DAY)[1]


class Statements(HallExchange):
    """The small hall, which settles what it cleared by the market's rules and the meter."""

    def __init__(self, url: str, station_meter: StationMeter, off: Decimal) -> None:
        super().__init__(url)
        self.meter, self.off = station_meter, off
        self.awards: tuple[MarketAward, ...] = ()

    async def clearing(self, bid: BidSet, key: str) -> Cleared | NotYet | Unclear:
        answer = await super().clearing(bid, key)
        assert isinstance(answer, Cleared)
        self.awards = tuple(
            MarketAward(bid.product, a.start_ms, 15, a.direction, a.power_mw, a.price)
            for a in answer.awards
        )
        return dataclasses.replace(answer, currency="EUR")

    async def statement(
        self, station: str, product: str, day: dt.date
    ) -> Document | NotYet | Unclear:
        begin, end = MARKET.calendar.day_bounds_ms(day)
        minutes = shortest_min(MARKET)
        told = await self.meter.energy(station, begin, end, minutes)
        assert told is not None
        readings = tuple(Reading(one.start_ms, minutes, one.energy_mwh) for one in told)
        prices_of = {"imbalance": {one.start_ms: Decimal(80) for one in told}}
        made = settle(DayRecord(station, day, self.awards, readings, prices_of), MARKET)
        first = dataclasses.replace(made.lines[0], amount=made.lines[0].amount + self.off)
        lines = (first, *made.lines[1:])
        wrong = dataclasses.replace(made, lines=lines, total=total_of(lines))
        return Document("s.csv", "text/csv", write_statement(wrong, MARKET))


@pytest.mark.parametrize("off", ["0.00", "1.25"])
async def test_a_bid_is_moved_through_the_whole_cloud_and_settled_here_too(pool, tmp_path, off):
    stored = await open_store(pool, tmp_path)
    async with pool.connection() as conn:
        await conn.execute("UPDATE stations SET rated_power_kw = 10000, capacity_kwh = 99000")
    keys = open_keys(tmp_path)
    vault, station_meter = Vault(pool, keys), StationMeter(pool, stored.history)
    section = section_of(tmp_path, settlement_prices={"imbalance": "imbalance"})
    limits = DeskLimits(
        max_cvar=1e6, rule_power_mw=5, rule_cvar=1e6, trader_power_mw=5, trader_cvar=1e6
    )
    await set_limits(pool, "east", limits, who="zhou", why="small bids go by themselves")
    given = dataclasses.replace(
        content(), bid_set=dataclasses.replace(content().bid_set, station="alpha")
    )
    bid, now_ms = await drafted((pool, vault), given)
    half_ms = (bid.begin_ms + bid.end_ms) // 2

    def net(times: Array) -> Array:
        """Two megawatts in until half of the day is over, then as much out again."""
        return (np.abs(times - half_ms) - (half_ms - bid.begin_ms)) / 1_800.0

    with trade_hall() as (url, book):
        clock = [now_ms]
        worker = bids.Worker(
            *(pool, vault),
            exchanges={MARKET.id: Statements(url, station_meter, Decimal(off))},
            desk=desk_of(pool, vault, keys, stored.history, section),
            clock=lambda: clock[0],
        )
        await worker.run()
        clock[0] = gate_ms()
        await worker.run()
        await stored.put([meter(bid.begin_ms - 300_000, 60, 1_452, net)])
        await stored.compact()
        await stored.roll_up()
        series = prices.Series(
            *("imbalance", prices.Kind.REAL_TIME, "EUR/MWh", "X", "UTC", 60),
            publication=prices.Publication("after 1"),
        )
        rows = [prices.Row(at, 80.0) for at in range(bid.begin_ms, bid.end_ms, 3_600_000)]
        await prices.import_rows(pool, series, rows, source="test", now_ms=NOW_MS)
        clock[0] = bid.end_ms + 600_000
        await worker.run()

    kept = await bids.load(pool, vault, bid.id)
    settled = await bids.paper_of(pool, vault, kept, 1, Settlement)
    log = await bids.log_of(pool, vault, kept)
    assert [str(version.state) for version in kept.versions] == ["settled"]
    assert log[2].who == "rule:within the desk's limits for rules"
    assert list(book.sent.values()) == [1]
    # 48 quarter hours of 0.5 MWh charged at 100, 48 discharged at 400, by the minute to the cent.
    assert settled is not None
    assert settled.amount == pytest.approx(Decimal(48 * 150), abs=Decimal(8))
    if Decimal(off):
        assert "1 lines differ, 1.25 EUR in all" in settled.notes[-1].en
        assert settled.differs
        (off_by,) = settled.differences
        assert (off_by.fault, off_by.money) == ("amount", Decimal("1.25"))
        assert "金额不同" in off_by.words.zh
    else:
        assert "lines agree to the cent" in settled.notes[-1].en
        assert (settled.differs, settled.differences) == (False, ())
        assert settled.ours == settled.theirs


def section_of(folder, **more: Any) -> MarketSection:
    token = folder / "token"
    token.write_text("secret\n", "utf-8")
    token.chmod(0o600)
    address = {"url": "http://127.0.0.1:9", "participant": "p", "token_file": token}
    return MarketSection(exchanges=(ExchangeSection(market=MARKET.id, **address, **more),))


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("http://exchange.example:8700", True),
        ("https://exchange.example", False),
        ("http://127.0.0.1:8700", False),
    ],
)
def test_a_token_never_travels_in_clear_beyond_this_machine(url: str, *, refused: bool):
    facts = {"market": MARKET.id, "url": url, "participant": "p", "token_file": Path("token")}
    if not refused:
        assert ExchangeSection(**facts).url == url
        return
    with pytest.raises(ValueError, match="in clear; write https"):
        ExchangeSection(**facts)


async def test_prices_that_are_published_are_kept_whatever_the_order_of_the_days(pool, tmp_path):
    series = {"day-ahead-energy": "published.ahead"}
    today, tomorrow = dt.date(2026, 3, 10), dt.date(2026, 3, 11)
    with running_exchange(write_config(tmp_path)) as exchange:
        exchange.move_to("2026-03-10T16:00:00Z")
        client = ExchangeClient(exchange.address, exchange.token_file, Patience(10, 1, 0))
        kept = PublishedPrices(pool, MARKET, series)
        wrong = [await kept.keep(client, day, NOW_MS) for day in (tomorrow, today, today)]

    begin_ms, end_ms = (MARKET.calendar.day_bounds_ms(day) for day in (today, tomorrow))
    read = await prices.read(pool, "published.ahead", begin_ms[0], end_ms[1], NOW_MS)
    assert wrong == ["", "", ""]
    assert len(read.value) == 2 * 96
    assert set(read.value.tolist()) == {50.0, 100.0}


async def test_a_price_that_is_corrected_or_was_left_out_is_kept_anew(pool, tmp_path):
    series = {"day-ahead-energy": "published.ahead"}
    day = dt.date(2026, 3, 10)
    begin_ms, end_ms = MARKET.calendar.day_bounds_ms(day)
    with running_exchange(write_config(tmp_path)) as exchange:
        exchange.move_to("2026-03-10T16:00:00Z")
        client = ExchangeClient(exchange.address, exchange.token_file, Patience(10, 1, 0))
        kept = PublishedPrices(pool, MARKET, series)
        wrong = [await kept.keep(client, day, NOW_MS)]
        told = await client.prices(MARKET.id, "day-ahead-energy", day)
        assert isinstance(told, tuple)
        first = [prices.Row(told[3][0], float(told[3][1]) + 9, NOW_MS + 1)]
        of = kept._of("day-ahead-energy", "published.ahead")
        await prices.import_rows(pool, of, first, source="an error", now_ms=NOW_MS + 1)
        wrong.append(await kept.keep(client, day, NOW_MS + 2))

    read = [
        await prices.read(pool, "published.ahead", begin_ms, end_ms, NOW_MS + late)
        for late in (0, 1, 2)
    ]
    assert wrong == ["", ""]
    assert [(one.value != read[0].value).sum() for one in read] == [0, 1, 0]


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


async def test_the_job_looks_at_days_that_are_open_and_leaves_the_closed_alone(parts, tmp_path):
    pool, vault, keys, history = parts
    job = BidJob(pool, vault, keys, history, section_of(tmp_path))
    await job.settle_again()
    async with pool.connection() as conn:
        later_ms = 2**61
        for day, closed, due in (("2026-03-03", None, 0), ("2026-03-04", 5, later_ms)):
            await conn.execute(
                "INSERT INTO settled_days (station, market, day, closed_ms, due_ms)"
                " VALUES (%s, %s, %s, %s, %s)",
                ("haibin-1", MARKET.id, day, closed, due),
            )

    await job.settle_again()

    async with pool.connection() as conn:
        found = await conn.execute(
            "SELECT due_ms > 0, due_ms = %s FROM settled_days ORDER BY day", [later_ms]
        )
        assert await found.fetchall() == [(True, False), (True, True)]


async def test_a_statement_that_is_dropped_after_a_day_was_closed_opens_it_again(parts, tmp_path):
    pool, vault, keys, history = parts
    (tmp_path / "outbox").mkdir()
    one = ExchangeSection(market=MARKET.id, folder=tmp_path, participant="p")
    job = BidJob(pool, vault, keys, history, MarketSection(exchanges=(one,)))
    later_ms = 2**61
    async with pool.connection() as conn:
        for day, closed in (("2026-03-03", 5), ("2026-03-04", later_ms), ("2026-03-05", 5)):
            await conn.execute(
                "INSERT INTO settled_days (station, market, day, closed_ms, due_ms)"
                " VALUES (%s, %s, %s, %s, %s)",
                ("haibin-1", MARKET.id, day, closed, later_ms),
            )
    for day in ("2026-03-03", "2026-03-04", "no-day"):
        (tmp_path / "outbox" / f"{MARKET.id}__haibin-1__{day}.statement.csv").touch()

    await job.settle_again()

    async with pool.connection() as conn:
        found = await conn.execute("SELECT day::text FROM settled_days WHERE closed_ms IS NULL")
        assert await found.fetchall() == [("2026-03-03",)]


@pytest.mark.parametrize("report_meter", [False, True])
async def test_an_exchange_that_watches_a_folder_is_handed_files(tmp_path, report_meter):
    for name in ("inbox", "outbox"):
        (tmp_path / name).mkdir()
    one = ExchangeSection(
        market=MARKET.id, folder=tmp_path, participant="p", report_meter=report_meter
    )
    section = MarketSection(exchanges=(one,))
    opened = open_exchanges(section, None, StationMeter(None, None), lambda: 0)[MARKET.id]

    before = await opened.state(content().bid_set, "k")
    handed = await opened.submit(content().bid_set, "k")

    assert isinstance(before, bids.Unknown)
    assert isinstance(handed, Unclear)
    assert (tmp_path / "inbox" / f"{MARKET.id}__k.csv").is_file()


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({}, "either the url"),
        ({"url": "https://a.example", "folder": "f", "token_file": "t"}, "either the url"),
        ({"url": "https://a.example"}, "has a token_file"),
        ({"folder": "f", "token_file": "t"}, "has none"),
    ],
)
def test_an_exchange_is_reached_in_one_way(given, wrong):
    with pytest.raises(ValueError, match=wrong):
        ExchangeSection(market=MARKET.id, participant="p", **given)


@pytest.mark.parametrize("report_meter", [False, True])
def test_configured_exchanges_are_opened_with_their_tokens(tmp_path, report_meter):
    section = section_of(tmp_path, report_meter=report_meter)

    opened = open_exchanges(section, None, StationMeter(None, None), lambda: 0)
    answer = asyncio.run(opened[MARKET.id].state(content().bid_set, "k"))
    early = asyncio.run(opened[MARKET.id].statement("haibin-1", product().id, DAY))

    assert set(opened) == {MARKET.id}
    assert isinstance(answer, Unclear)
    assert isinstance(early, NotYet if report_meter else Unclear)
