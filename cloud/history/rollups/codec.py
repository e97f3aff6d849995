"""Rollups as bytes: one section a signal, so that a year of one signal is read without the rest.

    version | zstd( varint n | per column: planes byte, byte planes of zigzag deltas )| CRC-32

The columns of `rollup_math.Buckets` follow one another. Each is first made small by what the
reader knows already (maximum, last and mean lie near the minimum), then differenced along time,
zigzag coded and split into byte planes. Values of float signals keep their bits: they are
differenced as integers of their 64 bits. Energies are kept only for powers.
"""

import zlib
from typing import Final

import numpy as np
import zstandard
from numpy.typing import NDArray

from cloud.history.rollups.arithmetic import Buckets, Floats, is_power
from contract.codec import wire
from contract.errors import FrameCorruptError
from contract.signals import Signal

_VERSION: Final = 1
_LEVEL: Final = 6
_CRC_BYTES: Final = 4
_MAX_BUCKETS: Final = 1 << 16
_ITEM: Final = 8

_Whole = NDArray[np.int64]


def encode(buckets: Buckets, signal: Signal) -> bytes:
    """Return the section of one signal: `buckets` has shape (n, 1)."""
    is_float = signal.dtype.startswith("f")
    columns = _differences(buckets, is_float=is_float)
    if is_power(signal):
        columns += [_whole(buckets.out, is_float=is_float), _whole(buckets.into, is_float=is_float)]
    packed = [wire.varint(len(buckets.count)), *(_pack(column) for column in columns)]
    plain = b"".join(packed)
    body = bytes([_VERSION]) + zstandard.ZstdCompressor(level=_LEVEL).compress(plain)
    return body + zlib.crc32(body).to_bytes(_CRC_BYTES, "little")


def decode(section: bytes, signal: Signal) -> Buckets:
    """Return what `encode` was given.

    Raises:
        FrameCorruptError: the bytes are not a section of this version, or were altered.
    """
    body, crc = section[:-_CRC_BYTES], section[-_CRC_BYTES:]
    if len(section) <= _CRC_BYTES or zlib.crc32(body) != int.from_bytes(crc, "little"):
        raise FrameCorruptError(f"the checksum of rollups of {signal.name} does not fit")
    if body[0] != _VERSION:
        raise FrameCorruptError(f"rollup version {body[0]} is not spoken here")
    try:
        plain = zstandard.ZstdDecompressor().decompress(body[1:])
    except zstandard.ZstdError as error:
        raise FrameCorruptError(f"rollups of {signal.name} are broken: {error}") from error
    reader = wire.Reader(plain)
    n, is_float = reader.varint(_MAX_BUCKETS), signal.dtype.startswith("f")
    count, least, spread, above, mean_above, last_ms = (_unpack(reader, n) for _ in range(6))
    if is_float:
        most, last, total = spread, above, mean_above
    else:
        most, last, total = least + spread, least + above, least * count + mean_above
    values = (least, most, total, last)
    energies = (np.zeros(n, dtype=np.int64),) * 2
    if is_power(signal):
        energies = (_unpack(reader, n), _unpack(reader, n))
    read = _bits if is_float else _numbers
    minimum, maximum, summed, newest = (read(part) for part in values)
    out, into = (read(part) for part in energies)
    return Buckets(_numbers(count), minimum, maximum, summed, newest, _numbers(last_ms), out, into)


def _differences(buckets: Buckets, *, is_float: bool) -> list[_Whole]:
    count = _whole(buckets.count, is_float=False)
    last_ms = _whole(buckets.last_ms, is_float=False)
    parts = (buckets.minimum, buckets.maximum, buckets.last, buckets.total)
    least, most, last, total = (_whole(part, is_float=is_float) for part in parts)
    if is_float:
        return [count, least, most, last, total, last_ms]
    return [count, least, most - least, last - least, total - least * count, last_ms]


def _whole(column: NDArray[np.float64], *, is_float: bool) -> _Whole:
    flat = np.ascontiguousarray(column[:, 0])
    return flat.view(np.int64) if is_float else flat.astype(np.int64)


def _numbers(column: _Whole) -> Floats:
    return column.astype(np.float64)[:, None]


def _bits(column: _Whole) -> Floats:
    return column.view(np.float64)[:, None]


def _pack(column: _Whole) -> bytes:
    rest = np.diff(column, prepend=np.int64(0))
    zigzag = ((rest << 1) ^ (rest >> 63)).view(np.uint64)
    planes = (int(zigzag.max(initial=0)).bit_length() + 7) // 8
    raw = zigzag.astype("<u8", copy=False).view(np.uint8).reshape(-1, _ITEM)
    return bytes([planes]) + raw[:, :planes].T.tobytes()


def _unpack(reader: wire.Reader, n: int) -> _Whole:
    planes = reader.byte()
    if planes > _ITEM:
        raise FrameCorruptError(f"{planes} byte planes do not exist")
    if not planes:
        return np.zeros(n, dtype=np.int64)
    body = np.frombuffer(reader.take(planes * n), np.uint8).reshape(planes, n)
    zigzag = body[0].astype(np.uint64)
    for plane in range(1, planes):
        zigzag |= body[plane].astype(np.uint64) << np.uint64(8 * plane)
    rest = (zigzag >> np.uint64(1)).view(np.int64) ^ -(zigzag & np.uint64(1)).view(np.int64)
    whole: _Whole = rest.cumsum()
    return whole
