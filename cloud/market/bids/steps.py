"""The steps of a bid's life, each a small transaction that can be repeated after a crash.

What is asked of others (risk, the exchange, the station, the meter) is asked outside of any
transaction; what they say is kept together with the move that follows from it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from cloud.db import Pool, connection
from cloud.market.bids import rows
from cloud.market.bids.approval import FALLBACK_RULE, fault_of, rule_of
from cloud.market.bids.bid import Bid, Version
from cloud.market.bids.cleared import results_within
from cloud.market.bids.content import Approval, Delivery, Judgement, fingerprint
from cloud.market.bids.deadlines import left, why_lapsed
from cloud.market.bids.decide import Do, Times, Todo
from cloud.market.bids.exchange import Cleared, Document, Exchange, NotYet, Unclear
from cloud.market.bids.handing import EXCHANGE, Hand, Later, Point, asked, write_submission
from cloud.market.bids.ports import Desk
from cloud.market.bids.rows import Step
from cloud.market.bids.settlements import open_day, put_settlement
from cloud.market.bids.states import State
from cloud.market.errors import MarketError
from cloud.vault.vault import StationKeys, Vault

CHECK: Final = "check"
WATCH: Final = "watch"
DESK: Final = "desk"
_ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"


@dataclass(frozen=True)
class Tools:
    """What the steps work with; `point` is told of every place where a crash would matter."""

    pool: Pool
    vault: Vault
    exchanges: Mapping[str, Exchange]
    desk: Desk
    times: Times
    point: Point


class Steps:
    """Does one step of a bid."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._pool, self._vault, self._point = tools.pool, tools.vault, tools.point
        self._of: dict[Do, Callable[[Bid, Version, int], Awaitable[None]]] = {
            Do.JUDGE: self._judge,
            Do.APPROVE: self._approve,
            Do.CALL: self._call,
            Do.FALL_BACK: self._fall_back,
            Do.SUBMIT: self._submit,
            Do.CLEAR: self._clear,
            Do.SCHEDULE: self._schedule,
            Do.MEASURE: self._measure,
            Do.SETTLE: self._settle,
        }

    async def do(self, bid: Bid, todo: Todo, now_ms: int) -> None:
        """Do a step.

        Raises:
            Later: whoever was asked has no answer yet; nothing has changed.
            Overtaken: somebody else moved the bid.
        """
        if todo.version is not None:
            await self._of[todo.what](bid, todo.version, now_ms)
        elif todo.what is Do.HAND:
            await self._hand(bid, now_ms)
        elif todo.what is Do.LAPSE:
            await self._lapse(bid, now_ms)
        self._point(f"after {todo.what.name}")

    def _exchange(self, bid: Bid) -> Exchange:
        try:
            return self._tools.exchanges[bid.market]
        except KeyError as error:
            raise MarketError(
                f"bid {bid.id}: no exchange is configured for market {bid.market}; add a table "
                "[[market.exchanges]] for it"
            ) from error

    async def _hand(self, bid: Bid, now_ms: int) -> None:
        row = await asked(self._pool, bid.id)
        if row is not None:
            again_ms = self._tools.times.ask_again_ms
            hand = Hand(self._pool, self._vault, self._exchange(bid), again_ms, self._point)
            await hand.work(bid, row, now_ms)

    async def _judge(self, bid: Bid, version: Version, now_ms: int) -> None:
        judged = await self._tools.desk.judge(bid, version, now_ms)
        self._point("judged")
        keys = await self._vault.keys(bid.station)
        async with connection(self._pool) as conn, conn.transaction():
            await rows.lock(conn, bid.id)
            await rows.put_paper(conn, keys, bid.id, version.number, judged, at_ms=now_ms)
            if judged.blocked:
                await _block(conn, keys, bid, version, judged, now_ms=now_ms)
            else:
                why = "keeps the market's rules and the desk's limits"
                step = Step(version.number, version.state, State.CHECKED, now_ms, CHECK, why)
                await rows.move(conn, keys, bid.id, step)

    async def _approve(self, bid: Bid, version: Version, now_ms: int) -> None:
        judged = await rows.paper_of(self._pool, self._vault, bid, version.number, Judgement)
        rule = rule_of(judged)
        why = "within what the desk lets a rule approve"
        step = Step(version.number, version.state, State.APPROVED, now_ms, rule, why)
        await self._move(bid, step, approved_by=rule, paper=_approval(rule, version))

    async def _call(self, bid: Bid, version: Version, now_ms: int) -> None:
        why = f"{left(bid.gate_ms - now_ms)} before the gate nothing is approved; people are called"
        keys = await self._vault.keys(bid.station)
        step = Step(version.number, version.state, version.state, now_ms, WATCH, why)
        async with connection(self._pool) as conn, conn.transaction():
            await rows.lock(conn, bid.id)
            await conn.execute("UPDATE bids SET called_ms = %s WHERE id = %s", (now_ms, bid.id))
            await rows.write_step(conn, keys, bid.id, step)

    async def _fall_back(self, bid: Bid, version: Version, now_ms: int) -> None:
        keys = await self._vault.keys(bid.station)
        why = f"{left(bid.gate_ms - now_ms)} before the gate nothing else is approved"
        taken = Step(version.number, version.state, State.APPROVED, now_ms, FALLBACK_RULE, why)
        async with connection(self._pool) as conn, conn.transaction():
            await rows.lock(conn, bid.id)
            for other in bid.open:
                if not other.fallback:
                    words = f"not approved in time; the fall-back, version {version.number}, goes"
                    gone = Step(
                        *(other.number, other.state, State.WITHDRAWN, now_ms, FALLBACK_RULE), words
                    )
                    await rows.move(conn, keys, bid.id, gone)
            given = _approval(FALLBACK_RULE, version)
            await rows.put_paper(conn, keys, bid.id, version.number, given, at_ms=now_ms)
            await rows.move(conn, keys, bid.id, taken, approved_by=FALLBACK_RULE)

    async def _submit(self, bid: Bid, version: Version, now_ms: int) -> None:
        """Check once more, with the limits and rights of now, and write the request down."""
        self._exchange(bid)
        judged = await self._tools.desk.judge(bid, version, now_ms)
        given = await rows.paper_of(self._pool, self._vault, bid, version.number, Approval)
        fault = await fault_of(given, bid, version, judged, self._tools.desk)
        self._point("judged again")
        keys = await self._vault.keys(bid.station)
        async with connection(self._pool) as conn, conn.transaction():
            await rows.lock(conn, bid.id)
            if judged.blocked:
                await rows.put_paper(conn, keys, bid.id, version.number, judged, at_ms=now_ms)
                await _block(conn, keys, bid, version, judged, now_ms=now_ms)
                return
            if fault:
                why = f"{fault}; it is looked at and approved anew"
                back = Step(version.number, version.state, State.DRAFTED, now_ms, CHECK, why)
                await rows.move(conn, keys, bid.id, back)
                return
            who = version.approved_by or DESK
            why = f"handed over under {bid.key(version)}"
            step = Step(version.number, version.state, State.SUBMITTED, now_ms, who, why)
            await rows.move(conn, keys, bid.id, step)
            await write_submission(conn, bid, version, who, now_ms)
            self._point("written, not committed")

    async def _lapse(self, bid: Bid, now_ms: int) -> None:
        keys, spare = await self._vault.keys(bid.station), bid.fallback
        judged = None
        if spare is not None:
            judged = await rows.paper_of(self._pool, self._vault, bid, spare.number, Judgement)
        async with connection(self._pool) as conn, conn.transaction():
            await rows.lock(conn, bid.id)
            for version in bid.open:
                why = why_lapsed(bid, version, judged)
                step = Step(version.number, version.state, State.LAPSED, now_ms, WATCH, why)
                await rows.move(conn, keys, bid.id, step)

    async def _clear(self, bid: Bid, version: Version, now_ms: int) -> None:
        answer = await self._exchange(bid).clearing(version.content.bid_set, bid.key(version))
        self._point("told the clearing")
        if not isinstance(answer, Cleared):
            raise self._later(answer, now_ms)
        won = sum(1 for one in answer.awards if one.power_mw)
        why = f"{won} of {len(version.content.bid_set.intervals)} intervals have an award"
        step = Step(version.number, version.state, State.CLEARED, now_ms, EXCHANGE, why)
        await self._move(bid, step, paper=answer)

    async def _schedule(self, bid: Bid, version: Version, now_ms: int) -> None:
        async with connection(self._pool) as held, held.transaction():
            # Of two bids that clear at once, the later one orders the sum of both.
            await held.execute(_ONE_AT_A_TIME, [f"orders of {bid.station}"])
            span = bid.begin_ms, bid.end_ms
            won = await results_within(self._pool, self._vault, bid.station, *span)
            results = [one.cleared for one in won]
            ordered = await self._tools.desk.schedule(bid, results, now_ms)
            self._point("ordered")
            orders = ", ".join(ordered.orders)
            why = f"orders {orders}" if orders else "its plan stays as it is"
            step = Step(version.number, version.state, State.SCHEDULED, now_ms, DESK, why)
            await self._move(bid, step, paper=ordered)

    async def _measure(self, bid: Bid, version: Version, now_ms: int) -> None:
        cleared = await self._paper(bid, version, Cleared)
        measured = await self._tools.desk.measure(bid, cleared, now_ms)
        self._point("measured")
        if isinstance(measured, NotYet):
            raise self._later(measured, now_ms)
        total = sum(one.energy_mwh for one in measured.measured)
        words = "; ".join((f"{total} MWh net at the meter", *measured.flags))
        step = Step(version.number, version.state, State.DELIVERED, now_ms, "meter", words)
        await self._move(bid, step, paper=measured)

    async def _settle(self, bid: Bid, version: Version, now_ms: int) -> None:
        exchange = self._exchange(bid)
        document = await rows.paper_of(self._pool, self._vault, bid, version.number, Document)
        if document is None:
            answer = await exchange.statement(bid.station, bid.product, bid.day)
            self._point("told the statement")
            if not isinstance(answer, Document):
                raise self._later(answer, now_ms)
            document = answer
        cleared = await self._paper(bid, version, Cleared)
        delivery = await self._paper(bid, version, Delivery)
        settled = await self._tools.desk.settle(bid, cleared, delivery, document)
        if isinstance(settled, NotYet):
            raise self._later(settled, now_ms)
        notes = [one.en for one in settled.notes]
        why = "; ".join((f"{settled.amount} {settled.currency}", *notes))
        step = Step(version.number, version.state, State.SETTLED, now_ms, DESK, why)
        keys = await self._vault.keys(bid.station)
        async with connection(self._pool) as conn, conn.transaction():
            await rows.lock(conn, bid.id)
            await rows.put_paper(conn, keys, bid.id, version.number, document, at_ms=now_ms)
            await put_settlement(conn, keys, bid.id, version.number, settled, at_ms=now_ms)
            await open_day(conn, bid)
            await rows.move(conn, keys, bid.id, step)

    async def _move(
        self,
        bid: Bid,
        step: Step,
        *,
        approved_by: str | None = None,
        paper: object | None = None,
    ) -> None:
        keys = await self._vault.keys(bid.station)
        async with connection(self._pool) as conn, conn.transaction():
            await rows.lock(conn, bid.id)
            if paper is not None:
                await rows.put_paper(conn, keys, bid.id, step.version, paper, at_ms=step.at_ms)
            await rows.move(conn, keys, bid.id, step, approved_by=approved_by)

    async def _paper(self, bid: Bid, version: Version, kind: type[rows.P]) -> rows.P:
        found = await rows.paper_of(self._pool, self._vault, bid, version.number, kind)
        if found is None:
            raise MarketError(
                f"bid {bid.id}: version {version.number} is {version.state} and has no "
                f"{kind.__name__}; restore the store from a backup"
            )
        return found

    def _later(self, answer: object, now_ms: int) -> Later:
        unclear = isinstance(answer, Unclear)
        why = answer.why if isinstance(answer, Unclear) else "not yet"
        return Later(why, now_ms + self._tools.times.ask_again_ms, silent=unclear)


def _approval(who: str, version: Version) -> Approval:
    return Approval(who, fingerprint(version.content.bid_set))


async def _block(
    conn: rows.Connection,
    keys: StationKeys,
    bid: Bid,
    version: Version,
    judged: Judgement,
    *,
    now_ms: int,
) -> None:
    """Keep a version as a draft that goes nowhere until it is edited or the limits are."""
    why = "; ".join(one.en for one in (*judged.violations, *judged.breaches))
    step = Step(version.number, version.state, State.DRAFTED, now_ms, CHECK, why)
    if version.state is State.DRAFTED:
        await conn.execute(
            "UPDATE bid_versions SET blocked = %s"
            " WHERE bid = %s AND version = %s AND state = 'drafted'",
            (judged.blocked, bid.id, version.number),
        )
        await rows.write_step(conn, keys, bid.id, step)
    else:
        await rows.move(conn, keys, bid.id, step, blocked=judged.blocked)
