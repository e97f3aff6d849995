"""The quality of a frame's values: nothing when all are good, else as coarse as it can be."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from contract.codec.model import Quality
from contract.errors import FrameCorruptError

ALL_GOOD, BY_ROW, BY_COLUMN, EACH = range(4)

_Quality = NDArray[np.uint8]
_GOOD: _Quality = np.zeros((1, 1), dtype=np.uint8)


def encode(quality: _Quality) -> tuple[int, bytes]:
    """Return the mode and the bytes of a frame's quality, shape (n, width)."""
    if not quality.any():
        return ALL_GOOD, b""
    if (quality == quality[:, :1]).all():
        return BY_ROW, quality[:, 0].tobytes()
    if (quality == quality[:1]).all():
        return BY_COLUMN, quality[0].tobytes()
    return EACH, quality.tobytes()


def size(mode: int, n: int, width: int) -> int:
    """Return how many bytes a quality of this mode has."""
    if mode > EACH:
        msg = f"quality mode {mode} does not exist"
        raise FrameCorruptError(msg)
    return (0, n, width, n * width)[mode]


@lru_cache(maxsize=1024)
def all_good(n: int, width: int) -> _Quality:
    """Return a quality of shape (n, width) that is good throughout and takes one byte."""
    return np.broadcast_to(_GOOD, (n, width))


def decode(mode: int, body: bytes, n: int, width: int) -> _Quality:
    """Return the quality, shape (n, width), from a mode and its bytes."""
    if mode == ALL_GOOD:
        return all_good(n, width)
    raw = np.frombuffer(body, np.uint8)
    if raw.max() > Quality.MISSING:
        msg = f"quality {raw.max()} does not exist"
        raise FrameCorruptError(msg)
    shape = ((1, 1), (n, 1), (1, width), (n, width))[mode]
    return np.broadcast_to(raw.reshape(shape), (n, width))
