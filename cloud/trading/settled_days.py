"""Days that are settled again until they are final: every version with all it was made from."""

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Final

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from cloud.db import Pool, connection
from cloud.market.bids import Changed, Document
from cloud.market.bids.content import from_bytes, to_bytes
from cloud.market.settlement import DayRecord
from cloud.market.statement import Statement
from cloud.vault.rows import RowPlace
from cloud.vault.vault import StationKeys, Vault
from contract.words import Words

Connection = AsyncConnection[TupleRow]
_KEPT: Final = (
    "SELECT number, final, at_ms, sealed FROM settled_day_versions"
    " WHERE station = %s AND market = %s AND day = %s ORDER BY number"
)


@dataclass(frozen=True, slots=True)
class DayPlace:
    """One station's day in one market."""

    station: str
    market: str
    day: dt.date


@dataclass(frozen=True, slots=True)
class DayVersion:
    """A day as it was settled once.

    Attributes:
        document: the exchange's statement.
        record: awards, meter and prices; None: they were not all there.
        ours: our settlement; None as `record`.
        words: how both lie to one another, or why the day could not be settled here.
        changes: lines that are others than in the version before.
    """

    document: Document
    record: DayRecord | None
    ours: Statement | None
    words: Words
    changes: tuple[Changed, ...] = ()

    def digest(self, *, final: bool) -> bytes:
        """Return what names exactly these inputs."""
        made = hashlib.sha256(b"final" if final else b"provisional")
        made.update(self.document.body)
        made.update(to_bytes(self.words) if self.record is None else to_bytes(self.record))
        return made.digest()


@dataclass(frozen=True, slots=True)
class KeptDay:
    """A version in the store; `number` counts from 1, `at_ms` is UTC epoch."""

    number: int
    final: bool
    at_ms: int
    version: DayVersion


async def put_day(conn: Connection, keys: StationKeys, place: DayPlace, kept: KeptDay) -> None:
    """Keep one more version of a day."""
    await conn.execute(
        "INSERT INTO settled_day_versions"
        " (station, market, day, number, final, at_ms, digest, sealed)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %b)",
        (
            *(place.station, place.market, place.day, kept.number, kept.final, kept.at_ms),
            kept.version.digest(final=kept.final),
            keys.seal(_row(place, kept.number), to_bytes(kept.version)),
        ),
    )


async def newest_digest(conn: Connection, place: DayPlace) -> tuple[int, bytes] | None:
    """Return the number of a day's newest version and what names its inputs; None: no version."""
    found = await conn.execute(
        "SELECT number, digest FROM settled_day_versions"
        " WHERE station = %s AND market = %s AND day = %s ORDER BY number DESC LIMIT 1",
        (place.station, place.market, place.day),
    )
    row = await found.fetchone()
    return None if row is None else (int(row[0]), bytes(row[1]))


async def newest_of(conn: Connection, keys: StationKeys, place: DayPlace) -> KeptDay | None:
    """Return the newest version of a day; None: it has none."""
    found = await conn.execute(
        _KEPT + " DESC LIMIT 1", (place.station, place.market, place.day), binary=True
    )
    row = await found.fetchone()
    return None if row is None else _kept(keys, place, row)


async def days_kept(pool: Pool, vault: Vault, place: DayPlace) -> tuple[KeptDay, ...]:
    """Return every version of a day, the first one first."""
    async with connection(pool) as conn:
        found = await conn.execute(_KEPT, (place.station, place.market, place.day), binary=True)
        there = await found.fetchall()
    keys = await vault.keys(place.station)
    return tuple(_kept(keys, place, row) for row in there)


def _kept(keys: StationKeys, place: DayPlace, row: TupleRow) -> KeptDay:
    number, final, at_ms, sealed = row
    opened = keys.open(_row(place, number), sealed)
    return KeptDay(number, final, at_ms, from_bytes(DayVersion, opened))


def _row(place: DayPlace, number: int) -> RowPlace:
    key = (place.station, place.market, place.day.isoformat(), str(number))
    return RowPlace("settled_day_versions", key)
