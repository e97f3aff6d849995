"""The way of orders out and of receipts back: a station asks, waits, and signs what it did."""

import asyncio
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cloud.db import Pool, connection
from cloud.errors import IdentityRefused, KeyStoreError, Refused
from cloud.news import News
from cloud.vault.rows import order_place, receipt_place, tell_damaged
from cloud.vault.vault import Vault
from contract.orders import OrderRefused, Receipt, peek_order, verify_receipt

_MOST = 100
"""Orders in one answer; a station that has missed more asks again."""


async def orders_after(pool: Pool, vault: Vault, station: str, counter: int) -> list[bytes]:
    """Signed orders of a station above `counter` that have not expired, oldest first.

    One that cannot be opened is left out, so that those after it get through.
    """
    async with connection(pool) as conn:
        cursor = await conn.execute(
            "SELECT id::text, sealed FROM orders"
            " WHERE station = %s AND counter > %s AND expires_ms > %s"
            " ORDER BY counter LIMIT %s",
            [station, counter, time.time_ns() // 1_000_000, _MOST],
            binary=True,
        )
        rows = await cursor.fetchall()
    if not rows:
        return []
    keys = await vault.keys(station)
    found = []
    for order_id, sealed in rows:
        try:
            found.append(keys.open(order_place(order_id), sealed))
        except KeyStoreError:
            tell_damaged("orders", order_id)
    return found


async def wait_for_orders(
    pool: Pool, vault: Vault, news: News, station: str, *, counter: int, wait_s: float
) -> list[bytes]:
    """Like `orders_after`; when there are none, wait up to `wait_s` for one."""
    end = asyncio.get_running_loop().time() + wait_s
    with news.watch("orders", station) as bell:
        while True:
            bell.clear()
            found = await orders_after(pool, vault, station, counter)
            left = end - asyncio.get_running_loop().time()
            if found or left <= 0 or news.closed:
                return found
            try:
                await asyncio.wait_for(bell.wait(), left)
            except TimeoutError:
                return []


async def keep_receipt(pool: Pool, vault: Vault, station: str, blob: bytes) -> Receipt:
    """Verify and keep a receipt; the same one again changes nothing.

    Raises:
        Refused: not signed by the station, for no order of it, for another content, or for an
            order that cannot be opened: asking again would not help the station.
    """
    keys = await vault.keys(station)  # before a connection is held: it may need one itself
    async with connection(pool) as conn, conn.transaction():
        cursor = await conn.execute(
            "SELECT signing_key FROM stations WHERE id = %s", [station], binary=True
        )
        row = await cursor.fetchone()
        if row is None or row[0] is None:
            raise IdentityRefused(f"station {station!r} is not enrolled")
        try:
            receipt = verify_receipt(blob, Ed25519PublicKey.from_public_bytes(row[0]), station)
        except OrderRefused as error:
            raise Refused(str(error), code=error.reason) from error
        cursor = await conn.execute(
            "SELECT sealed FROM orders WHERE id::text = %s AND station = %s",
            [receipt.order_id, station],
            binary=True,
        )
        order = await cursor.fetchone()
        if order is None:
            raise Refused(f"no order {receipt.order_id} to {station!r}", code="unknown_order")
        try:
            body = keys.open(order_place(receipt.order_id), order[0])
        except KeyStoreError as error:
            tell_damaged("orders", receipt.order_id)
            raise Refused(f"order {receipt.order_id} is damaged", code="damaged_order") from error
        if peek_order(body).sha256 != receipt.order_sha256:
            raise Refused("the receipt is for an order of other content", code="other_order")
        cursor = await conn.execute(
            "INSERT INTO receipts (order_id, outcome, station, counter, reason_code, at_ms, sealed)"
            " VALUES (%s, %s, %s, %s, %s, %s, %b) ON CONFLICT DO NOTHING",
            [
                *(receipt.order_id, receipt.outcome.value, station, receipt.counter),
                *(receipt.reason_code, receipt.at_ms),
                keys.seal(receipt_place(receipt.order_id, receipt.outcome.value), blob),
            ],
        )
        if cursor.rowcount:
            await conn.execute(
                "UPDATE orders SET status = %s WHERE id = %s AND NOT EXISTS"
                " (SELECT 1 FROM receipts WHERE order_id = orders.id AND at_ms > %s)",
                [receipt.outcome.value, receipt.order_id, receipt.at_ms],
            )
    return receipt
