"""From registers to raw layout values, for whole arrays at once.

A decoder is compiled once from a profile; decoding gathers registers by index, so word order
is only an order of indices. Invalid markers, missing scale factors, unknown codes and values
that the layout cannot hold become invalid (value 0); values outside the plausible range
stay, marked questionable; signals that the device does not offer are missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contract import layouts
from contract.frame import Quality
from contract.layouts import Layout
from station.protocols.modbus.place import Order, Place, RegisterType, masked
from station.protocols.modbus.plan import Plan
from station.protocols.modbus.point import Point
from station.protocols.modbus.profile import Profile

Registers = npt.NDArray[np.uint16]
Indices = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_VIEWS: Mapping[RegisterType, str] = {
    RegisterType.BIT: ">u2",
    RegisterType.U16: ">u2",
    RegisterType.S16: ">i2",
    RegisterType.U32: ">u4",
    RegisterType.S32: ">i4",
    RegisterType.U64: ">u8",
    RegisterType.S64: ">i8",
    RegisterType.F32: ">f4",
    RegisterType.F64: ">f8",
}
_MAX_POWER = 10  # the SunSpec specification bounds scale factors to -10..10
_NO_INDEX = -1


def indices(plan: Plan, profile: Profile, place: Place, offsets: Sequence[int] = (0,)) -> Indices:
    """Return where the words of each value lie, high word first: shape (values, words)."""
    words = place.type.words
    space = profile.space_of(place)
    order = range(words) if place.word_order == "hi-lo" else range(words - 1, -1, -1)
    rows = [
        [plan.index(space, place.address + offset + word) for word in order] for offset in offsets
    ]
    return np.array(rows, dtype=np.intp)


def gather(
    registers: Registers, index: Indices, kind: RegisterType, byte_order: Order = "hi-lo"
) -> npt.NDArray[np.generic]:
    """Return the values at `index` (shape (n, words)) in the type's own dtype, shape (n,)."""
    words = registers[index]
    if byte_order == "lo-hi":
        words = words.byteswap()
    values: npt.NDArray[np.generic] = words.astype(">u2").view(_VIEWS[kind])[:, 0]
    return values


@dataclass(frozen=True)
class _Numbers:
    """Numbers of one register type and byte order, decoded together; all arrays have n rows.

    Attributes:
        index: where the words of each value lie, shape (n, words).
        target: position of each value in the layout row.
        markers: register values that mean "no value", NaN-padded, shape (n, k).
        ratio, shift: raw layout value = register * ratio + shift.
        low, high: plausible bounds in raw layout units, infinite where none.
        factor: where each value's scale factor lies, -1 where it has none.
    """

    kind: RegisterType
    byte_order: Order
    index: Indices
    target: Indices
    markers: Floats
    ratio: Floats
    shift: Floats
    low: Floats
    high: Floats
    factor: Indices

    def decode(self, registers: Registers) -> tuple[Floats, Bools]:
        """Return values in raw layout units and which of them are valid, shape (n,)."""
        values = gather(registers, self.index, self.kind, self.byte_order).astype(np.float64)
        valid = np.isfinite(values) & ~(values[:, None] == self.markers).any(axis=1)
        has_factor = self.factor != _NO_INDEX
        if has_factor.any():
            places = self.factor[:, None]
            power = gather(registers, places, RegisterType.S16, self.byte_order).astype(np.float64)
            power[~has_factor] = 0.0
            sane = np.abs(power) <= _MAX_POWER
            valid &= sane
            values = values * 10.0 ** np.where(sane, power, 0.0)
        return np.where(valid, values, 0.0) * self.ratio + self.shift, valid


def _numbers(profile: Profile, plan: Plan, layout: Layout, signal: str, point: Point) -> _Numbers:
    """Compile one point."""
    start, stop = layout.offset(signal)
    n, scale = stop - start, layout.signal(signal).scale
    factor = np.full(n, _NO_INDEX, np.intp)
    if point.scale_factor is not None:
        factor = indices(plan, profile, point.scale_factor, point.factor_offsets())[:, 0]
    return _Numbers(
        kind=point.type,
        byte_order=point.byte_order,
        index=indices(plan, profile, point, point.offsets()),
        target=np.arange(start, stop),
        markers=np.tile(np.array(point.markers, np.float64), (n, 1)),
        ratio=np.full(n, point.scale / scale),
        shift=np.full(n, point.offset / scale),
        low=np.full(n, -np.inf if point.low is None else point.low / scale),
        high=np.full(n, np.inf if point.high is None else point.high / scale),
        factor=factor,
    )


def _joined(parts: Sequence[_Numbers]) -> _Numbers:
    """Join points of one register type, so that they are decoded in one go."""
    width = max(part.markers.shape[1] for part in parts)
    markers = [
        np.pad(p.markers, ((0, 0), (0, width - p.markers.shape[1])), constant_values=np.nan)
        for p in parts
    ]
    return _Numbers(
        kind=parts[0].kind,
        byte_order=parts[0].byte_order,
        index=np.concatenate([p.index for p in parts]),
        target=np.concatenate([p.target for p in parts]),
        markers=np.concatenate(markers),
        ratio=np.concatenate([p.ratio for p in parts]),
        shift=np.concatenate([p.shift for p in parts]),
        low=np.concatenate([p.low for p in parts]),
        high=np.concatenate([p.high for p in parts]),
        factor=np.concatenate([p.factor for p in parts]),
    )


@dataclass(frozen=True)
class _Code:
    """One value whose bits or code have a meaning of their own."""

    point: Point
    index: Indices
    target: int
    states: Mapping[int, int]
    bits: Mapping[int, int]

    def decode(self, registers: Registers) -> int | None:
        """Return the layout's value, None when the device says none or an unknown code."""
        if self.point.type is RegisterType.BIT:
            raw = sum(int(bit) << number for number, bit in enumerate(registers[self.index[:, 0]]))
        else:
            raw = int(gather(registers, self.index, self.point.type, self.point.byte_order)[0])
        if raw in self.point.markers:
            return None
        if self.point.states is not None:
            return self.states.get(masked(raw, self.point.mask))
        if self.point.all_bits is not None:
            return int(all(raw >> bit & 1 for bit in self.point.all_bits))
        word = 0
        for source, target in self.bits.items():
            word |= (raw >> source & 1) << target
        return word


def _code(point: Point, index: Indices, target: int) -> _Code:
    """Compile one point whose words are replaced by numbers."""
    states = {code: int(state) for code, state in (point.states or {}).items()}
    bits = {source: int(bit) for source, bit in (point.bits or {}).items()}
    return _Code(point, index, target, states, bits)


class LayoutDecoder:
    """Decodes one layout of one device profile."""

    def __init__(
        self, profile: Profile, plan: Plan, name: str, points: Mapping[str, Point]
    ) -> None:
        """Compile; the profile has been checked by `profile.load`."""
        self.layout: Layout = layouts.get(name)
        self._absent = np.full(self.layout.width, Quality.MISSING, np.uint8)
        self._codes: list[_Code] = []
        by_kind: dict[tuple[RegisterType, Order], list[_Numbers]] = {}
        for signal, point in points.items():
            start, stop = self.layout.offset(signal)
            self._absent[start:stop] = Quality.GOOD
            if point.is_code:
                index = indices(plan, profile, point, point.offsets())
                self._codes.append(_code(point, index, start))
            else:
                part = _numbers(profile, plan, self.layout, signal, point)
                by_kind.setdefault((point.type, point.byte_order), []).append(part)
        self._groups = [_joined(parts) for parts in by_kind.values()]
        self._low, self._high, self._whole = _bounds(self.layout)

    def decode(
        self, registers: Registers
    ) -> tuple[tuple[npt.NDArray[np.generic], ...], npt.NDArray[np.uint8]]:
        """Return one raw array per layout column and the quality of all values.

        Args:
            registers: the device's register vector as `Plan` lays it out; bits as 0 and 1.
        """
        row = np.zeros(self.layout.width)
        quality = self._absent.copy()
        for group in self._groups:
            values, valid = group.decode(registers)
            row[group.target] = values
            doubtful = (values < group.low) | (values > group.high)
            found = np.where(doubtful, Quality.QUESTIONABLE, Quality.GOOD)
            quality[group.target] = np.where(valid, found, Quality.INVALID)
        for code in self._codes:
            value = code.decode(registers)
            row[code.target] = 0 if value is None else value
            if value is None:
                quality[code.target] = Quality.INVALID
        row[self._whole] = np.rint(row[self._whole])
        quality[(row < self._low) | (row > self._high)] = Quality.INVALID
        row[quality >= Quality.INVALID] = 0
        return self._columns(row), quality

    def _columns(self, row: Floats) -> tuple[npt.NDArray[np.generic], ...]:
        columns: list[npt.NDArray[np.generic]] = []
        start = 0
        for column in self.layout.columns:
            dtype = np.dtype(column.signal.dtype)
            columns.append(row[start : start + column.repeat].astype(dtype))
            start += column.repeat
        return tuple(columns)


def _bounds(layout: Layout) -> tuple[Floats, Floats, Bools]:
    """Return what each value of a row can hold, and which are whole numbers."""
    low, high, whole = [], [], []
    for column in layout.columns:
        dtype = np.dtype(column.signal.dtype)
        is_whole = dtype.kind == "i"
        info = np.iinfo(dtype) if is_whole else np.finfo(dtype)
        low.append(np.full(column.repeat, float(info.min)))
        high.append(np.full(column.repeat, float(info.max)))
        whole.append(np.full(column.repeat, is_whole))
    return np.concatenate(low), np.concatenate(high), np.concatenate(whole)
