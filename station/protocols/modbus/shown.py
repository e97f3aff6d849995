"""The registers of a point as they came, and why a value of it is not good."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from contract.layouts import Layout
from station.protocols.columns import bounds
from station.protocols.modbus.decode import indices
from station.protocols.modbus.gather import Registers, gather
from station.protocols.modbus.place import MAX_POWER_OF_TEN, Place, RegisterType, masked
from station.protocols.modbus.plan import Plan
from station.protocols.modbus.point import Point
from station.protocols.modbus.profile import Profile
from station.protocols.words import outside

_SHOWN_REGISTERS = 4
_NOTHING = "the device says 'no value'"


def raw_of(
    profile: Profile, plan: Plan, place: Place, registers: Registers, offsets: Sequence[int]
) -> str:
    """Return where values lie and their registers as they came, the first few of many."""
    told = [_run(profile, plan, place, registers, offsets)]
    if isinstance(place, Point):
        told += [
            f"also {_run(profile, plan, more, registers, range(more.bit_width))}"
            for more in place.also
        ]
        if place.scale_factor is not None:
            told.append(f"power {_run(profile, plan, place.scale_factor, registers, [0])}")
    return ", ".join(told)


def _run(
    profile: Profile, plan: Plan, place: Place, registers: Registers, offsets: Sequence[int]
) -> str:
    space = profile.space_of(place)
    width = place.type.words
    at = [place.address + offset + word for offset in offsets for word in range(width)]
    words = [int(registers[plan.index(space, address)]) for address in at[:_SHOWN_REGISTERS]]
    form = "{}" if place.type is RegisterType.BIT else "0x{:04X}"
    more = " …" if len(at) > _SHOWN_REGISTERS else ""
    return f"{space} {at[0]}: {' '.join(form.format(word) for word in words)}{more}"


@dataclass(frozen=True)
class View:
    """One layout of a device as it was read."""

    profile: Profile
    plan: Plan
    layout: Layout
    points: Mapping[str, Point]
    registers: Registers

    def raw(self, name: str, offsets: Sequence[int]) -> str:
        """Return where values of a signal lie and what their registers hold."""
        return raw_of(self.profile, self.plan, self.points[name], self.registers, offsets)

    def why_not(self, name: str, number: int) -> str:
        """Return why a value of a signal is not good, in words; empty where nobody can tell.

        Args:
            name: of the signal.
            number: of the value, from 0.
        """
        point = self.points[name]
        if point.is_code:
            return _why_no_code(self.profile, self.plan, point, self.registers)
        raw, told = self._told(point, number)
        if not np.isfinite(raw) or (raw if point.invalid is None else told) in point.markers:
            return _NOTHING
        power = self._power(point, number)
        if abs(power) > MAX_POWER_OF_TEN:
            return f"the power of ten is {power}"
        value = told * 10.0**power * point.scale + point.offset
        signal = self.layout.signal(name)
        least, most = (end * signal.scale for end in bounds(signal.dtype))
        if not least <= value <= most:
            return f"{value:g} is beyond what the station holds, {least:g}..{most:g}: unit missing?"
        low = -np.inf if point.low is None else point.low
        high = np.inf if point.high is None else point.high
        return "" if low <= value <= high else outside(point.low, point.high)

    def _told(self, point: Point, number: int) -> tuple[float, float]:
        """Return what the registers of a value hold, whole and under its mask."""
        index = indices(self.plan, self.profile, point, point.offsets()[number : number + 1])
        raw = gather(self.registers, index, point.type, point.byte_order)[0].item()
        return raw, raw if point.mask is None else masked(int(raw), point.masks()[number])

    def _power(self, point: Point, number: int) -> int:
        factor = point.scale_factor
        if factor is None:
            return 0
        places = indices(self.plan, self.profile, factor, [point.factor_offsets()[number]])
        return int(gather(self.registers, places, RegisterType.S16, factor.byte_order)[0])


def _why_no_code(profile: Profile, plan: Plan, point: Point, registers: Registers) -> str:
    if point.states is None or point.type is RegisterType.BIT:
        return _NOTHING
    index = indices(plan, profile, point)
    raw = int(gather(registers, index, point.type, point.byte_order)[0])
    code = masked(raw, point.mask if isinstance(point.mask, int) else None)
    if (raw if point.invalid is None else code) in point.markers:
        return _NOTHING
    return f"the code {code} is none of {', '.join(map(str, sorted(point.states)))}"
