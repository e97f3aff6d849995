"""What the network looks at: the last eight points of two figures at three time scales.

A point is the mean of a span: 16 s, 128 s, 1024 s, so that the windows reach back two minutes, 17
minutes and 2.3 hours. Points are kept in one byte each, on a scale that is fine about zero and
coarse far out: sinh of the byte.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from station.estimators.cell_model import Floats

POINTS = 8
SCALES_S = (16.0, 128.0, 1024.0)
FIGURES = 2
_FINE = np.float32(24.0)
_MOST = 127

Bytes = npt.NDArray[np.int8]


@dataclass(frozen=True)
class WindowState:
    """Rings of points.

    Attributes:
        points: newest last, shape (scales, figures, points, cells).
        current: of the racks, in multiples of the capacity per hour, (scales, points, racks).
        blocks: since the start, a scalar array.
    """

    points: Bytes
    current: Floats
    blocks: npt.NDArray[np.int64]


def no_windows(cells: int, racks: int) -> WindowState:
    """Return empty windows: as if nothing had ever been unusual."""
    return WindowState(
        points=np.zeros((len(SCALES_S), FIGURES, POINTS, cells), np.int8),
        current=np.zeros((len(SCALES_S), POINTS, racks), np.float32),
        blocks=np.zeros((), np.int64),
    )


def push(state: WindowState, figures: Floats, current: Floats) -> WindowState:
    """Return the windows with a block's figures, (figures, cells), and currents, (racks,)."""
    points, ring = state.points.copy(), state.current.copy()
    blocks = int(state.blocks) + 1
    _append(points[0], pack(figures))
    _append_plain(ring[0], current)
    for scale in (1, 2):
        if blocks % POINTS**scale == 0:
            _append(points[scale], pack(unpack(points[scale - 1]).mean(axis=1)))
            _append_plain(ring[scale], ring[scale - 1].mean(axis=0))
    return WindowState(points, ring, np.asarray(blocks, np.int64))


def pack(figures: Floats) -> Bytes:
    """Return figures as bytes."""
    codes = np.rint(_FINE * np.arcsinh(figures))
    packed: Bytes = np.clip(np.nan_to_num(codes), -_MOST, _MOST).astype(np.int8)
    return packed


def unpack(codes: Bytes) -> Floats:
    """Return the figures of bytes."""
    figures: Floats = np.sinh(codes.astype(np.float32) / _FINE)
    return figures


def network_input(state: WindowState, cells: npt.NDArray[np.intp]) -> Floats:
    """Return what the network is given of some cells, shape (cells, scales, figures, points)."""
    chosen = state.points[..., cells].astype(np.float32) / np.float32(_FINE)
    return np.ascontiguousarray(np.moveaxis(chosen, -1, 0))


def _append(ring: Bytes, newest: Bytes) -> None:
    ring[:, :-1] = ring[:, 1:].copy()
    ring[:, -1] = newest


def _append_plain(ring: Floats, newest: Floats) -> None:
    ring[:-1] = ring[1:].copy()
    ring[-1] = newest
