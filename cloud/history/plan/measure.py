"""What a plan is made from: a station's own blocks and rollups, or figures of the bench."""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import psycopg

from cloud.db.pool import Pool, connection
from cloud.history.blocks.counts import BLOCK_ROW_BYTES, LEDGER_ROW_BYTES
from cloud.history.blocks.reading import FrameReader
from cloud.history.plan import estimate as plan
from cloud.history.plan.estimate import DAYS_OF_YEAR, LayoutLoad, StationLoad
from cloud.history.retention.blocks import kept_hours
from cloud.history.retention.policy import Policy
from cloud.history.rollups.arithmetic import scalars
from cloud.history.rollups.store import DAY_MS, HOUR_MS, MINUTES, QUARTERS
from contract import layouts as published
from contract.layouts import Layout

_LOOK_BACK_DAYS: Final = 31
_EVENTS_FROM_DAYS: Final = 30
"""Events of a shorter time say nothing about a year."""
_ROWS_TO_MEASURE: Final = 10_000
_BATCH_S: Final = 10.0
"""Cadence of the stations' batches in plans of stations that do not exist yet."""
_CELL_STEP_S: Final = 10.0
_SPAN_ROW_BYTES: Final = 200
"""Heap tuple of a rollup span or a day of cells without its body, index entries, TOAST headers."""

_NEWEST: Final = "SELECT max(hour_ms) FROM blocks WHERE station = %s"
_RAW: Final = """
SELECT layout, device, step_ms, sum(n), count(*), sum(octet_length(body)) FROM blocks
WHERE station = %(s)s AND hour_ms >= %(from)s GROUP BY 1, 2, 3
"""
_HOURS: Final = """
SELECT device, layout, hour_ms - hour_ms %% %(span)s AS start_ms,
       count(DISTINCT hour_ms) AS hours
FROM blocks WHERE station = %(s)s AND hour_ms >= %(from)s GROUP BY 1, 2, 3
"""
_SPANS: Final = f"""
SELECT layout, sum(octet_length(body) + {_SPAN_ROW_BYTES}), sum(hours)
FROM rollup_blocks JOIN ({_HOURS}) AS hours USING (device, layout, start_ms)
WHERE station = %(s)s AND tier_ms = %(tier)s AND span_ms = %(span)s GROUP BY layout
"""  # noqa: S608 - our own texts
_CELLS: Final = f"""
SELECT layout, sum(octet_length(body) + {_SPAN_ROW_BYTES}), sum(hours)
FROM cell_rollups JOIN ({_HOURS}) AS hours USING (device, layout)
WHERE station = %(s)s AND day_ms = start_ms GROUP BY layout
"""  # noqa: S608 - our own texts
_SENT: Final = """
SELECT count(*), coalesce(sum(size), 0), coalesce(sum(value_count), 0) FROM batches
WHERE station = %s AND stream = 1 AND t_first_ms >= %s
"""
_SQL_ROWS: Final = """
SELECT (SELECT count(*) FROM (SELECT FROM rollups_15min LIMIT %(most)s) AS seen),
       greatest(c.reltuples, 0), pg_total_relation_size(c.oid)
FROM pg_class c WHERE c.oid = 'rollups_15min'::regclass
"""
_EVENTS: Final = "SELECT min(at_ms) FROM events WHERE station = %s"
_ARCHIVED: Final = """
SELECT coalesce(sum(size), 0), coalesce(sum(samples), 0) FROM archives WHERE station = %s
"""


async def measure(
    pool: Pool, reader: FrameReader, station: str, policy: Policy, at_ms: int | None = None
) -> StationLoad | None:
    """Measure what is stored of a station; None where there is no block of it yet.

    Rates are those of the devices' grids without gaps, bytes those of the last month.
    """
    known = {layout.hash8: layout for layout in (await reader.streams(station)).values()}
    at_ms = at_ms or time.time_ns() // 1_000_000
    async with connection(pool) as conn:
        row = await (await conn.execute(_NEWEST, [station])).fetchone()
        if row is None or row[0] is None:
            return None
        since = int(row[0]) - _LOOK_BACK_DAYS * DAY_MS
        raw = await _raw(conn, station, since)
        tiers = await _tiers(conn, station, since)
        sent = await (await conn.execute(_SENT, [station, since])).fetchone()
        archived = await (await conn.execute(_ARCHIVED, [station])).fetchone()
        sql_row_bytes = await _sql_row_bytes(conn)
        event_hours = await _event_hours(conn, station, at_ms, policy)
    loads = [_load(known[hash8], one, tiers) for hash8, one in raw.items()]
    archive = _archive_bytes(loads, archived)
    stored, daily = sum(one.stored for one in raw.values()), sum(one.samples for one in loads)
    batches, size, values = (float(value) for value in sent or (0, 0, 0))
    days = max(stored / daily, 1e-9)
    per_value = size / values if values else plan.SENT_BYTES
    sources = [f"bytes measured on {days:.2f} days of the station's own data"]
    if days < 1:
        sources.append("less than a day of data: too little to plan by, ask again tomorrow")
    guessed = [one.layout.name for one in loads if not one.measured]
    if guessed:
        sources.append(
            f"rollups of {', '.join(guessed)}: none of a whole day yet, bytes as the bench "
            "measured them (docs/benchmarks.md)"
        )
    sources.append(
        f"{event_hours:.0f} hours a year around events, as seen"
        if event_hours is not None
        else f"{plan.EVENT_HOURS_A_YEAR:.0f} hours a year around events, assumed"
    )
    return StationLoad(
        *(station, tuple(archive), batches / days),
        *(per_value * sum(one.values for one in loads), float(LEDGER_ROW_BYTES), sql_row_bytes),
        plan.EVENT_HOURS_A_YEAR if event_hours is None else event_hours,
        tuple(sources),
    )


def imagine(
    points: int,
    cells: int,
    racks: int,
    *,
    cell_step_s: float = _CELL_STEP_S,
    batch_s: float = _BATCH_S,
) -> StationLoad:
    """Return what a station would bring that does not exist yet.

    Args:
        points: signals at 1 s, without cells: those of its racks, the others as of converters.
        cells: cells in all; each has a voltage and a temperature.
        racks: devices that the cells belong to.
        cell_step_s: cadence of the cells.
        batch_s: cadence of the messages.
    """
    racks = max(racks, 1)
    of_racks = min(racks * published.RACK.width, points)
    parts: list[tuple[Layout, float, float]] = [
        (published.RACK, of_racks / published.RACK.width, 1.0),
        (published.PCS, (points - of_racks) / published.PCS.width, 1.0),
    ]
    if cells:
        layout = published.cells_layout(min(-(-cells // racks), published.MAX_CELLS))
        parts.append((layout, 2 * cells / layout.width, cell_step_s))
    loads = tuple(
        _reference(layout, devices, devices * 86_400 / step_s)
        for layout, devices, step_s in parts
        if devices
    )
    sent = sum(one.values for one in loads) * plan.SENT_BYTES
    return StationLoad(
        *("a station to come", loads, 86_400 / batch_s, sent),
        *(float(LEDGER_ROW_BYTES), plan.SQL_ROW_BYTES, plan.EVENT_HOURS_A_YEAR),
        (
            "bytes as the bench measured them on its generated station (docs/benchmarks.md)",
            f"{plan.EVENT_HOURS_A_YEAR:.0f} hours a year around events, assumed",
        ),
    )


@dataclass(frozen=True)
class _Raw:
    """Blocks of one layout: devices, samples a day by their grids, and what is stored."""

    devices: int
    samples: float
    stored: int
    blocks: int
    size: int


@dataclass(frozen=True)
class _Tiers:
    """Bytes of a device's rollups of one hour with data, by layout."""

    minutes: Mapping[bytes, float]
    quarters: Mapping[bytes, float]


async def _raw(conn: psycopg.AsyncConnection[Any], station: str, since: int) -> dict[bytes, _Raw]:
    cursor = await conn.execute(_RAW, {"s": station, "from": since}, binary=True)
    grids: defaultdict[bytes, dict[str, tuple[int, int]]] = defaultdict(dict)
    sums: defaultdict[bytes, list[int]] = defaultdict(lambda: [0, 0, 0])
    for layout, device, step_ms, n, blocks, size in await cursor.fetchall():
        most = grids[layout].get(device, (0, 1))
        grids[layout][device] = max(most, (int(n), int(step_ms)))
        for at, value in enumerate((n, blocks, size)):
            sums[layout][at] += int(value)
    return {
        bytes(layout): _Raw(
            len(devices), sum(DAY_MS / step_ms for _, step_ms in devices.values()), *sums[layout]
        )
        for layout, devices in grids.items()
    }


async def _tiers(conn: psycopg.AsyncConnection[Any], station: str, since: int) -> _Tiers:
    found: dict[str, dict[bytes, float]] = {"minutes": {}, "quarters": {}}
    for name, statement, tier_ms, span_ms in (
        ("minutes", _SPANS, MINUTES.tier_ms, MINUTES.long_ms),
        ("quarters", _SPANS, QUARTERS.tier_ms, QUARTERS.long_ms),
        ("quarters", _SPANS, QUARTERS.tier_ms, QUARTERS.short_ms),
        ("quarters", _CELLS, QUARTERS.tier_ms, DAY_MS),
    ):
        asked = {"s": station, "from": since, "tier": tier_ms, "span": span_ms}
        rows = await (await conn.execute(statement.encode(), asked, binary=True)).fetchall()
        for layout, size, hours in rows:
            found[name].setdefault(bytes(layout), float(size) / float(hours))
    return _Tiers(**found)


def _load(layout: Layout, raw: _Raw, tiers: _Tiers) -> LayoutLoad:
    guess = _reference(layout, raw.devices, raw.samples)
    per_sample = (raw.size + raw.blocks * BLOCK_ROW_BYTES) / max(raw.stored, 1)
    hours = raw.devices * 24
    minutes = tiers.minutes.get(layout.hash8)
    quarters = tiers.quarters.get(layout.hash8)
    return replace(
        guess,
        raw_bytes=per_sample * raw.samples,
        minute_bytes=guess.minute_bytes if minutes is None else minutes * hours,
        quarter_bytes=guess.quarter_bytes if quarters is None else quarters * hours,
        measured=quarters is not None and (minutes is not None or not scalars(layout)),
    )


def _reference(layout: Layout, devices: float, samples: float) -> LayoutLoad:
    """A layout's load by the figures of the bench; `samples` a day."""
    flat = len(scalars(layout))
    deep = layout.width - flat
    values = samples * layout.width
    cells = deep > flat
    return LayoutLoad(
        layout,
        devices=max(round(devices), 1),
        samples=samples,
        raw_bytes=values * (plan.CELL_BYTES if cells else plan.RAW_BYTES)
        + devices * 24 * BLOCK_ROW_BYTES,
        minute_bytes=devices * (flat * 1_440 * plan.MINUTE_BYTES + _SPAN_ROW_BYTES * bool(flat)),
        quarter_bytes=devices
        * (96 * (flat * plan.QUARTER_BYTES + deep * plan.CELL_QUARTER_BYTES) + _SPAN_ROW_BYTES),
        archive_bytes=values * (plan.ARCHIVE_CELL_BYTES if cells else plan.ARCHIVE_BYTES),
        measured=False,
    )


def _archive_bytes(
    loads: Sequence[LayoutLoad], archived: tuple[Any, ...] | None
) -> list[LayoutLoad]:
    """Scale what the archive is expected to take by what its months have taken."""
    size, samples = (float(value) for value in archived or (0, 0))
    daily = sum(one.samples for one in loads)
    expected = sum(one.archive_bytes for one in loads)
    if not samples or not expected:
        return list(loads)
    factor = size / samples * daily / expected
    return [replace(one, archive_bytes=one.archive_bytes * factor) for one in loads]


async def _sql_row_bytes(conn: psycopg.AsyncConnection[Any]) -> float:
    row = await (await conn.execute(_SQL_ROWS, {"most": _ROWS_TO_MEASURE})).fetchone()
    some, rows, size = (float(value) for value in row or (0, 0, 0))
    if some < _ROWS_TO_MEASURE or rows < _ROWS_TO_MEASURE:
        return plan.SQL_ROW_BYTES
    return size / rows


async def _event_hours(
    conn: psycopg.AsyncConnection[Any], station: str, at_ms: int, policy: Policy
) -> float | None:
    """Hours a year that events keep, by those of the last year; None: too short a time is known."""
    row = await (await conn.execute(_EVENTS, [station])).fetchone()
    if row is None or row[0] is None:
        return None
    year_ms = round(DAYS_OF_YEAR * DAY_MS)
    start_ms = max(int(row[0]), at_ms - year_ms)
    start_ms -= start_ms % HOUR_MS
    if at_ms - start_ms < _EVENTS_FROM_DAYS * DAY_MS:
        return None
    hours = await kept_hours(conn, station, (start_ms, at_ms), policy)
    return len(hours) * year_ms / (at_ms - start_ms)
