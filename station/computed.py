"""What the station computes, as samples like any other: scaled, with quality, at a whole second."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from contract.frame import Quality
from contract.layouts import Layout
from station.samples import RawColumns

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ComputedSample:
    """A sample that no device sent."""

    device: str
    layout: str
    time_ms: int
    received_ms: int
    values: RawColumns
    quality: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Instant:
    """The second that samples are of, and when they were computed; epoch milliseconds."""

    second_ms: int
    now_ms: int


def computed_sample(
    device: str, layout: Layout, values: Mapping[str, float], at: Instant
) -> ComputedSample:
    """Return computed values in their units as a sample; NaN is what is not known.

    Args:
        device: tag.
        layout: of single values.
        values: by signal; one that is left out is not known.
        at: when.
    """
    alone = {name: np.array([value]) for name, value in values.items()}
    return computed_samples([device], layout, alone, at)[0]


def computed_samples(
    devices: Sequence[str], layout: Layout, values: Mapping[str, npt.NDArray[Any]], at: Instant
) -> list[ComputedSample]:
    """Return a sample of each device.

    Args:
        devices: tags.
        layout: of single values.
        values: by signal, shape (devices,); one that is left out is not known.
        at: when.
    """
    names, scale, low, high, kinds = _form(layout)
    table = np.full((len(names), len(devices)), np.nan)
    for row, name in enumerate(names):
        if name in values:
            table[row] = values[name]
    raw, quality = _scaled(table, scale, low, high)
    columns = [row.astype(kind) for row, kind in zip(raw, kinds, strict=True)]
    qualities = np.ascontiguousarray(quality.T)
    return [
        ComputedSample(
            *(device, layout.name, at.second_ms, at.now_ms),
            tuple(column[place : place + 1] for column in columns),
            qualities[place],
        )
        for place, device in enumerate(devices)
    ]


def computed_cells(
    device: str, layout: Layout, values: Mapping[str, npt.NDArray[Any]], at: Instant
) -> ComputedSample:
    """Return a sample of a layout whose columns have one value for each cell.

    Args:
        device: tag.
        layout: all columns of the same number of cells.
        values: by signal, shape (cells,); one that is left out is not known.
        at: when.
    """
    names, scale, low, high, kinds = _form(layout)
    cells = layout.columns[0].repeat
    unknown = np.full(cells, np.nan)
    table = np.stack([np.asarray(values.get(name, unknown), np.float64) for name in names])
    raw, quality = _scaled(table, scale, low, high)
    return ComputedSample(
        *(device, layout.name, at.second_ms, at.now_ms),
        tuple(row.astype(kind) for row, kind in zip(raw, kinds, strict=True)),
        quality.reshape(-1),
    )


def _scaled(
    table: Numbers, scale: Numbers, low: Numbers, high: Numbers
) -> tuple[Numbers, npt.NDArray[np.uint8]]:
    """Return raw numbers within what their columns hold, and the quality of each."""
    known = np.isfinite(table)
    raw = np.clip(np.rint(np.where(known, table, 0.0) / scale), low, high)
    quality = np.where(known, np.uint8(Quality.GOOD), np.uint8(Quality.MISSING))
    return raw, quality


@lru_cache(maxsize=64)
def _form(
    layout: Layout,
) -> tuple[tuple[str, ...], Numbers, Numbers, Numbers, tuple[np.dtype[Any], ...]]:
    """Return names, scales, bounds and kinds of a layout's columns, one row each."""
    signals = [column.signal for column in layout.columns]
    kinds = tuple(np.dtype(signal.dtype) for signal in signals)
    bounds = [np.iinfo(kind) for kind in kinds]
    return (
        tuple(signal.name for signal in signals),
        np.array([[signal.scale] for signal in signals]),
        np.array([[bound.min] for bound in bounds], np.float64),
        np.array([[bound.max] for bound in bounds], np.float64),
        kinds,
    )
