"""Puts history into the store that no live station sent: archives restored, logs of before.

Frames become blocks exactly as compaction makes them, with the same effects: what they hold is
counted in the block ledger, devices and layouts become known. Their rollups are the caller's to
order: `mark` leaves the minutes to the rollup job, `rebuild` computes whole days at once.
"""

import asyncio
from collections.abc import Sequence

import numpy as np

from cloud.catalogue import LayoutCatalogue
from cloud.db.pool import Pool, connection
from cloud.history.blocks.compaction import count_samples, insert_blocks, next_part, pack
from cloud.history.rollups.arithmetic import MINUTE_MS
from cloud.vault.vault import Vault
from contract.frame import Frame

_MARK = """
INSERT INTO dirty (station, minute_ms, mark)
SELECT %s, minute_ms, nextval('dirty_marks') FROM unnest(%s::bigint[]) AS minute_ms
ON CONFLICT (station, minute_ms) DO UPDATE SET mark = excluded.mark
"""


async def backfill(
    pool: Pool,
    vault: Vault,
    layouts: LayoutCatalogue,
    station: str,
    frames: Sequence[Frame],
    *,
    mark: bool = True,
) -> int:
    """Store frames as blocks in one transaction; return the number of blocks.

    Samples that are stored already are counted as repeated when their hour is merged.
    """
    for layout in {frame.layout.hash8: frame.layout for frame in frames}.values():
        await layouts.store(layout)
    keys = await vault.keys(station)
    minutes = _minutes(frames) if mark else []
    devices = sorted({(frame.device, frame.layout.hash8) for frame in frames})
    async with connection(pool) as conn, conn.transaction():
        part = await next_part(conn)
        blocks = await asyncio.to_thread(pack, station, keys, frames, part)
        await insert_blocks(conn, blocks)
        await count_samples(conn, station, blocks)
        async with conn.cursor() as cursor:
            await cursor.executemany(
                "INSERT INTO devices (station, device, layout) VALUES (%s, %s, %b)"
                " ON CONFLICT DO NOTHING",
                [(station, device, hash8) for device, hash8 in devices],
            )
        await conn.execute(_MARK, [station, minutes])
    return len(blocks)


def _minutes(frames: Sequence[Frame]) -> list[int]:
    marked: set[int] = set()
    for frame in frames:
        grid = frame.t0_ms + frame.step_ms * np.flatnonzero(frame.present)
        marked.update(np.unique(grid - grid % MINUTE_MS).tolist())
    return sorted(marked)
