"""Registers of many units at once: one row a unit, one column a register.

A plant of hundreds of racks builds the registers of all of them with a few array operations;
the encoding is that of `simulator.modbus.image.Registers`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.modbus.image import (
    INVALID_S16,
    INVALID_S32,
    INVALID_U16,
    INVALID_U32,
    Area,
    Table,
)

_S16_MAX, _S32_MAX = 0x7FFF, 0x7FFFFFFF
_WORD_BITS = 16


class RegisterRows:
    """Builder of one area of every unit; registers not set hold the invalid marker 0xFFFF.

    Values are arrays (units,) or one number for all; out of range or no number becomes the
    invalid marker of the type.
    """

    def __init__(self, units: int, size: int) -> None:
        self._words = np.full((units, size), INVALID_U16, dtype=">u2")
        self._markers = self._words[0].copy()

    def u16(self, address: int, values: ArrayLike) -> None:
        """Unsigned 16 bit."""
        self._words[:, address] = _fit(values, 0, INVALID_U16 - 1, INVALID_U16)

    def s16(self, address: int, values: ArrayLike) -> None:
        """Signed 16 bit."""
        self._markers[address] = INVALID_S16 & INVALID_U16
        fitted = _fit(values, INVALID_S16 + 1, _S16_MAX, INVALID_S16)
        self._words[:, address] = fitted & INVALID_U16

    def u32(self, address: int, values: ArrayLike) -> None:
        """Unsigned 32 bit over two registers, high word first."""
        self._two(address, address + 1, _fit(values, 0, INVALID_U32 - 1, INVALID_U32))

    def s32_low_first(self, address: int, values: ArrayLike) -> None:
        """Signed 32 bit over two registers, low word first."""
        fitted = _fit(values, INVALID_S32 + 1, _S32_MAX, INVALID_S32)
        self._markers[address : address + 2] = 0, INVALID_S16 & INVALID_U16
        self._two(address + 1, address, fitted)

    def blank(self, units: Sequence[int], registers: range) -> None:
        """Let some units show the invalid markers of the types that were put in `registers`."""
        part = slice(registers.start, registers.stop)
        self._words[list(units), part] = self._markers[part]

    def areas(self, table: Table, start: int = 0) -> list[Area]:
        """Freeze: one area a unit."""
        return row_areas(table, start, self._words)

    def _two(self, high: int, low: int, raw: NDArray[np.int64]) -> None:
        self._words[:, high] = raw >> _WORD_BITS & INVALID_U16
        self._words[:, low] = raw & INVALID_U16


def row_areas(table: Table, start: int, words: NDArray[np.generic]) -> list[Area]:
    """One area a unit from integers (units, registers); negative ones in two's complement."""
    width = 2 * words.shape[1]
    data = words.astype(">i2" if words.dtype.kind == "i" else ">u2").tobytes()
    return [Area(table, start, data[at : at + width]) for at in range(0, len(data), width)]


def _fit(values: ArrayLike, low: int, high: int, invalid: int) -> NDArray[np.int64]:
    whole = np.rint(np.asarray(values, dtype=np.float64))
    good = (whole >= low) & (whole <= high)
    fitted: NDArray[np.int64] = np.where(good, whole, invalid).astype(np.int64)
    return fitted
