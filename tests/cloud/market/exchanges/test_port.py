"""The port that the life of bids uses, against the real test exchange."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from cloud.market.bids import (
    Accepted,
    Cleared,
    Document,
    NotYet,
    Rejected,
    Replaced,
    Unclear,
    Unknown,
)
from cloud.market.bids import Exchange as Port
from cloud.market.bids import Withdrawn as Taken
from cloud.market.exchanges import (
    ExchangeClient,
    Party,
    Patience,
    idempotency_key,
    load_market,
    read_statement,
)
from cloud.market.exchanges.port import MarketExchange
from tests.cloud.market.exchanges.bids import DAY, DISCHARGE, bid, segment
from tests.exchange_market import TestExchange, running_exchange, utc_ms, write_config

KEY, NEXT = idempotency_key("bid", 1), idempotency_key("bid", 2)
BID = bid([segment(DISCHARGE, "6", "40")], market="test-exchange", intervals=4)
MORE = bid([segment(DISCHARGE, "7", "40")], market="test-exchange", intervals=4)
MARKET = load_market("test-exchange")


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[TestExchange]:
    with running_exchange(write_config(tmp_path)) as running:
        yield running


def _port(exchange: TestExchange) -> tuple[ExchangeClient, Port]:
    client = ExchangeClient(exchange.address, exchange.token_file, Patience(10, 2, 0))
    now_ms = utc_ms("2026-03-09T08:00:00Z")
    return client, MarketExchange(client, MARKET, Party("desk", "s1"), lambda: now_ms)


async def test_a_bid_lives_from_submission_to_statement(exchange: TestExchange):
    client, port = _port(exchange)
    async with client:
        assert isinstance(await port.state(BID, KEY), Unknown)
        first = await port.submit(BID, KEY)
        again = await port.submit(BID, KEY)
        amended = await port.submit(MORE, NEXT, replaces=Replaced(KEY))
        before = await port.state(BID, KEY)
        early = await port.clearing(MORE, NEXT)
        exchange.move_to("2026-03-09T15:30:00Z")
        cleared = await port.clearing(MORE, NEXT)
        no_statement = await port.statement("s1", "day-ahead-energy", DAY)
        exchange.move_to("2026-03-10T16:00:00Z")
        begin, _ = MARKET.calendar.day_bounds_ms(DAY)
        readings = [(begin + n * 300_000, 5, Decimal(0)) for n in range(288)]
        await client.report_meter(MARKET.id, "s1", readings)
        document = await port.statement("s1", "day-ahead-energy", DAY)

    assert isinstance(first, Accepted)
    assert first == again
    assert isinstance(amended, Accepted)
    assert isinstance(before, Taken)
    assert isinstance(early, NotYet)
    assert isinstance(cleared, Cleared)
    assert {(one.power_mw, one.price) for one in cleared.awards} == {(7, 100)}
    assert isinstance(no_statement, NotYet)
    assert isinstance(document, Document)
    # 7 MW for an hour, none delivered: each 5 minutes 58.333 EUR at 100, bought back at 80
    assert read_statement(document.body, MARKET).total == (
        12 * (Decimal("58.33") - Decimal("46.67"))
    )
    assert exchange.outcomes() == ["accepted", "accepted"]


async def test_refusals_and_silence_keep_their_kinds(exchange: TestExchange):
    client, port = _port(exchange)
    exchange.misbehave("partial")
    async with client:
        part = await port.submit(BID, KEY)
        withdrawn = await port.withdraw(BID, KEY)
        late = await port.submit(BID, KEY)
        stranger = await port.withdraw(BID, NEXT)
        unpriced = await port.submit(
            bid([segment(DISCHARGE, "6", None)], market="test-exchange", intervals=1), NEXT
        )

    assert isinstance(part, Accepted)
    assert len(part.refused) == 2
    assert isinstance(withdrawn, Taken)
    assert isinstance(late, Rejected)
    assert isinstance(stranger, Rejected)
    assert isinstance(unpriced, Rejected)


async def test_a_pending_answer_and_a_dead_line_are_unclear(tmp_path: Path):
    with running_exchange(write_config(tmp_path)) as exchange:
        exchange.misbehave("pending")
        client, port = _port(exchange)
        async with client:
            pending = await port.submit(BID, KEY)
            known = await port.state(BID, KEY)
    client, port = _port(exchange)
    async with client:
        answers = [
            await port.submit(BID, NEXT),
            await port.state(BID, KEY),
            await port.withdraw(BID, KEY),
            await port.clearing(BID, KEY),
            await port.statement("s1", "day-ahead-energy", DAY),
        ]

    assert isinstance(pending, Unclear)
    assert isinstance(known, Accepted)
    assert all(isinstance(one, Unclear) for one in answers)
