"""The life of a bid against the test exchange, by the real settlement, while the line stumbles."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import pytest

from cloud.keys import open_keys
from cloud.market import bids
from cloud.market.award import Award
from cloud.market.bids import (
    Bid,
    Cleared,
    Delivery,
    Document,
    NewBid,
    NotYet,
    Settlement,
    Worker,
)
from cloud.market.exchanges import ExchangeClient, Party, Patience, load_market, read_statement
from cloud.market.exchanges.port import MarketExchange
from cloud.market.settlement import DayRecord, Reading, reconcile, settle
from cloud.vault.vault import Vault
from tests.cloud.market.bids.conftest import TIMES
from tests.cloud.market.bids.trade_hall import SimpleDesk, content
from tests.cloud.market.exchanges.bids import CHARGE, DAY, DISCHARGE, bid, segment
from tests.cloud.stations import create_station
from tests.exchange_market import TestExchange, running_exchange, utc_ms, write_config

MARKET = load_market("test-exchange")
OFFER = bid([segment(CHARGE, "4", "60"), segment(DISCHARGE, "5", "90")], market=MARKET.id)
GATE_MS = MARKET.product("day-ahead-energy").gate_closure_ms(OFFER.intervals[0].start_ms)
_, END_MS = MARKET.calendar.day_bounds_ms(DAY)


@dataclass
class SettlingDesk(SimpleDesk):
    """Delivers all but the first award, tells the meter, and settles by the market's rules."""

    client: ExchangeClient | None = None
    readings: tuple[Reading, ...] = ()
    agreed: list[int] = field(default_factory=list)

    async def measure(self, bid: Bid, cleared: Cleared, now_ms: int) -> Delivery | NotYet:
        powers = {one.start_ms: one for one in cleared.awards}
        self.readings = tuple(
            Reading(start, 5, self._energy(powers.get(start - start % 900_000)))
            for start in MARKET.calendar.intervals_ms(DAY, 5)
        )
        assert self.client is not None
        told = [(one.start_ms, one.minutes, one.energy_mwh) for one in self.readings]
        assert await self.client.report_meter(MARKET.id, "s1", told) is None
        return await super().measure(bid, cleared, now_ms)

    @staticmethod
    def _energy(award: object) -> Decimal:
        if award is None or award.start_ms == OFFER.intervals[0].start_ms:
            return Decimal(0)
        sign = -1 if award.direction is CHARGE else 1
        return sign * award.power_mw * 5 / Decimal(60)

    async def settle(
        self, bid: Bid, cleared: Cleared, delivery: Delivery, statement: Document
    ) -> Settlement | NotYet:
        theirs = read_statement(statement.body, MARKET)
        awards = tuple(
            Award("day-ahead-energy", a.start_ms, 15, a.direction, a.power_mw, a.price)
            for a in cleared.awards
        )
        imbalance = {start: Decimal(80) for start in MARKET.calendar.intervals_ms(DAY, 5)}
        imbalance |= {
            start: Decimal(30)
            for start in imbalance
            if utc_ms("2026-03-10T00:00Z") <= start < utc_ms("2026-03-10T12:00Z")
        }
        record = DayRecord("s1", DAY, awards, self.readings, {"imbalance": imbalance})
        ours = settle(record, MARKET)
        found = reconcile(ours, theirs)
        assert found.differences == ()
        self.agreed.append(found.agreed)
        return Settlement(ours.total, ours.currency, {"energy": ours.total})


@pytest.fixture
async def exchange(tmp_path: Path) -> AsyncIterator[TestExchange]:
    with running_exchange(write_config(tmp_path)) as running:
        yield running


@pytest.mark.parametrize(
    "mischief", ["disconnect_before", "disconnect_after", "busy", "pending", "duplicate"]
)
async def test_a_bid_is_submitted_once_and_settled_to_the_cent_whatever_the_exchange_does(
    pool, tmp_path, exchange: TestExchange, mischief: str
):
    await create_station(pool, "s1")
    vault = Vault(pool, open_keys(tmp_path / "keys"))
    now = [utc_ms("2026-03-09T08:00:00Z")]
    exchange.misbehave(mischief)
    patience = Patience(timeout_s=10, attempts=1, wait_s=0)  # the life itself tries again

    async with ExchangeClient(exchange.address, exchange.token_file, patience) as client:
        desk = SettlingDesk(client=client)
        port = MarketExchange(client, MARKET, Party("desk", "s1"), lambda: now[0])
        worker = Worker(
            pool, vault, exchanges={MARKET.id: port}, desk=desk, clock=lambda: now[0], times=TIMES
        )
        paper = replace(content(), bid_set=OFFER)
        new = NewBid("s1", GATE_MS, paper, None)
        name = await bids.draft(pool, vault, new, who="ann", why="tomorrow", now_ms=now[0])

        for _ in range(3):  # an answer that is not clear is asked for again, a second later
            await worker.run()
            now[0] += 2_000
        submitted = [str(v.state) for v in (await bids.load(pool, vault, name)).versions]
        for at_ms, clock in ((GATE_MS, "2026-03-09T15:30:00Z"), (END_MS, "2026-03-10T16:00:00Z")):
            exchange.move_to(clock)
            now[0] = at_ms + 1_000
            for _ in range(3):
                await worker.run()
                now[0] += 2_000

        kept = await bids.load(pool, vault, name)
        settled = await bids.paper_of(pool, vault, kept, 1, Settlement)

    assert submitted == ["accepted"]
    assert [str(version.state) for version in kept.versions] == ["settled"]
    assert len(exchange.taken()) == 1
    assert exchange.outcomes().count("accepted") == 1
    assert settled is not None
    # 47 x 5 MW x 1/4 h and the first, which was bought back: 48 x 1.25 MWh x 100 - 1.25 x 80;
    # 48 x 4 MW x 1/4 h charged at 50; by five minutes: 41.67 and 33.33, -16.67 a piece
    sold, bought, back = 144 * Decimal("41.67"), 144 * Decimal("16.67"), 3 * Decimal("33.33")
    assert settled.amount == sold - bought - back
    assert len(desk.agreed) == 1
