"""The query face of history: series, cells at a time, stored samples, counts."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cloud.catalogue import LayoutCatalogue
from cloud.db.pool import Pool, connection
from cloud.epochs import EpochKeys
from cloud.errors import BadQuery, NotFound, TooManyPoints
from cloud.history.counts import ledger_counts
from cloud.history.model import (
    CellsAt,
    LedgerCounts,
    QueryResult,
    Resolution,
    Series,
    SignalRef,
    StoredSamples,
)
from cloud.history.reading import HOUR_MS, FrameReader, Stream, Track, join, present_rows, track_of
from cloud.history.rollups import MINUTE_MS, QUARTER_MS, aggregate
from cloud.history.vault import Vault
from contract.frame import Frame
from contract.layouts import Layout

BUCKET_MS: Final = {Resolution.MINUTE: MINUTE_MS, Resolution.QUARTER: QUARTER_MS}
_RAW_STEP_MS: Final = 1_000
"""The densest grid that stations send; estimates of raw answers count with it."""
_AUTO_POINTS: Final = 10_000
"""Points of one series up to which AUTO prefers the finer resolution."""
_LATEST_MS: Final = 253_402_300_799_000
"""End of the year 9999, the last that a time stamp can say."""
_RECENT_MS: Final = 120_000
_CELL_SIGNAL: Final = "cell_voltage_v"

_ROLLUPS = """
SELECT (extract(epoch FROM bucket) * 1000)::bigint, mean, minimum, maximum, last, count::bigint
FROM {table}
WHERE station = %s AND device = %s AND signal = %s
  AND bucket >= to_timestamp(%s / 1000.0) AND bucket < to_timestamp(%s / 1000.0)
ORDER BY bucket
"""


class History:
    """Reads what is stored. One per worker process."""

    def __init__(
        self,
        pool: Pool,
        epochs: EpochKeys,
        vault: Vault,
        layouts: LayoutCatalogue,
        max_points: int,
    ) -> None:
        self._pool = pool
        self._max_points = max_points
        self._reader = FrameReader(pool, epochs, vault, layouts)

    async def query(
        self,
        station: str,
        signals: Sequence[SignalRef],
        start_ms: int,
        end_ms: int,
        *,
        resolution: Resolution = Resolution.AUTO,
        max_points: int | None = None,
    ) -> QueryResult:
        """Return the series of `signals` over [start_ms, end_ms), in the order asked.

        A raw series has one point per sample; a value that was missing or invalid in a sample
        is NaN. Where there was no sample there is no point, and a bucket without a good value
        is absent: nothing is filled in.

        Raises:
            NotFound: the station has no such device or signal.
            BadQuery: empty range, missing or wrong index.
            TooManyPoints: the answer would be larger than allowed; the text says what fits.
        """
        start_ms, end_ms = _checked_range(start_ms, end_ms)
        limit = min(max_points or self._max_points, self._max_points)
        found = [await self._find(station, ref) for ref in signals]
        per_series = min(limit // max(len(signals), 1), _AUTO_POINTS)
        chosen = _choose(resolution, end_ms - start_ms, per_series)
        _require_fits(chosen, end_ms - start_ms, len(signals), limit)
        raw = [
            (ref, layouts)
            for ref, layouts in zip(signals, found, strict=True)
            if chosen is Resolution.RAW or ref.index is not None
        ]
        _require_fits(Resolution.RAW, end_ms - start_ms, len(raw), self._max_points)
        tracks = await self._raw(station, raw, start_ms, end_ms)
        series = []
        for ref, layouts in zip(signals, found, strict=True):
            if ref not in tracks:
                series.append(
                    await self._rolled_up(
                        station, ref, _unit(ref, layouts), (start_ms, end_ms), chosen
                    )
                )
            elif chosen is Resolution.RAW:
                series.append(tracks[ref])
            else:
                series.append(_bucketed(tracks[ref], BUCKET_MS[chosen]))
        return QueryResult(station, start_ms, end_ms, chosen, tuple(series))

    async def cells_at(self, station: str, device: str, at_ms: int | None = None) -> CellsAt:
        """Return the newest cell values of a rack at or before `at_ms` (None: newest).

        Raises:
            NotFound: the station has no such rack, or no cell values that old.
        """
        streams = await self._reader.streams(station, device)
        racks = {s: layout for s, layout in streams.items() if _CELL_SIGNAL in layout}
        if not racks:
            raise NotFound(f"station {station!r} has no cells of a device {device!r}")
        end_ms = _LATEST_MS if at_ms is None else min(at_ms + 1, _LATEST_MS)
        newest = await self._newest(station, set(racks), end_ms)
        if newest is None:
            raise NotFound(f"no cells of {device!r} are stored at or before {end_ms - 1}")
        row, frame = newest
        return CellsAt(
            station,
            device,
            int(frame.times_ms[row]),
            frame.physical("cell_voltage_v")[row],
            frame.physical("cell_temperature_c")[row],
        )

    async def samples(
        self, station: str, device: str, layout: str, start_ms: int, end_ms: int
    ) -> StoredSamples:
        """Return the sample times really stored for one device and layout.

        They are decoded from the stored bodies. `duplicated` counts every stored copy beyond the
        first, including those that compaction found when it merged the blocks of these hours.
        """
        start_ms, end_ms = _checked_range(start_ms, end_ms)
        streams = await self._reader.streams(station, device)
        wanted = {stream for stream, known in streams.items() if known.name == layout}

        def take(frame: Frame, repeated: int) -> tuple[NDArray[np.int64], int]:
            times = frame.times_ms[present_rows(frame)]
            return times[(times >= start_ms) & (times < end_ms)], repeated

        taken = await self._reader.read(station, wanted, start_ms, end_ms, take)
        every = np.concatenate([np.zeros(0, dtype=np.int64), *(times for times, _ in taken)])
        unique = np.unique(every)
        repeated = sum(count for _, count in taken)
        return StoredSamples(unique, len(every) - len(unique) + repeated)

    async def ledger(self, station: str, start_ms: int, end_ms: int) -> LedgerCounts:
        """Count what the ledger and the disk hold for samples in [start_ms, end_ms)."""
        start_ms, end_ms = _checked_range(start_ms, end_ms)
        await self._reader.streams(station)  # makes the layouts of its blocks known
        async with connection(self._pool) as conn:
            return await ledger_counts(conn, station, start_ms, end_ms)

    async def _find(self, station: str, ref: SignalRef) -> dict[Stream, Layout]:
        streams = await self._reader.streams(station, ref.device)
        if not streams:
            raise NotFound(f"station {station!r} has no data of a device {ref.device!r}")
        found = {s: layout for s, layout in streams.items() if ref.signal in layout}
        if not found:
            has = sorted({c.signal.name for layout in streams.values() for c in layout.columns})
            raise NotFound(f"{ref.device!r} has no signal {ref.signal!r}; it has {', '.join(has)}")
        for layout in found.values():
            start, stop = layout.offset(ref.signal)
            if stop - start > 1 and ref.index is None:
                raise BadQuery(f"{ref}: say which, {ref}:1 to {ref}:{stop - start}")
            if ref.index is not None and ref.index > stop - start:
                raise BadQuery(f"{ref}: the index ends at {stop - start}")
        return found

    async def _raw(
        self,
        station: str,
        wanted: Sequence[tuple[SignalRef, dict[Stream, Layout]]],
        start_ms: int,
        end_ms: int,
    ) -> dict[SignalRef, Series]:
        by_stream: dict[Stream, list[SignalRef]] = {}
        for ref, layouts in wanted:
            for stream in layouts:
                by_stream.setdefault(stream, []).append(ref)

        def take(frame: Frame, _repeated: int) -> list[tuple[SignalRef, Track]]:
            refs = by_stream[frame.device, frame.layout.hash8]
            return [
                (ref, track_of(frame, ref.signal, (ref.index or 1) - 1, start_ms, end_ms))
                for ref in refs
            ]

        taken = await self._reader.read(station, by_stream, start_ms, end_ms, take)
        series = {}
        for ref, layouts in wanted:
            tracks = [track for piece in taken for name, track in piece if name == ref]
            whole = join(tracks)
            series[ref] = Series(
                ref, _unit(ref, layouts), whole.times_ms, whole.values, whole.quality
            )
        return series

    async def _rolled_up(
        self,
        station: str,
        ref: SignalRef,
        unit: str,
        span: tuple[int, int],
        resolution: Resolution,
    ) -> Series:
        table = "rollups_1min" if resolution is Resolution.MINUTE else "rollups_15min"
        async with connection(self._pool) as conn:
            cursor = await conn.execute(
                _ROLLUPS.format(table=table).encode(),
                [station, ref.device, ref.signal, *span],
                binary=True,
            )
            rows = await cursor.fetchall()
        columns = list(zip(*rows, strict=True)) or [()] * 6
        return Series(
            ref,
            unit,
            np.array(columns[0], dtype=np.int64),
            np.array(columns[1], dtype=np.float64),
            minimum=np.array(columns[2], dtype=np.float64),
            maximum=np.array(columns[3], dtype=np.float64),
            last=np.array(columns[4], dtype=np.float64),
            count=np.array(columns[5], dtype=np.int64),
        )

    async def _newest(
        self, station: str, streams: set[Stream], end_ms: int
    ) -> tuple[int, Frame] | None:
        for start_ms in await self._places_to_look(station, streams, end_ms):

            def take(frame: Frame, _repeated: int) -> tuple[int, int, Frame] | None:
                times = frame.times_ms
                rows = np.flatnonzero(present_rows(frame) & (times < end_ms))
                return (int(times[rows[-1]]), int(rows[-1]), frame) if len(rows) else None

            until = min(end_ms, start_ms + HOUR_MS)
            taken = await self._reader.read(station, streams, start_ms, until, take)
            found = [one for one in taken if one is not None]
            if found:
                _, row, frame = max(found, key=lambda one: one[0])
                return row, frame
        return None

    async def _places_to_look(self, station: str, streams: set[Stream], end_ms: int) -> list[int]:
        """Starts of ranges that may hold the newest sample before `end_ms`, newest first."""
        devices, hashes = sorted({d for d, _ in streams}), sorted({h for _, h in streams})
        async with connection(self._pool) as conn:
            cursor = await conn.execute(
                "SELECT max(least(t_last_ms, %s)) FROM hot_batches"
                " WHERE station = %s AND t_first_ms < %s AND quarantined IS NULL",
                [end_ms, station, end_ms],
            )
            hot = await cursor.fetchone()
            cursor = await conn.execute(
                "SELECT DISTINCT hour_ms FROM blocks WHERE station = %s AND hour_ms < %s"
                " AND device = ANY(%s) AND layout = ANY(%b) ORDER BY hour_ms DESC LIMIT 2",
                [station, end_ms, devices, hashes],
            )
            hours = [row[0] for row in await cursor.fetchall()]
        return ([hot[0] - _RECENT_MS] if hot and hot[0] is not None else []) + hours


def _checked_range(start_ms: int, end_ms: int) -> tuple[int, int]:
    start_ms, end_ms = max(start_ms, 0), min(end_ms, _LATEST_MS)
    if start_ms >= end_ms:
        raise BadQuery(f"the range [{start_ms}, {end_ms}) is empty: from must be before to")
    return start_ms, end_ms


def _unit(ref: SignalRef, layouts: dict[Stream, Layout]) -> str:
    return next(iter(layouts.values())).signal(ref.signal).unit


def _choose(asked: Resolution, span_ms: int, per_series: int) -> Resolution:
    if asked is not Resolution.AUTO:
        return asked
    if span_ms / _RAW_STEP_MS <= per_series:
        return Resolution.RAW
    return Resolution.MINUTE if span_ms / MINUTE_MS <= per_series else Resolution.QUARTER


def _require_fits(resolution: Resolution, span_ms: int, signals: int, limit: int) -> None:
    step_ms = BUCKET_MS.get(resolution, _RAW_STEP_MS)
    points = signals * -(-span_ms // step_ms)
    if points > limit:
        hours = limit * step_ms / HOUR_MS / signals
        raise TooManyPoints(
            f"{signals} signals over {span_ms / HOUR_MS:.1f} h are up to {points} points at "
            f"{resolution.value}, allowed are {limit}: ask at most {hours:.2f} h at once, fewer "
            "signals, or a coarser resolution"
        )


def _bucketed(series: Series, bucket_ms: int) -> Series:
    """Aggregate a raw series, for signals that have no rollups of their own (cells)."""
    quality = series.quality if series.quality is not None else np.zeros(0, dtype=np.uint8)
    found = aggregate(Track(series.times_ms, series.values, quality), bucket_ms)
    return Series(
        series.ref,
        series.unit,
        found.starts_ms,
        found.mean,
        minimum=found.minimum,
        maximum=found.maximum,
        last=found.last,
        count=found.count,
    )
