"""How rollups and SQL rows go, once their time has passed.

Rollups of a month go only after its samples: what comes late for a month whose samples are here
is rolled up together with all that is stored, for which its finer buckets are needed.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import psycopg

from cloud.db.pool import Pool, connection
from cloud.history.blocks.reading import Stream
from cloud.history.retention.policy import Policy
from cloud.history.rollups.arithmetic import MINUTE_MS, QUARTER_MS
from cloud.history.rollups.job import try_lock
from cloud.history.rollups.store import DAY_MS
from contract.layouts import Layout

_SPANS: Final = """
WITH gone AS (
    DELETE FROM rollup_blocks
    WHERE station = %(s)s AND tier_ms = %(tier)s AND layout = %(layout)b
      AND start_ms + span_ms <= %(before)s
      AND rollups_are_final(station, layout, start_ms, start_ms + span_ms)
    RETURNING start_ms + span_ms AS end_ms
) SELECT max(end_ms) FROM gone
"""
_CELLS: Final = """
WITH gone AS (
    DELETE FROM cell_rollups
    WHERE station = %(s)s AND layout = %(layout)b AND day_ms + %(day)s <= %(before)s
      AND rollups_are_final(station, layout, day_ms, day_ms + %(day)s)
    RETURNING day_ms + %(day)s AS end_ms
) SELECT max(end_ms) FROM gone
"""
_ENTER: Final = """
INSERT INTO dropped_rollups (station, layout, tier_ms, before_ms) VALUES (%s, %s, %s, %s)
ON CONFLICT (station, layout, tier_ms)
DO UPDATE SET before_ms = greatest(dropped_rollups.before_ms, excluded.before_ms)
"""
_SQL_SIGNALS: Final = """
WITH RECURSIVE found AS (
    (SELECT device, signal FROM rollups_15min WHERE station = %(s)s
     ORDER BY device, signal LIMIT 1)
    UNION ALL
    SELECT following.device, following.signal FROM found CROSS JOIN LATERAL (
        SELECT device, signal FROM rollups_15min
        WHERE station = %(s)s AND (device, signal) > (found.device, found.signal)
        ORDER BY device, signal LIMIT 1) AS following
) SELECT device, signal FROM found
"""


async def drop_rollups(
    pool: Pool, station: str, layouts: Iterable[Layout], policy: Policy, now: dt.datetime
) -> int:
    """Drop the rollups of a station whose time has passed; return in how many layouts and tiers.

    A pass is left out while the station is rolled up.
    """
    dropped = 0
    async with connection(pool) as conn, conn.transaction():
        if not await try_lock(conn, station):
            return 0
        for layout in layouts:
            rule = policy.rule_of(layout)
            for tier_ms, keep in ((MINUTE_MS, rule.minutes), (QUARTER_MS, rule.quarters)):
                before_ms = keep.before_ms(now)
                if before_ms is None:
                    continue
                asked = {
                    "s": station,
                    "layout": layout.hash8,
                    "tier": tier_ms,
                    "day": DAY_MS,
                    "before": before_ms,
                }
                for statement in (_SPANS, _CELLS) if tier_ms == QUARTER_MS else (_SPANS,):
                    row = await (await conn.execute(statement.encode(), asked)).fetchone()
                    if row is not None and row[0] is not None:
                        await conn.execute(_ENTER, [station, layout.hash8, tier_ms, row[0]])
                        dropped += 1
    return dropped


async def drop_sql_rows(
    pool: Pool, station: str, streams: Mapping[Stream, Layout], policy: Policy, now: dt.datetime
) -> int:
    """Drop SQL rows whose time has passed, and all of signals that are no longer released."""
    of_device: defaultdict[str, list[Layout]] = defaultdict(list)
    for (device, _), layout in streams.items():
        of_device[device].append(layout)
    kept = {device: policy.sql_rows_kept(layouts) for device, layouts in of_device.items()}
    deleted = 0
    async with connection(pool) as conn:
        for device, signal in await _sql_signals(conn, station):
            keep = kept.get(device, {}).get(signal)
            before_ms = None if keep is None else keep.before_ms(now)
            if keep is not None and before_ms is None:
                continue
            cursor = await conn.execute(
                "DELETE FROM rollups_15min WHERE station = %s AND device = %s AND signal = %s"
                " AND (%s::bigint IS NULL OR bucket < to_timestamp(%s / 1000.0))",
                [station, device, signal, before_ms, before_ms],
            )
            deleted += cursor.rowcount
    return deleted


async def _sql_signals(
    conn: psycopg.AsyncConnection[Any], station: str
) -> Sequence[tuple[str, str]]:
    """Devices and signals that have SQL rows, found by jumping through the primary key."""
    rows = await (await conn.execute(_SQL_SIGNALS, {"s": station})).fetchall()
    return [(device, signal) for device, signal in rows]
