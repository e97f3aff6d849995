"""One frame as bytes for the archive: each column stands alone and is read without the rest.

    version | layout hash | flags | step | n | t0 | device | mode of the quality
    | stored size of the quality | per column: size of its entry, stored size | entries | bodies
    | CRC-32

Columns are coded as in a batch (`columns`), but each is compressed by itself: a reader of one
signal of a day skips over the others. Small bodies are stored as they are. A stored size is
doubled, plus one where the bytes are compressed.
"""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contract.codec import batch, parts, quality, wire
from contract.codec.columns import decode_block, encode_block, read_plan
from contract.codec.model import (
    MAX_DEVICE_BYTES,
    MAX_ROWS,
    MAX_STEP_MS,
    MAX_TIME_MS,
    Array,
    Frame,
    require_identity,
    require_size,
)
from contract.errors import FrameCorruptError
from contract.layouts import HASH_BYTES, Layout

VERSION = 2
_CRC_BYTES = 4
_FLAG_JITTER = 1
_JITTER: np.dtype[np.generic] = np.dtype(np.int16)
_MAX_STORED = 1 << 27


def encode(frame: Frame, level: int) -> bytes:
    """Return the bytes of one frame; the same frame always gives the same bytes.

    Raises:
        FrameTooLargeError: more rows or values than a reader accepts.
    """
    require_size(frame.n, frame.layout.width)
    mode, marks = quality.encode(frame.quality)
    device = frame.device.encode()
    head = [
        bytes([VERSION]),
        frame.layout.hash8,
        bytes([_FLAG_JITTER if frame.jitter_ms is not None else 0]),
        *(wire.varint(number) for number in (frame.step_ms, frame.n, frame.t0_ms, len(device))),
        device,
        bytes([mode]),
    ]
    size, stored_quality = _stored([marks], level)
    sizes, entries, bodies = [size], [], [stored_quality]
    for block in parts.columns_of([frame]):
        entry, sections = encode_block(block)
        size, body = _stored(sections, level)
        sizes += [wire.varint(len(entry)), size]
        entries.append(entry)
        bodies.append(body)
    blob = b"".join([*head, *sizes, *entries, *bodies])
    return blob + zlib.crc32(blob).to_bytes(_CRC_BYTES, "little")


def _stored(sections: list[bytes], level: int) -> tuple[bytes, bytes]:
    plain = b"".join(sections)
    packed = wire.compress(sections, level) if plain else b""
    if plain and len(packed) < len(plain):
        return wire.varint(2 * len(packed) + 1), packed
    return wire.varint(2 * len(plain)), plain


def decode(blob: bytes, resolve: batch.Resolve, select: batch.Select | None) -> list[Frame]:
    """Return the frame of `encode`'s bytes, or of its chosen signals; none when left out.

    Raises:
        FrameError: the bytes are broken, hostile or over the limits.
        UnknownLayoutError: `resolve` does not know the layout.
    """
    checked = memoryview(blob)
    crc = int.from_bytes(checked[-_CRC_BYTES:], "little")
    if len(blob) <= _CRC_BYTES or zlib.crc32(checked[:-_CRC_BYTES]) != crc:
        msg = "the checksum does not fit: the bytes were altered"
        raise FrameCorruptError(msg)
    reader = wire.Reader(checked[1:-_CRC_BYTES])
    layout = resolve(reader.take(HASH_BYTES))
    flags, step_ms = reader.byte(), reader.varint(MAX_STEP_MS)
    if flags & ~_FLAG_JITTER:
        msg = f"flags {flags} do not exist in this version"
        raise FrameCorruptError(msg)
    n, t0_ms = reader.varint(MAX_ROWS), reader.varint(MAX_TIME_MS)
    device = _device(reader)
    require_identity(device, t0_ms, step_ms, n)
    require_size(n, layout.width)
    names = [c.signal.name for c in layout.columns] if select is None else select(device, layout)
    if names is None:
        return []
    columns = sorted({layout.column(name) for name in names})
    with_jitter = bool(flags & _FLAG_JITTER)
    marks, blocks = _parts(reader, layout, n, columns, with_jitter=with_jitter)
    return [
        parts.frame_of(
            (device, layout, t0_ms, step_ms),
            columns,
            [blocks[column][0] for column in columns],
            marks,
            blocks[len(layout.columns)][0][:, 0] if with_jitter else None,
        )
    ]


def _device(reader: wire.Reader) -> str:
    try:
        return reader.take(reader.varint(MAX_DEVICE_BYTES)).decode()
    except UnicodeDecodeError as error:
        msg = f"a device name is no UTF-8: {error}"
        raise FrameCorruptError(msg) from error


def _parts(
    reader: wire.Reader, layout: Layout, n: int, columns: Sequence[int], *, with_jitter: bool
) -> tuple[NDArray[np.uint8], dict[int, Array]]:
    """Return the quality of all columns, and the blocks of the chosen ones (and of the jitter)."""
    mode = reader.byte()
    stored_quality = reader.varint(_MAX_STORED)
    count = len(layout.columns) + with_jitter
    sizes = reader.varints(2 * count, _MAX_STORED)
    wanted = [*columns, len(layout.columns)] if with_jitter else columns
    entries = reader.pick(sizes[0::2], wanted)
    size = quality.size(mode, n, layout.width)
    marks = quality.decode(mode, _unstored(reader, stored_quality, size), n, layout.width)
    bodies = reader.pick([stored >> 1 for stored in sizes[1::2]], wanted)
    blocks = {}
    for column, entry, body in zip(wanted, entries, bodies, strict=True):
        jitter = column == len(layout.columns)
        dtype = _JITTER if jitter else layout.dtypes[column]
        repeat = 1 if jitter else layout.columns[column].repeat
        plan = read_plan(wire.Reader(entry), (1, n, repeat), dtype)
        compressed = bool(sizes[2 * column + 1] & 1)
        blocks[column] = decode_block(plan, _plain(body, plan.size, compressed=compressed))
    if reader.left:
        msg = f"{reader.left} bytes after the end of the last column"
        raise FrameCorruptError(msg)
    return marks, blocks


def _unstored(reader: wire.Reader, stored: int, size: int) -> bytes:
    return _plain(reader.take(stored >> 1), size, compressed=bool(stored & 1))


def _plain(body: bytes, size: int, *, compressed: bool) -> bytes:
    if compressed:
        return wire.decompress(body, size)
    if len(body) != size:
        msg = f"a column claims {size} bytes and has {len(body)}"
        raise FrameCorruptError(msg)
    return body
