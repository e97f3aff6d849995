"""The client against the real test exchange: whatever the line does, one bid is taken once."""

import dataclasses
import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from cloud.market.bid import BidSet, Direction, OfferMode
from cloud.market.errors import BadDocument
from cloud.market.exchanges import (
    Accepted,
    Clearing,
    Denied,
    Document,
    ExchangeClient,
    NotThere,
    PartlyAccepted,
    Party,
    Patience,
    Pending,
    Rebid,
    Rejected,
    Sending,
    Unclear,
    Withdrawn,
    idempotency_key,
    load_market,
    read_acknowledgement,
    read_clearing,
    write_bids,
)
from cloud.market.statement import Item, Statement
from tests.cloud.market.exchanges.bids import CHARGE, DAY, DISCHARGE, bid, segment
from tests.exchange_market import TestExchange, running_exchange, utc_ms, write_config

PARTY = Party(
    participant="10XDESK-------A1",
    unit="STN1",
    domain="10YFI-1--------U",
    acquiring_domain="10Y1001A1001A91G",
    operator="10X1001A1001A264",
)
KEY = idempotency_key("bid-7", 1)
SENDING = Sending(KEY, utc_ms("2026-03-09T08:00:00Z"))
QUICK = Patience(timeout_s=10, attempts=3, wait_s=0)
CURVE = (segment(CHARGE, "4", "60"), segment(DISCHARGE, "5", "90"))


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[TestExchange]:
    with running_exchange(write_config(tmp_path)) as running:
        yield running


def _client(exchange: TestExchange, patience: Patience = QUICK) -> ExchangeClient:
    return ExchangeClient(exchange.address, exchange.token_file, patience)


def _bid(**more: Any) -> BidSet:
    return bid(CURVE, market="test-exchange", **more)


def _document(one: BidSet, sending: Sending = SENDING) -> Document:
    return write_bids([one], load_market(one.market), PARTY, sending)


async def test_a_bid_is_accepted_once_however_often_it_is_sent(exchange: TestExchange):
    document = _document(_bid())
    async with _client(exchange) as client:
        first = await client.submit("test-exchange", document, SENDING)
        again = await client.submit("test-exchange", document, SENDING)
        known = await client.state(KEY)

    assert isinstance(first, Accepted)
    assert first == again == known
    assert exchange.outcomes() == ["accepted", "repeated"]
    assert exchange.taken() == [KEY]


@pytest.mark.parametrize(
    ("mischief", "outcomes"),
    [
        ("disconnect_before", ["hung up before", "accepted"]),
        ("disconnect_after", ["accepted"]),
        ("busy", ["busy", "accepted"]),
        ("pending", ["accepted"]),
        ("duplicate", ["accepted"]),
    ],
)
async def test_one_submission_arrives_whatever_the_exchange_does(
    exchange: TestExchange, mischief: str, outcomes: list[str]
):
    exchange.misbehave(mischief)

    async with _client(exchange) as client:
        outcome = await client.submit("test-exchange", _document(_bid()), SENDING)
        if mischief == "pending":
            assert isinstance(outcome, Pending)
            outcome = await client.state(KEY)

    assert isinstance(outcome, Accepted)
    assert exchange.outcomes() == outcomes
    assert exchange.taken() == [KEY]


async def test_an_answer_that_comes_too_late_is_asked_for(exchange: TestExchange):
    exchange.misbehave("late")

    async with _client(exchange, Patience(timeout_s=2, attempts=5, wait_s=0)) as client:
        outcome = await client.submit("test-exchange", _document(_bid()), SENDING)

    assert isinstance(outcome, Accepted)
    assert exchange.outcomes() == ["accepted"]


async def test_a_whole_and_a_part_refusal_are_told_apart(exchange: TestExchange):
    other = dataclasses.replace(SENDING, key=idempotency_key("bid-8", 1))
    later = _bid(day=DAY + dt.timedelta(days=1), intervals=4)
    exchange.misbehave("reject")
    exchange.misbehave("partial")

    async with _client(exchange) as client:
        whole = await client.submit("test-exchange", _document(_bid()), SENDING)
        part = await client.submit("test-exchange", _document(later, other), other)

    assert isinstance(whole, Rejected)
    assert isinstance(part, PartlyAccepted)
    assert [one.start_ms for one in part.refused] == [later.intervals[n].start_ms for n in (1, 3)]


async def test_a_dead_exchange_leaves_it_unclear_and_a_later_call_settles_it(tmp_path: Path):
    config = write_config(tmp_path)
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    with running_exchange(config) as before:
        token = before.token_file
    client = ExchangeClient(before.address, token, Patience(2, 3, 0.5), sleep=sleep)
    async with client:
        outcome = await client.submit("test-exchange", _document(_bid()), SENDING)

    with running_exchange(config) as after:
        async with _client(after) as client:
            known = await client.state(KEY)
            settled = await client.submit("test-exchange", _document(_bid()), SENDING)

    assert isinstance(outcome, Unclear)
    assert waits == [0.5, 1.0]
    assert isinstance(known, NotThere)
    assert isinstance(settled, Accepted)


async def test_the_exchange_remembers_over_a_restart(tmp_path: Path):
    config = write_config(tmp_path)
    with running_exchange(config) as exchange:
        async with _client(exchange) as client:
            before = await client.submit("test-exchange", _document(_bid()), SENDING)

    with running_exchange(config) as exchange:
        async with _client(exchange) as client:
            after = await client.submit("test-exchange", _document(_bid()), SENDING)
        assert exchange.taken() == [KEY]

    assert before == after


def test_a_token_that_others_may_read_is_refused_with_the_remedy(tmp_path: Path):
    token = tmp_path / "token"
    token.write_text("secret\n")
    token.chmod(0o640)

    with pytest.raises(BadDocument, match=r"may be read by others; give it mode 0600"):
        ExchangeClient("http://127.0.0.1:9", token, QUICK)


async def test_a_wrong_token_a_wrong_market_and_a_used_key_need_a_person(
    exchange: TestExchange, tmp_path: Path
):
    wrong = tmp_path / "wrong"
    wrong.write_text("guess\n")
    wrong.chmod(0o600)

    async with ExchangeClient(exchange.address, wrong, QUICK) as client:
        stranger = await client.submit("test-exchange", _document(_bid()), SENDING)
    async with _client(exchange) as client:
        nowhere = await client.submit("atlantis", _document(_bid()), SENDING)
        await client.submit("test-exchange", _document(_bid()), SENDING)
        reused = await client.submit("test-exchange", _document(_bid(intervals=1)), SENDING)

    for outcome in (stranger, nowhere, reused):
        assert isinstance(outcome, Denied)
    assert exchange.outcomes() == ["accepted", "conflict"]
    with pytest.raises(BadDocument, match="token"):
        ExchangeClient(exchange.address, tmp_path / "none", QUICK)


async def test_a_bid_after_the_gate_is_rejected_with_the_gate(exchange: TestExchange):
    exchange.move_to("2026-03-09T15:30:00Z")

    async with _client(exchange) as client:
        outcome = await client.submit("test-exchange", _document(_bid()), SENDING)

    assert isinstance(outcome, Rejected)
    assert "gate closed at 2026-03-09T15:30:00Z" in outcome.reasons[0].text


async def test_a_second_bid_must_amend_the_first(exchange: TestExchange):
    second = dataclasses.replace(SENDING, key=idempotency_key("bid-7", 2))
    changed = dataclasses.replace(
        _bid(), intervals=bid([segment(DISCHARGE, "7", "40")], market="test-exchange").intervals
    )

    async with _client(exchange) as client:
        first = await client.submit("test-exchange", _document(_bid()), SENDING)
        assert isinstance(first, Accepted)
        double = await client.submit("test-exchange", _document(changed, second), second)
        third = dataclasses.replace(
            SENDING, key=idempotency_key("bid-7", 3), amends=first.submission
        )
        amended = await client.submit("test-exchange", _document(changed, third), third)
        exchange.move_to("2026-03-09T15:30:00Z")
        old, new = await client.clearing(KEY), await client.clearing(third.key)

    assert isinstance(old, Clearing)
    assert old.complete
    assert isinstance(double, Rejected)
    assert "amend it" in double.reasons[0].text
    assert isinstance(amended, Accepted)
    assert isinstance(new, Clearing)
    assert old.awards == ()
    assert {one.power_mw for one in new.awards} == {Decimal(7)}


async def test_a_withdrawn_bid_gets_nothing(exchange: TestExchange):
    async with _client(exchange) as client:
        await client.submit("test-exchange", _document(_bid()), SENDING)
        withdrawn = await client.withdraw(KEY)
        exchange.move_to("2026-03-09T15:30:00Z")
        clearing = await client.clearing(KEY)

    assert isinstance(withdrawn, Withdrawn)
    assert isinstance(clearing, Clearing)
    assert clearing.awards == ()


async def test_awards_follow_the_recorded_price_and_doubles_count_once(exchange: TestExchange):
    exchange.misbehave("duplicate")

    async with _client(exchange) as client:
        await client.submit("test-exchange", _document(_bid()), SENDING)
        open_yet = await client.clearing(KEY)
        exchange.move_to("2026-03-09T15:30:00Z")
        clearing = await client.clearing(KEY)
        prices = await client.prices("test-exchange", "day-ahead-energy", DAY)

    assert isinstance(open_yet, Pending)
    assert isinstance(clearing, Clearing)
    assert clearing.complete
    assert len(clearing.awards) == 96
    noon = utc_ms("2026-03-10T12:00:00Z")
    for one in clearing.awards:
        cheap = one.start_ms < noon and one.start_ms >= utc_ms("2026-03-10T00:00:00Z")
        wanted = (CHARGE, 4, 50) if cheap else (DISCHARGE, 5, 100)
        assert (one.direction, one.power_mw, one.price) == wanted
    assert len(prices) == 96


async def test_an_interval_gate_clears_interval_by_interval(exchange: TestExchange):
    one = bid(CURVE, market="test-exchange", name="intraday-energy")

    async with _client(exchange) as client:
        await client.submit("test-exchange", _document(one), SENDING)
        exchange.move_to("2026-03-09T17:00:00Z")
        clearing = await client.clearing(KEY)

    assert isinstance(clearing, Clearing)
    assert not clearing.complete
    assert len(clearing.awards) == 12 + 2  # an hour, and what begins in ten minutes


async def test_a_day_is_settled_to_its_total(exchange: TestExchange):
    market = load_market("test-exchange")
    begin, _ = market.calendar.day_bounds_ms(DAY)
    readings = [
        (begin + n * 300_000, 5, Decimal("-0.33") if n == 100 else Decimal(0)) for n in range(288)
    ]
    quarter = bid([segment(DISCHARGE, "6", "40")], market="test-exchange", intervals=1)

    async with _client(exchange) as client:
        await client.submit("test-exchange", _document(quarter), SENDING)
        assert await client.report_meter("test-exchange", "s1", readings[:200]) is None
        exchange.move_to("2026-03-11T00:00:00Z")
        early = await client.statement(market, "s1", DAY)
        await client.report_meter("test-exchange", "s1", readings)
        statement = await client.statement(market, "s1", DAY)

    assert isinstance(early, Pending)
    assert isinstance(statement, Statement)
    # 16:00 UTC: 6 MW for three times 5 minutes at 100, none of it delivered, bought back at 80;
    # and 0.33 MWh drawn at 00:20 UTC at an imbalance price of 30.
    assert [one.amount for one in statement.lines if one.item is Item.ENERGY] == [50] * 3
    assert [one.amount for one in statement.lines if one.item is Item.IMBALANCE] == [
        -40,
        -40,
        -40,
        Decimal("-9.90"),
    ]
    assert statement.total == Decimal("20.10")


async def test_a_reserve_bid_goes_as_xml_and_its_refusal_comes_as_xml(exchange: TestExchange):
    reserve = bid([segment(Direction.UP, "12", "80.5")], name="mfrr-energy", intervals=2)
    late = dataclasses.replace(SENDING, key=idempotency_key("late", 1))
    old = bid(
        [segment(Direction.UP, "12", "80.5")],
        name="mfrr-energy",
        day=DAY - dt.timedelta(days=2),
        intervals=1,
    )

    async with _client(exchange) as client:
        taken = await client.submit("europe", _document(reserve), SENDING)
        refused = await client.submit("europe", _document(old, late), late)
        state = await client.state(KEY)

    assert isinstance(taken, Accepted)
    assert taken == state
    assert isinstance(refused, Rejected)
    assert "gate closed" in refused.reasons[0].text


async def test_the_96_points_are_read_by_the_exchange_as_they_were_meant(exchange: TestExchange):
    table = bid(CURVE, market="cn-shandong", day=dt.date(2026, 3, 11))
    bare = bid(
        [segment(DISCHARGE, "5", None)],
        market="cn-shandong",
        day=dt.date(2026, 3, 12),
        mode=OfferMode.SELF_SCHEDULE,
    )
    other = dataclasses.replace(SENDING, key=idempotency_key("bid-9", 1))

    async with _client(exchange) as client:
        priced = await client.submit("cn-shandong", _document(table), SENDING)
        scheduled = await client.submit("cn-shandong", _document(bare, other), other)
        exchange.move_to("2026-03-10T02:00:00Z")
        clearing = await client.clearing(KEY)

    assert isinstance(priced, Accepted)
    assert isinstance(scheduled, Accepted)
    assert isinstance(clearing, Clearing)
    assert {one.start_ms for one in clearing.awards} == {one.start_ms for one in table.intervals}


def _australian(mw_low: str, mw_high: str) -> BidSet:
    return bid(
        [
            segment(CHARGE, "4", "40"),
            segment(DISCHARGE, mw_low, "45"),
            segment(DISCHARGE, mw_high, "300"),
        ],
        market="au-nem",
        name="energy",
    )


async def test_a_rebid_moves_megawatts_with_a_reason_or_is_refused(exchange: TestExchange):
    market = load_market("au-nem")
    first = _australian("5", "1")
    moved = _australian("1", "5")
    dear = bid([segment(DISCHARGE, "5", "999")], market="au-nem", name="energy")
    why = Rebid("0810 P5MIN price for 08:30 rose from 85 to 310", SENDING.created_ms, 1, 2, "F")

    def sending(revision: int, amends: str, rebid: Rebid | None) -> Sending:
        return Sending(idempotency_key("au", revision), SENDING.created_ms, amends, rebid)

    async with _client(exchange) as client:
        one = sending(1, "", None)
        accepted = await client.submit("au-nem", write_bids([first], market, PARTY, one), one)
        assert isinstance(accepted, Accepted)
        outcomes = []
        for revision, (change, reason) in enumerate([(moved, None), (dear, why), (moved, why)], 2):
            told = sending(revision, accepted.submission, reason)
            document = write_bids([change], market, PARTY, told)
            outcomes.append(await client.submit("au-nem", document, told))

    silent, dearer, moved_on = outcomes
    assert isinstance(silent, Rejected)
    assert "reason" in silent.reasons[0].text
    assert isinstance(dearer, Rejected)
    assert "new" in dearer.reasons[0].text
    assert isinstance(moved_on, Accepted)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{",
        b'{"key": "other", "submission": "S1", "status": "accepted"}',
        json.dumps(
            [
                {
                    "key": KEY,
                    "submission": "S1",
                    "status": s,
                    "at": "2026-03-09T08:00:00Z",
                    "reasons": [],
                }
                for s in ("accepted", "rejected")
            ]
        ).encode(),
        b'{"key": "%s", "submission": "S1", "status": "eaten", "reasons": [],'
        b'"at": "2026-03-09T08:00:00Z"}' % KEY.encode(),
    ],
)
def test_an_acknowledgement_that_contradicts_itself_is_no_answer(body: bytes):
    with pytest.raises(BadDocument):
        read_acknowledgement(body, "application/json", KEY)


def test_an_interval_awarded_twice_differently_is_refused():
    row = {
        "product": "p",
        "start": "2026-03-09T08:00:00Z",
        "minutes": 15,
        "direction": "charge",
        "power_mw": "1",
        "price": "2",
    }
    body = {"submission": "S1", "complete": True, "awards": [row, row | {"price": "3"}]}

    with pytest.raises(BadDocument, match="differently"):
        read_clearing(json.dumps(body).encode())


async def test_an_unreadable_answer_is_unclear_not_a_crash(tmp_path: Path):
    token = tmp_path / "token"
    token.write_text("secret")
    token.chmod(0o600)
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text="<html>"))

    async with ExchangeClient("http://gateway", token, QUICK, transport=transport) as client:
        outcome = await client.submit("test-exchange", _document(_bid()), SENDING)
        clearing = await client.clearing(KEY)

    assert isinstance(outcome, Unclear)
    assert isinstance(clearing, Unclear)
