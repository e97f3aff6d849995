"""Frames between a host and its process: a JSON header, then the raw bytes of arrays.

Frame: u32 size of the rest, u32 size of the header, header (UTF-8 JSON: kind and fields), array
bytes. Never pickled: a process that went wrong can send nonsense, but cannot make the station run
it. All integers of the frame are big-endian; array bytes are little-endian.
"""

import asyncio
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from station.processes.errors import WireError

_SIZES = struct.Struct(">II")
_SIZE_BYTES = 4


def pack(kind: str, fields: Mapping[str, Any], blobs: Sequence[bytes] = (), *, most: int) -> bytes:
    """Return a frame.

    Raises:
        WireError: it would pass `most` bytes.
    """
    header = json.dumps([kind, fields], separators=(",", ":")).encode()
    body = b"".join(blobs)
    size = _SIZES.size - _SIZE_BYTES + len(header) + len(body)
    if size > most:
        raise WireError(f"a {kind} of {size} bytes passes {most}")
    return _SIZES.pack(size, len(header)) + header + body


def unpack(frame: bytes) -> tuple[str, dict[str, Any], memoryview]:
    """Return kind, fields and array bytes of one whole frame.

    Raises:
        WireError: the bytes are no frame of ours.
    """
    if len(frame) < _SIZES.size:
        raise WireError(f"a frame of {len(frame)} bytes has no header")
    size, header_size = _SIZES.unpack_from(frame)
    if size != len(frame) - _SIZE_BYTES or header_size > size - _SIZE_BYTES:
        raise WireError(f"a frame of {len(frame)} bytes announces {size} + {header_size}")
    body = memoryview(frame)[_SIZES.size :]
    try:
        kind, fields = json.loads(bytes(body[:header_size]))
    except (ValueError, TypeError, RecursionError) as error:
        raise WireError(f"a frame of {len(frame)} bytes cannot be read: {error!r}") from error
    if not isinstance(kind, str) or not isinstance(fields, dict):
        raise WireError(f"a frame of {len(frame)} bytes names no message")
    return kind, fields, body[header_size:]


async def receive(reader: asyncio.StreamReader, *, most: int) -> bytes | None:
    """Return the next frame, or None when the other side has gone (even in mid-frame).

    Raises:
        WireError: the stream is not ours; it cannot be read any further.
    """
    try:
        sizes = await reader.readexactly(_SIZES.size)
        size, _ = _SIZES.unpack(sizes)
        if not _SIZES.size - _SIZE_BYTES <= size <= most:
            raise WireError(f"a frame announces {size} bytes; at most {most} are ours")
        return sizes + await reader.readexactly(size - (_SIZES.size - _SIZE_BYTES))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
