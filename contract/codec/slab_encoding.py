"""A batch made of slabs: what a large station sends each second without looking at each device.

A thousand devices of one second are a thousand frames of one row; as slabs they are a dozen
arrays. The bytes are those of `batch.encode_batch` for the same frames in the same order.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from contract.codec import batch, quality
from contract.codec.directory import MAX_FRAMES, Directory, Group
from contract.codec.model import Array, FrameHeader, Quality, require_identity
from contract.codec.parts import bridged
from contract.codec.slab import Slab
from contract.errors import FrameShapeError, FrameTooLargeError


def encode(slabs: Sequence[Slab], level: int) -> bytes:
    """Return the bytes of 1..MAX_FRAMES frames that lie in slabs.

    Raises:
        FrameShapeError: an array does not fit the layout of its slab.
        FrameTooLargeError: a batch may not hold as much.
    """
    for one in slabs:
        _check(one)
    groups: dict[Group, list[Slab]] = {}
    for one in slabs:
        groups.setdefault(_group(one), []).append(one)
    found = _directory(slabs, {group: number for number, group in enumerate(groups)})
    coded = [entry for one in slabs for entry in _qualities(one)]
    layouts = [members[0].layout for members in groups.values()]
    blocks = (block for members in groups.values() for block in _blocks(members))
    return batch.encode_groups(found, layouts, coded, blocks, level)


def _group(one: Slab) -> Group:
    return Group(one.layout.hash8, one.step_ms, one.n, _jitter(one) is not None)


def _jitter(one: Slab) -> NDArray[np.int16] | None:
    """Return the jitter of a slab; 0 where a row is no sample, as in a frame."""
    if one.jitter_ms is None or one.quality is None:
        return one.jitter_ms
    unsampled = (one.quality == Quality.MISSING).all(axis=2)
    return np.where(unsampled, np.int16(0), one.jitter_ms) if unsampled.any() else one.jitter_ms


def _directory(slabs: Sequence[Slab], numbers: dict[Group, int]) -> Directory:
    count = sum(len(one.devices) for one in slabs)
    if not 1 <= count <= MAX_FRAMES:
        msg = f"a batch holds 1..{MAX_FRAMES} frames, not {count}"
        raise FrameTooLargeError(msg)
    group_of: list[int] = []
    headers: list[FrameHeader] = []
    for one in slabs:
        group_of += [numbers[_group(one)]] * len(one.devices)
        grid = (one.layout.hash8, one.t0_ms, one.step_ms, one.n, 0)
        headers += [FrameHeader(device, *grid) for device in one.devices]
    return Directory(tuple(numbers), tuple(group_of), tuple(headers))


def _qualities(one: Slab) -> Iterator[tuple[int, bytes]]:
    good = (quality.ALL_GOOD, b"")
    if one.quality is None:
        yield from [good] * len(one.devices)
        return
    marked = np.asarray(one.quality.any(axis=(1, 2))).tolist()
    for marks, is_marked in zip(one.quality, marked, strict=True):
        yield quality.encode(marks) if is_marked else good


def _blocks(members: Sequence[Slab]) -> Iterator[Array]:
    """Yield the columns of slabs of one group one below the other, jitter last."""
    layout = members[0].layout
    gap = _gap(members)
    blocks = (
        np.concatenate([one.columns[k] for one in members]) for k in range(len(layout.columns))
    )
    yield from bridged(layout, blocks if gap is None else _emptied(members, blocks, gap), gap)
    if members[0].jitter_ms is not None:
        jitters = [_jitter(one) for one in members]
        yield np.concatenate([one for one in jitters if one is not None])[:, :, None]


def _gap(members: Sequence[Slab]) -> NDArray[np.bool_] | None:
    """Return which values are MISSING, shape (frames, rows, width); None where none is."""
    if not any(one.quality is not None and one.quality.max() == Quality.MISSING for one in members):
        return None
    shapes = [(len(one.devices), one.n, one.layout.width) for one in members]
    return np.concatenate(
        [
            np.zeros(shape, np.bool_) if one.quality is None else one.quality == Quality.MISSING
            for one, shape in zip(members, shapes, strict=True)
        ]
    )


def _emptied(
    members: Sequence[Slab], blocks: Iterator[Array], gap: NDArray[np.bool_]
) -> Iterator[Array]:
    """Yield blocks whose MISSING values are 0."""
    start = 0
    for column, block in zip(members[0].layout.columns, blocks, strict=True):
        stop = start + column.repeat
        block[gap[:, :, start:stop]] = 0
        yield block
        start = stop


def _check(one: Slab) -> None:
    """Refuse what the frames of a slab would refuse."""
    count, n, width = len(one.devices), one.n, one.layout.width
    for device in one.devices:
        require_identity(device, one.t0_ms, one.step_ms, n)
    shapes = zip(one.layout.columns, one.layout.dtypes, one.columns, strict=True)
    fits = all(a.dtype == kind and a.shape == (count, n, c.repeat) for c, kind, a in shapes)
    marks, jitter = one.quality, one.jitter_ms
    if marks is not None:
        fits &= marks.dtype == np.uint8 and marks.shape == (count, n, width)
        fits = fits and int(marks.max()) <= Quality.MISSING
    if jitter is not None:
        fits &= jitter.dtype == np.int16 and jitter.shape == (count, n)
    if not fits:
        msg = (
            f"arrays of {one.layout.name} of {count} devices do not fit: columns of their dtypes "
            f"({count}, {n}, repeat), quality 0..3 uint8 ({count}, {n}, {width}) and jitter int16"
        )
        raise FrameShapeError(msg)
