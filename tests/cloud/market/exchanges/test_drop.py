"""Bids by files, against the real test exchange that watches the folders."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from cloud.market.bids import (
    Accepted,
    Cleared,
    Document,
    NotYet,
    Replaced,
    Unclear,
    Unknown,
    Withdrawn,
)
from cloud.market.exchanges import (
    FileDrop,
    Party,
    Sending,
    idempotency_key,
    load_market,
    read_statement,
    write_bids,
)
from cloud.market.exchanges import Unclear as Silence
from cloud.market.exchanges.port import MarketExchange
from tests.cloud.market.exchanges.bids import DAY, DISCHARGE, bid, segment
from tests.exchange_market import TestExchange, running_exchange, utc_ms, write_config
from tests.waiting import wait_for

KEY, NEXT = idempotency_key("bid", 1), idempotency_key("bid", 2)
BID = bid([segment(DISCHARGE, "6", "40")], market="test-exchange", intervals=4)
MORE = bid([segment(DISCHARGE, "7", "40")], market="test-exchange", intervals=4)
MARKET = load_market("test-exchange")
PARTY = Party("desk", "s1")


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[TestExchange]:
    with running_exchange(write_config(tmp_path)) as running:
        yield running


async def _until(
    ask: Callable[[], Awaitable[object]], kind: type, deadline_s: float = 20
) -> object:
    """Ask until the answer is of a kind, or fail."""
    end = time.monotonic() + 20
    while not isinstance(answer := await ask(), kind):
        assert time.monotonic() < end, f"still {answer}, not {kind.__name__}"
        await asyncio.sleep(0.02)
    return answer


async def test_a_bid_lives_by_files_from_submission_to_statement(exchange: TestExchange):
    drop = FileDrop(exchange.folder)
    port = MarketExchange(drop, MARKET, PARTY, lambda: utc_ms("2026-03-09T08:00:00Z"))
    assert isinstance(await port.state(BID, KEY), Unknown)

    await port.submit(BID, KEY)
    await _until(lambda: port.state(BID, KEY), Accepted)
    await port.submit(MORE, NEXT, replaces=Replaced(KEY))
    await _until(lambda: port.state(MORE, NEXT), Accepted)
    replaced = await port.state(BID, KEY)
    early = await port.clearing(MORE, NEXT)
    exchange.move_to("2026-03-09T15:30:00Z")
    cleared = await _until(lambda: port.clearing(MORE, NEXT), Cleared)
    exchange.move_to("2026-03-10T16:00:00Z")
    begin, _ = MARKET.calendar.day_bounds_ms(DAY)
    await drop.report_meter(
        MARKET.id, "s1", [(begin + n * 300_000, 5, Decimal(0)) for n in range(288)]
    )
    document = await _until(lambda: port.statement("s1", "day-ahead-energy", DAY), Document)

    assert isinstance(replaced, Withdrawn)
    assert isinstance(early, NotYet)
    assert isinstance(cleared, Cleared)
    assert {one.power_mw for one in cleared.awards} == {7}
    assert isinstance(document, Document)
    statement = read_statement(document.body, MARKET)
    assert statement.total == 12 * (Decimal("58.33") - Decimal("46.67"))
    assert exchange.outcomes() == ["accepted", "accepted"]


@pytest.mark.parametrize("mischief", ["disconnect_before", "disconnect_after", "busy", "pending"])
async def test_a_file_is_taken_once_whatever_the_exchange_does(
    exchange: TestExchange, mischief: str
):
    drop = FileDrop(exchange.folder)
    sending = Sending(KEY, 0)
    document = write_bids([BID], MARKET, PARTY, sending)
    exchange.misbehave(mischief)

    await drop.submit(MARKET.id, document, sending)
    await drop.submit(MARKET.id, document, sending)
    port = MarketExchange(drop, MARKET, PARTY, lambda: 0)
    await _until(lambda: port.state(BID, KEY), Accepted)

    assert exchange.taken() == [KEY]
    assert exchange.outcomes().count("accepted") == 1


async def test_a_dropped_bid_is_withdrawn_by_a_file(exchange: TestExchange):
    port = MarketExchange(FileDrop(exchange.folder), MARKET, PARTY, lambda: 0)
    await port.submit(BID, KEY)
    await _until(lambda: port.state(BID, KEY), Accepted)

    assert isinstance(await port.withdraw(BID, KEY), Unclear)
    await _until(lambda: port.state(BID, KEY), Withdrawn)


async def test_a_misnamed_file_is_answered_and_a_missing_folder_is_unclear(
    exchange: TestExchange, tmp_path: Path
):
    (exchange.folder / "inbox" / "mybid.csv").write_text("a,b\n")
    await wait_for((exchange.folder / "outbox" / "mybid.ack.json").exists, "an answer to mybid")
    gone = FileDrop(tmp_path / "elsewhere")
    sending = Sending(KEY, 0)

    answer = await gone.submit(MARKET.id, write_bids([BID], MARKET, PARTY, sending), sending)

    assert isinstance(answer, Silence)
    assert "can be written" in answer.why
