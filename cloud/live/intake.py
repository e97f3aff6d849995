"""Takes a live image in: newer than the one we have, or it changes nothing."""

from typing import Final

from cloud.db.pool import Pool, connection
from contract.envelope import EnvelopeHeader

_CHECKPOINT: Final = """
INSERT INTO live_checkpoints SELECT * FROM live
ON CONFLICT (station) DO UPDATE SET epoch = excluded.epoch, sequence = excluded.sequence,
    at_ms = excluded.at_ms, received_at = excluded.received_at, body = excluded.body
WHERE (excluded.epoch, excluded.sequence) > (live_checkpoints.epoch, live_checkpoints.sequence)
"""


async def checkpoint(pool: Pool) -> int:
    """Copy the images that are newer than their checkpoint; return how many."""
    async with connection(pool) as conn:
        return (await conn.execute(_CHECKPOINT)).rowcount


async def keep(pool: Pool, header: EnvelopeHeader, at_ms: int, body: bytes) -> bool:
    """Replace the station's image; False for one that is not newer (late, or replayed)."""
    async with connection(pool) as conn:
        cursor = await conn.execute(
            "INSERT INTO live (station, epoch, sequence, at_ms, body) VALUES (%s, %s, %s, %s, %b)"
            " ON CONFLICT (station) DO UPDATE SET epoch = excluded.epoch,"
            " sequence = excluded.sequence, at_ms = excluded.at_ms, body = excluded.body,"
            " received_at = now()"
            " WHERE (excluded.epoch, excluded.sequence) > (live.epoch, live.sequence)",
            [header.station, header.epoch, header.sequence, at_ms, body],
        )
        return cursor.rowcount == 1
