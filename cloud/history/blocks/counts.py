"""Counts of what the ledger and the disk hold: for reports, and to prove that nothing is lost."""

from typing import Any, Final

import psycopg

from cloud.history.blocks.reading import HOUR_MS
from cloud.history.model import LedgerCounts
from contract import layouts
from contract.envelope import Stream

LEDGER_ROW_BYTES: Final = 290
"""Heap tuple of `batches` (about 150 bytes) and its entries in two indexes."""
BLOCK_ROW_BYTES: Final = 230
"""Heap tuple of `blocks` or `hot_batches` without its body, index entries, TOAST headers."""

_RECEIVED = """
SELECT count(*), coalesce(sum(samples), 0), coalesce(sum(value_count), 0), coalesce(sum(size), 0)
FROM batches
WHERE station = %s AND t_first_ms >= %s AND t_first_ms < %s AND stream = %s
"""
_HOT = """
SELECT count(*), coalesce(sum(octet_length(h.body)), 0), coalesce(sum(b.value_count), 0)
FROM hot_batches h JOIN batches b USING (station, epoch, sequence)
WHERE h.station = %s AND h.t_first_ms >= %s AND h.t_first_ms < %s AND b.stream = %s
"""
_BLOCKS = """
SELECT layout, count(*), sum(octet_length(body)), sum(n) FROM blocks
WHERE station = %s AND hour_ms > %s AND hour_ms < %s GROUP BY layout
"""
_AGAIN = """
SELECT coalesce(sum(duplicates), 0), coalesce(sum(conflicts), 0) FROM ledger_counters
WHERE station = %s AND hour > to_timestamp(%s / 1000.0) AND hour < to_timestamp(%s / 1000.0)
"""


async def ledger_counts(
    conn: psycopg.AsyncConnection[Any], station: str, start_ms: int, end_ms: int
) -> LedgerCounts:
    """Count for samples in [start_ms, end_ms); blocks and repeats by the hours they touch."""

    async def one(sql: str, *values: object) -> tuple[int, ...]:
        row = await (await conn.execute(sql.encode(), values)).fetchone()
        return tuple(int(value) for value in row or ())

    telemetry = int(Stream.TELEMETRY)
    batches, samples, values, wire = await one(_RECEIVED, station, start_ms, end_ms, telemetry)
    hot_rows, hot_bytes, hot_values = await one(_HOT, station, start_ms, end_ms, telemetry)
    duplicates, conflicts = await one(_AGAIN, station, start_ms - HOUR_MS, end_ms)
    disk_bytes = batches * LEDGER_ROW_BYTES + hot_rows * BLOCK_ROW_BYTES + hot_bytes
    disk_values = hot_values
    cursor = await conn.execute(_BLOCKS, [station, start_ms - HOUR_MS, end_ms], binary=True)
    for hash8, rows, size, n in await cursor.fetchall():
        disk_bytes += int(rows) * BLOCK_ROW_BYTES + int(size)
        disk_values += int(n) * layouts.by_hash(hash8).width
    return LedgerCounts(
        *(batches, samples, values, wire),
        disk_bytes=disk_bytes,
        disk_values=disk_values,
        duplicates=duplicates,
        conflicts=conflicts,
    )
