"""One look at a real device through a profile: values beside names, units, quality and registers.

For the commissioning engineer: nothing is written, each request that fails is told with what to
do about it, and the rest is read all the same.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from contract.frame import Quality
from contract.signal import Signal
from station.protocols.columns import Flags, Floats
from station.protocols.errors import ProtocolError
from station.protocols.modbus.decode import LayoutDecoder, indices
from station.protocols.modbus.gather import Registers, gather, value_at
from station.protocols.modbus.place import MAX_POWER_OF_TEN, Place
from station.protocols.modbus.plan import Block, Plan, Span, coalesce, plan_for, spans_of
from station.protocols.modbus.point import Unmapped
from station.protocols.modbus.profile import Profile
from station.protocols.modbus.shown import View, raw_of
from station.protocols.modbus.target import Silent, Target, with_remedy
from station.protocols.words import digits, in_words

_NAMED_VALUES = 5
"""So many values that are not good are named."""


@dataclass(frozen=True)
class Line:
    """One signal, or one unmapped point, as a person reads it.

    Attributes:
        group: name of the layout; empty for what is unmapped.
        raw: where it lies and what the registers hold.
        why: it is not good, as far as the registers tell.
    """

    group: str
    name: str
    value: str
    unit: str
    quality: str
    raw: str
    why: str = ""


@dataclass
class Findings:
    """What one look brought."""

    lines: list[Line] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    clock: str = ""


async def look(
    target: Target, profile: Profile, *, unmapped: bool = False, cells: bool = False
) -> Findings:
    """Read everything that a profile describes once.

    Args:
        target: an open connection and the unit behind it.
        profile: a checked profile.
        unmapped: read also the points that are no signal.
        cells: tell also each value of the signals that have many.

    Raises:
        Silent: the device answers nothing at all.
    """
    found = Findings()
    await _verify(target, profile, found)
    plan = plan_for(profile)
    registers, missed = await _fetch(target, plan, found)
    _tell_clock(profile, plan, registers, missed, found)
    for name, points in profile.layout_points().items():
        decoder = LayoutDecoder(profile, plan, name, points)
        columns, quality = decoder.decode(registers)
        view = View(profile, plan, decoder.layout, points, registers)
        for column, values in zip(decoder.layout.columns, columns, strict=True):
            signal = column.signal
            if signal.name not in points:
                continue
            start, stop = decoder.layout.offset(signal.name)
            lost = _is_lost(profile, plan, points[signal.name], missed)
            flags = None if lost else quality[start:stop]
            numbers = values.astype(np.float64) * signal.scale
            found.lines.append(_line(view, signal, numbers, flags, 0))
            if cells and flags is not None and len(numbers) > 1:
                found.lines += [
                    _line(view, signal, numbers[k : k + 1], flags[k : k + 1], k)
                    for k in range(len(numbers))
                ]
    if unmapped:
        await _look_at_unmapped(target, profile, found)
    return found


async def _verify(target: Target, profile: Profile, found: Findings) -> None:
    for place in profile.expect:
        try:
            words = await target.read(profile.space_of(place), place.address, place.type.words)
        except Silent:
            raise
        except ProtocolError as error:
            found.problems.append(f"{place.meaning}: {with_remedy(error)}")
            continue
        value = int(value_at(words, place))
        wanted = target.unit if place.names_unit else place.equals
        if value != wanted:
            found.problems.append(
                f"{place.meaning} at {profile.space_of(place)} {place.address} is {value}, the "
                f"profile says {wanted}: this is another device; choose its profile"
            )


async def _fetch(target: Target, plan: Plan, found: Findings) -> tuple[Registers, set[int]]:
    """Return the register vector and the numbers of the blocks that did not come."""
    registers, missed = np.zeros(plan.size, np.uint16), set[int]()
    for number, block in enumerate(plan.blocks):
        try:
            words = await target.read(block.space, block.address, block.count)
        except Silent:
            raise
        except ProtocolError as error:
            found.problems.append(with_remedy(error))
            missed.add(number)
        else:
            registers[block.start : block.start + block.count] = words
    return registers, missed


def _is_lost(profile: Profile, plan: Plan, place: Place, missed: set[int]) -> bool:
    """Whether any register of a place lies in a block that did not come."""
    return bool(missed) and any(
        plan.block_of(span.space, at) in missed
        for span in spans_of(profile, place)
        for at in range(span.address, span.address + span.count)
    )


def _tell_clock(
    profile: Profile, plan: Plan, registers: Registers, missed: set[int], found: Findings
) -> None:
    place = profile.time
    if place is None:
        found.clock = "none: samples take the second in which they are asked"
        return
    if _is_lost(profile, plan, place, missed):
        found.clock = "not read"
        return
    raw = int(gather(registers, indices(plan, profile, place), place.type, place.byte_order)[0])
    if raw == 0 or raw in place.markers:
        found.clock = "not set"
        found.problems.append(
            "the device's clock is not set: set it, or leave [time] out of the profile"
        )
        return
    seconds = raw / (1000 if place.unit == "ms" else 1)
    off_s = seconds - time.time()
    told = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)) if seconds < 1 << 33 else raw
    found.clock = f"{told} UTC, {off_s:+.1f} s from this machine's"
    if abs(off_s) > place.max_error_s:
        found.problems.append(
            f"the device's clock is {off_s:+.0f} s off, more than max_error_s "
            f"({place.max_error_s:g}): all values would be questionable; set the clock, or see "
            "whether address, word_order and unit of [time] are right"
        )


def _line(view: View, signal: Signal, numbers: Floats, flags: Flags | None, first: int) -> Line:
    """Return one signal's line, or that of one of its values; `first` is the first's number."""
    point, layout = view.points[signal.name], view.layout
    one_of_many = len(numbers) < point.count
    name = f"{signal.name}[{first + 1}]" if one_of_many else signal.name
    if flags is None:
        return Line(layout.name, name, "–", signal.unit, "not read", "")
    offsets = point.offsets()[first : first + 1] if one_of_many else point.offsets()
    raw = view.raw(signal.name, offsets)
    usable = numbers[flags < Quality.INVALID]
    scale = layout.signal(signal.name).scale
    if len(numbers) == 1:
        value = in_words(signal, usable[0], scale) if len(usable) else "–"
        why = "" if flags[0] == Quality.GOOD else view.why_not(signal.name, first)
        return Line(layout.name, name, value, signal.unit, _quality(flags[0]), raw, why)
    value, places = "–", digits(scale)
    if len(usable):
        value = f"{usable.min():.{places}f} … {usable.max():.{places}f}"
        value += f", mean {usable.mean():.{places}f} ({len(numbers)} values)"
    bad = np.flatnonzero(flags != Quality.GOOD).tolist()
    quality = f"{len(flags) - len(bad)} of {len(flags)} good" if bad else "good"
    why = _each_why(view, signal.name, flags, bad)
    return Line(layout.name, name, value, signal.unit, quality, raw, why)


def _quality(flag: int) -> str:
    return Quality(int(flag)).name.lower()


def _each_why(view: View, name: str, flags: Flags, bad: list[int]) -> str:
    """Return which of many values are not good, from 1, and why; the first few of many."""
    told = []
    for number in bad[:_NAMED_VALUES]:
        why = view.why_not(name, number)
        told.append(f"{number + 1} {_quality(flags[number])}" + (f" ({why})" if why else ""))
    more = [f"{len(bad) - _NAMED_VALUES} more"] if len(bad) > _NAMED_VALUES else []
    return ", ".join([*told, *more])


async def _look_at_unmapped(target: Target, profile: Profile, found: Findings) -> None:
    """Read the points that are no signal, in requests of their own."""
    polling = profile.polling
    spans = list(_unmapped_spans(profile))
    blocks = coalesce(spans, max_gap=polling.max_gap, max_registers=polling.max_registers)
    placed, start = [], 0
    for block in blocks:
        placed.append(Block(block.space, block.address, block.count, start))
        start += block.count
    plan = Plan(tuple(placed))
    registers, missed = await _fetch(target, plan, found)
    for name, point in profile.unmapped.items():
        place = Place.model_validate(point.model_dump(include=set(Place.model_fields)))
        if _is_lost(profile, plan, place, missed):
            found.lines.append(Line("", name, "–", point.unit, "not read", ""))
            continue
        value, quality = _unmapped_value(profile, plan, point, registers)
        raw = raw_of(profile, plan, place, registers, [0])
        found.lines.append(Line("", name, value, point.unit, quality, raw))


def _unmapped_spans(profile: Profile) -> Iterable[Span]:
    for point in profile.unmapped.values():
        for place in (point, point.scale_factor):
            if place is not None:
                space, words = profile.space_of(place), place.type.words
                yield Span(space, place.address, words, words)


def _unmapped_value(
    profile: Profile, plan: Plan, point: Unmapped, registers: Registers
) -> tuple[str, str]:
    def register(place: Place) -> float:
        index = indices(plan, profile, place)
        return float(gather(registers, index, place.type, place.byte_order)[0])

    value, power = register(point), 0.0
    if point.scale_factor is not None:
        power = register(point.scale_factor)
    if not np.isfinite(value) or value in point.markers or abs(power) > MAX_POWER_OF_TEN:
        return "–", "invalid"
    if point.words:
        return f"{value:.0f} {point.words.get(int(value), '?')}", "good"
    return f"{value * point.scale * 10.0**power + point.offset:g}", "good"
