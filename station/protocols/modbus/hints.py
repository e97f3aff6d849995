"""What a checked profile leaves open or does in an odd way: allowed, and yet mostly a mistake."""

import itertools
from collections.abc import Iterator

import numpy as np

from contract import layouts
from contract.layouts import Layout
from contract.signal import Kind
from contract.signals import SIGNALS
from station.protocols.modbus.impossible import VERBS
from station.protocols.modbus.place import RegisterType, Space
from station.protocols.modbus.point import Point
from station.protocols.modbus.profile import Profile
from station.protocols.modbus.write import Write

_COARSE = 100
"""A register step of more of the station's own steps is rather a unit that is missing."""
_FEW = 20
"""A plausible range of fewer steps of the register is rather a unit that is missing."""
_MANUALS = {Space.DISCRETE: 10001, Space.INPUT: 30001, Space.HOLDING: 40001}
_MANUALS_LENGTH = 9998
_SUNSPEC_BASE = 40000
_VALUE_OF_VERBS = 1


def hints(profile: Profile) -> Iterator[str]:
    """Yield what a checked profile leaves open or does in an odd way, in words."""
    if not profile.expect:
        yield "nothing proves who answers: add [[expect]] with a register that tells the model"
    if profile.time is None:
        yield "no [time]: a device that stands still is not noticed"
    yield from _of_addresses(profile)
    for name, write in profile.writes.items():
        yield from (f"writes.{name}: {words}" for words in _of_write(name, write))
    for name, points in profile.layout_points().items():
        yield from _of_layout(profile, layouts.get(name), points)


def _of_write(name: str, write: Write) -> Iterator[str]:
    if name not in SIGNALS and name not in VERBS:
        yield f"the station never gives this command; it knows {', '.join(VERBS)} and the signals"
    if write.value is not None or write.type is RegisterType.BIT:
        return
    if name in VERBS and name not in {"heartbeat", "cooling", "ventilation"}:
        yield f"without value it writes {_VALUE_OF_VERBS}; say the number of the manual"
    elif write.low is None or write.high is None:
        yield "without low and high any number that fits is written"


def _of_addresses(profile: Profile) -> Iterator[str]:
    """Tell addresses that look like the numbers of a manual, which count from 30001 or 40001."""
    if any(place.address == _SUNSPEC_BASE for place in profile.expect):
        return
    for space, first in _MANUALS.items():
        found = [
            (f"layouts.{layout}.{signal}", point.address)
            for layout, points in profile.layouts.items()
            for signal, point in points.items()
            if profile.space_of(point) is space
        ]
        if found and all(first <= address <= first + _MANUALS_LENGTH for _, address in found):
            key, address = found[0]
            yield (
                f"{key}: address {address} looks like the number of a manual; on the line that is "
                f"{space} {address - first}"
            )


def _of_layout(profile: Profile, layout: Layout, points: dict[str, Point]) -> Iterator[str]:
    free = [
        signal
        for signal, point in points.items()
        if SIGNALS[signal].kind is Kind.ANALOG and point.low is None and point.high is None
    ]
    if free:
        names = ", ".join(free)
        yield f"layouts.{layout.name}: any value is plausible without low and high: {names}"
    for signal, point in points.items():
        own = profile.layouts.get(layout.name, {}).get(signal, point)
        for words in (*_of_scale(layout, signal, point, own), *_of_stride(point)):
            yield f"layouts.{layout.name}.{signal}: {words}"
    numbers = [(s, p) for s, p in points.items() if not p.is_code and p.mask is None]
    for (one, first), (other, second) in itertools.combinations(numbers, 2):
        shared = _registers(profile, first) & _registers(profile, second)
        if shared:
            _, address = min(shared)
            yield (
                f"layouts.{layout.name}: {one} and {other} both read register {address}: "
                "see address, repeat and stride"
            )


def _of_scale(layout: Layout, signal: str, point: Point, own: Point) -> Iterator[str]:
    """Tell a scale or a range that is rather one of another unit."""
    column = layout.signal(signal)
    if column.kind is not Kind.ANALOG:
        return
    unit = column.unit or "a share of 1"
    if column.dtype != "f4":
        most = float(np.iinfo(np.dtype(column.dtype)).max) * column.scale
        for key, bound in (("low", point.low), ("high", point.high)):
            if bound is not None and abs(bound) > most:
                yield (
                    f"{key} {bound:g} is beyond what the station holds, {most:g}: low and high "
                    f"are in the signal's unit ({unit})"
                )
    if own.unit is not None or own.scale_factor is not None or own.type.is_float:
        return
    step = abs(point.scale)
    few = point.low is not None and point.high is not None and (point.high - point.low) / step
    if step > _COARSE * column.scale or (few and few < _FEW):
        yield f"a step of the register is {step:g} {column.unit or 'of 1'.strip()}: unit missing?"


def _of_stride(point: Point) -> Iterator[str]:
    if not isinstance(point.stride, tuple):
        return
    moving = [int(step) for step in point.stride if step]
    if moving != sorted(moving, reverse=True):
        yield (
            f"stride {list(point.stride)}: an outer level steps less than an inner one; lists "
            "count from the outermost level to the innermost"
        )


def _registers(profile: Profile, point: Point) -> set[tuple[str, int]]:
    space = profile.space_of(point)
    return {
        (space, point.address + offset + word)
        for offset in point.offsets()
        for word in range(point.type.words)
    }
