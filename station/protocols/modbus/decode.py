"""From registers to raw layout values, for whole arrays at once.

A decoder is compiled once from a profile; decoding gathers registers by index, so word order
is only an order of indices. Invalid markers, missing scale factors, unknown codes and values
that the layout cannot hold become invalid (value 0); values outside the plausible range
stay, marked questionable; signals that the device does not offer are missing.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contract import layouts
from contract.frame import Quality
from contract.layouts import Layout
from station.protocols.columns import Columns
from station.protocols.modbus.codes import Code
from station.protocols.modbus.gather import Floats, Indices, Registers, gather, words_index
from station.protocols.modbus.packed import Packed
from station.protocols.modbus.place import MAX_POWER_OF_TEN, Order, Place, RegisterType
from station.protocols.modbus.plan import Plan
from station.protocols.modbus.point import Point
from station.protocols.modbus.profile import Profile

__all__ = ["Indices", "LayoutDecoder", "Registers", "gather", "indices"]

_NO_INDEX = -1
# Members of an enumeration are found slowly; these are looked up for each value.
_GOOD = np.uint8(Quality.GOOD)
_QUESTIONABLE = np.uint8(Quality.QUESTIONABLE)
_INVALID = np.uint8(Quality.INVALID)


def indices(plan: Plan, profile: Profile, place: Place, offsets: Sequence[int] = (0,)) -> Indices:
    """Return where the words of each value lie, high word first: shape (values, words)."""
    space = profile.space_of(place)
    order = words_index(place.type, place.word_order)[0].tolist()
    rows = [
        [plan.index(space, place.address + offset + word) for word in order] for offset in offsets
    ]
    return np.array(rows, dtype=np.intp)


@dataclass(frozen=True)
class _Part:
    """One point that is a number, as it was compiled; all arrays have n rows."""

    kind: RegisterType
    byte_order: Order
    index: Indices
    target: Indices
    markers: tuple[int | float, ...]
    ratio: float
    shift: float
    low: float
    high: float
    factor: Indices


def _part(profile: Profile, plan: Plan, layout: Layout, signal: str, point: Point) -> _Part:
    start, stop = layout.offset(signal)
    n, scale = stop - start, layout.signal(signal).scale
    factor = np.full(n, _NO_INDEX, np.intp)
    if point.scale_factor is not None:
        factor = indices(plan, profile, point.scale_factor, point.factor_offsets())[:, 0]
    return _Part(
        kind=point.type,
        byte_order=point.byte_order,
        index=indices(plan, profile, point, point.offsets()),
        target=np.arange(start, stop),
        markers=point.markers,
        ratio=point.scale / scale,
        shift=point.offset / scale,
        low=-np.inf if point.low is None else point.low / scale,
        high=np.inf if point.high is None else point.high / scale,
        factor=factor,
    )


class _Numbers:
    """All numbers of a layout, decoded together; n values in the order of their types."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        """Join the points: those of one register type and byte order side by side."""
        parts = sorted(parts, key=lambda part: (part.kind, part.byte_order))
        counts = [len(part.target) for part in parts]
        self._runs: list[tuple[int, int, RegisterType, Order, Indices]] = []
        start = 0
        for (kind, order), alike in itertools.groupby(parts, lambda p: (p.kind, p.byte_order)):
            index = np.concatenate([part.index for part in alike])
            self._runs.append((start, start + len(index), kind, order, index))
            start += len(index)
        self._count = start
        self._markers = [
            np.repeat([p.markers[k] if k < len(p.markers) else np.nan for p in parts], counts)
            for k in range(max((len(part.markers) for part in parts), default=0))
        ]
        self._floats = any(part.kind.is_float for part in parts)
        self._ratio = np.repeat([part.ratio for part in parts], counts)
        self._shift = np.repeat([part.shift for part in parts], counts)
        self._low = np.repeat([part.low for part in parts], counts)
        self._high = np.repeat([part.high for part in parts], counts)
        self._factors: list[tuple[Order, Indices, Indices]] = []
        factor = np.concatenate([part.factor for part in parts]) if parts else np.zeros(0, np.intp)
        for begin, end, _, order, _ in self._runs:
            at = np.flatnonzero(factor[begin:end] != _NO_INDEX) + begin
            if len(at):
                self._factors.append((order, at, factor[at][:, None]))
        self.target = (
            np.concatenate([part.target for part in parts]) if parts else np.zeros(0, np.intp)
        )

    def decode(self, registers: Registers) -> tuple[Floats, npt.NDArray[np.uint8]]:
        """Return values in raw layout units and their quality, shape (n,)."""
        values = np.empty(self._count)
        for start, stop, kind, order, index in self._runs:
            values[start:stop] = gather(registers, index, kind, order)
        valid = np.isfinite(values) if self._floats else np.ones(self._count, np.bool_)
        for markers in self._markers:
            valid &= values != markers
        for order, at, places in self._factors:
            power = gather(registers, places, RegisterType.S16, order).astype(np.float64)
            sane = np.abs(power) <= MAX_POWER_OF_TEN
            valid[at] &= sane
            values[at] *= 10.0 ** np.where(sane, power, 0.0)
        quality = np.full(self._count, _GOOD)
        if not valid.all():
            values[~valid] = 0.0
        values *= self._ratio
        values += self._shift
        quality[(values < self._low) | (values > self._high)] = _QUESTIONABLE
        quality[~valid] = _INVALID
        return values, quality


def _code(profile: Profile, plan: Plan, point: Point, target: int) -> Code:
    """Compile one point whose bits or codes have a meaning, with its further registers."""
    more = [
        _code(profile, plan, Point.model_validate(source.model_dump()), target)
        for source in point.also
    ]
    return Code(point, indices(plan, profile, point, point.offsets()), target, more)


class LayoutDecoder:
    """Decodes one layout of one device profile."""

    def __init__(
        self, profile: Profile, plan: Plan, name: str, points: Mapping[str, Point]
    ) -> None:
        """Compile; the profile has been checked by `profile.load`."""
        self.layout: Layout = layouts.get(name)
        self._absent = np.full(self.layout.width, Quality.MISSING, np.uint8)
        self._codes: list[Code] = []
        self._packed: list[Packed] = []
        parts: list[_Part] = []
        for signal, point in points.items():
            start, stop = self.layout.offset(signal)
            self._absent[start:stop] = Quality.GOOD
            if point.is_code:
                self._codes.append(_code(profile, plan, point, start))
            elif point.mask is not None:
                index = indices(plan, profile, point, point.offsets())
                unit = self.layout.signal(signal).scale
                self._packed.append(Packed(point, index, np.arange(start, stop), unit))
            else:
                parts.append(_part(profile, plan, self.layout, signal, point))
        self._numbers = _Numbers(parts)
        self._columns = Columns(self.layout)

    def decode(
        self, registers: Registers
    ) -> tuple[tuple[npt.NDArray[np.generic], ...], npt.NDArray[np.uint8]]:
        """Return one raw array per layout column and the quality of all values.

        Args:
            registers: the device's register vector as `Plan` lays it out; bits as 0 and 1.
        """
        row = np.zeros(self.layout.width)
        quality = self._absent.copy()
        numbers = self._numbers
        row[numbers.target], quality[numbers.target] = numbers.decode(registers)
        for packed in self._packed:
            row[packed.target], quality[packed.target] = packed.decode(registers)
        for code in self._codes:
            value = code.decode(registers)
            row[code.target] = 0 if value is None else value
            if value is None:
                quality[code.target] = _INVALID
        return self._columns.of(row, quality), quality
