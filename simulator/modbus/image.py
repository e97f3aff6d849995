"""Register images: what a Modbus device holds at one tick.

An image is built anew each tick and swapped in whole, so that every reply comes from one tick.
"""

import math
import struct
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

INVALID_U16 = 0xFFFF
INVALID_S16 = -0x8000
INVALID_U32 = 0xFFFFFFFF
INVALID_S32 = -0x80000000


class Table(IntEnum):
    """The four tables of Modbus; the value is the function code that reads it."""

    COILS = 1
    DISCRETE = 2
    HOLDING = 3
    INPUT = 4


@dataclass(frozen=True)
class Span:
    """Registers [start, stop) of a table; `low_word_first` says how they make one number."""

    table: Table
    start: int
    stop: int
    low_word_first: bool = False


@dataclass(frozen=True)
class Area:
    """A contiguous run of registers (two bytes each, big-endian) or of bits (one byte each)."""

    table: Table
    start: int
    data: bytes

    @property
    def count(self) -> int:
        """Number of registers or bits."""
        return len(self.data) // (2 if self.table >= Table.HOLDING else 1)


@dataclass(frozen=True)
class Image:
    """All areas of one unit at one tick (epoch seconds)."""

    tick: int
    areas: tuple[Area, ...]

    def find(self, table: Table, start: int, count: int) -> bytes | None:
        """Return the registers or bits asked for, or None where the device has none."""
        width = 2 if table >= Table.HOLDING else 1
        for area in self.areas:
            first = start - area.start
            if area.table is table and first >= 0 and first + count <= area.count:
                return area.data[first * width : (first + count) * width]
        return None


class Registers:
    """Builder of an area of registers; registers not set hold the invalid marker 0xFFFF."""

    def __init__(self, size: int, start: int = 0) -> None:
        self._start = start
        self._words = bytearray(b"\xff\xff" * size)

    def u16(self, address: int, value: float) -> None:
        """Unsigned 16 bit; a value out of range becomes the invalid marker."""
        self._put(address, ">H", _fit(value, 0, INVALID_U16 - 1, INVALID_U16))

    def s16(self, address: int, value: float) -> None:
        """Signed 16 bit; a value out of range becomes the invalid marker."""
        self._put(address, ">h", _fit(value, INVALID_S16 + 1, 0x7FFF, INVALID_S16))

    def u32(self, address: int, value: float, *, low_word_first: bool = False) -> None:
        """Unsigned 32 bit over two registers."""
        raw = struct.pack(">I", _fit(value, 0, INVALID_U32 - 1, INVALID_U32))
        self._words_of(address, raw, low_word_first=low_word_first)

    def s32(self, address: int, value: float, *, low_word_first: bool = False) -> None:
        """Signed 32 bit over two registers."""
        raw = struct.pack(">i", _fit(value, INVALID_S32 + 1, 0x7FFFFFFF, INVALID_S32))
        self._words_of(address, raw, low_word_first=low_word_first)

    def f32(self, address: int, value: float) -> None:
        """IEEE 754 single over two registers, high word first."""
        self._words_of(address, struct.pack(">f", value), low_word_first=False)

    def area(self, table: Table) -> Area:
        """Freeze."""
        return Area(table, self._start, bytes(self._words))

    def _put(self, address: int, form: str, value: int) -> None:
        struct.pack_into(form, self._words, 2 * (address - self._start), value)

    def _words_of(self, address: int, raw: bytes, *, low_word_first: bool) -> None:
        at = 2 * (address - self._start)
        self._words[at : at + 4] = raw[2:] + raw[:2] if low_word_first else raw


def array_area(table: Table, start: int, words: NDArray[np.int_]) -> Area:
    """An area of 16-bit words from integers; negative ones in two's complement."""
    return Area(table, start, (words & INVALID_U16).astype(">u2").tobytes())


def bit_area(table: Table, start: int, bits: list[bool]) -> Area:
    """An area of single bits."""
    return Area(table, start, bytes(bits))


def _fit(value: float, low: int, high: int, invalid: int) -> int:
    if not math.isfinite(value):
        return invalid
    whole = round(value)
    return whole if low <= whole <= high else invalid
