"""Orders to stations: numbered, signed, kept; and the signed receipts that come back.

What an order asks for is sealed in the table; in clear stays what it is found by, of a schedule
its day, of a model order that brings a model its package.
"""

import datetime as dt
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from cloud.access import audit
from cloud.db import Pool, connection
from cloud.errors import KeyStoreError
from cloud.keys import KeyStore
from cloud.vault.rows import order_place, receipt_place, tell_damaged
from cloud.vault.vault import StationKeys, Vault
from contract import orders as signed
from contract.model_order import ModelAction
from contract.orders import Order, OrderKind, peek_order

# An order is delivered within seconds or not at all; a clock may be this much ahead of ours.
_CLOCK_TOLERANCE_MS = 60_000

_LIST = """
SELECT o.id::text, o.created_by, o.status, o.sealed, o.counter, o.kind, o.issued_ms, o.expires_ms,
    r.outcome, r.reason_code, r.at_ms, r.sealed
FROM orders o
LEFT JOIN LATERAL (
    SELECT outcome, reason_code, at_ms, sealed FROM receipts
    WHERE order_id = o.id ORDER BY received_at DESC, at_ms DESC LIMIT 1
) r ON true
WHERE o.station = %s
ORDER BY o.counter DESC LIMIT %s
"""
_IN_FORCE = """
SELECT id::text, created_by, status, sealed, counter, kind, issued_ms, expires_ms,
    NULL, NULL, NULL, NULL
FROM orders
WHERE station = %s AND for_date = %s AND kind = 'schedule' AND status NOT IN ('refused', 'failed')
ORDER BY counter DESC LIMIT 1
"""


@dataclass(frozen=True)
class ReceiptSeen:
    """The newest receipt of an order, signed by the station and verified at its arrival.

    `reason` is empty where what is sealed of it cannot be opened.
    """

    outcome: str
    reason_code: str
    reason: str
    at_ms: int


@dataclass(frozen=True)
class OrderSeen:
    """An order as people see it. `receipt` is None while the station has not answered.

    Of a `damaged` one what is sealed cannot be opened: its payload is empty.
    """

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
    damaged: bool = False


async def issue(
    pool: Pool,
    vault: Vault,
    keys: KeyStore,
    *,
    station: str,
    kind: OrderKind,
    payload: Mapping[str, Any],
    now_ms: int,
    expires_ms: int,
    created_by: str,
    audit_detail: Mapping[str, object] | None = None,
    approvals: tuple[str, ...] = (),
) -> OrderSeen:
    """Number, sign and store an order; the station fetches it within a second when linked.

    That it was sent is written to the audit in the same transaction: neither is without the
    other. `audit_detail` is added to the order's id and counter there. `approvals` are those who
    answer for the order beside who sends it.
    """
    seal = await vault.keys(station)  # before a connection is held: it may need one itself
    async with connection(pool) as conn, conn.transaction():
        order = Order(
            id=str(uuid.uuid4()),
            station=station,
            counter=await _next_counter(conn, station),
            kind=kind,
            issued_ms=now_ms,
            not_before_ms=now_ms - _CLOCK_TOLERANCE_MS,
            expires_ms=expires_ms,
            payload=payload,
            approvals=(created_by, *approvals),
        )
        body = signed.sign(order, keys.order_signing)
        await _store(conn, order, seal.seal(order_place(order.id), body), created_by)
        told = {"order": order.id, "counter": order.counter, **(audit_detail or {})}
        await audit.write(conn, created_by, f"send_{kind.value}", station, told)
    return _unanswered(order, created_by)


async def list_orders(pool: Pool, vault: Vault, station: str, limit: int = 50) -> list[OrderSeen]:
    """The newest orders of a station with their newest receipts, newest first."""
    async with connection(pool) as conn:
        rows = await (await conn.execute(_LIST, (station, limit), binary=True)).fetchall()
    if not rows:
        return []
    keys = await vault.keys(station)
    return [_seen(keys, station, row) for row in rows]


async def schedule_in_force(
    pool: Pool, vault: Vault, station: str, date: dt.date
) -> OrderSeen | None:
    """The newest schedule order of a day that the station has not refused.

    None as well where it is damaged: an older one is not in force.
    """
    async with connection(pool) as conn:
        row = await (await conn.execute(_IN_FORCE, (station, date), binary=True)).fetchone()
    seen = None if row is None else _seen(await vault.keys(station), station, row)
    return None if seen is None or seen.damaged else seen


async def _next_counter(conn: AsyncConnection[TupleRow], station: str) -> int:
    """Number the orders of a station one at a time; the lock is of its row only."""
    await conn.execute("SELECT 1 FROM stations WHERE id = %s FOR UPDATE", (station,))
    row = await (
        await conn.execute(
            "SELECT coalesce(max(counter), 0) + 1 FROM orders WHERE station = %s", (station,)
        )
    ).fetchone()
    return int(row[0]) if row else 1


async def _store(
    conn: AsyncConnection[TupleRow], order: Order, sealed: bytes, created_by: str
) -> None:
    await conn.execute(
        "INSERT INTO orders (id, station, counter, kind, issued_ms, not_before_ms, expires_ms,"
        " for_date, model, approvals, sealed, created_by)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %b, %s)",
        (
            *(order.id, order.station, order.counter, order.kind.value, order.issued_ms),
            *(order.not_before_ms, order.expires_ms, _day_of(order), _model_of(order)),
            *(list(order.approvals), sealed, created_by),
        ),
    )


def _unanswered(order: Order, created_by: str) -> OrderSeen:
    return OrderSeen(
        id=order.id,
        station=order.station,
        counter=order.counter,
        kind=order.kind.value,
        issued_ms=order.issued_ms,
        expires_ms=order.expires_ms,
        payload=order.payload,
        created_by=created_by,
        status="issued",
        receipt=None,
    )


def _day_of(order: Order) -> dt.date | None:
    """The market day that a schedule is for; None of any other order."""
    if order.kind is not OrderKind.SCHEDULE:
        return None
    return dt.date.fromisoformat(order.payload["date"])


def _model_of(order: Order) -> bytes | None:
    """The package that a model order brings; None of any other order."""
    brings = order.kind is OrderKind.MODEL and order.payload["action"] == ModelAction.DEPLOY
    return bytes.fromhex(order.payload["package"]) if brings else None


def _seen(keys: StationKeys, station: str, row: tuple[Any, ...]) -> OrderSeen:
    order_id, created_by, status, sealed, *facts, outcome, reason_code, at_ms, receipt = row
    payload: Mapping[str, Any] = {}
    damaged = False
    try:
        order = peek_order(keys.open(order_place(order_id), sealed))
    except KeyStoreError:
        tell_damaged("orders", order_id)
        damaged = True
    else:  # what was signed counts, the columns in clear only help to find it
        facts = [order.counter, order.kind.value, order.issued_ms, order.expires_ms]
        payload = order.payload
    answered = None
    if outcome is not None:
        answered = _receipt(keys, order_id, (outcome, reason_code, at_ms), receipt)
    return OrderSeen(*(order_id, station, *facts, payload, created_by, status, answered, damaged))


def _receipt(
    keys: StationKeys, order_id: str, clear: tuple[str, str, int], sealed: bytes
) -> ReceiptSeen:
    """Read a receipt; of one that cannot be opened, what its columns in clear (`clear`) say."""
    outcome, reason_code, at_ms = clear
    try:
        said = json.loads(keys.open(receipt_place(order_id, outcome), sealed))["receipt"]
    except KeyStoreError:
        tell_damaged("receipts", order_id, outcome)
        return ReceiptSeen(outcome, reason_code, "", at_ms)
    return ReceiptSeen(said["outcome"], said["reason_code"], said["reason"], said["at_ms"])
