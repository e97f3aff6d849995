"""Our own part of the table: sealed blocks and rollups in embedded PostgreSQL, and the live image.

Everything is asked through the faces that screens use: `cloud.history.History` and
`cloud.live.Live`, opened as a web worker opens them.
"""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import psycopg
import uvloop

from bench._history_record import DAY_MS, POWER, Answer, Record, values_in
from cloud.app import Worker, open_worker
from cloud.config import CloudConfig
from cloud.history import Resolution, Series, SignalRef
from cloud.history.blocks.backfill import backfill
from cloud.history.blocks.compaction import Compactor
from cloud.history.blocks.reading import FrameReader
from cloud.history.rollups.arithmetic import QUARTER_MS, aggregate
from cloud.history.rollups.rebuild import rebuild, windows
from cloud.history.rollups.store import QUARTERS, SpanPlace, seal, write_spans
from cloud.live import Live
from contract.frame import Frame

SMALL, LARGE = "small", "large"
"""The stations of the record and of the batches."""
_AFTER_ALL_MS = 1 << 52
_COPY = """
INSERT INTO alone SELECT * FROM blocks
WHERE station = %s AND layout = ANY(%b) AND hour_ms >= %s AND hour_ms < %s
"""
_ROLLUP_BYTES = """
SELECT sum(pg_column_size(body) + pg_column_size(ends)) FROM rollup_blocks
WHERE station = %s AND layout = ANY(%b)
"""
_T = TypeVar("_T")


class Ours:
    """The store of one cloud, open in this process."""

    name = "Stationmaster"

    def __init__(self, loop: asyncio.AbstractEventLoop, worker: Worker, dsn: str) -> None:
        self._loop = loop
        self._dsn = dsn
        self._history, self._live = worker.services.history, worker.services.live
        self._edge = edge = worker.edge
        self._pool, self._vault, self._layouts = edge.pool, edge.vault, edge.layouts
        self._compactor = Compactor(edge.pool, edge.epochs, edge.vault, edge.layouts)
        self._reader = FrameReader(edge.pool, edge.epochs, edge.vault, edge.layouts)
        self._record: Record | None = None

    def compact(self, station: str) -> None:
        """Move all waiting batches into blocks and merge these to hours."""
        while self._wait(self._compactor.compact(station, age_s=0)).batches:
            pass
        while self._wait(self._compactor.merge_hours(station, _AFTER_ALL_MS)):
            pass

    def load(self, record: Record) -> None:
        """Back-fill the day as blocks and roll it up; quarter hours as the sealed rollups of old.

        Samples of fifteen years ago are dropped by then, but of their last day.
        """
        self._record = record
        for frame in (*record.seconds, *record.cells):
            self._backfill(frame)
        for frame in record.quarters:
            last_day = frame.between(frame.end_ms - DAY_MS, frame.end_ms)
            if last_day is not None:
                self._backfill(last_day)
        while self._wait(self._compactor.merge_hours(SMALL, _AFTER_ALL_MS)):
            pass
        day = record.start_ms, record.end_ms
        self._wait(rebuild(self._pool, self._reader, SMALL, *day))
        for frame in record.quarters:
            self._wait(self._roll_up(frame))

    def bytes_per_value(self) -> tuple[float, float]:
        """Of sealed blocks of 1 s data and of cells, with their index and all headers."""
        assert self._record is not None  # noqa: S101 - loaded before
        return self._bytes(self._record.seconds), self._bytes(self._record.cells)

    def rollup_bytes_per_value(self) -> float:
        """Bytes of the sealed rollups of the day, 1 min and 15 min, per value at 1 s."""
        assert self._record is not None  # noqa: S101 - loaded before
        frames = self._record.seconds
        layouts = [*{frame.layout.hash8 for frame in frames}]
        with psycopg.connect(self._dsn) as conn:
            row = conn.execute(_ROLLUP_BYTES, [SMALL, layouts]).fetchone()
        return float(row[0] if row else 0) / values_in(frames)

    def last_all(self) -> Answer:
        image = self._wait(self._live.latest(LARGE))
        assert image is not None  # noqa: S101 - sent before
        return (np.array([*image.points.values()], dtype=np.float64),)

    def last_all_anew(self) -> Answer:
        """The same when the image has just arrived: read, opened and decoded first."""
        edge = self._edge
        self._live = Live(edge.pool, edge.epochs, edge.layouts, edge.news)
        return self.last_all()

    def series(self, table: str, device: str, signal: str, span: tuple[int, int]) -> Answer:
        resolution = Resolution.RAW if table == "seconds" else Resolution.QUARTER
        found = self._one(device, signal, span, resolution)
        return found.times_ms.astype(np.float64), found.values

    def buckets(self, device: str, signal: str, span: tuple[int, int]) -> Answer:
        found = self._one(device, signal, span, Resolution.QUARTER)
        assert found.minimum is not None  # noqa: S101 - a rollup
        assert found.maximum is not None  # noqa: S101
        return found.times_ms.astype(np.float64), found.values, found.minimum, found.maximum

    def daily_energy(self, device: str, span: tuple[int, int]) -> Answer:
        found = self._one(device, POWER, span, Resolution.DAY)
        assert found.discharged_kwh is not None  # noqa: S101 - a power
        assert found.charged_kwh is not None  # noqa: S101
        return found.times_ms.astype(np.float64), found.discharged_kwh - found.charged_kwh

    def cells_at(self, at_ms: int) -> Answer:
        assert self._record is not None  # noqa: S101 - loaded before
        racks = [frame.device for frame in self._record.cells]

        async def every() -> list[Answer]:
            asked = (self._history.cells_at(SMALL, rack, at_ms) for rack in racks)
            names = ("cell_voltage_v", "cell_temperature_c")
            found = await asyncio.gather(*asked)
            return [(one.values[names[0]], one.values[names[1]]) for one in found]

        maps = self._wait(every())
        return np.stack([volts for volts, _ in maps]), np.stack([warm for _, warm in maps])

    def _one(
        self, device: str, signal: str, span: tuple[int, int], resolution: Resolution
    ) -> Series:
        asked = [SignalRef(device, signal)]
        return self._wait(self._history.query(SMALL, asked, *span, resolution=resolution)).series[0]

    def _backfill(self, frame: Frame) -> None:
        self._wait(backfill(self._pool, self._vault, self._layouts, SMALL, [frame], mark=False))

    async def _roll_up(self, frame: Frame) -> None:
        """Write the quarter hours of a device as 30-day spans, as a rebuild writes them."""
        keys, spans = await self._vault.keys(SMALL), []
        for start_ms in windows(frame.t0_ms, frame.end_ms):
            end_ms = start_ms + QUARTERS.long_ms
            quarters = aggregate([frame], frame.layout, start_ms, end_ms, QUARTER_MS)
            place = SpanPlace(
                *(SMALL, frame.device, frame.layout.hash8),
                *(QUARTER_MS, QUARTERS.long_ms, start_ms),
            )
            spans.append(seal(place, frame.layout, quarters, keys))
        async with self._pool.connection() as conn, conn.transaction():
            await write_spans(conn, spans)

    def _bytes(self, frames: Sequence[Frame]) -> float:
        """Bytes of a table that holds the blocks of these frames alone, as `blocks` is made."""
        layouts = [*{frame.layout.hash8 for frame in frames}]
        with psycopg.connect(self._dsn) as conn, conn.transaction(force_rollback=True):
            conn.execute("CREATE TABLE alone (LIKE blocks INCLUDING ALL)")
            conn.execute(_COPY, [SMALL, layouts, frames[0].t0_ms, frames[0].end_ms])
            row = conn.execute("SELECT pg_total_relation_size('alone')").fetchone()
        return float(row[0] if row else 0) / values_in(frames)

    def _wait(self, work: Awaitable[_T]) -> _T:
        # Not Runner.run: it asks for the handler of Ctrl-C, and Python puts the repr of all
        # that a question returned into an exception on the way.
        return self._loop.run_until_complete(work)


@contextmanager
def open_ours(config: CloudConfig, dsn: str) -> Iterator[Ours]:
    """Open the parts of a web worker on the database of `dsn`."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        opening = open_worker(config, dsn)
        worker = runner.run(opening.__aenter__())
        try:
            yield Ours(runner.get_loop(), worker, dsn)
        finally:
            runner.run(opening.__aexit__(None, None, None))
