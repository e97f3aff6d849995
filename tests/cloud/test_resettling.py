"""Days are settled again until they are final: late prices, corrected meters, revisions."""

import dataclasses
import datetime as dt
from decimal import Decimal

import numpy as np
import pytest

from cloud.db import Pool
from cloud.keys import open_keys
from cloud.market import bids, prices
from cloud.market.bid import BidSet
from cloud.market.bids import Cleared, Document, NotYet, Settlement, Unclear
from cloud.market.desk.limits import set_limits
from cloud.market.desk.metering import Metered
from cloud.market.exchanges.statements import write_statement
from cloud.market.risk import Limits as DeskLimits
from cloud.market.settlement import DayRecord, Reading, settle
from cloud.market.units import DAY_MS, HOUR_MS, MINUTE_MS
from cloud.trading import TradingDesk
from cloud.trading.exchanges import shortest_min
from cloud.trading.meter import StationMeter
from cloud.trading.resettling import Resettler
from cloud.trading.settled_days import DayPlace, days_kept
from cloud.vault.vault import Vault
from tests.cloud.history.conftest import open_store
from tests.cloud.market.bids.trade_hall import trade_hall
from tests.cloud.test_trading import (
    DAY,
    MARKET,
    Array,
    Statements,
    content,
    drafted,
    gate_ms,
    meter,
    section_of,
)


class CorrectedMeter(StationMeter):
    """The stored meter, of which an interval can be corrected by hand."""

    corrected: dict[int, Decimal]

    async def energy(
        self, station: str, begin_ms: int, end_ms: int, interval_min: int
    ) -> tuple[Metered, ...] | None:
        told = await super().energy(station, begin_ms, end_ms, interval_min)
        if told is None:
            return None
        return tuple(
            dataclasses.replace(one, energy_mwh=self.corrected.get(one.start_ms, one.energy_mwh))
            for one in told
        )


class RevisedStatements(Statements):
    """The small hall, whose imbalance price is revised, and which is away at times."""

    imbalance = Decimal(80)
    away = False
    tells_no_price = False

    async def clearing(self, bid: BidSet, key: str) -> Cleared | NotYet | Unclear:
        answer = await super().clearing(bid, key)
        if not self.tells_no_price or not isinstance(answer, Cleared):
            return answer
        unpriced = tuple(dataclasses.replace(one, price=None) for one in answer.awards)
        return dataclasses.replace(answer, awards=unpriced)

    async def statement(
        self, station: str, product: str, day: dt.date
    ) -> Document | NotYet | Unclear:
        if self.away:
            return Unclear("it is away")
        minutes = shortest_min(MARKET)
        told = await self.meter.energy(station, *MARKET.calendar.day_bounds_ms(day), minutes)
        assert told is not None
        readings = tuple(Reading(one.start_ms, minutes, one.energy_mwh) for one in told)
        paid = {"imbalance": {one.start_ms: self.imbalance for one in told}}
        made = settle(DayRecord(station, day, self.awards, readings, paid), MARKET)
        return Document("s.csv", "text/csv", write_statement(made, MARKET))


@dataclasses.dataclass
class Office:
    """A bid that is settled provisionally, and all that settles its day again."""

    pool: Pool
    vault: Vault
    bid: bids.Bid
    meter: CorrectedMeter
    exchange: RevisedStatements
    clock: list[int]
    resettler: Resettler

    async def settled(self) -> Settlement:
        kept = await bids.load(self.pool, self.vault, self.bid.id)
        found = await bids.paper_of(self.pool, self.vault, kept, 1, Settlement)
        assert found is not None
        return found

    async def price(self, value: float, *, hours: int = 24) -> None:
        series = prices.Series(
            *("imbalance", prices.Kind.REAL_TIME, "EUR/MWh", "X", "UTC", 60),
            publication=prices.Publication("import"),
        )
        starts = [self.bid.begin_ms + hour * HOUR_MS for hour in range(hours)]
        rows = [prices.Row(at, value, self.clock[0]) for at in starts]
        await prices.import_rows(self.pool, series, rows, source="test", now_ms=self.clock[0])

    async def look(self, after_ms: int) -> int:
        """Let time pass and the days be looked at."""
        self.clock[0] += after_ms
        return await self.resettler.run()

    async def closed(self) -> bool:
        async with self.pool.connection() as conn:
            found = await conn.execute("SELECT bool_and(closed_ms IS NOT NULL) FROM settled_days")
            row = await found.fetchone()
        return bool(row and row[0])

    async def close(self) -> None:
        """Settle the day until its final statement has closed it."""
        await self.price(80.0)
        await self.look(0)
        await self.look(DAY_MS + 15 * MINUTE_MS)
        assert await self.closed()

    async def reopen(self, since: str = bids.FROM_THE_FIRST) -> str:
        return await bids.reopen_days(self.pool, {MARKET.id: ("imbalance",)}, since)


@pytest.fixture
async def office(pool, tmp_path, request):
    stored = await open_store(pool, tmp_path)
    async with pool.connection() as conn:
        await conn.execute("UPDATE stations SET rated_power_kw = 10000, capacity_kwh = 99000")
    keys = open_keys(tmp_path)
    vault, station_meter = Vault(pool, keys), CorrectedMeter(pool, stored.history)
    station_meter.corrected = {}
    section = section_of(tmp_path, settlement_prices={"imbalance": "imbalance"})
    limits = DeskLimits(
        max_cvar=1e6, rule_power_mw=5, rule_cvar=1e6, trader_power_mw=5, trader_cvar=1e6
    )
    await set_limits(pool, "east", limits, who="zhou", why="")
    offered = dataclasses.replace(content().bid_set, station="alpha")
    bid, now_ms = await drafted((pool, vault), dataclasses.replace(content(), bid_set=offered))
    half_ms = (bid.begin_ms + bid.end_ms) // 2
    clock = [now_ms]

    def net(times: Array) -> Array:
        return (np.abs(times - half_ms) - (half_ms - bid.begin_ms)) / 1_800.0

    with trade_hall() as (url, _):
        exchange = RevisedStatements(url, station_meter, Decimal(0))
        exchange.tells_no_price = getattr(request, "param", False)
        given = pool, vault, keys, station_meter
        desk = TradingDesk(*given, section=section, clock=lambda: clock[0])
        worker = bids.Worker(
            *(pool, vault), exchanges={MARKET.id: exchange}, desk=desk, clock=lambda: clock[0]
        )
        await worker.run()
        clock[0] = gate_ms()
        await worker.run()
        await stored.put([meter(bid.begin_ms - 300_000, 60, 1_452, net)])
        await stored.compact()
        await stored.roll_up()
        clock[0] = bid.end_ms + 600_000
        made = Office(
            *(pool, vault, bid, station_meter, exchange, clock),
            Resettler(pool, vault, {MARKET.id: exchange}, desk, lambda: clock[0]),
        )
        await made.price(80.0, hours=1)
        await worker.run()
        yield made


async def test_a_late_price_leaves_no_day_unsettled_and_a_final_statement_closes_it(office):
    late = await office.settled()
    place = DayPlace("alpha", MARKET.id, DAY)

    first = await office.look(0)
    await office.price(80.0)
    second = await office.look(15 * MINUTE_MS)
    settled = await office.settled()
    again = await office.look(15 * MINUTE_MS)
    open_still = not await office.closed()
    final = await office.look(DAY_MS)
    closed = await office.settled()

    assert "the price 'imbalance'" in late.notes[-1].en
    assert "缺少" in late.notes[-1].zh
    assert (late.ours, late.final, late.number) == (None, False, 1)
    assert (first, second, again, final) == (1, 1, 0, 1)
    assert settled.ours == settled.theirs
    assert (settled.number, settled.final, settled.differs) == (2, False, False)
    assert open_still
    assert (closed.number, closed.final) == (3, True)
    assert await office.closed()
    kept = await days_kept(office.pool, office.vault, place)
    assert [(one.number, one.final) for one in kept] == [(1, False), (2, False), (3, True)]
    assert kept[0].version.record is None
    assert kept[1].version.record is not None
    assert len(kept[1].version.record.readings) == 24 * 60 // shortest_min(MARKET)
    there = await bids.load(office.pool, office.vault, office.bid.id)
    made = await bids.settlements_of(office.pool, office.vault, there)
    assert [one.settlement.number for one in made] == [1, 2, 3]
    log = await bids.log_of(office.pool, office.vault, there)
    assert log[-1].why.startswith("settled again (final): it stays")


async def test_a_revised_statement_and_a_corrected_meter_are_settled_again_line_by_line(office):
    await office.price(80.0)
    await office.look(0)
    before = await office.settled()

    office.exchange.imbalance = Decimal(95)
    office.meter.corrected[office.bid.end_ms - MINUTE_MS] = Decimal("0.5")
    await office.look(15 * MINUTE_MS)
    wrong = await office.settled()
    async with office.pool.connection() as conn:
        called = await (await conn.execute("SELECT count(*) FROM bid_differences")).fetchone()
    await office.price(95.0)
    await office.look(15 * MINUTE_MS)
    right = await office.settled()
    async with office.pool.connection() as conn:
        calm = await (await conn.execute("SELECT count(*) FROM bid_differences")).fetchone()

    assert not before.differs
    assert (wrong.differs, called) == (True, (1,))
    assert {one.whose for one in wrong.changes} == {"theirs", "ours"}
    words = [one.words for one in wrong.changes if one.whose == "theirs"]
    assert any("the exchange's statement: price 80 is now 95" in one.en for one in words)
    assert any("价格由 80 变为 95" in one.zh for one in words)
    assert any("our own settlement: quantity" in one.words.en for one in wrong.changes)
    assert (right.differs, right.ours == right.theirs, calm) == (False, True, (0,))
    there = await bids.load(office.pool, office.vault, office.bid.id)
    delivery = await bids.paper_of(office.pool, office.vault, there, 1, bids.Delivery)
    assert delivery is not None
    assert delivery.measured[-1].energy_mwh > Decimal("0.9")


@pytest.mark.parametrize("office", [True], indirect=True)
async def test_an_award_whose_price_is_told_later_is_settled_when_it_is(office):
    await office.price(80.0)
    await office.look(0)
    before = await office.settled()
    office.exchange.tells_no_price = False

    await office.look(15 * MINUTE_MS)
    after = await office.settled()

    assert "the price of an award is not told yet" in before.notes[-1].en
    assert (before.ours, after.ours == after.theirs) == (None, True)


async def test_an_exchange_that_is_away_is_asked_again_and_nothing_is_lost(office):
    await office.price(80.0)
    office.exchange.away = True
    silent = await office.look(0)
    office.exchange.away = False

    made = await office.look(15 * MINUTE_MS)

    assert (silent, made) == (0, 1)


async def test_a_price_that_is_imported_after_a_day_was_closed_opens_it_again(office):
    await office.close()
    untouched = await office.reopen()
    still = await office.closed()

    await office.price(95.0)
    await office.reopen(untouched)
    reopened = not await office.closed()
    made = await office.look(MINUTE_MS)
    await office.reopen()
    again = await office.look(MINUTE_MS)

    kept = await days_kept(office.pool, office.vault, DayPlace("alpha", MARKET.id, DAY))
    settled = await office.settled()
    assert (still, reopened, made, again) == (True, True, 1, 0)
    assert await office.closed()
    assert [one.final for one in kept] == [False, True, True]
    assert kept[1].version.ours != kept[2].version.ours
    assert {one.whose for one in kept[2].version.changes} == {"ours"}
    assert settled.differs
    made_of = await bids.settlements_of(
        office.pool, office.vault, await bids.load(office.pool, office.vault, office.bid.id)
    )
    assert [one.settlement.number for one in made_of] == list(range(1, len(made_of) + 1))
    assert made_of[-2].settlement.ours != settled.ours


async def test_a_final_statement_that_is_corrected_is_found_within_a_week(office):
    await office.close()
    before = await office.settled()
    office.exchange.imbalance = Decimal(95)

    at_once = await office.look(DAY_MS)
    office.exchange.away = True
    silent = await office.look(6 * DAY_MS)
    still = await office.closed()
    office.exchange.away = False
    a_week_later = await office.look(7 * DAY_MS)

    after = await office.settled()
    assert (at_once, silent, still, a_week_later) == (0, 0, True, 1)
    assert await office.closed()
    assert (before.number + 1, after.final, after.differs) == (after.number, True, True)
