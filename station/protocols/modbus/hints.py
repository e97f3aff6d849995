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
from station.protocols.modbus.plan import cut_by, in_block, spans_of
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
_ALL_BITS = 0xFFFF


def hints(profile: Profile) -> Iterator[str]:
    """Yield what a checked profile leaves open or does in an odd way, in words."""
    if not profile.expect:
        yield "nothing proves who answers: add [[expect]] with a register that tells the model"
    if profile.time is None:
        yield "no [time]: a device that stands still is not noticed"
    yield from _of_addresses(profile)
    yield from _of_blocks(profile)
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


def _of_blocks(profile: Profile) -> Iterator[str]:
    """Tell values that the prescribed requests cut or leave out: they get requests of their own."""
    outside: list[str] = []
    fixed = [(block, block.space or profile.space) for block in profile.blocks]
    for layout, points in profile.layout_points().items() if profile.blocks else ():
        for signal, point in points.items():
            spans = spans_of(profile, point)
            cut = False
            for number, (block, space) in enumerate(fixed):
                for address in cut_by(block, space, spans):
                    cut = True
                    yield (
                        f"blocks.{number}: cuts {layout}.{signal} at {space} {address}, which is "
                        "asked for on its own: let the block begin or end beside it"
                    )
            if not cut and not any(in_block(*one, span) for one in fixed for span in spans):
                outside.append(f"{layout}.{signal}")
    if outside:
        yield f"blocks: in none of them, so asked for besides: {', '.join(outside)}"


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
    bits = {s: _bits(profile, p) for s, p in points.items() if not p.is_code}
    for (one, first), (other, second) in itertools.combinations(bits.items(), 2):
        shared = [place for place in first.keys() & second.keys() if first[place] & second[place]]
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


def _bits(profile: Profile, point: Point) -> dict[tuple[str, int], int]:
    """Return which bits of which registers are the numbers of a point."""
    space, found = profile.space_of(point), dict[tuple[str, int], int]()
    masks = point.masks() if point.mask is not None else [_ALL_BITS] * point.count
    for offset, mask in zip(point.offsets(), masks, strict=True):
        for word in range(point.type.words):
            low_first = point.type.words - 1 - word if point.word_order == "hi-lo" else word
            of_word = mask >> 16 * low_first & _ALL_BITS if point.mask is not None else _ALL_BITS
            if point.byte_order == "lo-hi":
                of_word = of_word >> 8 | (of_word & 0xFF) << 8
            place = (space, point.address + offset + word)
            found[place] = found.get(place, 0) | of_word
    return found
