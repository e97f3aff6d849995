"""Two settlements written apart, the exchange's and ours, agree to the cent over whole days."""

import dataclasses
import random
from decimal import Decimal
from pathlib import Path

from cloud.market.bid import BidSet, Direction
from cloud.market.exchanges import (
    Clearing,
    ExchangeClient,
    Party,
    Patience,
    Sending,
    idempotency_key,
    load_market,
    write_bids,
)
from cloud.market.settlement import IMBALANCE, DayRecord, Reading, reconcile, settle
from cloud.market.statement import Statement
from tests.cloud.market.exchanges.bids import CHARGE, DAY, DISCHARGE, bid, segment
from tests.exchange_market import running_exchange, write_config

PARTY = Party("desk", "s1")


def _bids(market: str) -> list[BidSet]:
    day = bid([segment(CHARGE, "3.3", "60"), segment(DISCHARGE, "4.7", "90")], market=market)
    fine = bid([segment(CHARGE, "0.1", "60")], market=market, name="intraday-energy")
    ready = bid([segment(Direction.BOTH, "1.5", "11")], market=market, name="regulation")
    return [day, dataclasses.replace(fine, intervals=fine.intervals[::7]), ready]


async def test_our_settlement_and_the_exchanges_agree_line_by_line(tmp_path: Path):
    market, chance = load_market("test-exchange"), random.Random(7)
    starts = market.calendar.intervals_ms(DAY, 5)
    metered = tuple(
        Reading(start, 5, Decimal(chance.randint(-450, 450)) / 1000) for start in starts
    )
    patience = Patience(10, 2, 0)
    with running_exchange(write_config(tmp_path)) as exchange:
        async with ExchangeClient(exchange.address, exchange.token_file, patience) as client:
            sendings = []
            for number, one in enumerate(_bids(market.id)):
                sending = Sending(idempotency_key(f"bid-{number}", 1), 0)
                document = write_bids([one], market, PARTY, sending)
                await client.submit(market.id, document, sending)
                sendings.append(sending)
            exchange.move_to("2026-03-10T16:00:00Z")
            told = [(one.start_ms, one.minutes, one.energy_mwh) for one in metered]
            await client.report_meter(market.id, "s1", told)
            clearings = [await client.clearing(one.key) for one in sendings]
            imbalance = await client.prices(market.id, IMBALANCE, DAY)
            theirs = await client.statement(market, "s1", DAY)

    assert isinstance(theirs, Statement)
    assert isinstance(imbalance, tuple)
    awards = [a for one in clearings if isinstance(one, Clearing) for a in one.awards]
    record = DayRecord("s1", DAY, tuple(awards), metered, {IMBALANCE: dict(imbalance)})

    found = reconcile(settle(record, market), theirs)

    assert found.differences == ()
    assert found.money == 0
    assert found.agreed == len(theirs.lines) > 500
