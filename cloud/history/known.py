"""What a station has ever measured, and since when: where a search for signals begins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cloud.db.pool import Pool, connection
from cloud.history.resolution import LATEST_MS
from cloud.history.rollups.store import DAY_MS, QUARTERS
from contract.layouts import Column, Layout

_MONTH_MS: Final = 31 * DAY_MS
_STREAMS = """
SELECT d.device, l.body FROM devices d JOIN layouts l ON l.hash = d.layout
WHERE d.station = %s ORDER BY d.device, l.name, l.hash
"""
_FIRST = """
WITH oldest AS (
    SELECT
        (SELECT min(start_ms) FROM rollup_blocks WHERE station = %(station)s
         AND tier_ms = %(tier_ms)s AND span_ms IN (%(short_ms)s, %(long_ms)s)) AS span_ms,
        (SELECT min(month_ms) FROM block_ledger WHERE station = %(station)s) AS month_ms,
        (SELECT min(t_first_ms) FROM hot_batches
         WHERE station = %(station)s AND quarantined IS NULL) AS batch_ms)
SELECT span_ms, month_ms, batch_ms, (
    SELECT min(first.t_first_ms) FROM devices d CROSS JOIN LATERAL (
        SELECT t_first_ms FROM blocks b
        WHERE b.station = d.station AND b.device = d.device AND b.layout = d.layout
          AND b.hour_ms < coalesce(
              (SELECT span_ms + %(long_ms)s FROM oldest), %(latest_ms)s::bigint)
        ORDER BY b.hour_ms LIMIT 1) AS first
    WHERE d.station = %(station)s)
FROM oldest
"""


@dataclass(frozen=True)
class Known:
    """Everything that has data.

    Attributes:
        layouts: name of a layout -> its columns; `repeat` of a column is the number of cells.
        devices: device tag -> names of the layouts that it has sent.
    """

    layouts: Mapping[str, tuple[Column, ...]]
    devices: Mapping[str, tuple[str, ...]]


async def known_signals(pool: Pool, station: str) -> Known:
    """Return the devices of a station and the signals of their layouts.

    Where a layout came in several versions under one name, its signals are those of all of them.
    """
    async with connection(pool) as conn:
        rows = await (await conn.execute(_STREAMS, [station])).fetchall()
    columns: dict[str, dict[str, Column]] = {}
    devices: dict[str, list[str]] = {}
    for device, body in rows:
        layout = Layout.from_json(body)
        columns.setdefault(layout.name, {}).update({c.signal.name: c for c in layout.columns})
        names = devices.setdefault(device, [])
        if layout.name not in names:
            names.append(layout.name)
    return Known(
        {name: tuple(found.values()) for name, found in columns.items()},
        {device: tuple(names) for device, names in devices.items()},
    )


async def first_ms(pool: Pool, station: str) -> int | None:
    """Return the time of the oldest stored sample, epoch ms; None where nothing is stored.

    Where samples of that time are no longer kept, the start of the month or of the span of rollups
    that the oldest bucket is in; it lies at most 30 days before that bucket.
    """
    asked = {
        "station": station,
        "tier_ms": QUARTERS.tier_ms,
        "short_ms": QUARTERS.short_ms,
        "long_ms": QUARTERS.long_ms,
        "latest_ms": LATEST_MS,
    }
    async with connection(pool) as conn:
        row = await (await conn.execute(_FIRST, asked)).fetchone()
    if row is None:
        return None
    span_ms, month_ms, batch_ms, block_ms = row
    if block_ms is None:
        known = [at for at in (span_ms, batch_ms) if at is not None]
        return min(known) if known else None
    if span_ms is not None and month_ms is not None and block_ms - month_ms > _MONTH_MS:
        block_ms = max(span_ms, month_ms)  # the samples of the first month are no longer kept
    return int(block_ms if batch_ms is None else min(block_ms, batch_ms))


_LAST = """
SELECT greatest(
    (SELECT max(hour_ms) + 3600000 FROM blocks WHERE station = %(station)s),
    (SELECT max(t_last_ms) + 1 FROM hot_batches WHERE station = %(station)s),
    (SELECT max(start_ms + span_ms) FROM rollup_blocks WHERE station = %(station)s))
"""


async def last_ms(pool: Pool, station: str) -> int | None:
    """Return a time, epoch ms, at or after which nothing is stored; None where nothing is."""
    async with connection(pool) as conn:
        row = await (await conn.execute(_LAST, {"station": station})).fetchone()
    return None if row is None or row[0] is None else int(row[0])
