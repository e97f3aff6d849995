"""The newest image of a station, as screens see it."""

from collections.abc import Mapping
from dataclasses import dataclass

from contract.frame import Frame


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
        times_ms: device -> its sample time.
    """

    station: str
    at_ms: int
    received_ms: int
    frames: Mapping[tuple[str, str], Frame]
    points: Mapping[str, float | None]
    quality: Mapping[str, int]
    times_ms: Mapping[str, int]
