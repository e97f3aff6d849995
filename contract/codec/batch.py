"""A batch of frames as bytes.

    version | flags | size and stored size of the directory | directory | body | CRC-32

The directory says which frames there are and how their columns were coded; it can be read
without the body (`peek`). Frames of one layout, step and length form a group whose columns
are coded together, so that twenty racks compress as one. The body is one zstd stream.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contract.codec import wire
from contract.codec.columns import BlockPlan, decode_block, encode_block, read_plan
from contract.codec.model import (
    MAX_DEVICE_BYTES,
    MAX_ROWS,
    MAX_STEP_MS,
    MAX_TIME_MS,
    MAX_VALUES,
    Array,
    Frame,
    FrameHeader,
    Quality,
    require_identity,
)
from contract.errors import (
    FrameCorruptError,
    FrameError,
    FrameTooLargeError,
    FrameVersionError,
)
from contract.layouts import HASH_BYTES, Layout

VERSION = 1
MAX_FRAMES = 4096
MAX_BATCH_BYTES = 32 << 20
MAX_DIRECTORY_BYTES = 4 << 20

Resolve = Callable[[bytes], Layout]

_FLAG_COMPRESSED = 1
_CRC_BYTES = 4
_JITTER = np.dtype(np.int16)
_ALL_GOOD, _BY_ROW, _BY_COLUMN, _EACH = range(4)


@dataclass(frozen=True, slots=True)
class _GroupKey:
    layout_hash: bytes
    step_ms: int
    n: int
    jitter: bool


@dataclass(slots=True)
class _Directory:
    """What can be read without the body."""

    groups: list[_GroupKey] = field(default_factory=list)
    group_of: list[int] = field(default_factory=list)
    headers: list[FrameHeader] = field(default_factory=list)


def encode_batch(frames: Sequence[Frame], level: int = 3) -> bytes:
    """Return the bytes of 1..MAX_FRAMES frames; the same frames always give the same bytes."""
    _require_encodable(frames)
    keys = [_key(f) for f in frames]
    groups = list(dict.fromkeys(keys))
    members = [[f for f, k in zip(frames, keys, strict=True) if k == g] for g in groups]
    modes, sections = _encode_quality(frames)
    directory = _identities(frames, groups, [groups.index(k) for k in keys]) + modes
    for group in members:
        for block in _blocks(group):
            entry, parts = encode_block(block)
            directory += entry
            sections += parts
    body = wire.compress(sections, level)
    return _container(directory, body, level)


def decode_batch(blob: bytes, resolve: Resolve) -> list[Frame]:
    """Return the frames of `encode_batch`'s bytes, in their order.

    Raises:
        FrameError: the bytes are broken, hostile or over the limits.
        UnknownLayoutError: `resolve` does not know a layout.
    """
    directory, stored = _open(blob)
    reader = wire.Reader(directory)
    found = _read_identities(reader, len(blob))
    layouts = [resolve(g.layout_hash) for g in found.groups]
    _require_values(found, layouts)
    modes = reader.take(len(found.headers))
    sizes = [_quality_size(m, h.n, layouts[g].width) for m, h, g in _zip(modes, found)]
    plans = [_read_plans(reader, found, index, layout) for index, layout in enumerate(layouts)]
    if reader.left:
        msg = f"{reader.left} bytes after the end of the directory"
        raise FrameCorruptError(msg)
    total = sum(sizes) + sum(p.size for group in plans for p in group)
    body = wire.Reader(wire.decompress(stored, total))
    qualities = [
        _decode_quality(body.take(size), mode, header.n, layouts[group].width)
        for size, (mode, header, group) in zip(sizes, _zip(modes, found), strict=True)
    ]
    blocks = [[decode_block(p, body.take(p.size)) for p in group] for group in plans]
    return list(_frames(found, layouts, qualities, blocks))


def peek_batch(blob: bytes) -> list[FrameHeader]:
    """Return the headers of a batch's frames without decoding values. The CRC is checked."""
    directory, _ = _open(blob)
    return _read_identities(wire.Reader(directory), len(blob)).headers


def _require_encodable(frames: Sequence[Frame]) -> None:
    if not 1 <= len(frames) <= MAX_FRAMES:
        msg = f"a batch holds 1..{MAX_FRAMES} frames, not {len(frames)}"
        raise FrameTooLargeError(msg)
    values = sum(f.n * (f.layout.width + 1) for f in frames)
    if values > MAX_VALUES:
        msg = f"{values} values are over the limit of {MAX_VALUES} a batch; cut it in time"
        raise FrameTooLargeError(msg)


def _key(frame: Frame) -> _GroupKey:
    return _GroupKey(frame.layout.hash8, frame.step_ms, frame.n, frame.jitter_ms is not None)


def _identities(frames: Sequence[Frame], groups: list[_GroupKey], group_of: list[int]) -> bytes:
    devices = list(dict.fromkeys(f.device for f in frames))
    number = {device: index for index, device in enumerate(devices)}
    out = [wire.varint(len(groups))]
    for key in groups:
        out += [key.layout_hash, wire.varint(key.step_ms), wire.varint(key.n), bytes([key.jitter])]
    out.append(wire.varint(len(devices)))
    for raw in (d.encode() for d in devices):
        out += [wire.varint(len(raw)), raw]
    out.append(wire.varint(len(frames)))
    out += [wire.varint(g) for g in group_of]
    out += [wire.varint(number[f.device]) for f in frames]
    before = 0
    for frame in frames:
        out.append(wire.signed_varint(frame.t0_ms - before))
        before = frame.t0_ms
    return b"".join(out)


def _read_identities(reader: wire.Reader, size: int) -> _Directory:
    found = _Directory()
    for _ in range(reader.varint(MAX_FRAMES)):
        layout_hash = reader.take(HASH_BYTES)
        step_ms, n, jitter = reader.varint(MAX_STEP_MS), reader.varint(MAX_ROWS), reader.byte()
        if jitter > 1:
            msg = f"jitter flag {jitter} must be 0 or 1"
            raise FrameCorruptError(msg)
        found.groups.append(_GroupKey(layout_hash, step_ms, n, bool(jitter)))
    devices = [_device(reader) for _ in range(reader.varint(MAX_FRAMES))]
    count = reader.varint(MAX_FRAMES)
    if not (count and found.groups and devices):
        msg = "a batch without frames"
        raise FrameCorruptError(msg)
    found.group_of = [reader.varint(len(found.groups) - 1) for _ in range(count)]
    names = [devices[reader.varint(len(devices) - 1)] for _ in range(count)]
    t0_ms = 0
    for name, index in zip(names, found.group_of, strict=True):
        key = found.groups[index]
        t0_ms += reader.signed_varint(MAX_TIME_MS)
        require_identity(name, t0_ms, key.step_ms, key.n)
        found.headers.append(FrameHeader(name, key.layout_hash, t0_ms, key.step_ms, key.n, size))
    return found


def _device(reader: wire.Reader) -> str:
    try:
        return reader.take(reader.varint(MAX_DEVICE_BYTES)).decode()
    except UnicodeDecodeError as error:
        msg = f"a device name is no UTF-8: {error}"
        raise FrameCorruptError(msg) from error


def _require_values(found: _Directory, layouts: list[Layout]) -> None:
    values = sum(
        h.n * (layouts[g].width + 1) for h, g in zip(found.headers, found.group_of, strict=True)
    )
    if values > MAX_VALUES:
        msg = f"the batch claims {values} values; the limit is {MAX_VALUES}"
        raise FrameTooLargeError(msg)


def _encode_quality(frames: Sequence[Frame]) -> tuple[bytes, list[bytes]]:
    modes, sections = bytearray(), []
    for frame in frames:
        quality = frame.quality
        if not quality.any():
            modes.append(_ALL_GOOD)
        elif (quality == quality[:, :1]).all():
            modes.append(_BY_ROW)
            sections.append(quality[:, 0].tobytes())
        elif (quality == quality[:1]).all():
            modes.append(_BY_COLUMN)
            sections.append(quality[0].tobytes())
        else:
            modes.append(_EACH)
            sections.append(quality.tobytes())
    return bytes(modes), sections


def _quality_size(mode: int, n: int, width: int) -> int:
    if mode > _EACH:
        msg = f"quality mode {mode} does not exist"
        raise FrameCorruptError(msg)
    return (0, n, width, n * width)[mode]


def _decode_quality(body: bytes, mode: int, n: int, width: int) -> NDArray[np.uint8]:
    raw = np.frombuffer(body or b"\0", np.uint8)
    if raw.max() > Quality.MISSING:
        msg = f"quality {raw.max()} does not exist"
        raise FrameCorruptError(msg)
    shape = {_BY_ROW: (n, 1), _BY_COLUMN: (1, width), _EACH: (n, width)}.get(mode, (1, 1))
    return np.broadcast_to(raw.reshape(shape), (n, width))


def _blocks(group: Sequence[Frame]) -> Iterator[Array]:
    head = group[0]
    gaps = [f.quality == Quality.MISSING for f in group]
    with_gaps = any(g.any() for g in gaps)
    start = 0
    for index, column in enumerate(head.layout.columns):
        stop = start + column.repeat
        block = np.stack([f.values[index] for f in group])
        if with_gaps:
            _bridge(block, np.stack([g[:, start:stop] for g in gaps]))
        yield block
        start = stop
    if head.jitter_ms is not None:
        yield np.stack([f.jitter_ms for f in group if f.jitter_ms is not None])[:, :, None]


def _bridge(block: Array, gap: NDArray[np.bool_]) -> None:
    """Fill gaps with the value before (or after) them, which costs the fewest bytes.

    What is filled in is never seen: the reader sets MISSING values to 0.
    """
    if not gap.any():
        return
    rows = np.arange(block.shape[1])[None, :, None]
    before = np.maximum.accumulate(np.where(gap, -1, rows), axis=1)
    after = np.minimum.accumulate(np.where(gap, len(block[0]), rows)[:, ::-1], axis=1)[:, ::-1]
    source = np.where(before >= 0, before, np.where(after < len(block[0]), after, 0))
    block[:] = np.take_along_axis(block, source, axis=1)


def _read_plans(
    reader: wire.Reader, found: _Directory, index: int, layout: Layout
) -> list[BlockPlan]:
    key = found.groups[index]
    count = found.group_of.count(index)
    if not count:
        msg = f"group {index} has no frames"
        raise FrameCorruptError(msg)
    plans = [
        read_plan(reader, (count, key.n, c.repeat), np.dtype(c.signal.dtype))
        for c in layout.columns
    ]
    if key.jitter:
        plans.append(read_plan(reader, (count, key.n, 1), _JITTER))
    return plans


def _frames(
    found: _Directory,
    layouts: list[Layout],
    qualities: list[NDArray[np.uint8]],
    blocks: list[list[Array]],
) -> Iterator[Frame]:
    taken = [0] * len(layouts)
    for header, group, quality in zip(found.headers, found.group_of, qualities, strict=True):
        at, layout = taken[group], layouts[group]
        taken[group] += 1
        columns = [b[at] for b in blocks[group]]
        jitter = columns.pop()[:, 0] if found.groups[group].jitter else None
        yield Frame(
            header.device, layout, header.t0_ms, header.step_ms, tuple(columns), quality, jitter
        )


def _zip(modes: bytes, found: _Directory) -> Iterator[tuple[int, FrameHeader, int]]:
    return zip(modes, found.headers, found.group_of, strict=True)


def _container(directory: bytes, body: bytes, level: int) -> bytes:
    packed = wire.compress([directory], level)
    compressed = len(packed) < len(directory)
    stored = packed if compressed else directory
    flags = _FLAG_COMPRESSED if compressed else 0
    head = bytes([VERSION, flags]) + wire.varint(len(directory)) + wire.varint(len(stored))
    blob = head + stored + body
    if len(blob) + _CRC_BYTES > MAX_BATCH_BYTES:
        msg = f"{len(blob)} bytes are over the limit of {MAX_BATCH_BYTES} a batch; cut it in time"
        raise FrameTooLargeError(msg)
    return blob + zlib.crc32(blob).to_bytes(_CRC_BYTES, "little")


def _open(blob: bytes) -> tuple[bytes, bytes]:
    """Return the directory and the stored body after checking size, version and CRC."""
    if len(blob) > MAX_BATCH_BYTES:
        msg = f"{len(blob)} bytes are over the limit of {MAX_BATCH_BYTES} a batch"
        raise FrameTooLargeError(msg)
    reader = wire.Reader(blob)
    version = reader.byte()
    if version != VERSION:
        msg = f"frame version {version} is not spoken here (version {VERSION}); update this side"
        raise FrameVersionError(msg)
    flags = reader.byte()
    size, stored_size = reader.varint(MAX_DIRECTORY_BYTES), reader.varint(MAX_DIRECTORY_BYTES)
    directory = reader.take(stored_size)
    if reader.left < _CRC_BYTES:
        msg = "truncated before the checksum"
        raise FrameCorruptError(msg)
    body = reader.take(reader.left - _CRC_BYTES)
    crc = int.from_bytes(reader.take(_CRC_BYTES), "little")
    if flags > _FLAG_COMPRESSED or zlib.crc32(memoryview(blob)[:-_CRC_BYTES]) != crc:
        msg = "the checksum does not fit: the bytes were altered"
        raise FrameCorruptError(msg)
    if flags & _FLAG_COMPRESSED:
        return wire.decompress(directory, size), body
    if size != stored_size:
        msg = f"the directory claims {size} bytes and has {stored_size}"
        raise FrameCorruptError(msg)
    return directory, body


def require_single(count: int) -> None:
    """Refuse to read a batch where one frame is expected."""
    if count != 1:
        msg = f"one frame expected, the batch holds {count}; use decode_batch"
        raise FrameError(msg)
