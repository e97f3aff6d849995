"""The ledger: every accepted message once, whole, together with all its effects.

One statement writes the ledger row, the body, the marks of minutes to roll up, events, commands,
and newly seen devices; and it believes only certificates that are valid in that instant. Messages
that arrive while a statement runs go together into the next one: the busier the cloud, the
fewer commits per message, and nobody waits for a timer.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

from cloud.db.pool import Pool, connection
from cloud.errors import Unavailable

_log = logging.getLogger(__name__)

_MAX_WAITING: Final = 2_000
_MAX_GROUP: Final = 256
_MAX_GROUP_BYTES: Final = 16 << 20
_NOTHING: Final = Jsonb([])
_DAY_MS: Final = 86_400_000


class Result(StrEnum):
    """What became of an offered message."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    UNTRUSTED = "untrusted"


@dataclass(frozen=True)
class Offer:
    """A message that was opened and checked, ready to be stored.

    Attributes:
        station, epoch, stream, sequence: its key in the ledger.
        fingerprint: of the client certificate that brought it.
        sha256: of the sealed message.
        size: sealed bytes.
        body: the sealed message (telemetry), empty for others.
        samples, value_count: content of telemetry.
        t_first_ms, t_last_ms: device times of its content.
        events: rows of table `events`, without station, their sealed content in base64.
        commands: rows of table `commands`, likewise.
        devices: newly seen (device, layout hash in hex).
        minutes: runs of minutes that got samples, each (first, last) in epoch ms.
    """

    station: str
    epoch: int
    stream: int
    sequence: int
    fingerprint: bytes
    sha256: bytes
    size: int
    body: bytes
    samples: int
    value_count: int
    t_first_ms: int
    t_last_ms: int
    events: Sequence[dict[str, Any]] = ()
    commands: Sequence[dict[str, Any]] = ()
    devices: Sequence[tuple[str, str]] = ()
    minutes: Sequence[tuple[int, int]] = ()

    @property
    def key(self) -> tuple[str, int, int, int]:
        """Primary key in the ledger."""
        return self.station, self.epoch, self.stream, self.sequence


_STORE: Final = """
WITH offered AS (
    SELECT * FROM unnest(
        %(station)s::text[], %(epoch)s::bigint[], %(stream)s::smallint[], %(sequence)s::bigint[],
        %(fingerprint)b::bytea[], %(sha256)b::bytea[], %(size)s::int[], %(body)b::bytea[],
        %(samples)s::int[], %(value_count)s::int[], %(t_first_ms)s::bigint[],
        %(t_last_ms)s::bigint[], %(events)s::jsonb[], %(devices)s::jsonb[],
        %(minutes)s::jsonb[], %(commands)s::jsonb[]
    ) WITH ORDINALITY AS o(station, epoch, stream, sequence, fingerprint, sha256, size, body,
        samples, value_count, t_first_ms, t_last_ms, events, devices, minutes, commands,
        number)
), trusted AS (
    SELECT o.* FROM offered o
    JOIN certificates c ON c.fingerprint = o.fingerprint AND c.station = o.station
    WHERE c.revoked_at IS NULL AND c.not_after > now()
), fresh AS (
    INSERT INTO batches (station, epoch, stream, sequence, sha256, size, samples, value_count,
                         t_first_ms, t_last_ms)
    SELECT station, epoch, stream, sequence, sha256, size, samples, value_count,
           t_first_ms, t_last_ms
    FROM trusted ORDER BY station, epoch, stream, sequence
    ON CONFLICT DO NOTHING
    RETURNING station, epoch, stream, sequence
), content AS (
    SELECT t.* FROM trusted t JOIN fresh USING (station, epoch, stream, sequence)
), bodies AS (
    INSERT INTO hot_batches (station, epoch, sequence, t_first_ms, t_last_ms, body)
    SELECT station, epoch, sequence, t_first_ms, t_last_ms, body FROM content
    WHERE length(body) > 0
), marks AS (
    INSERT INTO dirty (station, minute_ms, mark)
    SELECT station, minute_ms, nextval('dirty_marks') FROM (
        SELECT DISTINCT station, minute_ms FROM content, jsonb_array_elements(minutes) AS run,
            generate_series((run->>0)::bigint, (run->>1)::bigint, 60000) AS minute_ms
        ORDER BY station, minute_ms
    ) AS minutes
    ON CONFLICT (station, minute_ms) DO UPDATE SET mark = excluded.mark
), happened AS (
    INSERT INTO events (station, id, device, code, tag, severity, active, at_ms, sealed)
    SELECT c.station, e.id, e.device, e.code, coalesce(e.tag, ''), e.severity, e.active, e.at_ms,
           decode(e.sealed, 'base64')
    FROM content c, jsonb_to_recordset(c.events) AS e(
        id text, device text, code text, tag text, severity smallint, active boolean, at_ms bigint,
        sealed text)
    ON CONFLICT DO NOTHING
), commanded AS (
    INSERT INTO commands (station, issued_ms, id, device, point, source, state, accepted_ms,
                          settled_ms, sealed)
    SELECT DISTINCT ON (c.station, r.issued_ms, r.id)
           c.station, r.issued_ms, r.id, r.device, r.point, r.source, r.state, r.accepted_ms,
           r.settled_ms, decode(r.sealed, 'base64')
    FROM content c, jsonb_to_recordset(c.commands) AS r(
        issued_ms bigint, id text, device text, point text, source text, state text,
        accepted_ms bigint, settled_ms bigint, sealed text)
    ORDER BY c.station, r.issued_ms, r.id, command_rank(r.state) DESC, r.settled_ms DESC
    ON CONFLICT (station, issued_ms, id) DO UPDATE SET
        state = excluded.state, accepted_ms = excluded.accepted_ms,
        settled_ms = excluded.settled_ms, sealed = excluded.sealed,
        received_at = excluded.received_at
    WHERE (command_rank(excluded.state), excluded.settled_ms)
        > (command_rank(commands.state), commands.settled_ms)
), seen AS (
    INSERT INTO devices (station, device, layout)
    SELECT DISTINCT c.station, d.value->>0, decode(d.value->>1, 'hex')
    FROM content c, jsonb_array_elements(c.devices) AS d
    ON CONFLICT DO NOTHING
)
SELECT o.number, t.number IS NOT NULL, f.station IS NOT NULL, b.sha256
FROM offered o
LEFT JOIN trusted t USING (number)
LEFT JOIN fresh f ON (f.station, f.epoch, f.stream, f.sequence)
                   = (o.station, o.epoch, o.stream, o.sequence)
LEFT JOIN batches b ON (b.station, b.epoch, b.stream, b.sequence)
                     = (o.station, o.epoch, o.stream, o.sequence)
"""

_MONTHS: Final = "SELECT make_command_months(%(times)s::bigint[])"

_COUNT: Final = """
INSERT INTO ledger_counters (station, hour, duplicates, conflicts)
VALUES (%s, date_trunc('hour', now()), %s, %s)
ON CONFLICT (station, hour) DO UPDATE SET
    duplicates = ledger_counters.duplicates + excluded.duplicates,
    conflicts = ledger_counters.conflicts + excluded.conflicts
"""

_FIND: Final = """
SELECT sha256 FROM batches
WHERE station = %s AND epoch = %s AND stream = %s AND sequence = %s
"""


async def store(pool: Pool, offers: Sequence[Offer]) -> list[Result]:
    """Store a group of messages in one commit; return what became of each, in order.

    Raises:
        Unavailable: the database did not confirm; every one of them must be offered again.
    """
    first: dict[tuple[str, int, int, int], Offer] = {}
    for offer in offers:
        first.setdefault(offer.key, offer)
    unique = list(first.values())
    days = {row["issued_ms"] // _DAY_MS * _DAY_MS for offer in unique for row in offer.commands}
    async with connection(pool) as conn:
        if days:
            await conn.execute(_MONTHS, {"times": sorted(days)})
        cursor = await conn.execute(_STORE, _columns(unique), binary=True)
        outcome: dict[tuple[str, int, int, int], Result] = {}
        for number, trusted, fresh, sha256 in await cursor.fetchall():
            offer = unique[number - 1]
            if trusted and not fresh and sha256 is None:  # written by another worker just now
                found = await (await conn.execute(_FIND, offer.key, binary=True)).fetchone()
                sha256 = found[0] if found else None  # noqa: PLW2901 - completes the row
            outcome[offer.key] = _result(offer, trusted, fresh, sha256)
        results = []
        for offer in offers:
            known = outcome[offer.key]
            if offer is not first[offer.key] and known is not Result.UNTRUSTED:
                same = offer.sha256 == first[offer.key].sha256 and known is not Result.CONFLICT
                known = Result.DUPLICATE if same else Result.CONFLICT
            results.append(known)
        await _count(conn, offers, results)
    return results


def _result(offer: Offer, trusted: bool, fresh: bool, sha256: bytes | None) -> Result:  # noqa: FBT001 - columns of a row
    if not trusted:
        return Result.UNTRUSTED
    if fresh:
        return Result.STORED
    return Result.DUPLICATE if sha256 == offer.sha256 else Result.CONFLICT


def _columns(offers: Sequence[Offer]) -> dict[str, Any]:
    names = (
        *("station", "epoch", "stream", "sequence", "fingerprint", "sha256", "size", "body"),
        *("samples", "value_count", "t_first_ms", "t_last_ms"),
    )
    columns: dict[str, Any] = {name: [getattr(offer, name) for offer in offers] for name in names}
    columns["events"] = [Jsonb(list(o.events)) if o.events else _NOTHING for o in offers]
    columns["commands"] = [Jsonb(list(o.commands)) if o.commands else _NOTHING for o in offers]
    columns["minutes"] = [Jsonb(list(o.minutes)) if o.minutes else _NOTHING for o in offers]
    columns["devices"] = [Jsonb(list(o.devices)) if o.devices else _NOTHING for o in offers]
    return columns


async def _count(
    conn: psycopg.AsyncConnection[Any], offers: Sequence[Offer], results: Sequence[Result]
) -> None:
    again: dict[str, list[int]] = {}
    for offer, result in zip(offers, results, strict=True):
        if result in (Result.DUPLICATE, Result.CONFLICT):
            again.setdefault(offer.station, [0, 0])[result is Result.CONFLICT] += 1
    for station, (duplicates, conflicts) in sorted(again.items()):
        await conn.execute(_COUNT, [station, duplicates, conflicts])


_Waiting = tuple[Offer, "asyncio.Future[Result]"]


class GroupCommit:
    """Collects the offers of concurrent requests into commits."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: list[_Waiting] = []
        self._arrived = asyncio.Event()

    async def offer(self, offer: Offer) -> Result:
        """Have a message stored; returns after its commit.

        Raises:
            Unavailable: too many wait already, or the database did not confirm.
        """
        if len(self._waiting) >= _MAX_WAITING:
            raise Unavailable("too many messages wait for the database; try again")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((offer, future))
        self._arrived.set()
        return await future

    async def run(self) -> None:
        """Commit group after group until cancelled."""
        while True:
            await self._arrived.wait()
            group = self._take()
            if not self._waiting:
                self._arrived.clear()
            await self._commit(group)

    async def _commit(self, group: Sequence[_Waiting]) -> None:
        try:
            results = await store(self._pool, [offer for offer, _ in group])
        except Unavailable as error:
            _refuse(group, error)
        except psycopg.Error as error:
            _log.error("ledger statement failed messages=%d reason=%s", len(group), error)
            if len(group) == 1:
                _refuse(group, Unavailable("the database refused the message; try again"))
                return
            for one in group:  # so that one message cannot hold up the others
                await self._commit([one])
        else:
            for (_, future), result in zip(group, results, strict=True):
                if not future.done():
                    future.set_result(result)

    def _take(self) -> list[_Waiting]:
        count = size = 0
        for offer, _ in self._waiting[:_MAX_GROUP]:
            if count and size + offer.size > _MAX_GROUP_BYTES:
                break
            count, size = count + 1, size + offer.size
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group


def _refuse(group: Sequence[_Waiting], error: Unavailable) -> None:
    for _, future in group:
        if not future.done():
            future.set_exception(error)
