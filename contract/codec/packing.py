"""Small numbers as few bytes: zigzag, nibbles or byte planes, ready for an entropy coder.

Differences are zigzag coded, so that small magnitudes are small numbers. A run of numbers is
packed as nothing at all when all are zero; two to a byte with a list of exceptions when nearly
all are below 15, which lets the entropy coder spend fractions of a bit on a number; else split
into planes of low and high bytes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contract.codec.model import Array
from contract.codec.wire import Reader, varint
from contract.errors import FrameCorruptError

Bytes = NDArray[np.uint8]

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

    @property
    def size(self) -> int:
        """Packed bytes."""
        if self.code == _NIBBLE_CODE:
            return (self.count + 1) // 2 + self.exceptions * self.exception_planes
        return self.count * self.code

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


def pack(numbers: Array) -> tuple[Section, bytes]:
    """Return unsigned numbers packed, with the entry that a reader needs."""
    flat = numbers.reshape(-1)
    top = int(flat.max(initial=0))
    if top == 0:
        return Section(flat.size, 0), b""
    if top < _NIBBLE:
        return Section(flat.size, _NIBBLE_CODE), _nibbles(flat.astype(np.uint8))
    if flat.size >= _MIN_TRIAL_VALUES:
        large = flat >= _NIBBLE
        count = int(np.count_nonzero(large))
        if count <= flat.size * _MAX_EXCEPTIONS:
            rest = flat[large] - flat.dtype.type(_NIBBLE)
            planes = max(1, _planes_of(int(rest.max())))
            section = Section(flat.size, _NIBBLE_CODE, count, planes)
            small = np.minimum(flat, flat.dtype.type(_NIBBLE)).astype(np.uint8)
            return section, _nibbles(small) + _split(rest, planes)
    planes = _planes_of(top)
    return Section(flat.size, planes), _split(flat, planes)


def unpack(section: Section, body: bytes, dtype: np.dtype[np.unsignedinteger]) -> Array:
    """Return the `section.count` unsigned numbers packed in `body`."""
    if section.code == 0:
        return np.zeros(section.count, dtype=dtype)
    if section.code != _NIBBLE_CODE:
        return _join(body, section.count, section.code, dtype)
    packed = np.frombuffer(body, np.uint8, count=(section.count + 1) // 2)
    pairs = np.empty((packed.size, 2), dtype=np.uint8)
    np.bitwise_and(packed, 0x0F, out=pairs[:, 0])
    np.right_shift(packed, 4, out=pairs[:, 1])
    flat = pairs.reshape(-1)[: section.count].astype(dtype)
    if section.exceptions:
        (where,) = np.nonzero(flat == _NIBBLE)
        if where.size != section.exceptions:
            msg = f"{where.size} marks for {section.exceptions} exceptions"
            raise FrameCorruptError(msg)
        rest = _join(body[packed.size :], section.exceptions, section.exception_planes, dtype)
        flat[where] += rest
    return flat


def zigzag(signed: Array) -> Array:
    """Return signed integers as unsigned of the same size: 0, -1, 1, -2 -> 0, 1, 2, 3."""
    bits = signed.dtype.itemsize * 8 - 1
    numbers: Array = ((signed << 1) ^ (signed >> bits)).view(f"u{signed.dtype.itemsize}")
    return numbers


def unzigzag(numbers: Array) -> Array:
    """Return what `zigzag` was given."""
    signed = numbers.view(f"i{numbers.dtype.itemsize}")
    restored: Array = (numbers >> 1).view(signed.dtype) ^ -(signed & 1)
    return restored


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
