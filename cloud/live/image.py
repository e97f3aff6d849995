"""The newest image of a station, as screens see it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from contract.envelope import EpochKey
from contract.frame import Frame, decode_batch


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
        times_ms: device -> its newest sample time.
    """

    station: str
    at_ms: int
    received_ms: int
    frames: Mapping[tuple[str, str], Frame]
    points: Mapping[str, float | None]
    quality: Mapping[str, int]
    times_ms: Mapping[str, int]


def image_of(key: EpochKey, station: str, received_ms: int, body: bytes) -> LiveImage:
    """Open and decode a sealed live message."""
    frames = decode_batch(key.open(body, station))
    points: dict[str, float | None] = {}
    quality: dict[str, int] = {}
    times_ms: dict[str, int] = {}
    for frame in frames:
        time_ms = int(frame.times_ms[-1])
        times_ms[frame.device] = max(time_ms, times_ms.get(frame.device, 0))
        for column in frame.layout.columns:
            if column.repeat > 1:
                continue
            name = f"{frame.device}:{column.signal.name}"
            value = float(frame.physical(column.signal.name)[-1, 0])
            points[name] = value if math.isfinite(value) else None
            quality[name] = int(frame.quality_of(column.signal.name)[-1, 0])
    return LiveImage(
        station=station,
        at_ms=max(times_ms.values()),
        received_ms=received_ms,
        frames={(frame.device, frame.layout.name): frame for frame in frames},
        points=points,
        quality=quality,
        times_ms=times_ms,
    )
