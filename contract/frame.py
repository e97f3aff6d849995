"""The telemetry frame: the one unit of data from the device to the archive.

A frame is one device, one layout, a time grid (t0, step, n) and columns of scaled integers
with a quality for every value. Frames travel and rest as batches; a single frame is a batch of
one. The codec is lossless for int8, int16, int32 and float32, checks everything that it reads
against limits before it takes memory, and always gives the same bytes for the same frames.
"""

from collections.abc import Sequence

from contract import layouts
from contract.codec import batch, columnar, slab, slab_encoding
from contract.codec.batch import MAX_BATCH_BYTES, MAX_FRAMES, Resolve, Select
from contract.codec.model import (
    MAX_ROWS,
    MAX_VALUES,
    Frame,
    FrameHeader,
    Quality,
    merge,
)
from contract.codec.slab import Slab
from contract.errors import FrameError

__all__ = [
    "MAX_BATCH_BYTES",
    "MAX_FRAMES",
    "MAX_ROWS",
    "MAX_VALUES",
    "Frame",
    "FrameError",
    "FrameHeader",
    "Quality",
    "Select",
    "Slab",
    "decode",
    "decode_batch",
    "decode_slabs",
    "encode",
    "encode_batch",
    "encode_columnar",
    "encode_slabs",
    "is_columnar",
    "join_slabs",
    "merge",
    "peek",
    "peek_batch",
]


_COLUMNAR = bytes([columnar.VERSION])


def encode(frame: Frame, level: int = 3) -> bytes:
    """Return the bytes of one frame; `level` is zstd's."""
    return batch.encode_batch([frame], level)


def encode_columnar(frame: Frame, level: int = 9) -> bytes:
    """Return the bytes of one frame for the archive, each column readable without the others."""
    return columnar.encode(frame, level)


def is_columnar(blob: bytes) -> bool:
    """Whether bytes are of `encode_columnar`'s form."""
    return blob[:1] == _COLUMNAR


def decode(blob: bytes, resolve: Resolve = layouts.by_hash) -> Frame:
    """Return the frame of `encode`'s or `encode_columnar`'s bytes.

    Raises:
        FrameError: the bytes are broken, hostile, over the limits, or hold several frames.
        UnknownLayoutError: `resolve` does not know the layout.
    """
    return batch.single(decode_batch(blob, resolve))


def decode_slabs(blob: bytes, resolve: Resolve = layouts.by_hash) -> list[Slab]:
    """Return the content of a batch with like devices side by side; errors as in `decode`."""
    return slab.decode(blob, resolve)


def encode_slabs(slabs: Sequence[Slab], level: int = 3) -> bytes:
    """Return the bytes that `encode_batch` gives the frames of the slabs, without making them.

    Raises:
        FrameError: an array does not fit its layout, or the batch is over the limits.
    """
    return slab_encoding.encode(slabs, level)


def join_slabs(slabs: Sequence[Slab]) -> Slab | None:
    """Join slabs of one `key` in time; None when they overlap."""
    return slab.join(slabs)


def peek(blob: bytes) -> FrameHeader:
    """Return the header of one frame without decoding its values."""
    return batch.single(batch.peek_batch(blob))


def encode_batch(frames: Sequence[Frame], level: int = 3) -> bytes:
    """Return the bytes of several frames; like columns of like frames are coded together."""
    return batch.encode_batch(frames, level)


def decode_batch(
    blob: bytes, resolve: Resolve = layouts.by_hash, select: Select | None = None
) -> list[Frame]:
    """Return the frames of `encode_batch`'s bytes in their order; errors as in `decode`.

    `select(device, layout)` names the signals to decode, or None for a frame to leave out: a
    frame then has a layout of just these columns. Without it, all is decoded.
    """
    if is_columnar(blob):
        return columnar.decode(blob, resolve, select)
    return batch.decode_batch(blob, resolve, select)


def peek_batch(blob: bytes) -> list[FrameHeader]:
    """Return the headers of a batch's frames, in their order, without decoding values."""
    return batch.peek_batch(blob)
