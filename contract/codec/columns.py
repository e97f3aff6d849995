"""Like columns of several frames as small numbers: predict, subtract, pack.

A block is an array (frames, rows, repeat) of one raw dtype. What is sent is the difference
between each value and a prediction from values that the reader already has:

- COMMON: the mean of each row is sent apart and subtracted from its values; cells of one rack
  move together with the current.
- the first row of a frame is predicted from its left neighbour (SPATIAL), or left as it is;
- later rows from the row before (delta), or from the mean of up to 8 rows before (AVERAGE),
  which halves the noise that a delta of two noisy values adds up.

Differences wrap in the width of the dtype, so every integer survives. Floats are XORed instead
of subtracted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contract.codec.model import Array
from contract.codec.packing import Bytes, Section, pack, read_section, unpack, zigzag
from contract.codec.wire import Reader
from contract.errors import FrameCorruptError

_FLOAT_BITS: np.dtype[np.generic] = np.dtype(np.uint32)
_AVERAGE_ROWS = 8
_AVERAGE_SHIFT = 3
_BYTE = 255
_DELTA_ROWS = 2
"""Up to so many rows the mean of the rows before is the row before."""
_AVERAGE_ITEMSIZE = 2
"""Sums of 8 wider integers would not fit the 32 bits of the sums."""
_MIN_TRIAL_VALUES = 64
_MIN_COMMON_REPEAT = 8
_MIN_AVERAGE_REPEAT = 32
_TRIAL_ROWS = 256
_TRIAL_REPEAT = 128

# The predictions of a block, a bit each. Plain integers: flags of an Enum cost as much as the
# arithmetic on a narrow column.
DELTA = 0
COMMON = 1
SPATIAL = 2
AVERAGE = 4


def encode_block(block: Array) -> tuple[bytes, list[bytes]]:
    """Return a block's directory entry and its packed sections."""
    if block.dtype.kind == "f":
        return _encode_floats(block.view(np.uint32))
    model = _choose(block)
    entry, sections = bytes([model]), []
    if model & COMMON:
        common = _row_means(block)
        block = block - common[:, :, None]
        common_entry, common_sections = _encode_plain(common[:, :, None])
        entry, sections = entry + common_entry, common_sections
    for part in (_first_rest(block, model), _later_rest(block, model)):
        section, body = pack(part)
        entry += section.to_bytes()
        sections.append(body)
    return entry, sections


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """How one block was coded, read from the directory; `size` is its bytes in the body."""

    shape: tuple[int, int, int]
    dtype: np.dtype[np.generic]
    model: int
    sections: tuple[Section, ...]
    size: int


def read_plan(
    reader: Reader, shape: tuple[int, int, int], dtype: np.dtype[np.generic]
) -> BlockPlan:
    """Read a block's directory entry."""
    frames, rows, repeat = shape
    model = reader.byte()
    if model & ~_allowed(dtype, repeat):
        msg = f"prediction {model} does not exist for {dtype} side by side {repeat} times"
        raise FrameCorruptError(msg)
    counts = [frames * repeat, frames * (rows - 1) * repeat]
    if model & COMMON:
        counts = [frames, frames * (rows - 1), *counts]
    itemsize, sections, size = dtype.itemsize, [], 0
    for count in counts:
        section = read_section(reader, count, itemsize)
        sections.append(section)
        size += section.size
    return BlockPlan(shape, dtype, model, tuple(sections), size)


def decode_block(plan: BlockPlan, body: bytes) -> Array:
    """Return the block (frames, rows, repeat) that `encode_block` was given."""
    is_float = plan.dtype.kind == "f"
    dtype = _FLOAT_BITS if is_float else plan.dtype
    parts, start = [], 0
    for section in plan.sections:
        parts.append(unpack(section, body[start : start + section.size], dtype))
        start += section.size
    if is_float:
        return _decode_floats(parts, plan)
    frames, rows, _ = plan.shape
    block = _restore(parts[-2], parts[-1], plan.shape, plan.model)
    if plan.model & COMMON:
        block += _restore(parts[0], parts[1], (frames, rows, 1), SPATIAL)
    return block


def _encode_plain(block: Array) -> tuple[bytes, list[bytes]]:
    packed = [pack(part) for part in (_first_rest(block, SPATIAL), _later_rest(block, DELTA))]
    return b"".join(s.to_bytes() for s, _ in packed), [body for _, body in packed]


def _encode_floats(bits: Array) -> tuple[bytes, list[bytes]]:
    first = bits[:, 0, :].reshape(-1)
    first = np.concatenate([first[:1], first[1:] ^ first[:-1]])
    packed = [pack(first), pack(bits[:, 1:] ^ bits[:, :-1])]
    entry = bytes([DELTA]) + b"".join(s.to_bytes() for s, _ in packed)
    return entry, [body for _, body in packed]


def _decode_floats(parts: list[Array], plan: BlockPlan) -> Array:
    frames, rows, repeat = plan.shape
    bits = np.empty(plan.shape, dtype=np.uint32)
    bits[:, 0, :] = np.bitwise_xor.accumulate(parts[0]).reshape(frames, repeat)
    bits[:, 1:, :] = parts[1].reshape(frames, rows - 1, repeat)
    return np.bitwise_xor.accumulate(bits, axis=1).view(np.float32)


def _first_rest(block: Array, model: int) -> Array:
    first = block[:, 0, :].reshape(-1)
    if model & SPATIAL:
        return np.concatenate([first[:1], first[1:] - first[:-1]])
    return first


def _later_rest(block: Array, model: int) -> Array:
    if model & AVERAGE and block.shape[1] > _DELTA_ROWS:
        return (block[:, 1:] - _averages(block)).astype(block.dtype)
    return block[:, 1:] - block[:, :-1]


def _averages(block: Array) -> NDArray[np.int32]:
    rows = block.shape[1]
    sums = np.zeros((block.shape[0], rows, block.shape[2]), dtype=np.int32)
    np.cumsum(block[:, :-1], axis=1, dtype=np.int32, out=sums[:, 1:])
    upto = sums[:, 1:].copy()
    upto[:, _AVERAGE_ROWS:] -= sums[:, 1 : max(1, rows - _AVERAGE_ROWS)]
    counts = np.minimum(np.arange(1, rows, dtype=np.int32), _AVERAGE_ROWS)[None, :, None]
    averages: NDArray[np.int32] = (upto + counts // 2) // counts
    return averages


def _restore(first: Array, later: Array, shape: tuple[int, int, int], model: int) -> Array:
    frames, rows, repeat = shape
    block = np.empty(shape, dtype=first.dtype)
    if model & SPATIAL:
        first = first.cumsum(dtype=first.dtype)
    block[:, 0, :] = first.reshape(frames, repeat)
    block[:, 1:, :] = later.reshape(frames, rows - 1, repeat)
    if model & AVERAGE and rows > _DELTA_ROWS:
        _restore_averages(block)
        return block
    return block.cumsum(axis=1, dtype=block.dtype) if rows > 1 else block


def _restore_averages(block: Array) -> None:
    """Add to each row the mean of up to 8 rows before, in place, row after row.

    `block` holds differences behind its first row. This loop is most of what a cell map costs:
    it runs over rows of 32 bits, and only where a sum left the dtype does it run again with sums
    that wrap.
    """
    wide = np.ascontiguousarray(block.swapaxes(0, 1), dtype=np.int32)
    limits = np.iinfo(block.dtype)
    restored = _with_averages(wide.copy(), 0)
    if restored.max() > limits.max or restored.min() < limits.min:
        restored = _with_averages(wide, 32 - limits.bits)
    block[:] = restored.swapaxes(0, 1)


def _with_averages(rows: NDArray[np.int32], spare_bits: int) -> NDArray[np.int32]:
    """Restore `rows` in place; with spare bits, sums wrap in the rest."""
    each = list(rows)
    sums = each[0] + np.int32(0)
    mean = np.empty_like(sums)
    add, subtract, shift = np.add, np.subtract, np.right_shift
    for number, row in enumerate(each[1:], 1):
        if number == _AVERAGE_ROWS:
            sums += _AVERAGE_ROWS // 2  # from here on the mean is rounded by the shift
        if number < _AVERAGE_ROWS:
            np.floor_divide(sums + number // 2, number, mean)
        else:
            shift(sums, _AVERAGE_SHIFT, mean)
        add(row, mean, row)
        if spare_bits:
            np.left_shift(row, spare_bits, row)
            shift(row, spare_bits, row)
        add(sums, row, sums)
        if number >= _AVERAGE_ROWS:
            subtract(sums, each[number - _AVERAGE_ROWS], sums)
    return rows


def _row_means(block: Array) -> Array:
    means: Array = np.rint(block.mean(axis=2)).astype(block.dtype)
    return means


def _allowed(dtype: np.dtype[np.generic], repeat: int) -> int:
    """Return the predictions that this house uses for a column.

    An AVERAGE is restored row by row, so it is only for columns that are wide enough for this
    to be fast, and for integers whose sums fit 32 bits.
    """
    if dtype.kind == "f":
        return DELTA
    if repeat < _MIN_COMMON_REPEAT:
        return SPATIAL
    if repeat < _MIN_AVERAGE_REPEAT or dtype.itemsize > _AVERAGE_ITEMSIZE:
        return COMMON | SPATIAL
    return COMMON | SPATIAL | AVERAGE


def _choose(block: Array) -> int:
    """Return the model with the least entropy on a sample of the block."""
    _, rows, repeat = block.shape
    allowed = _allowed(block.dtype, repeat)
    if not allowed & COMMON or block.size < _MIN_TRIAL_VALUES:
        return SPATIAL
    sample = block[:, :_TRIAL_ROWS, :: -(-repeat // _TRIAL_REPEAT)]
    costs = {}
    for common in (DELTA, COMMON):
        tried = sample - _row_means(sample)[:, :, None] if common else sample
        first = {m: _bits(_first_rest(tried, m)) for m in (DELTA, SPATIAL)}
        later = {DELTA: _bits(_later_rest(tried, DELTA))}
        if allowed & AVERAGE and rows > _DELTA_ROWS:
            later[AVERAGE] = _bits(_later_rest(tried, AVERAGE))
        a, b = min(first, key=first.__getitem__), min(later, key=later.__getitem__)
        of_means = 8 * rows if common else 0
        costs[common | a | b] = first[a] * repeat + later[b] * (rows - 1) * repeat + of_means
    return min(costs, key=costs.__getitem__)


def _bits(rest: Array) -> float:
    """Return the mean bits per number of what an entropy coder makes of the byte planes."""
    if not rest.size:
        return 0.0
    numbers = zigzag(rest).reshape(-1)
    planes = [numbers.astype(np.uint8)]
    if numbers.dtype.itemsize > 1:
        planes.append(np.minimum(numbers >> 8, _BYTE).astype(np.uint8))
    return sum(_entropy(p) for p in planes)


def _entropy(plane: Bytes) -> float:
    shares = np.bincount(plane) / plane.size
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())
