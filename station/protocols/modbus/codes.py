"""Values whose bits or codes have a meaning of their own: states, alarms, contactors."""

from collections.abc import Sequence

from station.protocols.modbus.gather import Indices, Registers, gather
from station.protocols.modbus.place import RegisterType, masked
from station.protocols.modbus.point import Point


class Code:
    """One such value, compiled.

    Attributes:
        target: its position in the layout row.
    """

    def __init__(
        self, point: Point, index: Indices, target: int, more: Sequence["Code"] = ()
    ) -> None:
        """Compile.

        Args:
            point: a point with states or bits, words replaced by numbers.
            index: where its registers (or single bits) lie.
            target: its position in the layout row.
            more: further registers whose bits are added.
        """
        self.target = target
        self._point = point
        self._index = index
        self._mask = point.mask if isinstance(point.mask, int) else None
        self._states = {code: int(state) for code, state in (point.states or {}).items()}
        self._bits = {source: int(bit) for source, bit in (point.bits or {}).items()}
        self._more = tuple(more)

    def decode(self, registers: Registers) -> int | None:
        """Return the layout's value, None when the device says none or an unknown code."""
        point = self._point
        raw = self._raw(registers)
        told = masked(raw, self._mask)
        if (raw if point.invalid is None else told) in point.markers:
            return None
        if point.states is not None:
            return self._states.get(told)
        if point.all_bits is not None:
            return int(all(raw >> bit & 1 for bit in point.all_bits))
        word = 0
        for source, target in self._bits.items():
            word |= (raw >> source & 1) << target
        for more in self._more:
            added = more.decode(registers)
            if added is None:
                return None
            word |= added
        return word

    def _raw(self, registers: Registers) -> int:
        if self._point.type is RegisterType.BIT:
            bits = registers[self._index[:, 0]]
            return sum(int(bit) << number for number, bit in enumerate(bits))
        return int(gather(registers, self._index, self._point.type, self._point.byte_order)[0])
