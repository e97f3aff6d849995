"""Ingest through the real door: HTTPS with mutual TLS 1.3 to the commit, then compaction.

A cloud of real processes (one worker, embedded PostgreSQL that syncs every commit) takes sealed
batches of the default plant (46 devices, 2 s and 10 s each) from a number of senders in one
process of its own on the same machine, so both ends share its cores. Then every batch is
compacted, hours are merged, and the bytes on disk are divided by the values. The latency from
the offer to the first answer of a query that holds the sample is measured as a reader sees it.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench._edge import Station, enrol, new_home
from bench._plant import T0_MS, plant, values_of
from bench._rows import array_rows, narrow_rows
from cloud.app import open_worker
from cloud.config import load
from cloud.history import Resolution, SignalRef
from cloud.history.blocks.compaction import Compactor
from cloud.vault.vault import Vault
from contract.envelope import Stream
from contract.frame import Frame, encode_batch

Row = dict[str, Any]

_HOUR_S = 3_600
_STATION = "bench"
_LATENCIES = 100
_BATCH_S = 10
_PASS_S = 30
"""Period of compaction in production."""
_PEER_S = 20


def run() -> list[Row]:
    """Measure and return the rows; takes about a minute."""
    with new_home(workers=1) as home, home.running() as addresses:
        return asyncio.run(_measure(home.config, addresses, home.database.dsn))


async def _measure(config: Path, addresses: dict[str, str], dsn: str) -> list[Row]:
    station, hour = enrol(addresses, dsn, _STATION), plant(_HOUR_S)
    await station.announce([*{frame.layout.hash8: frame.layout for frame in hour}.values()])
    sequence = iter(range(1, 1 << 40))
    rows: list[Row] = []
    for seconds, count in ((2, 400), (10, 200)):
        bodies = _bodies(station, hour, seconds, count, sequence)
        rows += await _throughput(station, bodies, seconds, _values(hour, seconds))
    async with open_worker(load(config), dsn) as worker:
        rows.append(await _latency(station, hour, sequence, worker.services.history))
        edge, keys = worker.edge, worker.services.keys
        vault = Vault(edge.pool, keys)
        compactor = Compactor(edge.pool, edge.epochs, vault, edge.layouts)
        rows += await _disk(station, hour, sequence, compactor, worker.services.history)
    return _with_peers(rows, dsn, [_cut(frame, 0, _PEER_S) for frame in hour])


def _with_peers(rows: list[Row], dsn: str, frames: Sequence[Frame]) -> list[Row]:
    """Put beside our figures what plain tables do in the same server with the same numbers."""
    peers = {
        "PostgreSQL, row per value": narrow_rows(dsn, frames),
        "PostgreSQL, array row per sample": array_rows(dsn, frames),
    }
    for row in rows:
        if row["name"].endswith("committed") and row["unit"] == "values/s":
            row["peers"] = {name: round(peer.values_per_s) for name, peer in peers.items()}
        if row["name"].startswith("on disk"):
            row["peers"] = {name: round(peer.bytes_per_value, 2) for name, peer in peers.items()}
    return rows


def _values(hour: Sequence[Frame], seconds: int) -> int:
    return values_of([_cut(frame, 0, seconds) for frame in hour])


def _cut(frame: Frame, start_s: int, seconds: int) -> Frame:
    start_ms = T0_MS + start_s * 1_000
    piece = frame.between(start_ms, start_ms + seconds * 1_000)
    assert piece is not None  # noqa: S101 - inside the hour
    return piece


def _bodies(
    station: Station, hour: Sequence[Frame], seconds: int, count: int, sequence: Any
) -> list[bytes]:
    bodies = []
    for number in range(count):
        start = number * seconds % (_HOUR_S - seconds)
        batch = encode_batch([_cut(frame, start, seconds) for frame in hour])
        bodies.append(station.sealer.seal(next(sequence), Stream.TELEMETRY, batch))
    return bodies


async def _throughput(
    station: Station, bodies: Sequence[bytes], seconds: int, values: int
) -> list[Row]:
    took_s, times = await station.send(bodies)
    rate = len(bodies) / took_s
    name = f"batches of {seconds} s of the whole plant"
    return [
        _row(f"{name}, committed", rate, "batches/s", "more"),
        _row(f"{name}, committed", rate * values, "values/s", "more"),
        _row(f"{name}, offer to answer, p99", float(np.quantile(times, 0.99)) * 1e3, "ms", "less"),
        _row(f"{name}, wire", sum(map(len, bodies)) / len(bodies) / values, "bytes/value", "less"),
    ]


async def _latency(station: Station, hour: Sequence[Frame], sequence: Any, history: Any) -> Row:
    """From the offer of a batch until a query answers with its newest sample."""
    power, times = SignalRef("METER", "active_power_kw"), []
    async with station.client() as client:
        for number in range(_LATENCIES):
            start_ms = T0_MS + 2 * _HOUR_S * 1_000 + number * 2_000
            frames = [_moved(_cut(frame, number * 2, 2), start_ms) for frame in hour]
            body = station.sealer.seal(next(sequence), Stream.TELEMETRY, encode_batch(frames))
            began = time.perf_counter()
            await client.post("/edge/v1/batches", content=body)
            found = 0
            while found < 2:
                result = await history.query(
                    _STATION, [power], start_ms, start_ms + 2_000, resolution=Resolution.RAW
                )
                found = result.points
            times.append(time.perf_counter() - began)
    value = float(np.quantile(times, 0.99))
    return _row("offer to queryable, p99", value, "s", "less", target=3.0)


def _moved(frame: Frame, t0_ms: int) -> Frame:
    return Frame(frame.device, frame.layout, t0_ms, frame.step_ms, frame.values, frame.quality)


async def _disk(
    station: Station, hour: Sequence[Frame], sequence: Any, compactor: Compactor, history: Any
) -> list[Row]:
    """Store one whole hour in batches of 2 s, compact it, and count bytes."""
    shift_ms = 10 * _HOUR_S * 1_000
    compacting_s = 0.0
    while (await compactor.compact(_STATION, age_s=0)).batches:
        pass
    await compactor.merge_hours(_STATION, before_ms=1 << 52)
    async with station.client() as client:
        for start in range(0, _HOUR_S, _BATCH_S):
            frames = []
            for frame in hour:
                piece = _cut(frame, start, _BATCH_S)
                frames.append(_moved(piece, piece.t0_ms + shift_ms))
            body = station.sealer.seal(next(sequence), Stream.TELEMETRY, encode_batch(frames))
            (await client.post("/edge/v1/batches", content=body)).raise_for_status()
            if (start + _BATCH_S) % _PASS_S == 0:
                began = time.perf_counter()
                await compactor.compact(_STATION, age_s=0)
                compacting_s += time.perf_counter() - began
    start_ms, end_ms = T0_MS + shift_ms, T0_MS + shift_ms + _HOUR_S * 1_000
    parts = await history.ledger(_STATION, start_ms, end_ms)
    began = time.perf_counter()
    await compactor.merge_hours(_STATION, before_ms=1 << 52)
    merging_s = time.perf_counter() - began
    merged = await history.ledger(_STATION, start_ms, end_ms)
    values = float(merged.values)
    return [
        _row("compaction, batches to parts of 30 s", values / compacting_s, "values/s", "more"),
        _row("merging parts to hours", values / merging_s, "values/s", "more"),
        _row("on disk in parts of 30 s", parts.disk_bytes / values, "bytes/value", "less"),
        _row("on disk in hours", merged.disk_bytes / values, "bytes/value", "less"),
    ]


def _row(name: str, value: float, unit: str, better: str, *, target: float | None = None) -> Row:
    return {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "better": better,
        "target": target,
        "peers": {},
    }
