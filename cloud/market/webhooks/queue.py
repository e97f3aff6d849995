"""The queue of each receiver: at least once, the steps of a bid in their order, others beside it.

A step leaves the queue when its receiver has answered with 2xx. Until then the later steps of the
same bid wait. A receiver that does not answer is left alone for a while, longer each time; a step
that it has not taken in a day is given up, kept, and told as an alarm, and the next one goes.
"""

from collections.abc import Callable, Sequence
from typing import Final

import httpx

from cloud.alarms.channels import NotDelivered, secret_of
from cloud.config_market import WebhookSection
from cloud.db import Pool, connection
from cloud.market import bids
from cloud.market.units import HOUR_MS
from cloud.market.webhooks.message import body_of, headers_of, message_id
from cloud.vault.vault import Vault

FAILED: Final = "cloud.webhook_failed"
_AT_ONCE: Final = 200
"""Steps of one run; then others have their turn."""
_FIRST_WAIT_MS: Final = 2_000
_LONGEST_WAIT_MS: Final = 600_000
_DOUBLINGS: Final = 12
_TOLD_MS: Final = 24 * HOUR_MS
"""So long a given-up step stands as an alarm."""
_LONGEST_WHY: Final = 300
_MOVE: Final = """
WITH taken AS (DELETE FROM bid_news RETURNING bid, number)
INSERT INTO webhook_queue (hook, bid, number, queued_ms)
SELECT h.name, t.bid, t.number, %(now)s FROM taken t
JOIN bid_log l ON l.bid = t.bid AND l.number = t.number
CROSS JOIN unnest(%(hooks)s::text[]) AS h (name)
ON CONFLICT DO NOTHING
"""
_NEXT: Final = """
SELECT q.bid::text, q.number, q.queued_ms, q.tries FROM webhook_queue q
WHERE q.hook = %(hook)s AND q.dead_ms IS NULL AND q.next_ms <= %(now)s AND NOT EXISTS (
    SELECT 1 FROM webhook_queue e WHERE e.hook = q.hook AND e.bid = q.bid
    AND e.dead_ms IS NULL AND e.number < q.number)
ORDER BY q.queued_ms, q.bid FOR UPDATE SKIP LOCKED LIMIT 1
"""
_DONE: Final = "DELETE FROM webhook_queue WHERE hook = %s AND bid = %s AND number = %s"
_AGAIN: Final = """
UPDATE webhook_queue SET tries = %s, next_ms = %s, why = %s, dead_ms = %s
WHERE hook = %s AND bid = %s AND number = %s
"""
_STATIONS: Final = """
SELECT DISTINCT b.station FROM webhook_queue q JOIN bids b ON b.id = q.bid WHERE q.dead_ms > %s
"""


async def hand_over(pool: Pool, hooks: Sequence[str], now_ms: int) -> None:
    """Put the steps that have come since into the queue of every receiver, in one statement."""
    async with connection(pool) as conn:
        await conn.execute(_MOVE, {"hooks": list(hooks), "now": now_ms})


async def send_due(pool: Pool, vault: Vault, hook: WebhookSection, clock: Callable[[], int]) -> int:
    """Send what is due at one receiver; return how many steps it has taken.

    Raises:
        NotDelivered: it does not answer, or its secret cannot be read; it is tried again later.
    """
    taken = 0
    async with httpx.AsyncClient(timeout=hook.timeout_s, follow_redirects=False) as client:
        for _ in range(_AT_ONCE):
            went = await _send_one(pool, vault, hook, client, clock())
            if went is None:
                break
            taken += went
    return taken


async def failed_stations(pool: Pool, now_ms: int) -> frozenset[str]:
    """Return the stations of which a step was given up within a day."""
    async with connection(pool) as conn:
        rows = await (await conn.execute(_STATIONS, [now_ms - _TOLD_MS])).fetchall()
    return frozenset(row[0] for row in rows)


async def _send_one(
    pool: Pool, vault: Vault, hook: WebhookSection, client: httpx.AsyncClient, now_ms: int
) -> bool | None:
    """Send the next step; None: nothing is due."""
    silent: NotDelivered | None = None
    async with connection(pool) as held, held.transaction():
        found = await held.execute(_NEXT, {"hook": hook.name, "now": now_ms})
        row = await found.fetchone()
        if row is None:
            return None
        name, number, queued_ms, tries = row
        why = ""
        bid = await bids.load(pool, vault, name)
        step = (await bids.log_of(pool, vault, bid))[number - 1]
        if not hook.steps or step.after.value in hook.steps:
            body = body_of(bid, number, step)
            try:
                why = await _post(client, hook, message_id(name, number), now_ms, body)
            except NotDelivered as error:
                silent, why = error, str(error)
        if not why:
            await held.execute(_DONE, (hook.name, name, number))
            return True
        wait_ms = min(_FIRST_WAIT_MS * 2 ** min(tries, _DOUBLINGS), _LONGEST_WAIT_MS)
        dead = now_ms - queued_ms >= hook.give_up_h * HOUR_MS
        await held.execute(
            _AGAIN,
            (
                *(tries + 1, now_ms + wait_ms, why[:_LONGEST_WHY], now_ms if dead else None),
                *(hook.name, name, number),
            ),
        )
        if silent is not None and not dead:
            await held.execute(
                "UPDATE webhook_queue SET next_ms = greatest(next_ms, %s)"
                " WHERE hook = %s AND dead_ms IS NULL",
                (now_ms + wait_ms, hook.name),
            )
    if silent is not None:
        raise NotDelivered(f"webhook {hook.name}: {silent}")
    return False


async def _post(
    client: httpx.AsyncClient, hook: WebhookSection, name: str, now_ms: int, body: bytes
) -> str:
    """Return why a receiver has refused a message, or nothing.

    Raises:
        NotDelivered: the receiver does not answer, or is in trouble itself.
    """
    headers = headers_of(secret_of(hook.secret_file), name, now_ms // 1_000, body)
    try:
        answer = await client.post(hook.url, content=body, headers=headers)
    except httpx.HTTPError as error:
        raise NotDelivered(f"{type(error).__name__}: it does not answer") from error
    if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise NotDelivered(f"it answered HTTP {answer.status_code}")
    return "" if answer.is_success else f"it refused: HTTP {answer.status_code}"
