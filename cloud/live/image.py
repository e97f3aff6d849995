"""The newest image of a station, as screens see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from contract.envelope import EpochKey
from contract.frame import Frame, Quality, decode_batch
from contract.layouts import ESTIMATE, ESTIMATE_SUMMARY, Layout


@dataclass(frozen=True)
class LiveImage:
    """Newest sample of every device.

    Attributes:
        station: its id.
        at_ms: newest device time in the image.
        received_ms: when the cloud took it in.
        frames: (device, layout name) -> frame of one sample.
        points: "DEVICE:signal" -> physical value, None where missing or invalid
            (signals with one value per device; cells are in `frames`).
        quality: "DEVICE:signal" -> `contract.frame.Quality` as int.
        times_ms: device -> its newest sample time, of what the device itself has said.
        estimates_ms: device -> time of the newest that the station has estimated of it: a rack that
            is silent does not look alive because its estimate goes on, nor the other way round.
    """

    station: str
    at_ms: int
    received_ms: int
    frames: Mapping[tuple[str, str], Frame]
    points: Mapping[str, float | None]
    quality: Mapping[str, int]
    times_ms: Mapping[str, int]
    estimates_ms: Mapping[str, int]


def image_of(key: EpochKey, station: str, received_ms: int, body: bytes) -> LiveImage:
    """Open and decode a sealed live message."""
    frames = decode_batch(key.open(body, station))
    points: dict[str, float | None] = {}
    quality: dict[str, int] = {}
    times_ms: dict[str, int] = {}
    estimates_ms: dict[str, int] = {}
    for frame in frames:
        _note(estimates_ms if is_estimate(frame.layout) else times_ms, frame)
        names, columns, offsets, scales = _scalars(frame.device, frame.layout)
        if not names:
            continue
        raw = np.array([frame.values[column][-1, 0] for column in columns], dtype=np.float64)
        codes = frame.quality[-1, offsets]
        values = np.where(codes >= Quality.INVALID, np.nan, raw * scales)
        known = np.isfinite(values).tolist()
        points.update(
            (name, value if good else None)
            for name, value, good in zip(names, values.tolist(), known, strict=True)
        )
        quality.update(zip(names, codes.tolist(), strict=True))
    return LiveImage(
        station=station,
        at_ms=max(int(frame.times_ms[-1]) for frame in frames),
        received_ms=received_ms,
        frames={(frame.device, frame.layout.name): frame for frame in frames},
        points=points,
        quality=quality,
        times_ms=times_ms,
        estimates_ms=estimates_ms,
    )


def is_estimate(layout: Layout) -> bool:
    """Whether the station itself has made the values of this layout."""
    return layout.name.partition(".")[0] == ESTIMATE.name


def _note(newest_ms: dict[str, int], frame: Frame) -> None:
    """Keep the newest time of a device; what is estimated of its cells comes too seldom.

    What its cells come to goes on without estimators, and says nothing of theirs.
    """
    if frame.layout.name == ESTIMATE_SUMMARY.name:
        return
    if not is_estimate(frame.layout) or frame.layout.columns[0].repeat == 1:
        newest_ms[frame.device] = max(int(frame.times_ms[-1]), newest_ms.get(frame.device, 0))


@lru_cache(maxsize=16_384)
def _scalars(
    device: str, layout: Layout
) -> tuple[list[str], list[int], NDArray[np.int64], NDArray[np.float64]]:
    """Names, columns, places in a row and scales of a device's signals with one value."""
    chosen = [k for k, column in enumerate(layout.columns) if column.repeat == 1]
    signals = [layout.columns[k].signal for k in chosen]
    return (
        [f"{device}:{signal.name}" for signal in signals],
        chosen,
        np.array([layout.offset(signal.name)[0] for signal in signals], dtype=np.int64),
        np.array([signal.scale for signal in signals], dtype=np.float64),
    )
