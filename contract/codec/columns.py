"""Like columns of several frames as small numbers: predict, subtract, pack.

A block is an array (frames, rows, repeat) of one raw dtype. What is sent is the difference
between each value and a prediction from values that the reader already has:

- COMMON: the mean of each row is sent apart and subtracted from its values; cells of one rack
  move together with the current.
- the first row of a frame is predicted from its left neighbour (SPATIAL), or left as it is;
- later rows from the row before (delta), or from the mean of up to 8 rows before (AVERAGE),
  which halves the noise that a delta of two noisy values adds up.

Differences wrap in the width of the dtype, so every integer survives. They are zigzag coded
and packed: nothing at all when all are zero; two to a byte with a list of exceptions when they
are small; else split into planes of low and high bytes. Floats are XORed instead of subtracted.
"""

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

from contract.codec.model import Array
from contract.codec.wire import Reader, varint
from contract.errors import FrameCorruptError

_AVERAGE_ROWS = 8
_NIBBLE = 15
_NIBBLE_CODE = 8
_DELTA_ROWS = 2
"""Up to so many rows the mean of the rows before is the row before."""
_AVERAGE_ITEMSIZE = 2
"""Sums of 8 wider integers would not fit the 32 bits of the sums."""
_MIN_TRIAL_VALUES = 64
_MIN_COMMON_REPEAT = 8
_MIN_AVERAGE_REPEAT = 32
_TRIAL_ROWS = 256
_TRIAL_REPEAT = 128
_MAX_EXCEPTIONS = 1 / 32

Bytes = NDArray[np.uint8]


class Model(IntFlag):
    """Which predictions a block uses."""

    DELTA = 0
    COMMON = 1
    SPATIAL = 2
    AVERAGE = 4


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
    """Pack unsigned numbers; see the module's text."""
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


def encode_block(block: Array) -> tuple[bytes, list[bytes]]:
    """Return a block's directory entry and its packed sections."""
    if block.dtype.kind == "f":
        return _encode_floats(block.view(np.uint32))
    model = _choose(block)
    entry, sections = bytes([model]), []
    if model & Model.COMMON:
        common = _row_means(block)
        block = block - common[:, :, None]
        common_entry, common_sections = _encode_plain(common[:, :, None])
        entry, sections = entry + common_entry, common_sections
    for part in (_first_rest(block, model), _later_rest(block, model)):
        section, body = pack(_zigzag(part))
        entry += section.to_bytes()
        sections.append(body)
    return entry, sections


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """How one block was coded, read from the directory; `size` is its bytes in the body."""

    shape: tuple[int, int, int]
    dtype: np.dtype[np.generic]
    model: Model
    sections: tuple[Section, ...]

    @property
    def size(self) -> int:
        """Bytes in the body."""
        return sum(s.size for s in self.sections)


def read_plan(
    reader: Reader, shape: tuple[int, int, int], dtype: np.dtype[np.generic]
) -> BlockPlan:
    """Read a block's directory entry."""
    frames, rows, repeat = shape
    model = reader.byte()
    if model > Model.COMMON | Model.SPATIAL | Model.AVERAGE or (
        (dtype.kind == "f" and model)
        or (dtype.itemsize > _AVERAGE_ITEMSIZE and model & Model.AVERAGE)
    ):
        msg = f"prediction {model} does not exist for {dtype}"
        raise FrameCorruptError(msg)
    counts = [frames * repeat, frames * (rows - 1) * repeat]
    if model & Model.COMMON:
        counts = [frames, frames * (rows - 1), *counts]
    sections = tuple(read_section(reader, c, dtype.itemsize) for c in counts)
    return BlockPlan(shape, dtype, Model(model), sections)


def decode_block(plan: BlockPlan, body: bytes) -> Array:
    """Return the block (frames, rows, repeat) that `encode_block` was given."""
    unsigned = np.dtype(f"u{plan.dtype.itemsize}")
    parts, start = [], 0
    for section in plan.sections:
        parts.append(unpack(section, body[start : start + section.size], unsigned))
        start += section.size
    if plan.dtype.kind == "f":
        return _decode_floats(parts, plan)
    signed = [_unzigzag(p) for p in parts]
    frames, rows, _ = plan.shape
    block = _restore(signed[-2], signed[-1], plan.shape, plan.model)
    if plan.model & Model.COMMON:
        common = _restore(signed[0], signed[1], (frames, rows, 1), Model.SPATIAL)
        block += common
    return block


def _encode_plain(block: Array) -> tuple[bytes, list[bytes]]:
    packed = [
        pack(_zigzag(part))
        for part in (_first_rest(block, Model.SPATIAL), _later_rest(block, Model.DELTA))
    ]
    return b"".join(s.to_bytes() for s, _ in packed), [body for _, body in packed]


def _encode_floats(bits: Array) -> tuple[bytes, list[bytes]]:
    first = bits[:, 0, :].reshape(-1)
    first = np.concatenate([first[:1], first[1:] ^ first[:-1]])
    packed = [pack(first), pack(bits[:, 1:] ^ bits[:, :-1])]
    entry = bytes([Model.DELTA]) + b"".join(s.to_bytes() for s, _ in packed)
    return entry, [body for _, body in packed]


def _decode_floats(parts: list[Array], plan: BlockPlan) -> Array:
    frames, rows, repeat = plan.shape
    bits = np.empty(plan.shape, dtype=np.uint32)
    bits[:, 0, :] = np.bitwise_xor.accumulate(parts[0]).reshape(frames, repeat)
    bits[:, 1:, :] = parts[1].reshape(frames, rows - 1, repeat)
    return np.bitwise_xor.accumulate(bits, axis=1).view(np.float32)


def _first_rest(block: Array, model: Model) -> Array:
    first = block[:, 0, :].reshape(-1)
    if model & Model.SPATIAL:
        return np.concatenate([first[:1], first[1:] - first[:-1]])
    return first


def _later_rest(block: Array, model: Model) -> Array:
    if model & Model.AVERAGE and block.shape[1] > _DELTA_ROWS:
        return (block[:, 1:] - _averages(block)).astype(block.dtype)
    return block[:, 1:] - block[:, :-1]


def _averages(block: Array) -> NDArray[np.int32]:
    rows = block.shape[1]
    sums = np.zeros((block.shape[0], rows, block.shape[2]), dtype=np.int32)
    np.cumsum(block[:, :-1], axis=1, dtype=np.int32, out=sums[:, 1:])
    upto = sums[:, 1:].copy()
    upto[:, _AVERAGE_ROWS:] -= sums[:, 1 : rows - _AVERAGE_ROWS]
    counts = np.minimum(np.arange(1, rows, dtype=np.int32), _AVERAGE_ROWS)[None, :, None]
    averages: NDArray[np.int32] = (upto + counts // 2) // counts
    return averages


def _restore(first: Array, later: Array, shape: tuple[int, int, int], model: Model) -> Array:
    frames, rows, repeat = shape
    block = np.empty(shape, dtype=first.dtype)
    if model & Model.SPATIAL:
        first = np.cumsum(first, dtype=first.dtype)
    block[:, 0, :] = first.reshape(frames, repeat)
    block[:, 1:, :] = later.reshape(frames, rows - 1, repeat)
    if model & Model.AVERAGE and rows > _DELTA_ROWS:
        _restore_averages(block)
        return block
    return np.cumsum(block, axis=1, dtype=block.dtype)


def _restore_averages(block: Array) -> None:
    sums = block[:, 0].astype(np.int32)
    for row in range(1, block.shape[1]):
        count = min(row, _AVERAGE_ROWS)
        block[:, row] += ((sums + count // 2) // count).astype(block.dtype)
        sums += block[:, row]
        if row >= _AVERAGE_ROWS:
            sums -= block[:, row - _AVERAGE_ROWS]


def _row_means(block: Array) -> Array:
    means: Array = np.rint(block.mean(axis=2)).astype(block.dtype)
    return means


def _choose(block: Array) -> Model:
    """Return the model with the least entropy on a sample of the block."""
    _, rows, repeat = block.shape
    if repeat < _MIN_COMMON_REPEAT or block.size < _MIN_TRIAL_VALUES:
        return Model.SPATIAL
    every = -(-repeat // _TRIAL_REPEAT)
    sample = block[:, :_TRIAL_ROWS, ::every]
    best = {}
    for common in (Model.DELTA, Model.COMMON):
        tried = sample - _row_means(sample)[:, :, None] if common else sample
        first = {m: _bits(_first_rest(tried, m)) for m in (Model.DELTA, Model.SPATIAL)}
        later = {Model.DELTA: _bits(_later_rest(tried, Model.DELTA))}
        if (
            block.dtype.itemsize <= _AVERAGE_ITEMSIZE
            and repeat >= _MIN_AVERAGE_REPEAT
            and rows > _DELTA_ROWS
        ):
            later[Model.AVERAGE] = _bits(_later_rest(tried, Model.AVERAGE))
        a, b = min(first, key=first.__getitem__), min(later, key=later.__getitem__)
        best[common | a | b] = (
            first[a] * repeat + later[b] * (rows - 1) * repeat + 8 * common * rows
        )
    return min(best, key=best.__getitem__)


def _bits(rest: Array) -> float:
    """Return the mean bits per number of what an entropy coder makes of the numbers."""
    if not rest.size:
        return 0.0
    numbers = np.minimum(_zigzag(rest), 255).reshape(-1)
    shares = np.bincount(numbers.astype(np.uint8), minlength=256) / numbers.size
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


def _zigzag(signed: Array) -> Array:
    bits = signed.dtype.itemsize * 8 - 1
    numbers: Array = ((signed << 1) ^ (signed >> bits)).view(f"u{signed.dtype.itemsize}")
    return numbers


def _unzigzag(numbers: Array) -> Array:
    signed = numbers.view(f"i{numbers.dtype.itemsize}")
    return (numbers >> 1).view(signed.dtype) ^ -(signed & 1)


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
