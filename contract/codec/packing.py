"""Small numbers as few bytes: zigzag, nibbles or byte planes, ready for an entropy coder.

Differences are zigzag coded, so that small magnitudes are small numbers. A run of numbers is
packed as nothing at all when all are zero; two to a byte with a list of exceptions when nearly
all are below 15, which lets the entropy coder spend fractions of a bit on a number; else split
into planes of low and high bytes.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contract.codec.model import Array
from contract.codec.wire import Reader, varint
from contract.errors import FrameCorruptError

Bytes = NDArray[np.uint8]

_UNSIGNED: dict[int, np.dtype[np.unsignedinteger]] = {
    1: np.dtype(np.uint8),
    2: np.dtype(np.uint16),
    4: np.dtype(np.uint32),
}

_NIBBLE = 15
_NIBBLE_CODE = 8
_MIN_TRIAL_VALUES = 64
_MAX_EXCEPTIONS = 1 / 32


@dataclass(frozen=True, slots=True)
class Section:
    """A packed run of `count` numbers: 0..4 byte planes, or nibbles with exceptions."""

    count: int
    code: int
    exceptions: int = 0
    exception_planes: int = 0
    size: int = field(init=False)
    """Packed bytes."""

    def __post_init__(self) -> None:
        """Compute the size once: it is asked for several times."""
        if self.code == _NIBBLE_CODE:
            size = (self.count + 1) // 2 + self.exceptions * self.exception_planes
        else:
            size = self.count * self.code
        object.__setattr__(self, "size", size)

    def to_bytes(self) -> bytes:
        """Return the section's entry in the directory."""
        if self.code != _NIBBLE_CODE:
            return bytes([self.code])
        tail = bytes([self.exception_planes]) if self.exceptions else b""
        return bytes([_NIBBLE_CODE]) + varint(self.exceptions) + tail


def read_section(reader: Reader, count: int, itemsize: int) -> Section:
    """Read a directory entry for `count` numbers of a dtype of `itemsize` bytes."""
    code = reader.byte()
    if code == _NIBBLE_CODE:
        exceptions = reader.varint(count)
        planes = reader.byte() if exceptions else 0
        if planes <= itemsize and (planes > 0) == (exceptions > 0):
            return Section(count, code, exceptions, planes)
    elif code <= itemsize:
        return Section(count, code)
    msg = f"packing {code} does not exist for numbers of {itemsize} bytes"
    raise FrameCorruptError(msg)


def pack(rest: Array) -> tuple[Section, bytes]:
    """Return differences packed, with the entry that a reader needs.

    Signed integers are zigzag coded; unsigned ones (of floats) are packed as they are.
    """
    if not rest.any():
        return Section(rest.size, 0), b""
    numbers = (zigzag(rest) if rest.dtype.kind == "i" else rest).reshape(-1)
    top = int(numbers.max())
    if top < _NIBBLE:
        return Section(numbers.size, _NIBBLE_CODE), _nibbles(numbers.astype(np.uint8))
    if numbers.size >= _MIN_TRIAL_VALUES:
        large = numbers >= _NIBBLE
        count = int(np.count_nonzero(large))
        if count <= numbers.size * _MAX_EXCEPTIONS:
            return _pack_with_exceptions(numbers, large, count)
    planes = _planes_of(top)
    return Section(numbers.size, planes), _split(numbers, planes)


def unpack(section: Section, body: bytes, dtype: np.dtype[np.generic]) -> Array:
    """Return the differences of `section` packed in `body`, flat, in the dtype of the packer."""
    if section.code == 0:
        return np.zeros(section.count, dtype=dtype)
    unsigned = _UNSIGNED[dtype.itemsize]
    if section.code == _NIBBLE_CODE:
        numbers = _unpack_nibbles(section, body, unsigned)
    else:
        numbers = _join(body, section.count, section.code, unsigned)
    return numbers if dtype.kind == "u" else ((numbers >> 1) ^ -(numbers & 1)).view(dtype)


def zigzag(signed: Array) -> Array:
    """Return signed integers as unsigned of the same size: 0, -1, 1, -2 -> 0, 1, 2, 3."""
    size = signed.dtype.itemsize
    numbers: Array = ((signed << 1) ^ (signed >> (8 * size - 1))).view(_UNSIGNED[size])
    return numbers


def _pack_with_exceptions(numbers: Array, large: Array, count: int) -> tuple[Section, bytes]:
    fifteen = numbers.dtype.type(_NIBBLE)
    rest = numbers[large] - fifteen
    planes = max(1, _planes_of(int(rest.max())))
    small = np.minimum(numbers, fifteen).astype(np.uint8)
    section = Section(numbers.size, _NIBBLE_CODE, count, planes)
    return section, _nibbles(small) + _split(rest, planes)


def _unpack_nibbles(section: Section, body: bytes, dtype: np.dtype[np.unsignedinteger]) -> Array:
    packed = np.frombuffer(body, np.uint8, count=(section.count + 1) // 2)
    pairs = np.empty((packed.size, 2), dtype=np.uint8)
    np.bitwise_and(packed, 0x0F, out=pairs[:, 0])
    np.right_shift(packed, 4, out=pairs[:, 1])
    numbers: Array = pairs.reshape(-1)[: section.count].astype(dtype)
    if section.exceptions:
        (where,) = np.nonzero(numbers == _NIBBLE)
        if where.size != section.exceptions:
            msg = f"{where.size} marks for {section.exceptions} exceptions"
            raise FrameCorruptError(msg)
        rest = _join(body[packed.size :], section.exceptions, section.exception_planes, dtype)
        numbers[where] += rest
    return numbers


def _planes_of(top: int) -> int:
    return (top.bit_length() + 7) // 8


def _nibbles(small: Bytes) -> bytes:
    if small.size % 2:
        small = np.append(small, np.uint8(0))
    return (small[0::2] | (small[1::2] << 4)).tobytes()


def _split(numbers: Array, planes: int) -> bytes:
    if planes == numbers.dtype.itemsize == 1:
        return numbers.tobytes()
    little = np.ascontiguousarray(numbers).astype(numbers.dtype.newbyteorder("<"), copy=False)
    return little.view(np.uint8).reshape(-1, numbers.dtype.itemsize)[:, :planes].T.tobytes()


def _join(body: bytes, count: int, planes: int, dtype: np.dtype[np.unsignedinteger]) -> Array:
    raw = np.frombuffer(body, np.uint8, count=count * planes).reshape(planes, count)
    found: Array = raw[0].astype(dtype)
    for plane in range(1, planes):
        found |= raw[plane].astype(dtype) << dtype.type(8 * plane)
    return found
