"""An hour of raw samples through the edge's pipeline: what each batch of cells costs.

A batch is what one frame of the driver's pipe brings: decoded, preprocessed (scaled, checked
against time and the rest of the rack, brought to extremes, mean and deviation) and put into the
image. The samples are those of the default plant, cells of 20 racks each second. The largest
batch has 100 racks: a longer one is cut by the driver's process.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np

from bench._acquisition_rows import Rows, row
from bench._plant import CELLS, plant
from contract.frame import Frame
from contract.layouts import cells_layout
from station.cell_desk import CellDesk
from station.image import ProcessImage
from station.protocols import wire
from station.protocols.bundle import Bundle

_HOUR_S, _FEW_S = 3600, 120
_RACKS = 100
_TARGET_MS = 10.0
"""Millisecond preprocessing at the edge."""


@dataclass(frozen=True)
class Replayed:
    """Processor time of each batch, ms, and how many values went through."""

    took_ms: Sequence[float]
    values: int


def run() -> Rows:
    """Replay and return the rows."""
    cells = [frame for frame in plant(_HOUR_S) if frame.layout is cells_layout(CELLS)]
    hour = replay(_batches(cells, len(cells), _HOUR_S))
    station = replay(_batches(cells, _RACKS, _FEW_S))
    found: Rows = []
    for name, one in (("hour_of_20_racks", hour), ("batch_of_100_racks", station)):
        p50, p99 = np.percentile(np.array(one.took_ms), [50, 99])
        per_s = one.values / (sum(one.took_ms) / 1000) / 1e6
        peers = {"p50": float(p50), "batches": float(len(one.took_ms)), "M values/s": per_s}
        found.append(row(f"preprocess_p99_ms.{name}", float(p99), "ms", _TARGET_MS, peers=peers))
    return found


def replay(frames: Iterator[bytes]) -> Replayed:
    """Take frames of the pipe as the controller does."""
    image = ProcessImage({"cells": 15.0, "estimate.summary": 15.0})
    desk = CellDesk(image.update)
    took_ms, values = [], 0
    for frame in frames:
        began_s = time.thread_time()
        bundle = wire.decode(frame)
        if not isinstance(bundle, Bundle):
            raise TypeError(f"a {type(bundle).__name__} among the frames of cells")
        for reading in desk.take(bundle).readings():
            image.update(reading)
        took_ms.append((time.thread_time() - began_s) * 1000)
        values += bundle.quality.size
    return Replayed(took_ms, values)


def _batches(frames: Sequence[Frame], racks: int, seconds: int) -> Iterator[bytes]:
    """Yield a frame of the pipe each second, of so many racks."""
    told = list(islice(cycle(frames), racks))
    devices = tuple(f"R{number:03d}" for number in range(racks))
    for second in range(seconds):
        time_ms = np.full(racks, frames[0].t0_ms + 1000 * second, np.int64)
        yield wire.encode(
            Bundle(
                frames[0].layout.name,
                devices,
                time_ms,
                time_ms + 40,
                tuple(np.stack([frame.values[k][second] for frame in told]) for k in range(2)),
                np.stack([frame.quality[second] for frame in told]),
            )
        )
