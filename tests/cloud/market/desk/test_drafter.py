import asyncio
import contextlib
import json
import re
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest

from cloud.config_desk import DeskSection
from cloud.db import Pool, connection
from cloud.keys import open_keys
from cloud.market import bids, prices
from cloud.market.battery import Battery
from cloud.market.bid import BidSet, Direction
from cloud.market.bids import Award, Bid, Cleared, State, Step, Times
from cloud.market.bids.rows import move, put_paper
from cloud.market.desk import drafter as drafter_module
from cloud.market.desk.capping import capped
from cloud.market.desk.drafter import Drafter, DraftsFailed, Haste
from cloud.market.desk.drafting import Draft, DraftRequest, NothingToBid
from cloud.market.desk.forecasting import Forecaster, Sources
from cloud.market.desk.limits import set_limits
from cloud.market.desk.patience import StillRunning
from cloud.market.desk.position import carried, committed_mw, held_ready, reserved, traded
from cloud.market.desk.weighing import beside_of, own_mw
from cloud.market.errors import BadSeries
from cloud.market.exchanges import check
from cloud.market.forecast import Forecast
from cloud.market.forecasts import History, from_record, naive_members
from cloud.market.risk import Limits
from cloud.market.station_battery import StationBattery
from cloud.vault.vault import Vault
from tests.cloud.market.desk.market_days import HOUR_MS, MARKET, day_of, store
from tests.cloud.stations import create_station

BATTERY = Battery(3.45, 3.45, 7.0, 0.95, 0.94, wear_per_mwh=4.0, soc=0.5)
DAYS = 60


def section(*products: dict[str, object], **more: object) -> DeskSection:
    return DeskSection.model_validate(
        {
            "desk": "east",
            "station": "haibin-1",
            "market": "test-exchange",
            "price": "tx.day_ahead",
            "exogenous": {"load": "tx.load_forecast"},
            "members": "naive",
            "allow_short_history": True,
            "warm_up_days": 14,
            "products": products,
        }
        | more
    )


AHEAD = {"id": "day-ahead-energy"}
MINUTES = {"id": "minute-energy", "ahead_min": 5.5, "lead_s": 180.0}


async def sold(_: DeskSection) -> StationBattery:
    return StationBattery(BATTERY, 0.9, ("the meter is new",))


@pytest.fixture
async def vault(pool: Pool, tmp_path) -> Vault:
    await create_station(pool, "haibin-1")
    return Vault(pool, open_keys(tmp_path / "keys"))


async def all_bids(pool: Pool, vault: Vault) -> list[Bid]:
    async with connection(pool) as conn:
        rows = await (await conn.execute("SELECT id::text FROM bids ORDER BY begin_ms")).fetchall()
    return [await bids.load(pool, vault, row[0]) for row in rows]


def largest(bid_set: BidSet) -> Decimal:
    return max(one.power_mw for i in bid_set.intervals for one in i.segments)


def drafter(pool: Pool, vault: Vault, desk: DeskSection, clock: Callable[[], int]) -> Drafter:
    return Drafter(pool, vault, (desk,), sold=sold, clock=clock)


async def test_tomorrow_is_drafted_once_with_its_reasons_and_a_fall_back(pool: Pool, vault: Vault):
    await store(pool, DAYS)
    day, now_ms = day_of(DAYS - 1)
    works = drafter(pool, vault, section(AHEAD), lambda: now_ms)

    assert await works.run() == 1
    assert await works.run() == 0
    assert await drafter(pool, vault, section(AHEAD), lambda: now_ms).run() == 0

    (bid,) = await all_bids(pool, vault)
    assert (bid.desk, bid.day, bid.created_by) == ("east", day, "drafting")
    assert bid.gate_ms == MARKET.product("day-ahead-energy").gate_closure_ms(bid.begin_ms)
    first, spare = bid.versions
    assert (first.fallback, spare.fallback) == (False, True)
    assert first.state is State.DRAFTED
    product = MARKET.product("day-ahead-energy")
    assert check(first.content.bid_set, product, BATTERY, now_ms=now_ms) == ()
    assert check(spare.content.bid_set, product, BATTERY, now_ms=now_ms) == ()
    assert largest(spare.content.bid_set) == largest(first.content.bid_set) / 2
    told = first.content.forecasts[0]
    assert spare.content.forecasts == (f"naive.profile of {told}",)
    starts = {reason.start_ms for reason in first.content.explanation}
    assert starts == {None, *(one.start_ms for one in first.content.bid_set.intervals)}
    assert all(reason.en and reason.zh for reason in first.content.explanation)
    assert any("short history" in reason.en for reason in first.content.explanation)
    forecast = from_record(first.content.inputs["forecast"])
    assert forecast.start_ms == MARKET.calendar.day_bounds_ms(day)[0]
    assert first.content.inputs["battery"]["energy_mwh"] == 7.0
    json.dumps(first.content.inputs)


async def test_a_block_of_minutes_is_drafted_at_the_prices_that_are_known_by_then(
    pool: Pool, vault: Vault
):
    came = await store(pool, DAYS)
    day, dear = day_of(DAYS - 2)[0], int(came[DAYS - 2].argmax())
    begin_ms = MARKET.calendar.day_bounds_ms(day)[0] + dear * HOUR_MS
    now_ms = begin_ms - 300_000
    works = drafter(pool, vault, section(MINUTES), lambda: now_ms)

    assert await works.run() == 1

    (bid,) = await all_bids(pool, vault)
    assert (bid.day, bid.begin_ms, bid.end_ms) == (day, begin_ms, begin_ms + 2 * 60_000)
    assert bid.gate_ms == bid.begin_ms - 60_000
    content = bid.versions[0].content
    assert (from_record(content.inputs["forecast"]).mean == came[DAYS - 2]).all()
    directions = {one.direction for i in content.bid_set.intervals for one in i.segments}
    assert directions == {Direction.DISCHARGE}


async def test_a_block_with_nothing_to_trade_is_not_planned_again_and_again(
    pool: Pool, vault: Vault
):
    await store(pool, DAYS)
    day, _ = day_of(DAYS - 2)
    now_ms = MARKET.calendar.day_bounds_ms(day)[0] + 300_000
    asked = []

    async def worn_out(_: DeskSection) -> StationBattery:
        asked.append(1)
        return StationBattery(replace(BATTERY, wear_per_mwh=1e4), 0.9, ())

    works = Drafter(pool, vault, (section(MINUTES),), sold=worn_out, clock=lambda: now_ms)

    assert await works.run() == 0
    assert await works.run() == 0
    assert len(asked) == 1
    looks = await bids.looks_at(pool, vault, "haibin-1", now_ms)
    assert {(one.product, one.failed, one.late) for one in looks} == {
        ("minute-energy", False, False)
    }


async def test_a_gate_at_which_nothing_pays_says_what_would_and_when_it_does(
    pool: Pool, vault: Vault
):
    came = (await store(pool, DAYS))[DAYS - 2]
    day, _ = day_of(DAYS - 2)
    now_ms = MARKET.calendar.day_bounds_ms(day)[0] + 300_000

    async def worn(_: DeskSection) -> StationBattery:
        return StationBattery(replace(BATTERY, wear_per_mwh=1e4), 0.9, ())

    await Drafter(pool, vault, (section(MINUTES),), sold=worn, clock=lambda: now_ms).run()

    told, *_ = [one.why for one in await bids.looks_at(pool, vault, "haibin-1", now_ms)]
    low, high = came.min(), came.max()
    assert f"{came[0]:.2f} is expected, more charging would pay below" in told.en
    assert re.search(r"more discharging above 1\d{4}\.\d\d", told.en)
    assert f"the cheapest is {came.argmin():02d}:00 ({low:.2f} expected)" in told.en
    assert f"the dearest {came.argmax():02d}:00 ({high:.2f} expected)" in told.en
    assert f"最高为 {came.argmax():02d}:00（预计 {high:.2f}）" in told.zh
    assert f"预计 {came[0]:.2f}，低于" in told.zh
    async with connection(pool) as conn:
        rows = await (await conn.execute("SELECT l::text FROM draft_looks l")).fetchall()
    assert not any("expected" in row[0] or "预计" in row[0] for row in rows)


class Hangs(Forecaster):
    """A forecast that does not return until it is let go."""

    def __init__(self, let_go: threading.Event) -> None:
        sources = Sources("tx.day_ahead", {"load": "tx.load_forecast"})
        super().__init__(
            MARKET, sources, members=naive_members(), allow_short=True, warm_up_days=14
        )
        self.let_go, self.begun = let_go, 0

    def _forecast(self, history: History, start_ms: int, known_ms: int) -> Forecast:
        self.begun += 1
        self.let_go.wait()
        return super()._forecast(history, start_ms, known_ms)


@pytest.fixture
def hangs() -> Iterator[Hangs]:
    let_go = threading.Event()
    yield Hangs(let_go)
    let_go.set()


AT_ONCE = Haste(limit_ms=50, spare_ms=HOUR_MS)
TIMES = Times(escalate_ms=HOUR_MS, fallback_ms=900_000, ask_again_ms=15_000)


async def until(works: Drafter, done: Callable[[], Awaitable[bool]]) -> None:
    """Look as the job does, again and again, until something is so."""
    async with asyncio.timeout(60):
        while not await done():
            with contextlib.suppress(StillRunning, DraftsFailed):
                await works.run()


async def test_a_drafting_that_hangs_calls_people_and_its_fall_back_is_there_in_time(
    pool: Pool, vault: Vault, hangs: Hangs
):
    await store(pool, DAYS)
    day, now_ms = day_of(DAYS - 1)
    gate_ms = MARKET.product("day-ahead-energy").gate_closure_ms(
        MARKET.calendar.day_bounds_ms(day)[0]
    )
    clock = [min(now_ms, gate_ms - 3 * HOUR_MS)]
    works = Drafter(
        *(pool, vault, (section(AHEAD),)), sold=sold, clock=lambda: clock[0], haste=AT_ONCE
    )
    works._desks[0].forecaster = hangs
    place = ("haibin-1", "test-exchange/day-ahead-energy")

    for _ in range(3):
        with pytest.raises(StillRunning):
            await works.run()
    early = await bids.conditions(pool, clock[0], TIMES)
    (look,) = [one for one in await bids.looks_at(pool, vault, "haibin-1", clock[0]) if one.late]
    assert early[bids.LATE] == {place}
    assert (look.gate_ms, look.failed, hangs.begun) == (gate_ms, True, 1)
    assert "has not ended within" in look.why.en
    assert "未完成" in look.why.zh
    assert await all_bids(pool, vault) == []

    clock[0] = gate_ms - HOUR_MS

    async def drafted() -> bool:
        return bool(await all_bids(pool, vault))

    await until(works, drafted)
    (bid,) = await all_bids(pool, vault)
    assert [one.fallback for one in bid.versions] == [False, True]
    assert bid.versions[0].content.bid_set == bid.versions[1].content.bid_set
    assert 0 < largest(bid.versions[1].content.bid_set) <= Decimal("1.725")
    notes = [one for one in bid.versions[1].content.explanation if one.start_ms is None]
    assert any("did not end in time" in one.en and "编制未按时完成" in one.zh for one in notes)
    assert hangs.begun == 1

    hangs.let_go.set()

    async def over() -> bool:
        return not (await bids.conditions(pool, clock[0], TIMES))[bids.LATE]

    await until(works, over)
    beside = [one.id for one in await all_bids(pool, vault) if one.begin_ms == bid.begin_ms]
    assert beside == [bid.id]


async def test_a_desk_whose_drafting_hangs_keeps_no_other_desk(
    pool: Pool, vault: Vault, hangs: Hangs
):
    await store(pool, DAYS)
    _, now_ms = day_of(DAYS - 1)
    desks = section(MINUTES | {"ahead_min": 9.0}), section(AHEAD)
    works = Drafter(pool, vault, desks, sold=sold, clock=lambda: now_ms, haste=Haste(2_000, 0))
    works._desks[0].forecaster = hangs

    with pytest.raises(StillRunning):
        await works.run()

    assert [bid.product for bid in await all_bids(pool, vault)] == ["day-ahead-energy"]


async def test_minutes_are_drafted_without_the_day_and_the_day_without_the_minutes(
    pool: Pool, vault: Vault
):
    came = await store(pool, DAYS)
    day, dear = day_of(DAYS - 2)[0], int(came[DAYS - 2].argmax())
    now_ms = MARKET.calendar.day_bounds_ms(day)[0] + dear * HOUR_MS - 300_000
    soon = AHEAD | {"ahead_min": 720.0}
    works = drafter(pool, vault, section(soon, MINUTES), lambda: now_ms)

    assert await works.run(within_day=True) == 1
    assert {one.product for one in await all_bids(pool, vault)} == {"minute-energy"}
    assert await works.run(within_day=False) > 0
    assert await works.run() == 0


async def test_a_gate_that_closes_on_a_failed_drafting_calls_people_until_it_is_mended(
    pool: Pool, vault: Vault
):
    came = await store(pool, DAYS)
    day, dear = day_of(DAYS - 2)[0], int(came[DAYS - 2].argmax())
    clock = [MARKET.calendar.day_bounds_ms(day)[0] + dear * HOUR_MS]
    times = Times(escalate_ms=60_000, fallback_ms=15_000, ask_again_ms=15_000)
    broken = drafter(pool, vault, section(MINUTES, price="tx.unknown"), lambda: clock[0])
    counted = []

    for _ in range(3):
        with pytest.raises(BadSeries):
            await broken.run()
        (gate_ms, *_) = [
            one.gate_ms for one in await bids.looks_at(pool, vault, "haibin-1", clock[0])
        ]
        clock[0] = gate_ms + 1
        standing = await bids.conditions(pool, clock[0], times)
        assert standing[bids.MISSED] == {("haibin-1", "test-exchange/minute-energy")}
        counted += [one.gates for one in await bids.missed(pool, "haibin-1", clock[0])]
    await drafter(pool, vault, section(MINUTES), lambda: clock[0]).run()
    mended = await bids.conditions(pool, clock[0], times)

    assert counted == [1, 2, 3]
    assert mended[bids.MISSED] == frozenset()
    assert await bids.missed(pool, "haibin-1", clock[0]) == ()


async def test_what_binds_a_day_ahead_is_drafted_within_the_limit_of_cvar_of_its_desk(
    pool: Pool, vault: Vault, monkeypatch
):
    await store(pool, DAYS)
    _, now_ms = day_of(DAYS - 1)
    await set_limits(pool, "east", Limits(max_cvar=250.0), who="zhou", why="")
    limits = []

    def noted(request: DraftRequest, most_cvar: float) -> tuple[DraftRequest, Draft]:
        limits.append(most_cvar)
        return capped(request, most_cvar)

    monkeypatch.setattr(drafter_module, "capped", noted)

    assert await drafter(pool, vault, section(AHEAD, MINUTES), lambda: now_ms).run() > 0
    assert limits == [250.0]


async def test_what_rests_is_planned_again_when_something_new_is_imported(pool: Pool, vault: Vault):
    await store(pool, DAYS)
    day, _ = day_of(DAYS - 2)
    now_ms = MARKET.calendar.day_bounds_ms(day)[0] + 300_000
    asked = []

    async def worn_out(_: DeskSection) -> StationBattery:
        asked.append(1)
        return StationBattery(replace(BATTERY, wear_per_mwh=1e4), 0.9, ())

    works = Drafter(pool, vault, (section(MINUTES),), sold=worn_out, clock=lambda: now_ms)
    await works.run()
    kept = await prices.find(pool, "tx.load_forecast")
    row = prices.Row(now_ms - now_ms % HOUR_MS, 4_321.0, now_ms)
    await prices.import_rows(
        *(pool, kept.series, [row]), source="test", now_ms=now_ms, accept=prices.ACCEPTABLE
    )

    await works.run()
    await works.run()

    assert len(asked) == 2


async def test_a_block_that_no_forecast_reaches_is_not_drafted_at_every_look(
    pool: Pool, vault: Vault, monkeypatch
):
    await store(pool, DAYS)
    day, _ = day_of(DAYS - 2)
    now_ms = MARKET.calendar.day_bounds_ms(day)[0] + 300_000
    asked = []

    def nothing(request: DraftRequest) -> Draft:
        asked.append(request)
        raise NothingToBid("no interval is forecast")

    monkeypatch.setattr(drafter_module, "draft", nothing)
    works = drafter(pool, vault, section(MINUTES), lambda: now_ms)

    assert [await works.run(), await works.run()] == [0, 0]
    assert len(asked) == 1


async def test_each_desk_and_product_that_cannot_be_drafted_is_told(pool: Pool, vault: Vault):
    await store(pool, DAYS)
    _, now_ms = day_of(DAYS - 1)
    poor = section(MINUTES | {"ahead_min": 9.0}, price="tx.unknown")
    other = section(AHEAD, price="tx.nothing")
    works = Drafter(pool, vault, (poor, other), sold=sold, clock=lambda: now_ms)

    with pytest.raises(DraftsFailed) as told:
        await works.run()

    assert "minute-energy: there is no series 'tx.unknown'" in str(told.value)
    assert "day-ahead-energy: there is no series 'tx.nothing'" in str(told.value)


async def test_what_was_cleared_counts_as_promised_and_moves_the_soc(pool: Pool, vault: Vault):
    await store(pool, DAYS)
    _, now_ms = day_of(DAYS - 1)
    works = drafter(pool, vault, section(AHEAD), lambda: now_ms)
    await works.run()
    (ahead,) = await all_bids(pool, vault)
    begin_ms = ahead.begin_ms
    award = Award(begin_ms, Direction.DISCHARGE, Decimal(2), Decimal(50))
    await clear(pool, vault, ahead, Cleared(15, (award,), "EUR"), now_ms)

    trades = await traded(pool, vault, "haibin-1", now_ms, now_ms + 2 * 86_400_000)

    assert [(one.start_ms, one.power_mw) for one in trades] == [(begin_ms, 2.0)]
    assert committed_mw(trades, [begin_ms, begin_ms + 900_000]) == {
        begin_ms: 2.0,
        begin_ms + 900_000: 0,
    }
    later = carried(BATTERY, trades, now_ms, begin_ms + 3_600_000)
    assert later.soc == pytest.approx(0.5 - 2.0 * 0.25 / 0.94 / 7.0)
    assert carried(BATTERY, trades, now_ms, begin_ms).soc == 0.5


async def test_power_that_is_held_ready_is_not_sold_a_second_time_within_the_day(
    pool: Pool, vault: Vault
):
    await store(pool, DAYS)
    _, now_ms = day_of(DAYS - 1)
    beside = {"held": {"regulation": "tx.day_ahead"}, "held_most_mw": 0.5}
    desk = section(AHEAD | beside, MINUTES | {"ahead_min": 9.0})
    works = drafter(pool, vault, desk, lambda: now_ms)
    await works.run()
    found = {bid.product: bid for bid in await all_bids(pool, vault)}
    assert largest(found["regulation"].versions[0].content.bid_set) == Decimal("0.5")
    ahead = found["day-ahead-energy"].versions[0].content
    (start,) = ahead.inputs["plan"]["starts_ms"][:1]
    award = Award(start, Direction.BOTH, Decimal("0.5"), Decimal(10))
    await clear(pool, vault, found["regulation"], Cleared(60, (award,), "EUR"), now_ms)

    ready = await held_ready(pool, vault, "haibin-1", start, start + HOUR_MS)
    later = await held_ready(pool, vault, "haibin-1", start + HOUR_MS, start + 2 * HOUR_MS)

    assert [(one.power_mw, one.energy_mwh) for one in ready] == [(0.5, 0.5)]
    assert later == ()
    left = reserved(BATTERY, ready)
    assert (left.charge_mw, left.discharge_mw, left.soc) == (2.95, 2.95, 0.5)
    assert left.soc_min == pytest.approx(0.5 / 0.94 / 7.0)
    assert left.soc_max == pytest.approx(1 - 0.5 * 0.95 / 7.0)
    assert reserved(BATTERY, ()) == BATTERY


async def test_what_other_products_of_a_plan_move_is_kept_beside_each_bid(pool: Pool, vault: Vault):
    await store(pool, DAYS)
    _, now_ms = day_of(DAYS - 1)
    side = {"side": {"local-energy": "tx.day_ahead"}, "side_most_mw": 1.0}
    await drafter(pool, vault, section(AHEAD | side), lambda: now_ms).run()

    for bid in await all_bids(pool, vault):
        content = bid.versions[0].content
        plan, beside = content.inputs["plan"], beside_of(content.inputs)
        for index, one in enumerate(content.bid_set.intervals):
            together = own_mw(one) + beside[one.start_ms]
            assert together == pytest.approx(plan["power_mw"][index], abs=1e-5)
        assert any(beside.values())


async def clear(pool: Pool, vault: Vault, bid: Bid, cleared: Cleared, now_ms: int) -> None:
    """Move a bid through the states up to cleared, as its worker does."""
    keys = await vault.keys(bid.station)
    states = [State.DRAFTED, State.CHECKED, State.APPROVED, State.SUBMITTED, State.ACCEPTED]
    async with connection(pool) as conn, conn.transaction():
        for before, after in pairwise([*states, State.CLEARED]):
            step = Step(1, before, after, now_ms, "test", "test")
            await move(conn, keys, bid.id, step, approved_by="test")
        await put_paper(conn, keys, bid.id, 1, cleared, at_ms=now_ms)


async def test_a_desk_whose_prices_are_missing_is_told_and_keeps_no_other(pool: Pool, vault: Vault):
    await store(pool, DAYS)
    _, now_ms = day_of(DAYS - 1)
    poor = section(MINUTES | {"ahead_min": 9.0}, price="tx.unknown")
    works = Drafter(pool, vault, (poor, section(AHEAD)), sold=sold, clock=lambda: now_ms)

    with pytest.raises(BadSeries, match=r"tx\.unknown"):
        await works.run()

    assert [bid.product for bid in await all_bids(pool, vault)] == ["day-ahead-energy"]
