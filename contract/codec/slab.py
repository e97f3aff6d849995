"""Frames of many devices side by side: what compaction moves without looking at each device.

A batch of a large station holds hundreds of short frames of few layouts. As slabs, arrays over
all devices of a layout, an hour of batches is joined by copying; frames are made of the result.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.codec import batch, quality
from contract.codec.model import MAX_ROWS, MAX_VALUES, Array, Frame, Quality, rows_between
from contract.codec.parts import frame_of
from contract.layouts import Layout

Key = tuple[bytes, int, int, tuple[str, ...], bool]
"""Layout hash, step_ms, phase_ms, devices, and whether there is jitter."""


@dataclass(frozen=True)
class Slab:
    """`n` rows of several devices of one layout on one grid.

    Attributes:
        devices: f names, each once.
        layout: theirs.
        t0_ms, step_ms: of the grid.
        columns: one array of shape (f, n, repeat) a column.
        quality: shape (f, n, width); None when all are good.
        jitter_ms: shape (f, n).
    """

    devices: tuple[str, ...]
    layout: Layout
    t0_ms: int
    step_ms: int
    columns: tuple[Array, ...]
    quality: NDArray[np.uint8] | None
    jitter_ms: NDArray[np.int16] | None

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.columns[0].shape[1])

    @property
    def end_ms(self) -> int:
        """The grid time one step after the last row."""
        return self.t0_ms + self.n * self.step_ms

    @property
    def key(self) -> Key:
        """What slabs must have in common to be joined."""
        phase = self.t0_ms % self.step_ms
        jitter = self.jitter_ms is not None
        return self.layout.hash8, self.step_ms, phase, self.devices, jitter

    def between(self, start_ms: int, end_ms: int) -> "Slab | None":
        """Return the rows whose grid time is in [start_ms, end_ms), or None if there are none."""
        first, last = rows_between((self.t0_ms, self.step_ms, self.n), start_ms, end_ms)
        if first >= last:
            return None
        if last - first == self.n:
            return self
        return Slab(
            self.devices,
            self.layout,
            self.t0_ms + first * self.step_ms,
            self.step_ms,
            tuple(column[:, first:last] for column in self.columns),
            None if self.quality is None else self.quality[:, first:last],
            None if self.jitter_ms is None else self.jitter_ms[:, first:last],
        )

    def frames(self) -> list[Frame]:
        """Return the frame of each device."""
        n, width = self.n, self.layout.width
        good = quality.all_good(n, width)
        every = tuple(range(len(self.layout.columns)))
        return [
            frame_of(
                (device, self.layout, self.t0_ms, self.step_ms),
                every,
                [column[at] for column in self.columns],
                good if self.quality is None else self.quality[at],
                None if self.jitter_ms is None else self.jitter_ms[at],
            )
            for at, device in enumerate(self.devices)
        ]


def decode(blob: bytes, resolve: batch.Resolve) -> list[Slab]:
    """Return the slabs of a batch; errors as in `batch.decode_batch`."""
    decoded = batch.decode_groups(blob, resolve)
    slabs = []
    for number, members in enumerate(decoded.found.members()):
        layout, group = decoded.layouts[number], decoded.found.groups[number]
        rows: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        seen: dict[tuple[int, str], int] = {}
        for at, index in enumerate(members):
            header = decoded.found.headers[index]
            again = seen.get((header.t0_ms, header.device), 0)
            seen[header.t0_ms, header.device] = again + 1
            rows[header.t0_ms, again].append(at)
        good = quality.all_good(group.n, layout.width)
        for (t0_ms, _), places in rows.items():
            blocks = [_taken(block, places) for block in decoded.blocks[number]]
            jitter = blocks.pop()[:, :, 0] if group.jitter else None
            marks = [decoded.qualities[members[at]] for at in places]
            slabs.append(
                Slab(
                    tuple(decoded.found.headers[members[at]].device for at in places),
                    layout,
                    t0_ms,
                    group.step_ms,
                    tuple(blocks),
                    np.stack(marks) if any(mark is not good for mark in marks) else None,
                    jitter,
                )
            )
    return slabs


def _taken(block: Array, places: list[int]) -> Array:
    return block if len(places) == len(block) else block[places]


def join(slabs: Sequence[Slab]) -> Slab | None:
    """Join slabs of one key in time; rows that no slab has are MISSING.

    None when they overlap, so that somebody has to win, or when a frame of the union would be over
    the limits of a frame.
    """
    ordered = sorted(slabs, key=lambda slab: slab.t0_ms)
    if any(later.t0_ms < one.end_ms for one, later in pairwise(ordered)):
        return None
    head = ordered[0]
    if len(ordered) == 1:
        return head
    n = (ordered[-1].end_ms - head.t0_ms) // head.step_ms
    if n > MAX_ROWS or n * (head.layout.width + 1) > MAX_VALUES:
        return None
    whole = sum(slab.n for slab in ordered) == n
    columns = tuple(
        _joined([slab.columns[k] for slab in ordered], ordered, n, whole=whole)
        for k in range(len(head.columns))
    )
    quality = None
    if not whole or any(slab.quality is not None for slab in ordered):
        shape = (len(head.devices), n, head.layout.width)
        quality = np.full(shape, Quality.MISSING, dtype=np.uint8)
        for slab in ordered:
            first = (slab.t0_ms - head.t0_ms) // head.step_ms
            quality[:, first : first + slab.n] = 0 if slab.quality is None else slab.quality
    jitter = None
    if head.jitter_ms is not None:
        parts: list[Any] = [slab.jitter_ms for slab in ordered]
        jitter = _joined(parts, ordered, n, whole=whole)
    return Slab(head.devices, head.layout, head.t0_ms, head.step_ms, columns, quality, jitter)


def _joined(parts: Sequence[Array], slabs: Sequence[Slab], n: int, *, whole: bool) -> Array:
    if whole:
        return np.concatenate(parts, axis=1)
    head = parts[0]
    joined: Array = np.zeros((head.shape[0], n, *head.shape[2:]), dtype=head.dtype)
    for part, slab in zip(parts, slabs, strict=True):
        first = (slab.t0_ms - slabs[0].t0_ms) // slab.step_ms
        joined[:, first : first + slab.n] = part
    return joined
