"""A live image as pages and programs get it."""

import time
from typing import Any

from pydantic import BaseModel, Field

from cloud.fleet import link_lost
from cloud.live import LiveImage

# Enough for every scaled 32-bit signal, without floating-point noise.
_SIGNIFICANT = 9


class LiveAnswer(BaseModel):
    """The newest sample of every device of a station.

    Points are named "DEVICE:signal"; a value is null where it is missing or invalid.
    """

    now_ms: int = Field(description="the cloud's clock, epoch milliseconds")
    at_ms: int | None = Field(description="newest device time; null before the first image")
    received_ms: int | None = Field(description="when the image arrived")
    link: str = Field(description='"up", "down", or "never" before the first image')
    times_ms: dict[str, int] = Field(description="device -> time of its sample")
    estimates_ms: dict[str, int] = Field(
        description="device -> time of the newest that the station has estimated of it"
    )
    points: dict[str, float | None] = Field(description="value of each point")
    quality: dict[str, int] = Field(description="points whose quality is not good: 1, 2 or 3")


def now_ms() -> int:
    """The present, epoch milliseconds."""
    return time.time_ns() // 1_000_000


def live_answer(image: LiveImage | None) -> dict[str, Any]:
    """The content of a `LiveAnswer`, ready for JSON."""
    present = now_ms()
    if image is None:
        return {
            "now_ms": present,
            "at_ms": None,
            "received_ms": None,
            "link": "never",
            "times_ms": {},
            "estimates_ms": {},
            "points": {},
            "quality": {},
        }
    return {
        "now_ms": present,
        "at_ms": image.at_ms,
        "received_ms": image.received_ms,
        "link": "down" if link_lost(image.received_ms, present) else "up",
        "times_ms": dict(image.times_ms),
        "estimates_ms": dict(image.estimates_ms),
        "points": {
            name: None if value is None else float(f"{value:.{_SIGNIFICANT}g}")
            for name, value in image.points.items()
        },
        "quality": {name: code for name, code in image.quality.items() if code},
    }
