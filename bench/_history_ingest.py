"""Ingest of the large station from end to end: sealed batches over mutual TLS to the commit.

Batches of ten seconds of 17,020 points, sealed beforehand as a station does, from eight
connections to two web workers; both ends share the cores of this machine.
"""

import asyncio
from dataclasses import dataclass

import numpy as np

from bench._edge import Home, Station, enrol
from bench._history_ours import LARGE
from bench._history_record import Record, large_batch, values_in
from contract.envelope import Stream
from contract.frame import Frame, encode_batch

_BATCHES = 200


@dataclass(frozen=True)
class Ingest:
    """What was measured, and the last batch, whose last row is the live image."""

    batches_per_s: float
    values_per_s: float
    p99_ms: float
    values: int
    last: list[Frame]


def measure_ingest(home: Home, record: Record) -> Ingest:
    """Run the cloud, enrol the station, send its batches and the newest image, stop the cloud."""
    with home.running() as addresses:
        station = enrol(addresses, home.database.dsn, LARGE)
        return asyncio.run(_send(station, record))


async def _send(station: Station, record: Record) -> Ingest:
    batches = [large_batch(record, number) for number in range(_BATCHES)]
    await station.announce([*{frame.layout.hash8: frame.layout for frame in batches[0]}.values()])
    bodies = [
        station.sealer.seal(number, Stream.TELEMETRY, encode_batch(batch))
        for number, batch in enumerate(batches, start=1)
    ]
    took_s, times = await station.send(bodies)
    last = batches[-1]
    newest = [_last_row(frame) for frame in last]
    body = station.sealer.seal(1, Stream.LIVE, encode_batch(newest))
    async with station.client() as client:
        (await client.post("/edge/v1/live", content=body)).raise_for_status()
    values = sum(map(values_in, batches))
    p99_ms = float(np.quantile(times, 0.99)) * 1e3
    return Ingest(_BATCHES / took_s, values / took_s, p99_ms, values, last)


def _last_row(frame: Frame) -> Frame:
    found = frame.between(frame.end_ms - frame.step_ms, frame.end_ms)
    assert found is not None  # noqa: S101 - it has rows
    return found
