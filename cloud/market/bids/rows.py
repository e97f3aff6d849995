"""Bids in the store: sealed rows, guarded moves, and the log that nothing leaves out.

A move names the state that it leaves. Where somebody was faster the row is in another one, the
move finds nothing, and its transaction is undone as a whole: `Overtaken`.
"""

import dataclasses
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from cloud.db import Pool, connection
from cloud.errors import NotFound
from cloud.market.bids.bid import Bid, Version
from cloud.market.bids.content import (
    Approval,
    Content,
    Delivery,
    Judgement,
    Scheduled,
    Settlement,
    from_bytes,
    to_bytes,
)
from cloud.market.bids.exchange import Cleared, Document
from cloud.market.bids.states import State, may_follow
from cloud.market.errors import MarketError
from cloud.vault.rows import RowPlace
from cloud.vault.vault import StationKeys, Vault
from contract.words import Words

Connection = AsyncConnection[TupleRow]
P = TypeVar("P", Judgement, Approval, Cleared, Scheduled, Delivery, Document, Settlement)
_KINDS: Final[dict[type[Any], str]] = {
    Judgement: "judgement",
    Approval: "approval",
    Cleared: "clearing",
    Scheduled: "schedule",
    Delivery: "delivery",
    Document: "statement",
    Settlement: "settlement",
}
_BID: Final = (
    "SELECT id::text, station, desk, market, product, day, gate_ms, begin_ms, end_ms, called_ms,"
    " wakes, created_by, withdrawn_ms FROM bids WHERE id = ANY(%s::uuid[])"
)
_VERSIONS: Final = (
    "SELECT v.bid::text, v.version, v.state, v.fallback, v.made_by, v.made_ms, v.approved_by,"
    " v.blocked, v.reference, v.sealed, l.number, l.sealed FROM bid_versions v"
    " JOIN bid_log l ON l.bid = v.bid AND l.version = v.version AND l.before IS NULL"
    " WHERE v.bid = ANY(%s::uuid[]) ORDER BY v.bid, v.version"
)
_PAPERS: Final = """
SELECT p.bid::text, b.station, p.version, p.kind, p.sealed
FROM bid_papers p JOIN bids b ON b.id = p.bid
WHERE p.bid = ANY(%s::uuid[]) AND (%s::text[] IS NULL OR p.kind = ANY(%s::text[]))
"""
_JUDGEMENTS: Final = """
SELECT b.id::text, b.station, v.version, p.sealed
FROM bids b JOIN bid_versions v ON v.bid = b.id
JOIN bid_papers p ON p.bid = v.bid AND p.version = v.version AND p.kind = 'judgement'
WHERE b.desk = %(desk)s AND b.day = %(day)s AND b.id <> %(bid)s AND v.state IN
    ('checked', 'approved', 'submitted', 'accepted', 'cleared', 'scheduled')
"""

_LISTED: Final = """
SELECT * FROM (
    SELECT DISTINCT ON (b.id) b.id::text, b.station, b.desk, b.market, b.product, b.day, b.gate_ms,
           b.begin_ms, b.end_ms, v.version, v.state, v.fallback, v.approved_by, v.blocked
    FROM bids b JOIN bid_versions v ON v.bid = b.id
    WHERE b.day BETWEEN %(first)s AND %(last)s
      AND (%(desk)s::text IS NULL OR b.desk = %(desk)s)
      AND (%(station)s::text IS NULL OR b.station = %(station)s)
    ORDER BY b.id,
             v.state IN ('accepted', 'cleared', 'scheduled', 'delivered', 'settled') DESC,
             v.state = 'submitted' DESC, v.fallback, v.version DESC
) AS one ORDER BY gate_ms, begin_ms, station, product
"""


class Overtaken(MarketError):  # noqa: N818 - what happened
    """Somebody moved the bid first; whoever lost looks again."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the log: who moved a version from where to where, and why."""

    version: int
    before: State | None
    after: State
    at_ms: int
    who: str
    why: str


async def load(pool: Pool, vault: Vault, bid: str) -> Bid:
    """Return a bid with all its versions.

    Raises:
        NotFound: there is none.
        KeyStoreError: a version cannot be opened.
    """
    found = await load_many(pool, vault, [bid])
    if not found:
        raise NotFound(Words(f"there is no bid {bid}", f"没有申报 {bid}"))
    return found[0]


async def load_many(pool: Pool, vault: Vault, names: Sequence[str]) -> list[Bid]:
    """Return bids with all their versions, in the order asked; one that is not there is left out.

    However many they are, the store is asked twice.

    Raises:
        KeyStoreError: a version cannot be opened.
    """
    if not names:
        return []
    async with connection(pool) as conn:
        heads = await (await conn.execute(_BID, [list(names)])).fetchall()
        rows = await (await conn.execute(_VERSIONS, [list(names)], binary=True)).fetchall()
    versions: dict[str, list[TupleRow]] = {}
    for name, *row in rows:
        versions.setdefault(name, []).append(tuple(row))
    found = {}
    for *facts, withdrawn_ms in heads:
        name, keys = facts[0], await vault.keys(facts[1])
        opened = tuple(_version(keys, name, row) for row in versions.get(name, ()))
        fields: list[Any] = [*facts, opened, withdrawn_ms]
        found[name] = Bid(*fields)
    return [found[name] for name in dict.fromkeys(map(str, names)) if name in found]


@dataclass(frozen=True, slots=True)
class Listed:
    """A bid as a list shows it: nothing of it needs a key."""

    id: str
    station: str
    desk: str
    market: str
    product: str
    day: dt.date
    gate_ms: int
    begin_ms: int
    end_ms: int
    version: int
    state: State
    fallback: bool
    approved_by: str | None
    blocked: str


async def listed(
    pool: Pool,
    first: dt.date,
    last: dt.date,
    *,
    desk: str | None = None,
    station: str | None = None,
) -> list[Listed]:
    """Return the bids of some days in the order of their gates, each with the version that counts.

    That is the one that stands or is on its way; else the newest that is no fall-back.
    """
    async with connection(pool) as conn:
        found = await conn.execute(
            _LISTED, {"first": first, "last": last, "desk": desk, "station": station}
        )
        rows = await found.fetchall()
    return [_listed(row) for row in rows]


async def log_of(pool: Pool, vault: Vault, bid: Bid) -> list[Step]:
    """Return the log of a bid, oldest first."""
    async with connection(pool) as conn:
        found = await conn.execute(
            "SELECT number, version, before, after, at_ms, who, sealed FROM bid_log"
            " WHERE bid = %s ORDER BY number",
            [bid.id],
            binary=True,
        )
        rows = await found.fetchall()
    keys = await vault.keys(bid.station)
    return [
        Step(
            *(version, None if before is None else State(before), State(after), at_ms, who),
            keys.open(_log_place(bid.id, number), sealed).decode(),
        )
        for number, version, before, after, at_ms, who, sealed in rows
    ]


async def lock(conn: Connection, bid: str) -> None:
    """Let nobody else move this bid until the transaction ends."""
    await conn.execute("SELECT 1 FROM bids WHERE id = %s FOR UPDATE", [bid])


async def insert_version(
    conn: Connection, keys: StationKeys, bid: str, version: Version, why: str
) -> None:
    """Add a version, and the line of the log that says who made it."""
    body = keys.seal(_version_place(bid, version.number), to_bytes(version.content))
    await conn.execute(
        "INSERT INTO bid_versions (bid, version, fallback, made_by, made_ms, sealed)"
        " VALUES (%s, %s, %s, %s, %s, %b)",
        (bid, version.number, version.fallback, version.made_by, version.made_ms, body),
    )
    step = Step(version.number, None, State.DRAFTED, version.made_ms, version.made_by, why)
    await write_step(conn, keys, bid, step)


async def move(
    conn: Connection,
    keys: StationKeys,
    bid: str,
    step: Step,
    *,
    approved_by: str | None = None,
    blocked: str = "",
    reference: str | None = None,
) -> None:
    """Move a version and write it down; the caller holds the bid's lock.

    Raises:
        Overtaken: the version is not in the state that the step leaves.
    """
    if step.before is None or not may_follow(step.before, step.after):
        raise MarketError(f"bid {bid}: {step.after} cannot follow {step.before}")
    cursor = await conn.execute(
        "UPDATE bid_versions SET state = %s, blocked = %s,"
        " approved_by = CASE WHEN %s THEN NULL ELSE coalesce(%s, approved_by) END,"
        " reference = coalesce(%s, reference)"
        " WHERE bid = %s AND version = %s AND state = %s",
        (
            *(step.after.value, blocked, step.after is State.DRAFTED, approved_by, reference),
            *(bid, step.version, step.before.value),
        ),
    )
    if cursor.rowcount != 1:
        raise Overtaken(f"bid {bid}: version {step.version} is no longer {step.before}")
    await write_step(conn, keys, bid, step)


async def write_step(conn: Connection, keys: StationKeys, bid: str, step: Step) -> None:
    """Add a line to the log; the caller holds the bid's lock, or has just made the bid."""
    found = await conn.execute(
        "SELECT coalesce(max(number), 0) + 1 FROM bid_log WHERE bid = %s", [bid]
    )
    row = await found.fetchone()
    number = int(row[0]) if row else 1
    before = None if step.before is None else step.before.value
    await conn.execute(
        "INSERT INTO bid_log (bid, number, version, before, after, at_ms, who, sealed)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %b)",
        (
            *(bid, number, step.version, before, step.after.value, step.at_ms, step.who),
            keys.seal(_log_place(bid, number), step.why.encode()),
        ),
    )


async def put_paper(
    conn: Connection, keys: StationKeys, bid: str, version: int, paper: object, *, at_ms: int
) -> None:
    """Keep what was added to a version; a later judgement replaces the one before."""
    kind = _KINDS[type(paper)]
    await conn.execute(
        "INSERT INTO bid_papers (bid, version, kind, at_ms, sealed) VALUES (%s, %s, %s, %s, %b)"
        " ON CONFLICT (bid, version, kind) DO UPDATE"
        " SET at_ms = EXCLUDED.at_ms, sealed = EXCLUDED.sealed",
        (
            *(bid, version, kind, at_ms),
            keys.seal(_paper_place(bid, version, kind), to_bytes(paper)),
        ),
    )


async def paper_of(pool: Pool, vault: Vault, bid: Bid, version: int, kind: type[P]) -> P | None:
    """Return what was added to a version; None: not yet."""
    name = _KINDS[kind]
    async with connection(pool) as conn:
        found = await conn.execute(
            "SELECT sealed FROM bid_papers WHERE bid = %s AND version = %s AND kind = %s",
            (bid.id, version, name),
            binary=True,
        )
        row = await found.fetchone()
    if row is None:
        return None
    keys = await vault.keys(bid.station)
    return from_bytes(kind, keys.open(_paper_place(bid.id, version, name), row[0]))


async def others_judged(pool: Pool, vault: Vault, bid: Bid) -> dict[str, list[Judgement]]:
    """Return how the other live bids of the desk's day were judged, by bid; a spare one too."""
    async with connection(pool) as conn:
        found = await conn.execute(
            _JUDGEMENTS, {"desk": bid.desk, "day": bid.day, "bid": bid.id}, binary=True
        )
        there = await found.fetchall()
    judged: dict[str, list[Judgement]] = {}
    for name, station, version, sealed in there:
        place = _paper_place(name, version, _KINDS[Judgement])
        opened = (await vault.keys(station)).open(place, sealed)
        judged.setdefault(name, []).append(from_bytes(Judgement, opened))
    return judged


async def beside(pool: Pool, vault: Vault, bid: Bid) -> list[Bid]:
    """Return the station's other bids of the same market and day that overlap the bid's time."""
    async with connection(pool) as conn:
        found = await conn.execute(
            "SELECT id::text FROM bids WHERE station = %s AND market = %s AND day = %s"
            " AND begin_ms < %s AND end_ms > %s AND id <> %s ORDER BY begin_ms, product",
            (bid.station, bid.market, bid.day, bid.end_ms, bid.begin_ms, bid.id),
        )
        names = await found.fetchall()
    return await load_many(pool, vault, [row[0] for row in names])


Papers = dict[int, dict[type[Any], Any]]
"""What was added to a bid, by version and kind."""


async def papers_of(pool: Pool, vault: Vault, bid: Bid) -> Papers:
    """Return all that was added to a bid."""
    return (await papers_of_many(pool, vault, [bid.id]))[bid.id]


async def papers_of_many(
    pool: Pool, vault: Vault, names: Sequence[str], kinds: Sequence[type[Any]] | None = None
) -> dict[str, Papers]:
    """Return what was added to bids, by their ids; the store is asked once.

    Args:
        pool: the store.
        vault: keys of stations.
        names: ids of the bids; each is a key of what is returned.
        kinds: only these; None: all.
    """
    found: dict[str, Papers] = {name: {} for name in names}
    if not names:
        return found
    asked = None if kinds is None else [_KINDS[kind] for kind in kinds]
    async with connection(pool) as conn:
        cursor = await conn.execute(_PAPERS, (list(names), asked, asked), binary=True)
        there = await cursor.fetchall()
    known = {name: kind for kind, name in _KINDS.items()}
    for bid, station, version, name, sealed in there:
        raw = (await vault.keys(station)).open(_paper_place(bid, version, name), sealed)
        found[bid].setdefault(version, {})[known[name]] = from_bytes(known[name], raw)
    return found


async def wake(conn: Connection, bid: str) -> None:
    """Have the worker look at a bid at once."""
    await conn.execute(
        "UPDATE bids SET due_ms = 0, wakes = wakes + 1 WHERE id = %s",
        [bid],
    )


def _listed(row: TupleRow) -> Listed:
    fields: list[Any] = [*row]
    place = [one.name for one in dataclasses.fields(Listed)].index("state")
    fields[place] = State(fields[place])
    return Listed(*fields)


def _version(keys: StationKeys, bid: str, row: Sequence[Any]) -> Version:
    number, state, *facts, sealed, line, why = row
    content = from_bytes(Content, keys.open(_version_place(bid, number), sealed))
    fields: list[Any] = [
        number,
        State(state),
        *facts,
        content,
        keys.open(_log_place(bid, line), why).decode(),
    ]
    return Version(*fields)


def _version_place(bid: str, version: int) -> RowPlace:
    return RowPlace("bid_versions", (bid, str(version)))


def _log_place(bid: str, number: int) -> RowPlace:
    return RowPlace("bid_log", (bid, str(number)))


def _paper_place(bid: str, version: int, kind: str) -> RowPlace:
    return RowPlace("bid_papers", (bid, str(version), kind))
