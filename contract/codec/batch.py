"""A batch of frames as bytes.

    version | flags | size and stored size of the directory | directory | body | CRC-32

The directory says which frames there are, how their quality and their columns were coded, and
so how many bytes the body has; it can be read without the body (`peek_batch`). The columns of a
group are coded together, so that twenty racks compress as one. The body is one zstd stream.
"""

import zlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from contract.codec import directory, quality, wire
from contract.codec.columns import BlockPlan, decode_block, encode_block, read_plan
from contract.codec.directory import MAX_FRAMES, Directory
from contract.codec.model import MAX_VALUES, Array, Frame, FrameHeader
from contract.codec.parts import columns_of, frame_of
from contract.errors import (
    FrameCorruptError,
    FrameError,
    FrameTooLargeError,
    FrameVersionError,
)
from contract.layouts import Layout

__all__ = [
    "MAX_FRAMES",
    "Resolve",
    "Select",
    "decode_batch",
    "encode_batch",
    "peek_batch",
    "single",
]

VERSION = 1
MAX_BATCH_BYTES = 32 << 20
MAX_DIRECTORY_BYTES = 1 << 20
MAX_BLOCKS = 1 << 14
"""Most columns of all groups together: each costs a reader some dozen microseconds."""

Resolve = Callable[[bytes], Layout]
Select = Callable[[str, Layout], Collection[str] | None]
"""Of a device and its layout: the names of the signals to decode, all of them, or None: skip."""
_T = TypeVar("_T")

_FLAG_COMPRESSED = 1
_CRC_BYTES = 4
_JITTER: np.dtype[np.generic] = np.dtype(np.int16)
_NOTHING: Array = np.zeros(0, dtype=np.uint8)


def encode_batch(frames: Sequence[Frame], level: int = 3) -> bytes:
    """Return the bytes of 1..MAX_FRAMES frames; the same frames always give the same bytes."""
    found = directory.of_frames(frames)
    layouts = {f.layout.hash8: f.layout for f in frames}
    coded = [quality.encode(f.quality) for f in frames]
    blocks = (
        block for members in found.members() for block in columns_of([frames[m] for m in members])
    )
    return encode_groups(
        found, [layouts[g.layout_hash] for g in found.groups], coded, blocks, level
    )


def encode_groups(
    found: Directory,
    layouts: Sequence[Layout],
    coded: Sequence[tuple[int, bytes]],
    blocks: Iterable[Array],
    level: int,
) -> bytes:
    """Return the bytes of a batch.

    Args:
        found: its directory.
        layouts: of each group.
        coded: mode and bytes of the quality of each frame.
        blocks: every column of every group in turn, (frames, rows, repeat), jitter last.
        level: of zstd.
    """
    _require_size(found, layouts)
    entries = [directory.to_bytes(found), bytes(mode for mode, _ in coded)]
    sections = [body for _, body in coded if body]
    for block in blocks:
        entry, parts = encode_block(block)
        entries.append(entry)
        sections += parts
    return _container(b"".join(entries), wire.compress(sections, level), level)


@dataclass(frozen=True)
class Decoded:
    """What a batch holds, still in groups.

    Attributes:
        found: the directory.
        layouts: of each group.
        qualities: of each frame, shape (n, width); empty for a frame that is not wanted.
        blocks: of each group, a block (frames, rows, repeat) a column, jitter last; empty for a
            column that nobody wants.
        wanted: chosen signals of each frame; None: not wanted.
    """

    found: Directory
    layouts: list[Layout]
    qualities: list[NDArray[np.uint8]]
    blocks: list[list[Array]]
    wanted: list[Collection[str] | None]


def decode_batch(blob: bytes, resolve: Resolve, select: Select | None = None) -> list[Frame]:
    """Return the frames of `encode_batch`'s bytes, in their order.

    With `select`, only the chosen signals of the chosen frames are decoded: a frame then has a
    layout of just these columns, in the order of the layout, and frames not chosen are left out.
    The checksum is over all bytes either way.

    Raises:
        FrameError: the bytes are broken, hostile or over the limits.
        UnknownLayoutError: `resolve` does not know a layout.
    """
    return _frames(decode_groups(blob, resolve, select))


def decode_groups(blob: bytes, resolve: Resolve, select: Select | None = None) -> Decoded:
    """Decode a batch without making its frames; errors as in `decode_batch`."""
    plain, stored = _open(blob)
    reader = wire.Reader(plain)
    found = directory.read(reader, len(blob))
    layouts = [resolve(g.layout_hash) for g in found.groups]
    _require_size(found, layouts)
    modes = reader.take(len(found.headers))
    widths = [layouts[g].width for g in found.group_of]
    shapes = [(m, h.n, w) for m, h, w in zip(modes, found.headers, widths, strict=True)]
    sizes = [quality.size(*s) for s in shapes]
    plans = [
        _plans(reader, found, *item)
        for item in enumerate(zip(layouts, found.members(), strict=True))
    ]
    if reader.left:
        msg = f"{reader.left} bytes after the end of the directory"
        raise FrameCorruptError(msg)
    total = sum(sizes) + sum(p.size for group in plans for p in group)
    body = wire.Reader(wire.decompress(stored, total))
    wanted = _wanted(found, layouts, select)
    qualities = [
        _skipped(body, size) if names is None else quality.decode(mode, body.take(size), n, width)
        for names, size, (mode, n, width) in zip(wanted, sizes, shapes, strict=True)
    ]
    if select is None:
        columns = [set(range(len(group))) for group in plans]
    else:
        columns = _columns_of(found, layouts, wanted)
    blocks = [
        [
            decode_block(p, body.take(p.size)) if index in chosen else _skipped(body, p.size)
            for index, p in enumerate(group)
        ]
        for group, chosen in zip(plans, columns, strict=True)
    ]
    return Decoded(found, layouts, qualities, blocks, wanted)


def peek_batch(blob: bytes) -> list[FrameHeader]:
    """Return the headers of a batch's frames without decoding values. The CRC is checked."""
    plain, _ = _open(blob)
    return list(directory.read(wire.Reader(plain), len(blob)).headers)


def single(items: Sequence[_T]) -> _T:
    """Return the only item; FrameError when a batch stands where one frame is expected."""
    if len(items) != 1:
        msg = f"one frame expected, the batch holds {len(items)}; use the batch functions"
        raise FrameError(msg)
    return items[0]


def _require_size(found: Directory, layouts: Sequence[Layout]) -> None:
    blocks = sum(len(layout.columns) + 1 for layout in layouts)
    pairs = zip(found.headers, found.group_of, strict=True)
    values = sum(h.n * (layouts[g].width + 1) for h, g in pairs)
    if values > MAX_VALUES or blocks > MAX_BLOCKS:
        msg = (
            f"{values} values in {blocks} columns are over the limits of a batch "
            f"({MAX_VALUES} values, {MAX_BLOCKS} columns); cut it in time or by device"
        )
        raise FrameTooLargeError(msg)


def _plans(
    reader: wire.Reader, found: Directory, number: int, group: tuple[Layout, list[int]]
) -> list[BlockPlan]:
    layout, members = group
    key, count = found.groups[number], len(members)
    shapes = [
        ((count, key.n, column.repeat), dtype)
        for column, dtype in zip(layout.columns, layout.dtypes, strict=True)
    ]
    if key.jitter:
        shapes.append(((count, key.n, 1), _JITTER))
    return [read_plan(reader, shape, dtype) for shape, dtype in shapes]


def _skipped(body: wire.Reader, size: int) -> Array:
    body.skip(size)
    return _NOTHING


def _wanted(
    found: Directory, layouts: list[Layout], select: Select | None
) -> list[Collection[str] | None]:
    """Return the chosen signals of every frame; None for a frame that is left out."""
    if select is None:
        names = [[c.signal.name for c in layout.columns] for layout in layouts]
        return [names[g] for g in found.group_of]
    pairs = zip(found.headers, found.group_of, strict=True)
    return [select(header.device, layouts[g]) for header, g in pairs]


def _columns_of(
    found: Directory, layouts: list[Layout], wanted: list[Collection[str] | None]
) -> list[set[int]]:
    """Return for every group the indices of the blocks that some frame of it needs."""
    chosen: list[set[int]] = [set() for _ in layouts]
    for g, names in zip(found.group_of, wanted, strict=True):
        if names is not None:
            chosen[g] |= {layouts[g].column(name) for name in names}
            if found.groups[g].jitter:
                chosen[g].add(len(layouts[g].columns))
    return chosen


def _frames(decoded: Decoded) -> list[Frame]:
    frames: dict[int, Frame] = {}
    for number, members in enumerate(decoded.found.members()):
        whole = decoded.layouts[number]
        with_jitter, blocks = decoded.found.groups[number].jitter, decoded.blocks[number]
        for at, index in enumerate(members):
            names = decoded.wanted[index]
            if names is None:
                continue
            header, marks = decoded.found.headers[index], decoded.qualities[index]
            columns = sorted(whole.column(name) for name in names)
            frames[index] = frame_of(
                (header.device, whole, header.t0_ms, header.step_ms),
                columns,
                [blocks[column][at] for column in columns],
                marks,
                blocks[-1][at][:, 0] if with_jitter else None,
            )
    return [frames[index] for index in sorted(frames)]


def _container(plain: bytes, body: bytes, level: int) -> bytes:
    packed = wire.compress([plain], level)
    compressed = len(packed) < len(plain)
    stored = packed if compressed else plain
    flags = _FLAG_COMPRESSED if compressed else 0
    head = bytes([VERSION, flags]) + wire.varint(len(plain)) + wire.varint(len(stored))
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
        msg = f"frame version {version} is no batch's (version {VERSION}); update this side"
        raise FrameVersionError(msg)
    flags = reader.byte()
    size, stored_size = reader.varint(MAX_DIRECTORY_BYTES), reader.varint(MAX_DIRECTORY_BYTES)
    stored = reader.take(stored_size)
    if reader.left < _CRC_BYTES:
        msg = "truncated before the checksum"
        raise FrameCorruptError(msg)
    body = reader.take(reader.left - _CRC_BYTES)
    crc = int.from_bytes(reader.take(_CRC_BYTES), "little")
    if flags > _FLAG_COMPRESSED or zlib.crc32(memoryview(blob)[:-_CRC_BYTES]) != crc:
        msg = "the checksum does not fit: the bytes were altered"
        raise FrameCorruptError(msg)
    if flags & _FLAG_COMPRESSED:
        return wire.decompress(stored, size), body
    if size != stored_size:
        msg = f"the directory claims {size} bytes and has {stored_size}"
        raise FrameCorruptError(msg)
    return stored, body
