"""Numbers that share their registers with others: two temperatures in one, a level in a nibble."""

import numpy as np
import numpy.typing as npt

from contract.frame import Quality
from station.protocols.modbus.gather import Floats, Indices, Registers, gather
from station.protocols.modbus.point import Point


class Packed:
    """One point whose values are some bits of their registers; n values.

    Attributes:
        target: position of each value in the layout row.
    """

    def __init__(self, point: Point, index: Indices, target: Indices, unit: float) -> None:
        """Compile.

        Args:
            point: a point with a mask, its parameters filled in.
            index: where the words of each value lie, shape (n, words).
            target: position of each value in the layout row.
            unit: of the layout's raw values, in the signal's unit.
        """
        self.target = target
        self._index = index
        self._kind, self._order = point.type, point.byte_order
        masks = point.masks()
        self._masks = np.array(masks, np.int64)
        self._shifts = np.array([(m & -m).bit_length() - 1 for m in masks], np.int64)
        highest = (self._masks >> self._shifts) + 1 >> 1
        self._sign = highest if point.type.is_signed else np.zeros_like(highest)
        self._whole_markers = list(point.markers) if point.invalid is None else []
        self._markers = list(point.invalid or ())
        self._ratio, self._offset = point.scale / unit, point.offset / unit
        self._low = -np.inf if point.low is None else point.low / unit
        self._high = np.inf if point.high is None else point.high / unit

    def decode(self, registers: Registers) -> tuple[Floats, npt.NDArray[np.uint8]]:
        """Return values in raw layout units and their quality, shape (n,)."""
        whole = gather(registers, self._index, self._kind, self._order)
        told = (whole.astype(np.int64) & self._masks) >> self._shifts
        told = np.where(told & self._sign, told - 2 * self._sign, told)
        valid = ~np.isin(whole, self._whole_markers) & ~np.isin(told, self._markers)
        values = np.where(valid, told * self._ratio + self._offset, 0.0)
        quality = np.full(len(values), Quality.GOOD, np.uint8)
        quality[(values < self._low) | (values > self._high)] = Quality.QUESTIONABLE
        quality[~valid] = Quality.INVALID
        return values, quality
