"""Messages between the host and a driver process, in frames of `station.processes.framing`.

The arrays of a reading follow in the order of the header's list, as the dtype there says.
"""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from station.processes import WireError, framing
from station.protocols.driver import (
    Accepted,
    DeviceCommand,
    DeviceSpec,
    DeviceStatus,
    DriverSetup,
    FastHealth,
    FastReading,
    MissedReading,
    Reading,
    Refused,
    ResumePoint,
    TimedOut,
)

MAX_MESSAGE_BYTES = 1 << 22
"""A rack of 4096 cells is 16 KiB; nothing honest comes near 4 MiB."""

_DTYPES = frozenset({"|i1", "<i2", "<i4", "<f4"})


@dataclass(frozen=True)
class Heartbeat:
    """The driver process lives and its driver makes progress."""

    beat: int


@dataclass(frozen=True)
class Close:
    """The host asks the driver process to end in good order."""


@dataclass(frozen=True)
class Failed:
    """The driver cannot serve at all (a wrong profile, say); the text names the remedy."""

    reason: str


Message = (
    Reading
    | FastReading
    | FastHealth
    | MissedReading
    | DeviceStatus
    | ResumePoint
    | DeviceCommand
    | Accepted
    | Refused
    | TimedOut
    | DriverSetup
    | Heartbeat
    | Close
    | Failed
)

_PLAIN: Mapping[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        FastHealth,
        MissedReading,
        DeviceStatus,
        ResumePoint,
        DeviceCommand,
        Accepted,
        Refused,
        TimedOut,
        Heartbeat,
        Close,
        Failed,
    )
}


def encode(message: Message) -> bytes:
    """Return the frame of one message.

    Raises:
        WireError: the message would pass the size limit.
    """
    blobs: list[bytes] = []
    if isinstance(message, Reading):
        arrays = [np.ascontiguousarray(column) for column in message.values]
        fields: dict[str, Any] = {
            "device": message.device,
            "layout": message.layout,
            "time_ms": message.time_ms,
            "received_ms": message.received_ms,
            "arrays": [[array.dtype.str, array.size] for array in arrays],
        }
        blobs = [array.tobytes() for array in arrays]
        blobs.append(message.quality.astype(np.uint8, copy=False).tobytes())
    elif isinstance(message, FastReading):
        fields = {
            "device": message.device,
            "layout": message.layout,
            "time_ms": message.time_ms,
            "received_ms": message.received_ms,
            "values": {s: v if math.isfinite(v) else None for s, v in message.values.items()},
        }
    else:
        fields = asdict(message)
    return framing.pack(type(message).__name__, fields, blobs, most=MAX_MESSAGE_BYTES)


def decode(frame: bytes) -> Message:
    """Return the message of one whole frame.

    Raises:
        WireError: the bytes are no frame of ours.
    """
    kind, fields, arrays = framing.unpack(frame)
    try:
        if kind == Reading.__name__:
            return _decode_reading(fields, arrays)
        if kind == DriverSetup.__name__:
            devices = tuple(DeviceSpec(**device) for device in fields["devices"])
            return DriverSetup(fields["driver"], devices, fields["resume"])
        if kind == FastReading.__name__:
            return _decode_fast(fields)
        plain: Message = _PLAIN[kind](**fields)
    except (ValueError, TypeError, KeyError) as error:
        raise WireError(f"a frame of {len(frame)} bytes cannot be read: {error!r}") from error
    return plain


def _decode_fast(fields: dict[str, Any]) -> FastReading:
    """Return the fast reading; NaN travels as null, because JSON has no such number."""
    values = {
        str(signal): math.nan if value is None else float(value)
        for signal, value in fields["values"].items()
    }
    return FastReading(
        device=str(fields["device"]),
        layout=str(fields["layout"]),
        time_ms=int(fields["time_ms"]),
        received_ms=int(fields["received_ms"]),
        values=values,
    )


def _decode_reading(fields: dict[str, Any], blob: memoryview) -> Reading:
    """Return the reading; its arrays are read-only views of the frame's own bytes."""
    values = []
    start = width = 0
    for dtype, count in fields["arrays"]:
        if dtype not in _DTYPES:
            raise WireError(f"arrays of type {dtype!r} are not part of the agreement")
        values.append(np.frombuffer(blob, dtype, count, start))
        start += values[-1].nbytes
        width += count
    quality = np.frombuffer(blob, np.uint8, width, start)
    if start + width != len(blob):
        raise WireError(f"a reading of {len(blob)} array bytes announces {start + width}")
    return Reading(
        device=str(fields["device"]),
        layout=str(fields["layout"]),
        time_ms=int(fields["time_ms"]),
        received_ms=int(fields["received_ms"]),
        values=tuple(values),
        quality=quality,
    )


async def receive(reader: asyncio.StreamReader) -> Message | None:
    """Return the next message, or None when the other side has gone (even in mid-frame).

    Raises:
        WireError: the stream is not ours; it cannot be read any further.
    """
    frame = await framing.receive(reader, most=MAX_MESSAGE_BYTES)
    return None if frame is None else decode(frame)
