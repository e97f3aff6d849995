"""Orders to stations: numbered, signed, kept; and the signed receipts that come back."""

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from cloud.db import Pool, connection
from cloud.keys import KeyStore
from contract import orders as signed
from contract.orders import Order, OrderKind

# An order is delivered within seconds or not at all; a clock may be this much ahead of ours.
_CLOCK_TOLERANCE_MS = 60_000

_LIST = """
SELECT o.id::text, o.station, o.counter, o.kind, o.issued_ms, o.expires_ms, o.payload,
       o.created_by, o.status, r.outcome, r.reason_code, r.reason, r.at_ms
FROM orders o
LEFT JOIN LATERAL (
    SELECT outcome, reason_code, reason, at_ms FROM receipts
    WHERE order_id = o.id ORDER BY received_at DESC, at_ms DESC LIMIT 1
) r ON true
WHERE o.station = %s
ORDER BY o.counter DESC LIMIT %s
"""


@dataclass(frozen=True)
class ReceiptSeen:
    """The newest receipt of an order, signed by the station and verified at its arrival."""

    outcome: str
    reason_code: str
    reason: str
    at_ms: int


@dataclass(frozen=True)
class OrderSeen:
    """An order as people see it. `receipt` is None while the station has not answered."""

    id: str
    station: str
    counter: int
    kind: str
    issued_ms: int
    expires_ms: int
    payload: Mapping[str, Any]
    created_by: str
    status: str
    receipt: ReceiptSeen | None


async def issue(
    pool: Pool,
    keys: KeyStore,
    *,
    station: str,
    kind: OrderKind,
    payload: Mapping[str, Any],
    now_ms: int,
    expires_ms: int,
    created_by: str,
) -> OrderSeen:
    """Number, sign and store an order; the station fetches it within a second when linked."""
    async with connection(pool) as conn, conn.transaction():
        # One order of a station is numbered at a time; the lock is of this row only.
        await conn.execute("SELECT 1 FROM stations WHERE id = %s FOR UPDATE", (station,))
        row = await (
            await conn.execute(
                "SELECT coalesce(max(counter), 0) + 1 FROM orders WHERE station = %s", (station,)
            )
        ).fetchone()
        order = Order(
            id=str(uuid.uuid4()),
            station=station,
            counter=int(row[0]) if row else 1,
            kind=kind,
            issued_ms=now_ms,
            not_before_ms=now_ms - _CLOCK_TOLERANCE_MS,
            expires_ms=expires_ms,
            payload=payload,
            approvals=(created_by,),
        )
        body = signed.sign(order, keys.order_signing)
        await _store(conn, order, body, created_by)
    return OrderSeen(
        id=order.id,
        station=station,
        counter=order.counter,
        kind=kind.value,
        issued_ms=now_ms,
        expires_ms=expires_ms,
        payload=payload,
        created_by=created_by,
        status="issued",
        receipt=None,
    )


async def list_orders(pool: Pool, station: str, limit: int = 50) -> list[OrderSeen]:
    """The newest orders of a station with their newest receipts, newest first."""
    async with connection(pool) as conn:
        rows = await (await conn.execute(_LIST, (station, limit))).fetchall()
    return [_seen(row) for row in rows]


async def schedule_in_force(pool: Pool, station: str, date: dt.date) -> OrderSeen | None:
    """The newest schedule order of a day that the station has not refused."""
    async with connection(pool) as conn:
        row = await (
            await conn.execute(
                "SELECT id::text, station, counter, kind, issued_ms, expires_ms, payload,"
                " created_by, status, NULL, NULL, NULL, NULL FROM orders"
                " WHERE station = %s AND kind = 'schedule' AND payload->>'date' = %s"
                " AND status NOT IN ('refused', 'failed') ORDER BY counter DESC LIMIT 1",
                (station, date.isoformat()),
            )
        ).fetchone()
    return None if row is None else _seen(row)


async def _store(
    conn: AsyncConnection[TupleRow], order: Order, body: bytes, created_by: str
) -> None:
    await conn.execute(
        "INSERT INTO orders (id, station, counter, kind, issued_ms, not_before_ms, expires_ms,"
        " payload, approvals, body, created_by)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            *(order.id, order.station, order.counter, order.kind.value, order.issued_ms),
            *(order.not_before_ms, order.expires_ms, Jsonb(dict(order.payload))),
            *(list(order.approvals), body, created_by),
        ),
    )


def _seen(row: tuple[Any, ...]) -> OrderSeen:
    return OrderSeen(
        id=row[0],
        station=row[1],
        counter=row[2],
        kind=row[3],
        issued_ms=row[4],
        expires_ms=row[5],
        payload=row[6],
        created_by=row[7],
        status=row[8],
        receipt=None if row[9] is None else ReceiptSeen(*row[9:13]),
    )
