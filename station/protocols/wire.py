"""Messages between the host and a driver process, in frames of `station.processes.framing`.

Readings travel as bundles. The arrays of a bundle follow in the order of the header's list, as the
dtype there says; its device times and times of arrival come first.
"""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from station.processes import WireError, framing
from station.protocols.bundle import Bundle
from station.protocols.driver import (
    Accepted,
    DeviceCommand,
    DeviceSpec,
    DeviceStatus,
    DriverSetup,
    FastHealth,
    FastReading,
    MissedReading,
    Refused,
    ResumePoint,
    TimedOut,
)

MAX_MESSAGE_BYTES = 1 << 22
"""A bundle is cut at a quarter of a MiB; nothing honest comes near 4 MiB."""

_DTYPES = frozenset({"|i1", "<i2", "<i4", "<f4"})
_TIMES = np.dtype("<i8")


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
    Bundle
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
    if isinstance(message, Bundle):
        arrays = [np.ascontiguousarray(column) for column in message.values]
        fields: dict[str, Any] = {
            "layout": message.layout,
            "devices": message.devices,
            "arrays": [[array.dtype.str, array.shape[1]] for array in arrays],
        }
        times = (message.time_ms, message.received_ms)
        blobs = [array.astype(_TIMES, copy=False).tobytes() for array in times]
        blobs += [array.tobytes() for array in arrays]
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
        if kind == Bundle.__name__:
            return _decode_bundle(fields, arrays)
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


def _decode_bundle(fields: dict[str, Any], blob: memoryview) -> Bundle:
    """Return the bundle; its arrays are read-only views of the frame's own bytes."""
    devices = tuple(map(str, fields["devices"]))
    count = len(devices)
    times = np.frombuffer(blob, _TIMES, 2 * count).reshape(2, count)
    values = []
    start, width = times.nbytes, 0
    for dtype, repeat in fields["arrays"]:
        if dtype not in _DTYPES:
            raise WireError(f"arrays of type {dtype!r} are not part of the agreement")
        if type(repeat) is not int or repeat < 1:
            raise WireError(f"a column has {repeat!r} values")
        values.append(np.frombuffer(blob, dtype, count * repeat, start).reshape(count, repeat))
        start += values[-1].nbytes
        width += repeat
    quality = np.frombuffer(blob, np.uint8, count * width, start)
    if start + quality.nbytes != len(blob):
        raise WireError(f"a bundle of {len(blob)} array bytes announces {start + quality.nbytes}")
    return Bundle(
        layout=str(fields["layout"]),
        devices=devices,
        time_ms=times[0],
        received_ms=times[1],
        values=tuple(values),
        quality=quality.reshape(count, width),
    )


async def receive(reader: asyncio.StreamReader) -> Message | None:
    """Return the next message, or None when the other side has gone (even in mid-frame).

    Raises:
        WireError: the stream is not ours; it cannot be read any further.
    """
    frame = await framing.receive(reader, most=MAX_MESSAGE_BYTES)
    return None if frame is None else decode(frame)
