"""Readings of many devices in one layout as arrays: how they travel, and how they are looked at.

A station of hundreds of racks brings a thousand readings a second. One by one each costs a
message and two dozen small arrays; side by side they are a handful of large ones.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from station.protocols.driver import Reading

MOST_BYTES = 1 << 18
"""Some hundred racks of 400 cells: what is done with a bundle at once takes milliseconds."""
_NARROW = 128
"""Values of a row that is not worth a copy."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """Readings of one layout side by side.

    Attributes:
        layout: name of the layout in ``contract.layouts``.
        devices: tag of the device of each reading.
        time_ms: device times, shape (readings,).
        received_ms: when the last byte of each arrived, shape (readings,).
        values: one array (readings, repeat) a layout column, raw scaled integers.
        quality: ``contract.frame.Quality`` of each value, shape (readings, width).
    """

    layout: str
    devices: tuple[str, ...]
    time_ms: npt.NDArray[np.int64]
    received_ms: npt.NDArray[np.int64]
    values: tuple[npt.NDArray[Any], ...]
    quality: npt.NDArray[np.uint8]

    def readings(self) -> Iterator[Reading]:
        """Yield each reading; narrow ones are views, wide ones copies.

        A device that falls silent would else keep the cells of all its neighbours in memory.
        """
        wide = self.quality.shape[1] > _NARROW
        rows = zip(
            self.devices,
            self.time_ms.tolist(),
            self.received_ms.tolist(),
            zip(*self.values, strict=True),
            self.quality,
            strict=True,
        )
        for device, time_ms, received_ms, values, quality in rows:
            if wide:
                values, quality = tuple(column.copy() for column in values), quality.copy()  # noqa: PLW2901
            yield Reading(device, self.layout, time_ms, received_ms, values, quality)


def bundled(readings: Sequence[Reading]) -> Iterator[Bundle]:
    """Yield readings as bundles, each layout's in their order; a layout has one shape."""
    alike: defaultdict[tuple[str, int], list[Reading]] = defaultdict(list)
    for reading in readings:
        alike[reading.layout, reading.quality.size].append(reading)
    for group in alike.values():
        head = group[0]
        size = head.quality.nbytes + sum(array.nbytes for array in head.values)
        step = max(1, MOST_BYTES // max(1, size))
        for start in range(0, len(group), step):
            yield _bundle(group[start : start + step])


def _bundle(group: Sequence[Reading]) -> Bundle:
    count = len(group)
    return Bundle(
        layout=group[0].layout,
        devices=tuple(reading.device for reading in group),
        time_ms=np.array([reading.time_ms for reading in group], np.int64),
        received_ms=np.array([reading.received_ms for reading in group], np.int64),
        values=tuple(
            np.concatenate(rows).reshape(count, -1)
            for rows in zip(*(reading.values for reading in group), strict=True)
        ),
        quality=np.concatenate([reading.quality for reading in group])
        .astype(np.uint8, copy=False)
        .reshape(count, -1),
    )
