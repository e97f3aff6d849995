"""One look at a real device through a profile: values beside names, units, quality and registers.

For the commissioning engineer: nothing is written, each request that fails is told with what to
do about it, and the rest is read all the same.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from contract import layouts
from contract.frame import Quality
from contract.signal import Kind, Signal
from station.protocols.errors import ProtocolError
from station.protocols.modbus.decode import LayoutDecoder, indices
from station.protocols.modbus.gather import Registers, gather, value_at
from station.protocols.modbus.place import MAX_POWER_OF_TEN, Place, RegisterType
from station.protocols.modbus.plan import Block, Plan, Span, coalesce, plan_for, spans_of
from station.protocols.modbus.point import Unmapped
from station.protocols.modbus.profile import Profile
from station.protocols.modbus.target import Silent, Target, with_remedy

_SHOWN_REGISTERS = 4


@dataclass(frozen=True)
class Line:
    """One signal, or one unmapped point, as a person reads it.

    Attributes:
        group: name of the layout; empty for what is unmapped.
        raw: where it lies and what the registers hold.
    """

    group: str
    name: str
    value: str
    unit: str
    quality: str
    raw: str


@dataclass
class Findings:
    """What one look brought."""

    lines: list[Line] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    clock: str = ""


async def look(target: Target, profile: Profile, *, unmapped: bool = False) -> Findings:
    """Read everything that a profile describes once.

    Args:
        target: an open connection and the unit behind it.
        profile: a checked profile.
        unmapped: read also the points that are no signal.

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
        for column, values in zip(decoder.layout.columns, columns, strict=True):
            signal = column.signal
            if signal.name not in points:
                continue
            point = points[signal.name]
            start, stop = decoder.layout.offset(signal.name)
            lost = _is_lost(profile, plan, point, missed)
            flags = None if lost else quality[start:stop]
            numbers = values.astype(np.float64) * signal.scale
            raw = _raw(profile, plan, point, registers, point.offsets())
            found.lines.append(_signal_line(name, signal, numbers, flags, raw))
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


def _signal_line(
    layout: str, signal: Signal, numbers: np.ndarray, flags: np.ndarray | None, raw: str
) -> Line:
    if flags is None:
        return Line(layout, signal.name, "–", signal.unit, "not read", "")
    worst = Quality(int(flags.max()))
    usable = numbers[flags < Quality.INVALID]
    digits = max(0, -int(np.floor(np.log10(layouts.get(layout).signal(signal.name).scale))))
    quality = worst.name.lower()
    if len(numbers) > 1:
        good = int((flags == Quality.GOOD).sum())
        quality = "good" if good == len(numbers) else f"{good} of {len(numbers)} good"
        value = "–"
        if len(usable):
            value = f"{usable.min():.{digits}f} … {usable.max():.{digits}f}"
            value += f", mean {usable.mean():.{digits}f} ({len(numbers)} values)"
        return Line(layout, signal.name, value, signal.unit, quality, raw)
    value = "–" if not len(usable) else _words(signal, usable[0], digits)
    return Line(layout, signal.name, value, signal.unit, quality, raw)


def _words(signal: Signal, number: float, digits: int) -> str:
    """Return a number, with its meaning where it is a state or bits."""
    if signal.kind is Kind.STATE:
        named = {value: english for value, english, _ in signal.states}
        return f"{number:.0f} {named.get(int(number), '?')}"
    if signal.kind is Kind.BITS:
        named = {bit: english for bit, english, _ in signal.states}
        on = [named.get(bit, f"bit {bit}") for bit in range(32) if int(number) >> bit & 1]
        return ", ".join(on) or "none"
    return f"{number:.{digits}f}"


def _raw(
    profile: Profile, plan: Plan, place: Place, registers: Registers, offsets: Sequence[int]
) -> str:
    """Return where a place lies and its registers as they came, the first few of many."""
    space = profile.space_of(place)
    width = place.type.words
    at = [place.address + offset + word for offset in offsets for word in range(width)]
    words = [int(registers[plan.index(space, address)]) for address in at[:_SHOWN_REGISTERS]]
    form = "{}" if place.type is RegisterType.BIT else "0x{:04X}"
    more = " …" if len(at) > _SHOWN_REGISTERS else ""
    return f"{space} {place.address}: {' '.join(form.format(word) for word in words)}{more}"


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
        raw = _raw(profile, plan, place, registers, [0])
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
