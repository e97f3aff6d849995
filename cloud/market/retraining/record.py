"""The record of trainings: begun, gone on, ended with the gate's verdict or with what was wrong.

The process that trains writes it over a connection of its own, which holds a lock for as long as
the process lives: there is never a second training, and a dead one holds nothing.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from cloud.db import Pool, connection
from cloud.market.errors import MarketError
from cloud.market.retraining.wish import Wish

MOST_STARTS: Final = 5
"""A training whose process died so often without a word is given up."""
_LOCK: Final = (0x534D, 0x5452)
_LOCK_WAIT: Final = "1s"
"""A process that was killed lets go of its lock within moments."""

Conn = psycopg.Connection[DictRow]


class State(StrEnum):
    """Where a training is."""

    RUNNING = "running"
    PROMOTED = "promoted"
    KEPT = "kept"
    FAILED = "failed"


class Fault(StrEnum):
    """Why a training failed."""

    EXTRA = "extra"  # the libraries that train are not installed
    HISTORY = "history"  # less than three years of prices
    PRICES = "prices"  # prices, market or battery cannot be used
    ENDED = "ended"  # its process died, again and again
    OTHER = "other"  # another one was asked for
    MISTAKE = "mistake"  # ours


@dataclass(frozen=True)
class Figures:
    """What the gate found.

    Attributes:
        promoted: whether the policy may bid.
        gain: money earned more than by opportunity values in the unseen weeks.
        sure: share of resampled sets of weeks in which it earned more, 0..1.
        cvar_policy, cvar_value: mean loss of the worst 5 % of days, of both.
        reason: in words.
    """

    promoted: bool
    gain: float
    sure: float
    cvar_policy: float
    cvar_value: float
    reason: str


@dataclass(frozen=True)
class Training:
    """One training.

    Attributes:
        id: its own.
        wish: what was asked for.
        asked_by: a user, or the schedule.
        known_ms: prices are read as they were known then, UTC.
        begun_ms, ended_ms: UTC; None: it goes on, or was killed and will.
        starts: processes that have worked on it.
        first_day, unseen_from, last_day: local days learnt on, and kept for the gate; None: the
            prices have not been read.
        seed, done: seed in training, counted from 0, and its steps so far.
        state: see `State`.
        notes: what must be said of it, as a short history.
        verdict: None: not judged.
        model: SHA-256 of the card; None: there is none.
        fault, error: None and "": none.
        withdrawn_ms: since when a promoted policy may not bid any more; None: it has not done
            worse in later weeks.
    """

    id: UUID
    wish: Wish
    asked_by: str
    known_ms: int
    begun_ms: int
    ended_ms: int | None
    starts: int
    first_day: dt.date | None
    unseen_from: dt.date | None
    last_day: dt.date | None
    seed: int
    done: int
    state: State
    notes: tuple[str, ...]
    verdict: Figures | None
    model: str | None
    fault: Fault | None
    error: str
    withdrawn_ms: int | None

    @property
    def share(self) -> float:
        """How much of the practice is done, 0..1."""
        if self.state in (State.PROMOTED, State.KEPT):
            return 1.0
        return min((self.seed + self.done / self.wish.steps) / self.wish.seeds, 1.0)


class TrainingGoesOn(MarketError):  # noqa: N818 - says what happens
    """Another process trains."""


def lock(conn: Conn) -> None:
    """Take the lock of trainings for as long as the connection lives.

    Raises:
        TrainingGoesOn: another process has it.
    """
    try:
        conn.execute("SELECT set_config('lock_timeout', %s, false)", [_LOCK_WAIT])
        conn.execute("SELECT pg_advisory_lock(%s, %s)", _LOCK)
    except psycopg.errors.LockNotAvailable as error:
        raise TrainingGoesOn(
            "another training goes on; there is one at a time: wait for its end"
        ) from error


def begin(conn: Conn, wish: Wish, asked_by: str, now_ms: int) -> Training:
    """Return the training to work on: the one that was cut, if it was asked for the same.

    One that failed is taken up again from the start, with the prices of the present, so that
    many failures for one cause are one record.
    """
    with conn.transaction():
        found = conn.execute(_NEWEST, [wish.station, wish.market]).fetchone()
        last = None if found is None else _training(found)
        if last is not None and last.state is State.RUNNING and last.wish != wish:
            fail(conn, last.id, Fault.OTHER, "cut, and then another one was asked for", now_ms)
        same = last is not None and last.wish == wish
        if last is not None and same and last.state is State.RUNNING:
            row = conn.execute(_GO_ON, [last.id]).fetchone()
        elif last is not None and same and last.state is State.FAILED:
            row = conn.execute(_AGAIN, [asked_by, now_ms, now_ms, last.id]).fetchone()
        else:
            values = (wish.station, wish.market, Jsonb(wish.to_json()), asked_by, now_ms, now_ms)
            row = conn.execute(_BEGIN, values).fetchone()
    assert row is not None  # noqa: S101 - a row was written
    return _training(row)


def tell_span(
    conn: Conn, training: UUID, days: tuple[dt.date, dt.date, dt.date], notes: Sequence[str]
) -> None:
    """Keep the first day learnt on, the first unseen one and the last, and what must be said."""
    conn.execute(
        "UPDATE policy_trainings SET first_day = %s, unseen_from = %s, last_day = %s, notes = %s"
        " WHERE id = %s",
        (*days, Jsonb(list(notes)), training),
    )


def tell(conn: Conn, training: UUID, seed: int, done: int) -> None:
    """Keep how far it is."""
    conn.execute(
        "UPDATE policy_trainings SET seed = %s, done = %s WHERE id = %s", (seed, done, training)
    )


def end(conn: Conn, training: UUID, verdict: Mapping[str, Any], model: str, now_ms: int) -> None:
    """Keep the gate's verdict (the fields of `Verdict`) and the model that was judged."""
    state = State.PROMOTED if verdict["promoted"] else State.KEPT
    conn.execute(
        "UPDATE policy_trainings SET state = %s, verdict = %s, model = %s, ended_ms = %s"
        " WHERE id = %s",
        (state.value, Jsonb(dict(verdict)), model, now_ms, training),
    )


def may_bid(conn: Conn, wish: Wish) -> Training | None:
    """Return the training whose policy passed last, unless it was withdrawn."""
    found = conn.execute(
        "SELECT * FROM policy_trainings WHERE station = %s AND market = %s AND state = 'promoted'"
        " ORDER BY begun_ms DESC LIMIT 1",
        (wish.station, wish.market),
    ).fetchone()
    last = None if found is None else _training(found)
    return None if last is None or last.withdrawn_ms is not None else last


def withdraw(conn: Conn, promoted: UUID, during: UUID, why: str, now_ms: int) -> None:
    """Let a promoted policy bid no more, and note why with the training that found it."""
    with conn.transaction():
        conn.execute(
            "UPDATE policy_trainings SET withdrawn_ms = %s WHERE id = %s", (now_ms, promoted)
        )
        conn.execute(
            "UPDATE policy_trainings SET notes = notes || %s WHERE id = %s", (Jsonb([why]), during)
        )


def fail(conn: Conn, training: UUID, fault: Fault, error: str, now_ms: int) -> None:
    """Keep that nothing came of it, and why."""
    conn.execute(_FAIL, (fault.value, error, now_ms, training))


async def give_up(pool: Pool, training: UUID, now_ms: int) -> None:
    """End a training whose process died too often, unless it has ended."""
    error = (
        f"its process died {MOST_STARTS} times without a word, as one that is killed does for want "
        "of memory: look at the system's log, or train with fewer years of prices"
    )
    async with connection(pool) as conn:
        await conn.execute(
            f"{_FAIL} AND state = 'running'", (Fault.ENDED.value, error, now_ms, training)
        )


async def goes_on(pool: Pool) -> bool:
    """Return whether some process trains, on this machine or another."""
    async with connection(pool) as conn:
        found = await conn.execute(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND"
            " classid = %s AND objid = %s AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())",
            _LOCK,
        )
        return await found.fetchone() is not None


async def trainings(
    pool: Pool,
    *,
    station: str | None = None,
    market: str | None = None,
    state: State | None = None,
    most: int = 20,
) -> list[Training]:
    """Return trainings, the newest first."""
    async with connection(pool) as conn, conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            "SELECT * FROM policy_trainings WHERE (%(s)s::text IS NULL OR station = %(s)s) AND"
            " (%(m)s::text IS NULL OR market = %(m)s) AND (%(a)s::text IS NULL OR state = %(a)s)"
            " ORDER BY begun_ms DESC, id LIMIT %(most)s",
            {"s": station, "m": market, "a": None if state is None else state.value, "most": most},
        )
        return [_training(row) for row in await cursor.fetchall()]


async def newest(pool: Pool, station: str, market: str) -> Training | None:
    """Return the newest training of a station in a market; None: there is none."""
    found = await trainings(pool, station=station, market=market, most=1)
    return found[0] if found else None


async def places(pool: Pool) -> list[tuple[str, str]]:
    """Return the stations and markets of which there are trainings."""
    async with connection(pool) as conn:
        found = await conn.execute("SELECT DISTINCT station, market FROM policy_trainings")
        return sorted((row[0], row[1]) for row in await found.fetchall())


_NEWEST: Final = (
    "SELECT * FROM policy_trainings WHERE station = %s AND market = %s"
    " ORDER BY begun_ms DESC LIMIT 1 FOR UPDATE"
)
_GO_ON: Final = "UPDATE policy_trainings SET starts = starts + 1 WHERE id = %s RETURNING *"
_AGAIN: Final = (
    "UPDATE policy_trainings SET state = 'running', ended_ms = NULL, starts = 1, seed = 0,"
    " done = 0, fault = '', error = '', asked_by = %s, known_ms = %s, begun_ms = %s"
    " WHERE id = %s RETURNING *"
)
_BEGIN: Final = (
    "INSERT INTO policy_trainings (station, market, wish, asked_by, known_ms, begun_ms)"
    " VALUES (%s, %s, %s, %s, %s, %s) RETURNING *"
)
_FAIL: Final = (
    "UPDATE policy_trainings SET state = 'failed', fault = %s, error = %s, ended_ms = %s"
    " WHERE id = %s"
)


def _training(row: Mapping[str, Any]) -> Training:
    taken = {name: row[name] for name in _AS_THEY_ARE}
    return Training(
        **taken,
        wish=Wish.of(row["wish"]),
        state=State(row["state"]),
        notes=tuple(row["notes"]),
        verdict=None if row["verdict"] is None else _figures(row["verdict"]),
        fault=Fault(row["fault"]) if row["fault"] else None,
    )


def _figures(kept: Mapping[str, Any]) -> Figures:
    policy, value = kept["cvar"]
    return Figures(kept["promoted"], kept["gain"], kept["sure"], policy, value, kept["reason"])


_AS_THEY_ARE: Final = (
    *("id", "asked_by", "known_ms", "begun_ms", "ended_ms", "starts", "first_day", "unseen_from"),
    *("last_day", "seed", "done", "model", "error", "withdrawn_ms"),
)
