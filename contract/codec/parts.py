"""Frames of some columns of a layout, and the columns of like frames side by side."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from contract.codec.model import Array, Frame, Quality
from contract.layouts import Layout

_MOST_PARTS = 4096
_parts: dict[tuple[bytes, tuple[int, ...]], Layout] = {}
"""Layouts of some columns, by hash and columns: making and hashing one costs more than a column."""


def columns_of(group: Sequence[Frame]) -> Iterator[Array]:
    """Yield each column of like frames as one array (frames, rows, repeat), jitter last."""
    head = group[0]
    gaps = [f.quality == Quality.MISSING for f in group]
    gap = np.stack(gaps) if any(g.any() for g in gaps) else None
    blocks = (np.stack([f.values[index] for f in group]) for index in range(len(head.values)))
    yield from bridged(head.layout, blocks, gap)
    if head.jitter_ms is not None:
        yield np.stack([f.jitter_ms for f in group if f.jitter_ms is not None])[:, :, None]


def bridged(
    layout: Layout, blocks: Iterable[Array], gap: NDArray[np.bool_] | None
) -> Iterator[Array]:
    """Yield blocks (frames, rows, repeat) with their gaps filled, in place; None: there are none.

    Args:
        layout: of the blocks, one a column.
        blocks: what is filled.
        gap: which values are MISSING, shape (frames, rows, width).
    """
    start = 0
    for column, block in zip(layout.columns, blocks, strict=True):
        stop = start + column.repeat
        if gap is not None:
            _bridge(block, gap[:, :, start:stop])
        yield block
        start = stop


def _bridge(block: Array, gap: NDArray[np.bool_]) -> None:
    """Fill gaps with the value before (or after) them, which costs the fewest bytes.

    What is filled in is never seen: a frame's MISSING values are 0.
    """
    if not gap.any():
        return
    end = block.shape[1]
    rows = np.arange(end)[None, :, None]
    before = np.maximum.accumulate(np.where(gap, -1, rows), axis=1)
    after = np.minimum.accumulate(np.where(gap, end, rows)[:, ::-1], axis=1)[:, ::-1]
    source = np.where(before >= 0, before, np.where(after < end, after, 0))
    block[:] = np.take_along_axis(block, source, axis=1)


def frame_of(
    what: tuple[str, Layout, int, int],
    columns: Sequence[int],
    values: Sequence[Array],
    marks: NDArray[np.uint8],
    jitter_ms: NDArray[np.int16] | None,
) -> Frame:
    """Make the frame of some columns of a layout.

    Args:
        what: device, whole layout, t0_ms and step_ms.
        columns: which columns of the layout, ascending.
        values: theirs, shape (n, repeat) each.
        marks: quality of all columns of the layout, shape (n, width).
        jitter_ms: shape (n,).
    """
    device, whole, t0_ms, step_ms = what
    layout, quality_of = part_of(whole, tuple(columns)), cut(marks, whole, columns)
    if not (marks.strides[0] or marks.strides[1]) and not marks[0, 0]:  # one value: all are good
        return Frame.trusted(device, (layout, t0_ms, step_ms), values, quality_of, jitter_ms)
    part = len(columns) < len(whole.columns)
    sampled = (marks != Quality.MISSING).any(axis=1) if part else None
    return Frame(device, layout, t0_ms, step_ms, tuple(values), quality_of, jitter_ms, sampled)


def part_of(layout: Layout, columns: tuple[int, ...]) -> Layout:
    """Return the layout of some columns of `layout`, under the same name."""
    if len(columns) == len(layout.columns):
        return layout
    known = _parts.get((layout.hash8, columns))
    if known is None:
        if len(_parts) > _MOST_PARTS:
            _parts.clear()
        known = Layout(layout.name, tuple(layout.columns[column] for column in columns))
        _parts[layout.hash8, columns] = known
    return known


def cut(whole: NDArray[np.uint8], layout: Layout, columns: Sequence[int]) -> NDArray[np.uint8]:
    """Return the quality of some columns, shape (n, their width)."""
    if len(columns) == len(layout.columns):
        return whole
    ranges = [layout.offset(layout.columns[column].signal.name) for column in columns]
    if len(ranges) == 1:
        return whole[:, slice(*ranges[0])]
    return np.concatenate([whole[:, start:stop] for start, stop in ranges], axis=1)
