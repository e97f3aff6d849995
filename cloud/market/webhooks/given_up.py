"""Steps that a receiver has not taken in time: kept, shown, sent again when somebody says so."""

from dataclasses import dataclass
from typing import Final

from cloud.access import audit
from cloud.db import Pool, connection
from cloud.errors import NotFound

_MOST: Final = 500
_DEAD: Final = """
SELECT q.hook, q.bid::text, q.number, b.station, q.dead_ms, q.tries, q.why
FROM webhook_queue q JOIN bids b ON b.id = q.bid WHERE q.dead_ms IS NOT NULL
ORDER BY q.dead_ms DESC, q.hook, q.bid, q.number LIMIT %s
"""
_AGAIN: Final = """
UPDATE webhook_queue SET dead_ms = NULL, queued_ms = %s, next_ms = 0, tries = 0, why = ''
WHERE hook = %s AND bid = %s AND number = %s AND dead_ms IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A step of a bid that a receiver has not taken.

    Attributes:
        hook: name of the receiver.
        bid: id.
        number: of the step in the bid's log.
        station: of the bid.
        dead_ms: when it was given up, UTC epoch.
        tries: how often it was sent.
        why: what the receiver said last.
    """

    hook: str
    bid: str
    number: int
    station: str
    dead_ms: int
    tries: int
    why: str


async def given_up(pool: Pool) -> list[GivenUp]:
    """Return the steps that were given up, the newest first."""
    async with connection(pool) as conn:
        rows = await (await conn.execute(_DEAD, [_MOST])).fetchall()
    return [GivenUp(*row) for row in rows]


async def send_again(
    pool: Pool, hook: str, bid: str, number: int, *, who: str, now_ms: int
) -> None:
    """Put a given-up step back into its receiver's queue, for as long as a new one.

    Raises:
        NotFound: there is none, or somebody has sent it again already.
    """
    async with connection(pool) as conn, conn.transaction():
        done = await conn.execute(_AGAIN, (now_ms, hook, bid, number))
        if done.rowcount != 1:
            raise NotFound(f"step {number} of bid {bid} is not among those that {hook} left")
        await audit.write(conn, who, "send_step_again", bid, {"hook": hook, "number": number})
