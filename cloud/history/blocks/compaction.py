"""Compaction: sealed batches become device blocks, and the blocks of a past hour become one.

Each pass takes batches that have waited long enough, sorts their frames by device, layout and
hour, and writes one block (a part) for each; the bodies of these batches go in the same
transaction, their ledger rows stay for ever. When an hour is over, its parts are merged. Both
steps are one transaction each: after a kill at any moment every sample is where it was before
or where it belongs after, never in both and never in none.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import psycopg

from cloud.catalogue import LayoutCatalogue
from cloud.db.pool import Pool, connection
from cloud.epochs import EpochKeys
from cloud.errors import KeyStoreError
from cloud.history.blocks.reading import HOUR_MS, Grid, by_grid
from cloud.vault.vault import BlockPlace, StationKeys, Vault
from contract import layouts as known_layouts
from contract.envelope import EpochKey, UnknownEpoch
from contract.errors import ContractError
from contract.frame import (
    MAX_VALUES,
    Frame,
    Slab,
    decode,
    decode_slabs,
    encode,
    encode_columnar,
    is_columnar,
    join_slabs,
    merge,
)

_log = logging.getLogger(__name__)

_MOST_BATCHES: Final = 400
_MOST_BYTES: Final = 24 << 20
"""Some 60 million values, which take about 400 MB while they are sorted."""
_PART_LEVEL: Final = 3
_HOUR_LEVEL: Final = 6
"""zstd-9 saves less than 1 % of bytes here, for half as much time again."""


@dataclass(frozen=True)
class Block:
    """One block to write."""

    place: BlockPlace
    n: int
    repeated: int
    t_first_ms: int
    t_last_ms: int
    body: bytes


@dataclass(frozen=True)
class Compacted:
    """What one pass did."""

    batches: int
    blocks: int
    quarantined: int = 0


_TAKE = """
SELECT epoch, sequence, body FROM (
    SELECT epoch, sequence, body, received_at,
           sum(length(body)) OVER (ORDER BY received_at, epoch, sequence) AS running
    FROM hot_batches
    WHERE station = %s AND quarantined IS NULL
      AND received_at <= now() - make_interval(secs => %s)
    ORDER BY received_at, epoch, sequence LIMIT %s
) AS waiting
WHERE running - length(body) < %s
ORDER BY received_at, epoch, sequence
"""
_INSERT = """
INSERT INTO blocks (station, device, layout, hour_ms, step_ms, phase_ms, part, n, repeated,
                    t_first_ms, t_last_ms, body)
VALUES (%s, %s, %b, %s, %s, %s, %s, %s, %s, %s, %s, %b)
"""
_COUNT_SAMPLES = """
INSERT INTO block_ledger (station, month_ms, samples)
SELECT %s, month_start_ms(hour_ms), sum(samples)
FROM unnest(%s::bigint[], %s::bigint[]) AS new(hour_ms, samples) GROUP BY 2
ON CONFLICT (station, month_ms) DO UPDATE SET samples = block_ledger.samples + excluded.samples
"""
_COUNT_BATCHES = """
INSERT INTO compaction_ledger (station, batches) VALUES (%s, %s)
ON CONFLICT (station) DO UPDATE SET batches = compaction_ledger.batches + excluded.batches
"""
_MERGEABLE = """
SELECT device, layout, hour_ms, step_ms, phase_ms FROM blocks
WHERE station = %(station)s AND part > 0 AND hour_ms < %(before_ms)s
GROUP BY 1, 2, 3, 4, 5
HAVING hour_ms + %(hour_ms)s <= %(before_ms)s OR count(*) >= %(parts)s
ORDER BY hour_ms LIMIT %(most)s
"""
_REMOVE = """
DELETE FROM hot_batches USING unnest(%s::bigint[], %s::bigint[]) AS done(epoch, sequence)
WHERE hot_batches.station = %s AND hot_batches.epoch = done.epoch
  AND hot_batches.sequence = done.sequence
"""
_COMPACTION_LOCK: Final = 0x5354_4343
_LASTING_MS: Final = 10 * 60_000
"""From this length on columns stand alone: that takes 0.5 % (racks) to 10 % (converters) more bytes
and reads one signal three times faster."""
_PARTS_OF_OPEN_HOUR: Final = 12
"""Parts of an hour that is not over yet are merged from this many on: a reader of the present
hour then opens a dozen of blocks, not a hundred, and an hour is written about ten times."""
_PARTS_PER_PASS: Final = 1_000
"""Numbers set aside for the parts that one pass writes in one place."""


class Compactor:
    """Compacts for one process. One at a time per station: a lock in the database sees to it."""

    def __init__(
        self, pool: Pool, epochs: EpochKeys, vault: Vault, layouts: LayoutCatalogue
    ) -> None:
        self._pool = pool
        self._epochs = epochs
        self._vault = vault
        self._layouts = layouts
        self._unmergeable: set[tuple[str, Grid]] = set()

    async def compact(self, station: str, age_s: float) -> Compacted:
        """Move the oldest waiting batches, at least `age_s` old, into blocks."""
        await self._layouts.load_all()
        keys = await self._vault.keys(station)
        async with connection(self._pool) as conn, conn.transaction():
            if not await _lock(conn, station):
                return Compacted(0, 0)
            cursor = await conn.execute(
                _TAKE, [station, age_s, _MOST_BATCHES, _MOST_BYTES], binary=True
            )
            rows = await cursor.fetchall()
            if not rows:
                return Compacted(0, 0)
            opened = await self._open_epochs(station, {row[0] for row in rows})
            part = await next_part(conn)
            frames, broken = await asyncio.to_thread(_decode_all, station, rows, opened)
            blocks = await asyncio.to_thread(pack, station, keys, frames, part)
            await insert_blocks(conn, blocks)
            await count_samples(conn, station, blocks)
            await _quarantine(conn, station, broken)
            done = [(row[0], row[1]) for row in rows if (row[0], row[1]) not in broken]
            await conn.execute(_REMOVE, [[e for e, _ in done], [s for _, s in done], station])
            await conn.execute(_COUNT_BATCHES, [station, len(done)])
        return Compacted(len(done), len(blocks), len(broken))

    async def _open_epochs(self, station: str, epochs: set[int]) -> dict[int, EpochKey]:
        """Return the keys of epochs that can be opened."""
        opened = {}
        for epoch in epochs:
            with contextlib.suppress(ContractError):  # its batches are set aside with the reason
                opened[epoch] = await self._epochs.get(station, epoch)
        return opened

    async def merge_hours(self, station: str, before_ms: int, most: int = 200) -> int:
        """Merge the parts of device hours; return how many hours.

        Those that ended before `before_ms` become one block of the last level; of the present
        hour, those of which many parts have gathered.
        """
        await self._layouts.load_all()
        keys = await self._vault.keys(station)
        asked = {
            "station": station,
            "before_ms": before_ms,
            "hour_ms": HOUR_MS,
            "parts": _PARTS_OF_OPEN_HOUR,
            "most": most + len(self._unmergeable),
        }
        async with connection(self._pool) as conn:
            cursor = await conn.execute(_MERGEABLE, asked, binary=True)
            grids: list[Grid] = [tuple(row) for row in await cursor.fetchall()]
        merged = 0
        for grid in grids:
            if (station, grid) in self._unmergeable:
                continue
            try:
                merged += await self._merge_hour(station, keys, grid, before_ms)
            except (KeyStoreError, ContractError) as error:
                self._unmergeable.add((station, grid))
                _log.error("hour stays in parts station=%s grid=%s reason=%s", station, grid, error)
        return merged

    async def _merge_hour(
        self, station: str, keys: StationKeys, grid: Grid, before_ms: int
    ) -> bool:
        over = grid[2] + HOUR_MS <= before_ms
        async with connection(self._pool) as conn, conn.transaction():
            if not await _lock(conn, station):
                return False
            cursor = await conn.execute(
                "SELECT part, n, repeated, t_first_ms, t_last_ms, body FROM blocks"
                " WHERE station = %s AND device = %s AND layout = %b"
                " AND hour_ms = %s AND step_ms = %s AND phase_ms = %s ORDER BY part",
                [station, *grid],
                binary=True,
            )
            rows = await cursor.fetchall()
            if sum(row[1] for row in rows) * known_layouts.by_hash(grid[1]).width > MAX_VALUES:
                return False  # more than one frame may hold: the parts stay as they are
            part = 0 if over else await next_part(conn)
            block = await asyncio.to_thread(
                _merge_rows, BlockPlace(station, *grid, part=part), keys, rows
            )
            await conn.execute(
                "DELETE FROM blocks WHERE station = %s AND device = %s AND layout = %b"
                " AND hour_ms = %s AND step_ms = %s AND phase_ms = %s",
                [station, *grid],
            )
            await insert_blocks(conn, [block])
        return True


async def _lock(conn: psycopg.AsyncConnection[Any], station: str) -> bool:
    cursor = await conn.execute(
        "SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [_COMPACTION_LOCK, station]
    )
    row = await cursor.fetchone()
    return bool(row and row[0])


async def next_part(conn: psycopg.AsyncConnection[Any]) -> int:
    """Set aside numbers for the parts of one pass; the first of them."""
    row = await (await conn.execute("SELECT nextval('block_parts')")).fetchone()
    return int(row[0]) * _PARTS_PER_PASS if row else 0


async def insert_blocks(conn: psycopg.AsyncConnection[Any], blocks: Sequence[Block]) -> None:
    """Write blocks, and the partitions that they need."""
    await conn.execute("SELECT make_block_months(%s)", [sorted({b.place.hour_ms for b in blocks})])
    async with conn.cursor() as cursor:
        await cursor.executemany(
            _INSERT,
            [
                (
                    *(b.place.station, b.place.device, b.place.layout, b.place.hour_ms),
                    *(b.place.step_ms, b.place.phase_ms, b.place.part, b.n, b.repeated),
                    *(b.t_first_ms, b.t_last_ms, b.body),
                )
                for b in blocks
            ],
        )


async def count_samples(
    conn: psycopg.AsyncConnection[Any], station: str, blocks: Sequence[Block]
) -> None:
    """Enter new samples into the block ledger, which the check compares with what is there."""
    hours = [b.place.hour_ms for b in blocks]
    await conn.execute(_COUNT_SAMPLES, [station, hours, [b.n + b.repeated for b in blocks]])


async def _quarantine(
    conn: psycopg.AsyncConnection[Any], station: str, broken: dict[tuple[int, int], str]
) -> None:
    for (epoch, sequence), reason in broken.items():
        _log.error(
            "batch quarantined station=%s epoch=%s sequence=%s reason=%s",
            *(station, epoch, sequence, reason),
        )
        await conn.execute(
            "UPDATE hot_batches SET quarantined = %s"
            " WHERE station = %s AND epoch = %s AND sequence = %s",
            [reason, station, epoch, sequence],
        )


def _decode_all(
    station: str, rows: Sequence[tuple[int, int, bytes]], keys: dict[int, EpochKey]
) -> tuple[list[Frame], dict[tuple[int, int], str]]:
    """Return the frames of batches, and why those that cannot be read cannot."""
    slabs: list[Slab] = []
    broken: dict[tuple[int, int], str] = {}
    for epoch, sequence, body in rows:
        try:
            if epoch not in keys:
                raise UnknownEpoch(f"the key of epoch {epoch} cannot be opened")
            slabs += decode_slabs(keys[epoch].open(body, station), known_layouts.by_hash)
        except ContractError as error:
            broken[epoch, sequence] = str(error)
    return gather(slabs), broken


def pack(station: str, keys: StationKeys, frames: Sequence[Frame], part: int) -> list[Block]:
    """Sort frames by device, layout, hour and grid; one sealed block (a part) for each.

    Of frames that overlap, later ones of the sequence win.
    """
    return [
        block_of(BlockPlace(station, *grid, part=part + number), keys, fitting, 0)
        for grid, pieces in by_grid(frames).items()
        for number, fitting in enumerate(_fitting(pieces))
    ]


def gather(slabs: Sequence[Slab]) -> list[Frame]:
    """Return the frames of slabs, in the order in which later ones win.

    Slabs of the same devices are joined hour by hour, which is nearly always possible. Where any
    two rows of a device are of the same time, nothing is joined, so that the order says who wins.
    """
    groups: defaultdict[tuple[Any, int], list[Slab]] = defaultdict(list)
    for slab in slabs:
        first = slab.t0_ms - slab.t0_ms % HOUR_MS
        for hour_ms in range(first, slab.end_ms, HOUR_MS):
            piece = slab.between(hour_ms, hour_ms + HOUR_MS)
            if piece is not None:
                groups[piece.key, hour_ms].append(piece)
    joined = [join_slabs(group) for group in groups.values()]
    frames = [frame for slab in joined if slab is not None for frame in slab.frames()]
    if None in joined or _overlap(frames):
        return [frame for slab in slabs for frame in slab.frames()]
    return frames


def _overlap(frames: Sequence[Frame]) -> bool:
    return any(
        later.t0_ms < one.end_ms
        for pieces in by_grid(frames).values()
        for one, later in pairwise(sorted(pieces, key=lambda frame: frame.t0_ms))
    )


def _fitting(pieces: Sequence[Frame]) -> list[list[Frame]]:
    """Cut a group where its union would be over the limits of one frame."""
    cut: list[list[Frame]] = []
    start_ms = end_ms = 0
    for piece in pieces:
        union = min(start_ms, piece.t0_ms), max(end_ms, piece.end_ms)
        rows = (union[1] - union[0]) // piece.step_ms
        if cut and rows * piece.layout.width <= MAX_VALUES:
            cut[-1].append(piece)
            start_ms, end_ms = union
        else:
            cut.append([piece])
            start_ms, end_ms = piece.t0_ms, piece.end_ms
    return cut


def _merge_rows(
    place: BlockPlace, keys: StationKeys, rows: Sequence[tuple[int, int, int, int, int, bytes]]
) -> Block:
    plains = [keys.open(replace(place, part=row[0]), row[5]) for row in rows]
    if len(rows) == 1 and is_columnar(plains[0]):  # it is as it shall be: only its place changes
        return Block(place, *rows[0][1:5], keys.seal(place, plains[0]))
    repeated = sum(row[2] for row in rows)
    frames = [decode(plain, known_layouts.by_hash) for plain in plains]
    return block_of(place, keys, frames, repeated)


def block_of(
    place: BlockPlace, keys: StationKeys, frames: Sequence[Frame], repeated: int = 0
) -> Block:
    """Merge frames of one grid and hour and seal them as one block.

    Small parts are written fast; a merged hour, and a part that is a good piece of one, is written
    so that each signal can be read alone.
    """
    union = frames[0] if len(frames) == 1 else merge(frames)
    repeated += sum(frame.samples for frame in frames) - union.samples
    lasting = place.part == 0 or union.n * union.step_ms >= _LASTING_MS
    body = encode_columnar(union, _HOUR_LEVEL) if lasting else encode(union, _PART_LEVEL)
    last_ms = union.end_ms - union.step_ms
    return Block(place, union.samples, repeated, union.t0_ms, last_ms, keys.seal(place, body))
