"""The full check of a store: everything that was taken in is there, opens, and adds up.

- Every ledger batch lies waiting or was compacted, and none is both or neither.
- Every waiting batch and every block opens (authenticated, CRC) and holds the samples that its
  row says; by month they add up to what compaction has entered in the block ledger.
- Every rollup, of scalars and of cells, equals its rebuild from the stored samples; none stands
  for a time without samples; every SQL row equals the rollup it was written from.

What waits to be rolled up (marked dirty) is expected to differ and is left out.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import psycopg

from cloud.catalogue import LayoutCatalogue
from cloud.config import CloudConfig
from cloud.db.pool import Pool, connection, create_pool
from cloud.db.running import running_dsn
from cloud.epochs import EpochKeys
from cloud.errors import KeyStoreError
from cloud.history.blocks.reading import FrameReader, Stream
from cloud.history.rollups.arithmetic import QUARTER_MS
from cloud.history.rollups.cells import STATISTICS, Summary, has_cells, read_cells, summarise
from cloud.history.rollups.rebuild import differences
from cloud.history.rollups.store import DAY_MS, HOUR_MS
from cloud.keys import open_keys
from cloud.vault.vault import BlockPlace, Vault
from contract import layouts as known_layouts
from contract.errors import ContractError
from contract.frame import Frame, Quality, decode, decode_batch
from contract.layouts import Layout

Say = Callable[[str], None]

_BLOCKS_AT_ONCE: Final = 256
_BATCHES = """
SELECT (SELECT count(*) FROM batches WHERE station = %(s)s AND stream = 1),
       (SELECT count(*) FROM hot_batches WHERE station = %(s)s),
       (SELECT coalesce(sum(batches), 0) FROM compaction_ledger WHERE station = %(s)s),
       (SELECT count(*) FROM hot_batches h WHERE station = %(s)s AND NOT EXISTS (
            SELECT FROM batches b WHERE (b.station, b.epoch, b.stream, b.sequence)
                = (h.station, h.epoch, 1, h.sequence)))
"""
_BLOCKS = """
SELECT device, layout, hour_ms, step_ms, phase_ms, part, n, repeated, body FROM blocks
WHERE station = %s ORDER BY hour_ms, device, layout, part
"""
_MONTHS = """
SELECT coalesce(l.month_ms, b.month_ms), coalesce(l.samples, 0), coalesce(b.samples, 0)
FROM (SELECT * FROM block_ledger WHERE station = %(s)s) AS l
FULL JOIN (SELECT month_start_ms(hour_ms) AS month_ms, sum(n + repeated) AS samples
           FROM blocks WHERE station = %(s)s GROUP BY 1) AS b USING (month_ms)
WHERE coalesce(l.samples, 0) <> coalesce(b.samples, 0) ORDER BY 1
"""
_RAW_DAYS = """
SELECT DISTINCT hour_ms - hour_ms %% %(day)s FROM blocks WHERE station = %(s)s
UNION
SELECT DISTINCT at_ms - at_ms %% %(day)s FROM hot_batches,
    generate_series(t_first_ms - t_first_ms %% %(day)s, t_last_ms, %(day)s) AS at_ms
WHERE station = %(s)s AND quarantined IS NULL
ORDER BY 1
"""
_DIRTY_MINUTES = (
    "SELECT minute_ms FROM dirty WHERE station = %s AND minute_ms >= %s AND minute_ms < %s"
)
_DIRTY_QUARTERS = (
    "SELECT quarter_ms FROM dirty_quarters"
    " WHERE station = %s AND quarter_ms >= %s AND quarter_ms < %s"
)
_LOOKS: Final = 4
"""How often a day is compared while data come in that change what is expected."""
_UNKNOWN = """
SELECT DISTINCT b.device, encode(b.layout, 'hex') FROM blocks b
WHERE station = %s AND NOT EXISTS (
    SELECT FROM devices d WHERE (d.station, d.device, d.layout) = (b.station, b.device, b.layout))
"""


@dataclass
class Report:
    """What the check has seen, and what is wrong, in words."""

    batches: int = 0
    blocks: int = 0
    samples: int = 0
    days: int = 0
    findings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Pending:
    """What waits to be rolled up: minutes, and quarter hours of cells."""

    minutes: frozenset[int]
    quarters: frozenset[int]


class Checker:
    """Checks the stores of all stations of one cloud."""

    def __init__(self, pool: Pool, epochs: EpochKeys, vault: Vault, say: Say) -> None:
        self._pool = pool
        self._epochs = epochs
        self._vault = vault
        self._layouts = LayoutCatalogue(pool)
        self._reader = FrameReader(pool, epochs, vault, self._layouts)
        self._say = say

    async def check(self, stations: list[str] | None = None) -> Report:
        """Check some stations, or all; never changes anything."""
        report = Report()
        await self._layouts.load_all()
        for station in stations or await self._stations():
            await self._ledger(station, report)
            await self._waiting(station, report)
            await self._blocks(station, report)
            await self._rollups(station, report)
        return report

    async def _stations(self) -> list[str]:
        async with connection(self._pool) as conn:
            rows = await (await conn.execute("SELECT id FROM stations ORDER BY id")).fetchall()
        return [row[0] for row in rows]

    async def _ledger(self, station: str, report: Report) -> None:
        async with connection(self._pool) as conn:
            row = await (await conn.execute(_BATCHES, {"s": station})).fetchone()
            unknown = await (await conn.execute(_UNKNOWN, [station])).fetchall()
        ledger, waiting, compacted, orphans = (int(value) for value in row or (0, 0, 0, 0))
        report.batches += ledger
        if ledger != waiting + compacted:
            report.findings.append(
                f"{station}: the ledger has {ledger} batches, but {waiting} wait and {compacted} "
                "were compacted"
            )
        if orphans:
            report.findings.append(f"{station}: {orphans} waiting batches are not in the ledger")
        report.findings += [
            f"{station}: blocks of {device} with layout {layout}, which no batch has brought"
            for device, layout in unknown
        ]

    async def _waiting(self, station: str, report: Report) -> None:
        async with connection(self._pool) as conn:
            cursor = await conn.execute(
                "SELECT epoch, sequence, quarantined, body FROM hot_batches WHERE station = %s",
                [station],
                binary=True,
            )
            rows = await cursor.fetchall()
        for epoch, sequence, quarantined, body in rows:
            name = f"batch {station} epoch {epoch} sequence {sequence}"
            if quarantined is not None:
                report.findings.append(f"{name} was set aside: {quarantined}")
                continue
            try:
                key = await self._epochs.get(station, epoch)
                decode_batch(key.open(body, station), known_layouts.by_hash)
            except (KeyStoreError, ContractError) as error:
                report.findings.append(f"{name} is damaged: {error}")

    async def _blocks(self, station: str, report: Report) -> None:
        keys = await self._vault.keys(station)
        shown = ""
        async for rows in self._block_rows(station):
            for row in rows:
                place, n, body = BlockPlace(station, *row[:6]), row[6], row[8]
                month = str(np.datetime64(place.hour_ms, "ms"))[:7]
                if month != shown:
                    self._say(f"{station}: blocks of {month}")
                    shown = month
                report.blocks += 1
                problem, samples = await asyncio.to_thread(_examine, keys, place, body)
                report.samples += samples
                if problem is None and samples != n:
                    problem = f"holds {samples} samples, its row says {n}"
                if problem is not None:
                    report.findings.append(f"{place}: {problem}")
        async with connection(self._pool) as conn:
            months = await (await conn.execute(_MONTHS, {"s": station})).fetchall()
        for month_ms, entered, found in months:
            report.findings.append(
                f"{station}: month {str(np.datetime64(int(month_ms), 'ms'))[:7]} should hold "
                f"{entered} samples and holds {found}"
            )

    async def _block_rows(self, station: str) -> AsyncIterator[list[tuple[Any, ...]]]:
        async with (
            connection(self._pool) as conn,
            conn.transaction(),
            conn.cursor(name="check") as cursor,
        ):
            await cursor.execute(_BLOCKS, [station], binary=True)
            while rows := await cursor.fetchmany(_BLOCKS_AT_ONCE):
                yield rows

    async def _rollups(self, station: str, report: Report) -> None:
        async with connection(self._pool) as conn:
            cursor = await conn.execute(_RAW_DAYS, {"s": station, "day": DAY_MS})
            days = [int(row[0]) for row in await cursor.fetchall()]
        dropped = await self._dropped(station)
        for day_ms in days:
            self._say(f"{station}: rollups of {str(np.datetime64(day_ms, 'ms'))[:10]}")
            report.days += 1
            gone = {layout for low, high, layout in dropped if low <= day_ms < high}
            report.findings += await self._day(station, day_ms, gone)
        months = {(low, high) for low, high, _ in dropped}
        report.findings += await self._without_samples(station, set(days), months)

    async def _day(self, station: str, day_ms: int, gone: set[bytes]) -> list[str]:
        """Compare a day; again where data came meanwhile, as they do while a station sends."""
        streams = await self._reader.streams(station)
        cells = {s: layout for s, layout in streams.items() if has_cells(layout)}
        cells = {s: layout for s, layout in cells.items() if s[1] not in gone}
        pending = await self._pending(station, day_ms)
        for _ in range(_LOOKS):
            wrong = await differences(
                *(self._pool, self._reader, station, day_ms),
                skip_minutes=pending.minutes,
                dropped=gone,
            )
            wrong += await self._cell_differences(station, cells, day_ms, pending.quarters)
            since = await self._pending(station, day_ms)
            if not wrong or since == pending:
                break
            pending = since
        return wrong

    async def _pending(self, station: str, day_ms: int) -> _Pending:
        asked = [station, day_ms, day_ms + DAY_MS]
        async with connection(self._pool) as conn:
            minutes = await _column(conn, _DIRTY_MINUTES, asked)
            quarters = await _column(conn, _DIRTY_QUARTERS, asked)
        touched = {minute - minute % QUARTER_MS for minute in minutes}
        return _Pending(frozenset(minutes), frozenset(quarters) | frozenset(touched))

    async def _cell_differences(
        self, station: str, streams: Mapping[Stream, Layout], day_ms: int, pending: frozenset[int]
    ) -> list[str]:
        wrong: list[str] = []
        keys = await self._vault.keys(station)
        for stream, layout in streams.items():
            names = [column.signal.name for column in layout.columns]
            source = (station, stream[0], layout)
            stored = await read_cells(self._pool, keys, source, names, (day_ms, day_ms + 1))
            wrong += stored.damaged
            frames = stored.days[0] if stored.days else {}
            for hour_ms in range(day_ms, day_ms + DAY_MS, HOUR_MS):
                read = await self._reader.read(station, {stream: None}, hour_ms, hour_ms + HOUR_MS)
                for quarter in range(hour_ms, hour_ms + HOUR_MS, QUARTER_MS):
                    if quarter in pending:
                        continue
                    expected = summarise(read.frames, layout, quarter)
                    row = (quarter - day_ms) // QUARTER_MS
                    wrong += [
                        f"{name} of the cells of {station}/{stream[0]} differs from its rebuild "
                        f"in the quarter hour {quarter}"
                        for at, name in enumerate(STATISTICS)
                        if not _same(frames.get(name), row, expected, at)
                    ]
        return wrong

    async def _without_samples(
        self, station: str, days: set[int], dropped: set[tuple[int, int]]
    ) -> list[str]:
        """Rollup spans of days without a stored sample, outside of months that were dropped."""
        async with connection(self._pool) as conn:
            cursor = await conn.execute(
                "SELECT DISTINCT start_ms, span_ms FROM rollup_blocks WHERE station = %s"
                " UNION SELECT DISTINCT day_ms, %s FROM cell_rollups WHERE station = %s",
                [station, DAY_MS, station],
            )
            spans = [(int(start), int(span)) for start, span in await cursor.fetchall()]
        return [
            f"{station}: rollups of the span of {span_ms} ms from {start_ms}, of which no sample "
            "is stored"
            for start_ms, span_ms in sorted(spans)
            if not any(day < start_ms + span_ms and day + DAY_MS > start_ms for day in days)
            and not any(low < start_ms + span_ms and high > start_ms for low, high in dropped)
        ]

    async def _dropped(self, station: str) -> list[tuple[int, int, bytes]]:
        """Months and layouts whose samples retention has dropped."""
        async with connection(self._pool) as conn:
            cursor = await conn.execute(
                "SELECT month_ms, end_ms, layout FROM dropped_blocks WHERE station = %s",
                [station],
                binary=True,
            )
            return [(int(low), int(high), bytes(h)) for low, high, h in await cursor.fetchall()]


def _same(stored: Frame | None, row: int, expected: Summary, at: int) -> bool:
    """Whether a stored row of cells is statistic number `at` of a summary."""
    if stored is None:
        return not (expected.quality != Quality.MISSING).any()
    return np.array_equal(stored.quality[row], expected.quality) and all(
        np.array_equal(values[row], column[at])
        for values, column in zip(stored.values, expected.values, strict=True)
    )


async def _column(
    conn: psycopg.AsyncConnection[Any], sql: str, asked: Sequence[object]
) -> list[int]:
    cursor = await conn.execute(sql.encode(), asked)
    return [int(row[0]) for row in await cursor.fetchall()]


def _examine(keys: Any, place: BlockPlace, body: bytes) -> tuple[str | None, int]:
    try:
        frame = decode(keys.open(place, body), known_layouts.by_hash)
    except (KeyStoreError, ContractError) as error:
        return f"is damaged: {error}", 0
    grid = (frame.device, frame.layout.hash8, frame.step_ms, frame.t0_ms % frame.step_ms)
    if grid != (place.device, place.layout, place.step_ms, place.phase_ms):
        return f"holds a frame of {frame.device}/{frame.layout.name}", 0
    return None, int(frame.present.sum())


def run_check(config: CloudConfig) -> int:
    """Check the store of a running cloud, say what is seen, and return the exit status.

    Raises:
        CloudError: the store cannot be reached or its keys cannot be read.
    """
    began = time.monotonic()
    report = asyncio.run(_check(config))
    for finding in report.findings:
        print(f"  wrong: {finding}")
    print(
        f"{report.batches:,} batches, {report.blocks:,} blocks with {report.samples:,} samples, "
        f"rollups of {report.days:,} days checked in {time.monotonic() - began:.1f} s: "
        f"{len(report.findings) or 'nothing'} wrong"
    )
    return 1 if report.findings else 0


async def _check(config: CloudConfig) -> Report:
    keys = open_keys(config.keys_dir, config.keys.pkcs11)
    async with create_pool(running_dsn(config), 4, config.database.pool_timeout_s) as pool:
        checker = Checker(pool, EpochKeys(pool, keys), Vault(pool, keys), _say)
        return await checker.check()


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)
