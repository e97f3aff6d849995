"""Handing bids to an exchange: exactly once, whatever breaks on either side.

What will be asked is written down and committed first, then that it is being tried, then it is
tried. A try without an answer (the process was killed, the line broke, the exchange stumbled) may
have had its effect: after a while the exchange is asked what it knows of the key, and only where
it knows nothing is the same request sent again, under the same key.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from psycopg.rows import TupleRow

from cloud.db import Pool, connection
from cloud.market.bids import rows
from cloud.market.bids.bid import Bid, Version
from cloud.market.bids.exchange import (
    Accepted,
    Exchange,
    Rejected,
    Replaced,
    Unclear,
    Unknown,
    Withdrawn,
)
from cloud.market.bids.rows import Step
from cloud.market.bids.states import State
from cloud.vault.vault import Vault

Point = Callable[[str], None]
EXCHANGE = "exchange"
"""Who the log names for what an exchange has said."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A row of the outbox without an answer."""

    key: str
    action: str
    version: int
    replaces: str | None
    asked_by: str
    tries: int
    tried_ms: int | None


class Later(Exception):  # noqa: N818 - what is to be done
    """There is no answer yet; ask again after `until_ms`.

    `silent`: the exchange as a whole seems to be out of reach.
    """

    def __init__(self, why: str, until_ms: int, *, silent: bool = False) -> None:
        self.until_ms, self.silent = until_ms, silent
        super().__init__(why)


async def asked(pool: Pool, bid: str) -> Asked | None:
    """Return what waits for an answer of the exchange."""
    async with connection(pool) as conn:
        found = await conn.execute(
            "SELECT key, action, version, replaces, asked_by, tries, tried_ms FROM bid_outbox"
            " WHERE bid = %s AND answer IS NULL",
            [bid],
        )
        row: TupleRow | None = await found.fetchone()
    return None if row is None else Asked(*row)


async def write_submission(
    conn: rows.Connection, bid: Bid, version: Version, who: str, now_ms: int
) -> None:
    """Write down that a version will be submitted; in the transaction that moves it."""
    standing = bid.newest(State.ACCEPTED)
    await conn.execute(
        "INSERT INTO bid_outbox (key, action, bid, version, replaces, asked_by, written_ms)"
        " VALUES (%s, 'submit', %s, %s, %s, %s, %s)",
        (
            *(bid.key(version), bid.id, version.number),
            *(None if standing is None else bid.key(standing), who, now_ms),
        ),
    )


class Hand:
    """Hands what the outbox of one bid says to its exchange."""

    def __init__(
        self, pool: Pool, vault: Vault, exchange: Exchange, ask_again_ms: int, point: Point
    ) -> None:
        self._pool, self._vault = pool, vault
        self._exchange = exchange
        self._ask_again_ms = ask_again_ms
        self._point = point

    async def work(self, bid: Bid, row: Asked, now_ms: int) -> None:
        """Try it, or ask what became of the last try; take the answer.

        Raises:
            Later: there is no answer yet.
        """
        version = bid.of(row.version)
        known: Any = Unknown()
        if row.tried_ms is not None:
            if now_ms < row.tried_ms + self._ask_again_ms:
                raise Later("an answer is awaited", row.tried_ms + self._ask_again_ms)
            known = await self._exchange.state(version.content.bid_set, row.key)
            self._point("asked for its state")
            known = _of_withdrawal(row, known)
        if isinstance(known, Unknown):
            if now_ms >= bid.gate_ms:
                return await self._take_unsent(bid, row, version, now_ms)
            await self._note_try(row, now_ms)
            self._point("trying")
            known = await self._try(row, version)
            self._point("answered")
        if isinstance(known, Unclear):
            await self._note_asked(bid, row, version, known.why, now_ms)
            raise Later(known.why, now_ms + self._ask_again_ms, silent=True)
        await self._take(bid, row, version, known, now_ms)
        self._point("answer kept")
        return None

    async def _try(self, row: Asked, version: Version) -> Any:
        bid_set = version.content.bid_set
        if row.action == "withdraw":
            return await self._exchange.withdraw(bid_set, row.key)
        old = None
        if row.replaces is not None:
            old = Replaced(row.replaces, version.why, version.made_ms)
        return await self._exchange.submit(bid_set, row.key, replaces=old)

    async def _note_try(self, row: Asked, now_ms: int) -> None:
        async with connection(self._pool) as conn:
            await conn.execute(
                "UPDATE bid_outbox SET tries = tries + 1, tried_ms = %s"
                " WHERE key = %s AND action = %s AND answer IS NULL",
                (now_ms, row.key, row.action),
            )

    async def _note_asked(
        self, bid: Bid, row: Asked, version: Version, why: str, now_ms: int
    ) -> None:
        """Keep when it was asked; the log says once what the bid waits for."""
        keys = await self._vault.keys(bid.station)
        told = f"the exchange gives no answer ({why}); it is asked again"
        async with connection(self._pool) as conn, conn.transaction():
            await rows.lock(conn, bid.id)
            await conn.execute(
                "UPDATE bid_outbox SET tried_ms = %s"
                " WHERE key = %s AND action = %s AND answer IS NULL",
                (now_ms, row.key, row.action),
            )
            if row.tries == 0:
                step = Step(version.number, version.state, version.state, now_ms, EXCHANGE, told)
                await rows.write_step(conn, keys, bid.id, step)

    async def _take(self, bid: Bid, row: Asked, version: Version, answer: Any, now_ms: int) -> None:
        """Keep an answer with all that follows from it, in one transaction."""
        keys = await self._vault.keys(bid.station)
        steps, reference = _steps(bid, row, version, answer, now_ms)
        async with connection(self._pool) as conn, conn.transaction():
            await rows.lock(conn, bid.id)
            await _close(conn, row, _word(answer), now_ms)
            if row.action == "withdraw" and isinstance(answer, Rejected):  # it stands after all
                await conn.execute("UPDATE bids SET withdrawn_ms = NULL WHERE id = %s", [bid.id])
            for step in steps:
                if step.before is step.after:
                    await rows.write_step(conn, keys, bid.id, step)
                else:
                    new = reference if step.version == version.number else None
                    await rows.move(conn, keys, bid.id, step, reference=new)

    async def _take_unsent(self, bid: Bid, row: Asked, version: Version, now_ms: int) -> None:
        """The gate has closed and the exchange has never seen the request."""
        keys = await self._vault.keys(bid.station)
        after = State.LAPSED if row.action == "submit" else version.state
        why = "the gate closed before the exchange had it; it says that it never came"
        step = Step(version.number, version.state, after, now_ms, EXCHANGE, why)
        async with connection(self._pool) as conn, conn.transaction():
            await rows.lock(conn, bid.id)
            await _close(conn, row, "never sent", now_ms)
            if after is State.LAPSED:
                await rows.move(conn, keys, bid.id, step)
            else:
                await rows.write_step(conn, keys, bid.id, step)
        self._point("answer kept")


def _of_withdrawal(row: Asked, known: Any) -> Any:
    """Of a withdrawal that was tried: a bid that still stands has never seen it."""
    if row.action == "withdraw" and isinstance(known, Accepted):
        return Unknown()
    return known


def _steps(
    bid: Bid, row: Asked, version: Version, answer: Any, now_ms: int
) -> tuple[list[Step], str | None]:
    """Return the moves that follow from an answer, and the exchange's name for the version."""
    here = version.number, version.state
    if row.action == "withdraw":
        if isinstance(answer, Rejected):
            why = f"the exchange refused the withdrawal: {'; '.join(answer.reasons)}"
            return [Step(*here, version.state, now_ms, EXCHANGE, why)], None
        return [
            Step(*here, State.WITHDRAWN, now_ms, row.asked_by, "withdrawn at the exchange")
        ], None
    match answer:
        case Accepted():
            gone = [
                Step(
                    *(one.number, one.state, State.AMENDED, now_ms, EXCHANGE),
                    f"version {version.number} stands in its place",
                )
                for one in bid.versions
                if one.state is State.ACCEPTED
            ]
            why = "; not taken: ".join((f"stands as {answer.reference}", *answer.refused))
            return [*gone, Step(*here, State.ACCEPTED, now_ms, EXCHANGE, why)], answer.reference
        case Rejected():
            why = "; ".join(answer.reasons) or "without a reason"
            return [Step(*here, State.REJECTED, now_ms, EXCHANGE, why)], None
        case _:
            why = "the exchange says that it was withdrawn there"
            return [Step(*here, State.WITHDRAWN, now_ms, EXCHANGE, why)], None


def _word(answer: Any) -> str:
    match answer:
        case Accepted():
            return "accepted"
        case Withdrawn():
            return "withdrawn"
        case _:
            return "rejected"


async def _close(conn: rows.Connection, row: Asked, answer: str, now_ms: int) -> None:
    cursor = await conn.execute(
        "UPDATE bid_outbox SET answer = %s, answered_ms = %s, tries = greatest(tries, 1),"
        " tried_ms = coalesce(tried_ms, %s) WHERE key = %s AND action = %s AND answer IS NULL",
        (answer, now_ms, now_ms, row.key, row.action),
    )
    if cursor.rowcount != 1:
        raise rows.Overtaken(f"the answer for {row.key} was kept already")
