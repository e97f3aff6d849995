"""The life of a bid before the real store, against an exchange over real HTTP."""

from dataclasses import replace

import psycopg
import pytest

from cloud.market import bids
from cloud.market.bids import Approver, Judgement, NewBid, Settlement, fingerprint, rows
from cloud.market.bids.content import Approval
from cloud.market.bids.exchange import Cleared
from cloud.market.errors import BidRefused, BidTooLate
from contract.words import Words
from tests.cloud.market.bids.conftest import TIMES
from tests.cloud.market.bids.trade_hall import BEGIN_MS, GATE_MS, HOUR_MS, NOON_MS, content

AFTER_MS = BEGIN_MS + 24 * HOUR_MS
BY_HAND = Judgement(figures={"cvar": 9_000.0}, approver=Approver.TRADER)
PRODUCT = ("haibin-1", "test/day-ahead-energy")
LARGE = replace(BY_HAND, approver=Approver.HEAD_TRADER)


async def test_a_small_bid_goes_from_draft_to_the_cent_by_itself_and_says_who_moved_it(floor):
    bid = await floor.draft()

    await floor.run()
    accepted = await floor.states(bid)
    await floor.run(GATE_MS)
    await floor.run(AFTER_MS)

    assert accepted == ["accepted"]
    assert await floor.states(bid) == ["settled"]
    assert list(floor.book.sent.values()) == [1]
    assert [(str(step.after), step.who) for step in await floor.log(bid)] == [
        ("drafted", "ann"),
        ("checked", "check"),
        ("approved", "rule:small bids"),
        ("submitted", "rule:small bids"),
        ("accepted", "exchange"),
        ("cleared", "exchange"),
        ("scheduled", "desk"),
        ("delivered", "meter"),
        ("settled", "desk"),
    ]
    settled = await bids.paper_of(floor.pool, floor.vault, await floor.load(bid), 1, Settlement)
    assert settled is not None
    assert str(settled.amount) == "1234.56"


async def test_a_statement_that_differs_calls_people_for_a_week(floor, monkeypatch):
    await floor.draft()
    settle = floor.desk.settle

    async def off(*given: object) -> Settlement:
        return replace(await settle(*given), differs=True)

    monkeypatch.setattr(floor.desk, "settle", off)
    for now_ms in (None, GATE_MS, AFTER_MS):
        await floor.run(now_ms)

    async def called(now_ms: int) -> frozenset[tuple[str, str]]:
        return (await bids.conditions(floor.pool, now_ms, TIMES))[bids.DIFFERS]

    assert await called(AFTER_MS) == {("haibin-1", "")}
    assert await called(AFTER_MS + 7 * 24 * HOUR_MS) == frozenset()


async def test_a_bid_keeps_what_it_was_made_from_to_the_digit(floor):
    bid = await floor.draft("10.125")

    kept = (await floor.load(bid)).versions[0].content

    assert kept == content("10.125")


async def test_what_a_bid_says_is_not_in_the_store_in_clear(floor, dsn):
    await floor.draft("10.125")
    await floor.run()

    with psycopg.connect(dsn) as conn:
        tables = ("bids", "bid_versions", "bid_log", "bid_outbox", "bid_papers")
        there = b"".join(
            row[0].encode() for t in tables for row in conn.execute(f"SELECT {t}::text FROM {t}")
        )
        sealed = conn.execute("SELECT sealed FROM bid_versions").fetchone()

    assert sealed is not None
    for secret in (b"10.125", b"markov", b"best hours", b"cvar"):
        assert secret not in there
        assert secret not in sealed[0]


async def test_nothing_is_approved_silently_where_a_person_must_decide(floor):
    floor.desk.judgement = BY_HAND
    bid = await floor.draft()

    await floor.run()
    waiting = await floor.states(bid)
    await floor.approve(bid, 1)
    await floor.run()

    assert waiting == ["checked"]
    assert await floor.states(bid) == ["accepted"]
    assert [step.who for step in await floor.log(bid)][2:4] == ["bob", "bob"]


async def test_above_the_limit_of_traders_a_head_approves_and_never_the_author(floor):
    floor.desk.judgement = LARGE
    bid = await floor.draft()
    await floor.run()

    with pytest.raises(BidRefused, match="above what a trader may approve"):
        await floor.approve(bid, 1)
    with pytest.raises(BidRefused, match="you have made it; somebody else approves it"):
        await floor.approve(bid, 1, "ann", large=True)
    await floor.approve(bid, 1, "zhou", large=True)
    await floor.run()

    assert await floor.states(bid) == ["accepted"]


async def test_a_bid_that_breaks_a_rule_or_a_limit_goes_nowhere_until_it_is_edited(floor):
    limit = "CVaR of the bid is 52,000 CNY, limit max_cvar of desk east is 40,000"
    floor.desk.judgement = replace(BY_HAND, breaches=(Words(limit, "限额"),))
    bid = await floor.draft()
    await floor.run()
    blocked = (await floor.load(bid)).versions[0].blocked

    with pytest.raises(BidRefused, match="only a checked one is approved"):
        await floor.approve(bid, 1)
    floor.desk.judgement = BY_HAND
    await floor.edit(bid, "5")
    await floor.run()

    assert blocked == "limits"
    assert limit in (await floor.log(bid))[1].why
    assert await floor.states(bid) == ["withdrawn", "checked"]


async def test_limits_are_looked_at_once_more_before_the_exchange_is(floor):
    floor.desk.judgement = BY_HAND
    bid = await floor.draft()
    await floor.run()
    await floor.approve(bid, 1)
    floor.desk.judgement = replace(BY_HAND, breaches=(Words("max_power_mw of desk east", "限额"),))

    await floor.run()
    version = (await floor.load(bid)).versions[0]

    assert (str(version.state), version.blocked, version.approved_by) == ("drafted", "limits", None)
    assert not floor.book.sent


async def test_an_edit_goes_the_whole_way_again_and_takes_the_place_of_what_stands(floor):
    bid = await floor.draft()
    await floor.run()
    floor.desk.judgement = BY_HAND
    await floor.edit(bid, "7")
    await floor.run()
    meanwhile = await floor.states(bid)
    await floor.approve(bid, 2)

    await floor.run()

    assert meanwhile == ["accepted", "checked"]
    assert await floor.states(bid) == ["amended", "accepted"]
    assert floor.book.standing() == [f"{bid}-2"]
    assert floor.book.taken[f"{bid}-2"]["reason"] == "a better price"
    assert list(floor.book.sent.values()) == [1, 1]


async def test_a_rejected_amendment_leaves_the_earlier_version_standing(floor):
    bid = await floor.draft()
    await floor.run()
    floor.book.rejects = "price above the cap"
    await floor.edit(bid, "7")

    await floor.run()
    log = await floor.log(bid)
    await floor.run(GATE_MS)

    assert log[-1].why == "price above the cap"
    assert await floor.states(bid) == ["scheduled", "rejected"]


async def test_two_editors_of_one_version_do_not_overwrite_one_another(floor):
    floor.desk.judgement = BY_HAND
    bid = await floor.draft()
    seen = await floor.load(bid)
    await floor.edit(bid, "7", "ann")

    with pytest.raises(BidRefused, match="has changed since it was opened"):
        await bids.edit(
            *(floor.pool, floor.vault, seen, content("8")),
            who="bob",
            why="",
            now_ms=floor.now_ms,
        )

    assert await floor.states(bid) == ["withdrawn", "drafted"]


async def test_a_bid_is_withdrawn_at_the_exchange_too(floor):
    bid = await floor.draft()
    await floor.run()
    await floor.withdraw(bid)

    await floor.run()

    assert await floor.states(bid) == ["withdrawn"]
    assert floor.book.standing() == []
    assert (await floor.log(bid))[-1].who == "ann"


async def test_a_bid_that_was_taken_back_calls_nobody(floor):
    floor.desk.judgement = BY_HAND
    bid = await floor.draft(fallback="2")
    await floor.run()
    await floor.withdraw(bid)
    told = []
    for now_ms in (GATE_MS - HOUR_MS, GATE_MS - 60_000, GATE_MS, GATE_MS + 1):
        await floor.run(now_ms)
        told.append(await bids.conditions(floor.pool, now_ms, TIMES))

    assert all(not stations for one in told for stations in one.values())
    assert [step.who for step in await floor.log(bid)].count("watch") == 0
    assert await floor.states(bid) == ["withdrawn", "withdrawn"]


async def test_a_bid_that_is_edited_after_it_was_taken_back_calls_people_again(floor):
    floor.desk.judgement = BY_HAND
    bid = await floor.draft()
    await floor.run()
    await floor.withdraw(bid)
    await floor.edit(bid, "7")
    await floor.run(GATE_MS - HOUR_MS)

    told = await bids.conditions(floor.pool, floor.now_ms, TIMES)

    assert told[bids.DEADLINE] == {PRODUCT}


async def test_an_approver_who_may_not_any_more_has_approved_nothing(floor):
    floor.desk.judgement = BY_HAND
    bid = await floor.draft()
    await floor.run()
    await floor.approve(bid, 1)
    floor.desk.may_not.add("bob")

    await floor.run()

    assert await floor.states(bid) == ["checked"]
    assert not floor.book.sent
    assert "bob may not approve it by now" in [step.why for step in await floor.log(bid)][-2]


async def test_what_has_grown_above_a_rule_by_now_does_not_go_on_its_word(floor):
    bid = await floor.draft()
    judge = floor.desk.judge
    asked = []

    async def grows(*given: object) -> Judgement:
        asked.append(1)
        return await judge(*given) if len(asked) == 1 else LARGE

    floor.desk.judge = grows
    await floor.run()

    assert await floor.states(bid) == ["checked"]
    assert not floor.book.sent
    assert "above what a rule may approve by now" in [s.why for s in await floor.log(bid)][-2]


async def test_an_approval_stands_for_the_very_offers_that_were_looked_at(floor):
    floor.desk.judgement = BY_HAND
    bid = await floor.draft()
    await floor.run()
    await floor.approve(bid, 1)
    there = await floor.load(bid)
    keys = await floor.vault.keys("haibin-1")
    other = replace(there.versions[0], content=content("9"))
    async with floor.pool.connection() as conn, conn.transaction():
        await rows.put_paper(
            *(conn, keys, bid, 1, Approval("bob", fingerprint(other.content.bid_set))), at_ms=1
        )

    await floor.run()

    assert await floor.states(bid) == ["checked"]
    assert "bob has approved other offers" in [step.why for step in await floor.log(bid)][-2]
    assert not floor.book.sent


async def test_a_bid_on_its_way_is_not_said_to_be_withdrawn(floor):
    floor.book.stumble.append("break")
    bid = await floor.draft(fallback="2")
    await floor.run()

    with pytest.raises(BidRefused, match="on its way to the exchange"):
        await floor.withdraw(bid)
    unchanged = await floor.states(bid)
    await floor.run(NOON_MS + 1_000)
    await floor.withdraw(bid)
    await floor.run()

    assert unchanged == ["submitted", "checked"]
    assert await floor.states(bid) == ["withdrawn", "withdrawn"]
    assert floor.book.standing() == []


@pytest.mark.parametrize("trouble", ["break", "fail"])
async def test_after_an_unclear_answer_the_exchange_is_asked_and_nothing_goes_twice(floor, trouble):
    floor.book.stumble.append(trouble)
    bid = await floor.draft()

    await floor.run()
    unclear = await floor.states(bid)
    await floor.run(NOON_MS + 500)
    too_early = floor.book.asked["bids"]
    await floor.run(NOON_MS + 1_000)

    assert unclear == ["submitted"]
    assert too_early == 0
    assert await floor.states(bid) == ["accepted"]
    assert floor.book.sent[f"{bid}-1"] == {"break": 1, "fail": 2}[trouble]
    assert floor.book.standing() == [f"{bid}-1"]


async def test_a_request_that_the_exchange_never_saw_before_the_gate_lapses(floor):
    floor.book.stumble.extend(["fail", "fail"])
    bid = await floor.draft()
    await floor.run(GATE_MS - 500)
    await floor.run(GATE_MS + 1_000)
    still = await floor.states(bid)

    await floor.run(GATE_MS + 3_000)

    assert still == ["submitted"]
    assert await floor.states(bid) == ["lapsed"]
    assert "never came" in (await floor.log(bid))[-1].why


async def test_near_the_gate_people_are_called_and_then_the_fall_back_goes(floor):
    floor.desk.judgement = BY_HAND
    bid = await floor.draft(fallback="2")
    await floor.run()
    await floor.run(GATE_MS - HOUR_MS)
    called = (await floor.log(bid))[-1]
    standing = await bids.conditions(floor.pool, floor.now_ms, floor.worker._times)

    await floor.run(GATE_MS - HOUR_MS // 4)
    safe = await bids.conditions(floor.pool, floor.now_ms, floor.worker._times)

    assert (called.who, called.before) == ("watch", called.after)
    assert "60 minutes before the gate nothing is approved" in called.why
    assert standing[bids.DEADLINE] == {PRODUCT}
    assert await floor.states(bid) == ["withdrawn", "accepted"]
    assert (await floor.load(bid)).versions[1].approved_by == "rule:fall-back"
    assert set().union(*safe.values()) == set()


async def test_a_fall_back_that_only_a_head_could_approve_does_not_go_by_itself(floor):
    floor.desk.judgement = LARGE
    bid = await floor.draft(fallback="2")
    await floor.run()

    await floor.run(GATE_MS - 60_000)
    before = await floor.states(bid)
    await floor.run(GATE_MS)

    assert before == ["checked", "checked"]
    assert await floor.states(bid) == ["lapsed", "lapsed"]
    last = (await floor.log(bid))[-1]
    assert last.why.endswith("the fall-back goes only when a head of trading approves it")


async def test_a_bid_without_a_fall_back_says_so_when_it_lapses(floor):
    floor.desk.judgement = BY_HAND
    bid = await floor.draft()
    await floor.run()

    await floor.run(GATE_MS)

    last = (await floor.log(bid))[-1]
    assert last.why == "the gate closed, nothing was approved; there is no fall-back"


async def test_a_fall_back_that_is_not_needed_lapses_at_the_gate(floor):
    bid = await floor.draft(fallback="2")

    await floor.run()
    await floor.run(GATE_MS)

    assert await floor.states(bid) == ["scheduled", "lapsed"]
    assert "it was not needed" in [step.why for step in await floor.log(bid)][-3]


async def test_a_gate_that_closes_on_nothing_is_told(floor):
    floor.desk.judgement = BY_HAND
    bid = await floor.draft()
    await floor.run()

    await floor.run(GATE_MS)
    told = await bids.conditions(floor.pool, floor.now_ms, floor.worker._times)

    assert await floor.states(bid) == ["lapsed"]
    assert told[bids.MISSED] == {PRODUCT}
    with pytest.raises(BidRefused, match="the gate of bid"):
        await floor.edit(bid, "3")


async def test_an_exchange_that_stays_silent_is_told(floor):
    floor.book.stumble.extend(["break", *["fail"] * 200])
    bid = await floor.draft()
    for second in range(0, 160, 20):
        await floor.run(NOON_MS + second * 1_000)

    told = await bids.conditions(floor.pool, floor.now_ms, floor.worker._times)

    waits = [step.why for step in await floor.log(bid) if "gives no answer" in step.why]
    assert told[bids.UNCLEAR] == {("haibin-1", "")}
    assert len(waits) == 1
    assert sum(floor.book.sent.values()) == 1


async def test_the_log_is_append_only(floor, dsn):
    await floor.draft()

    with psycopg.connect(dsn, autocommit=True) as conn:
        for statement in (
            "UPDATE bid_log SET who = 'nobody'",
            "DELETE FROM bid_log",
            "TRUNCATE bid_log",
        ):
            with pytest.raises(psycopg.errors.RaiseException, match="never changed or removed"):
                conn.execute(statement)


async def test_a_state_without_a_name_that_approved_it_cannot_be_stored(floor, dsn):
    await floor.draft()

    with (
        psycopg.connect(dsn, autocommit=True) as conn,
        pytest.raises(psycopg.errors.CheckViolation, match="approved_by_name"),
    ):
        conn.execute("UPDATE bid_versions SET state = 'submitted'")


async def test_there_is_one_bid_for_a_product_and_a_time(floor):
    await floor.draft()

    with pytest.raises(BidTooLate, match="edit it"):
        await floor.draft()


async def test_a_fall_back_for_another_time_is_a_mistake_that_is_told(floor):
    whole = content()
    part = replace(whole.bid_set, intervals=whole.bid_set.intervals[1:])
    new = NewBid("east", GATE_MS, whole, replace(whole, bid_set=part))

    with pytest.raises(BidRefused, match="for another time") as refused:
        await bids.draft(floor.pool, floor.vault, new, who="ann", why="", now_ms=floor.now_ms)

    assert not isinstance(refused.value, BidTooLate)


async def test_all_that_is_cleared_for_a_station_is_scheduled_together(floor):
    first = await floor.draft()
    other = await floor.draft(product="intraday-energy")

    await floor.run()
    await floor.run(GATE_MS)

    assert {bid for bid, _ in floor.desk.ordered} == {first, other}
    assert floor.desk.ordered[-1][1] == 2


async def test_a_list_shows_the_version_that_counts(floor):
    bid = await floor.draft(fallback="2")
    await floor.run()
    floor.desk.judgement = BY_HAND
    await floor.edit(bid, "7")
    await floor.draft(product="intraday-energy")
    await floor.run()
    day = content().bid_set.day

    found = await bids.listed(floor.pool, day, day, desk="east", station="haibin-1")

    assert [(one.product, one.version, str(one.state)) for one in found] == [
        ("day-ahead-energy", 1, "accepted"),
        ("intraday-energy", 1, "checked"),
    ]
    assert await bids.listed(floor.pool, day, day, desk="west") == []


async def test_an_error_of_one_bid_stops_no_other(floor):
    broken = await floor.draft()
    whole = await floor.draft(product="intraday-energy")
    judge = floor.desk.judge

    async def stumbles(bid, version, now_ms):
        if bid.id == broken:
            raise ValueError("a mistake of ours")
        return await judge(bid, version, now_ms)

    floor.desk.judge = stumbles

    with pytest.raises(ValueError, match="a mistake of ours"):
        await floor.run()

    assert await floor.states(whole) == ["accepted"]
    assert await floor.states(broken) == ["drafted"]


async def test_cleared_awards_are_kept_as_the_exchange_gave_them(floor):
    bid = await floor.draft("2.5")
    await floor.run()
    await floor.run(GATE_MS)

    cleared = await bids.paper_of(floor.pool, floor.vault, await floor.load(bid), 1, Cleared)

    assert cleared is not None
    assert [str(award.power_mw) for award in cleared.awards] == ["2.5"] * 4
