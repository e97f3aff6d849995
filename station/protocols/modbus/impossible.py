"""What a profile says and no device can ever mean: bits, codes and numbers that do not exist.

Such a point would be read without complaint and never tell anything: an alarm bit beyond its
register stays clear for ever, a command beyond its register is always refused.
"""

import difflib
import itertools
from collections.abc import Iterable, Iterator

import numpy as np

from contract.signal import Kind, Signal
from contract.signals import SIGNALS
from station.protocols.modbus.place import ADDRESSES, Place, RegisterType, masked
from station.protocols.modbus.point import DeviceTime, MoreBits, Point
from station.protocols.modbus.write import ReadBack, Write

VERBS = (
    "start", "stop", "close_contactor", "open_contactor", "cooling", "ventilation", "heartbeat",
)  # fmt: skip
"""What the station tells devices besides set-points of signals."""
_HIGHEST_BIT = 30
"""Bits of a signal are carried as a signed number of 32 bits."""
_REGISTER_BITS = 16

Fault = tuple[str, str, str]
"""Key below the table's own (empty: the table itself), what is wrong with it, and the remedy."""


def meant_command(name: str) -> str | None:
    """Return the command that a name nobody gives was probably meant to be, if any is near."""
    if name in VERBS or name in SIGNALS:
        return None
    return next(iter(difflib.get_close_matches(name, [*VERBS, *SIGNALS], 1, 0.8)), None)


def of_place(place: Place) -> Iterator[Fault]:
    """Tell markers that no register of this type can hold."""
    if place.invalid is None or place.type in {RegisterType.BIT, RegisterType.F64}:
        return
    if place.type is RegisterType.F32:
        low, high = -float(np.finfo(np.float32).max), float(np.finfo(np.float32).max)
    else:
        low, high = place.type.bounds
        mask = getattr(place, "mask", None)
        if mask is not None:
            masks = mask if isinstance(mask, tuple) else (mask,)
            high = max(masked(m, m) for m in masks)
            low = -(high + 1) // 2 if place.type.is_signed else 0
    for marker in place.invalid:
        if not low <= marker <= high:
            yield "invalid", f"{marker} never stands there", _between(place.type, low, high)


def of_point(signal: Signal, point: Point) -> Iterator[Fault]:
    """Tell what can never be right about a point whose parameters are filled in."""
    yield from of_place(point)
    yield from _wrong_kind(signal, point)
    sources: list[Point | MoreBits] = [point, *point.also]
    for source in sources:
        yield from _wrong_bits(source)
    yield from _wrong_mask(point)
    yield from _wrong_states(signal, point)
    yield from _wrong_offsets(point)
    if point.scale_factor is not None and point.scale_factor.type is not RegisterType.S16:
        yield (
            "scale_factor.type", f"is {point.scale_factor.type}", "a power of ten lies in an s16"
        )  # fmt: skip


def _wrong_kind(signal: Signal, point: Point) -> Iterator[Fault]:
    if point.states is not None and signal.kind is not Kind.STATE:
        yield "states", f"{signal.name} is no state", "give scale and unit of the number"
    if point.all_bits is not None and signal.kind is not Kind.STATE:
        yield "all_bits", f"{signal.name} is no state", "take bits, or scale and unit of a number"
    if point.bits is not None and signal.kind is not Kind.BITS:
        yield "bits", f"{signal.name} is no field of bits", "take states, all_bits or a scale"


def _wrong_bits(source: Point | MoreBits) -> Iterator[Fault]:
    name = "bits" if isinstance(source, Point) else "also"
    single = source.type is RegisterType.BIT
    highest = ADDRESSES - 1 - source.address if single else source.type.words * _REGISTER_BITS - 1
    named = [("bits" if name == "bits" else name, bit) for bit in source.bits or ()]
    named += [("all_bits", bit) for bit in getattr(source, "all_bits", None) or ()]
    for key, bit in named:
        if not 0 <= bit <= highest:
            yield key, f"a {source.type} has no bit {bit}", f"its bits are 0 to {highest}"
    for target in (source.bits or {}).values():
        if isinstance(target, int) and not 0 <= target <= _HIGHEST_BIT:
            yield name, f"a signal has no bit {target}", f"its bits are 0 to {_HIGHEST_BIT}"


def _wrong_mask(point: Point) -> Iterator[Fault]:
    if point.mask is None:
        return
    width = point.type.words * _REGISTER_BITS
    for mask in point.mask if isinstance(point.mask, tuple) else (point.mask,):
        if mask >> width:
            yield "mask", f"0x{mask:04X} is wider than a {point.type}", f"it has {width} bits"


def _wrong_states(signal: Signal, point: Point) -> Iterator[Fault]:
    if point.states is None or point.type.is_float:
        return
    low, high = point.type.bounds
    where = f"a {point.type}"
    if isinstance(point.mask, int):
        low, high, where = 0, masked(point.mask, point.mask), f"mask 0x{point.mask:04X}"
    known = {number for number, _, _ in signal.states}
    for code, state in point.states.items():
        if not low <= code <= high:
            yield "states", f"{where} never shows the code {code}", f"it shows {low} to {high}"
        if signal.kind is Kind.STATE and isinstance(state, int) and state not in known:
            words = ", ".join(f"{number} {english}" for number, english, _ in signal.states)
            yield "states", f"{state} is no state of {signal.name}", f"take one of {words}"


def _wrong_offsets(point: Point) -> Iterator[Fault]:
    """Tell values of one point that lie in one another; a level of stride 0 is meant so."""
    if point.stride is None or point.is_code:
        return
    strides = point.stride if isinstance(point.stride, tuple) else (point.stride,)
    counts = point.repeat if isinstance(point.repeat, tuple) else (point.repeat,)
    moving = [(int(n), int(step)) for n, step in zip(counts, strides, strict=True) if step]
    offsets = [0]
    for count, step in moving:
        offsets = [base + number * step for base in offsets for number in range(count)]
    offsets.sort()
    for before, after in itertools.pairwise(offsets):
        if after - before < point.type.words:
            yield (
                "stride", f"two values lie in one another at register {point.address + after}",
                "outermost level first, and 0 where one register stands for all values",
            )  # fmt: skip
            return


def of_write(name: str, write: Write) -> Iterator[Fault]:
    """Tell what can never be right about a command point whose units are converted."""
    meant = meant_command(name)
    if meant is not None:
        yield "", "is no command of the station", f"did you mean {meant!r}?"
    yield from of_place(write)
    if write.type is not RegisterType.BIT:
        yield from _beyond("value", write.type, [] if write.value is None else [write.value])
    yield from _beyond("before", RegisterType.U16, write.before)
    if write.value is None and write.scale_factor is None and write.type is not RegisterType.BIT:
        for key, bound in (("low", write.low), ("high", write.high)):
            if bound is not None and not write.type.is_float:
                yield from _unwritable(key, write, bound)
    if isinstance(write.read_back, ReadBack):
        yield from _wrong_read_back(write.read_back)


def _unwritable(key: str, write: Write, bound: float) -> Iterator[Fault]:
    least, most = write.type.bounds
    if least <= np.rint((bound - write.offset) / write.scale) <= most:
        return
    ends = sorted(end * write.scale + write.offset for end in (least, most))
    yield (
        key, f"{bound:g} cannot be written",
        f"a {write.type} with this scale holds {ends[0]:g} to {ends[1]:g}",
    )  # fmt: skip


def _wrong_read_back(shown: ReadBack) -> Iterator[Fault]:
    kind = shown.type or RegisterType.U16
    if kind.is_float:
        return
    width = kind.words * _REGISTER_BITS
    if shown.mask is not None and shown.mask >> width:
        yield "read_back.mask", f"0x{shown.mask:04X} is wider than a {kind}", f"it has {width} bits"
    elif shown.mask is not None and shown.equals is not None:
        most = masked(shown.mask, shown.mask)
        if not 0 <= shown.equals <= most:
            yield (
                "read_back.equals", f"mask 0x{shown.mask:04X} never shows {shown.equals}",
                f"what the mask holds is shifted down to bit 0: 0 to {most}",
            )  # fmt: skip
    elif shown.equals is not None and kind is not RegisterType.BIT:
        yield from _beyond("read_back.equals", kind, [shown.equals])


def of_time(clock: DeviceTime) -> Iterator[Fault]:
    """Tell a clock that cannot hold the time of today, which makes every sample one of 1970."""
    wants = RegisterType.U64 if clock.unit == "ms" else RegisterType.U32
    short = clock.type.words < wants.words or clock.type is RegisterType.F32
    if short:
        yield (
            "type", f"a {clock.type} does not hold {clock.unit} since 1970",
            f"take {wants}, or leave [time] out where the device does not tell the time so",
        )  # fmt: skip


def of_expectation(place: Place, equals: int | str) -> Iterator[Fault]:
    """Tell a proof of identity that every device fails."""
    if isinstance(equals, int):
        yield from _beyond("equals", place.type, [equals])


def _beyond(key: str, kind: RegisterType, values: Iterable[int]) -> Iterator[Fault]:
    if kind.is_float:
        return
    low, high = kind.bounds
    for value in values:
        if not low <= value <= high:
            yield key, f"a {kind} never holds {value}", _between(kind, low, high)


def _between(kind: RegisterType, low: float, high: float) -> str:
    return (
        f"a {kind} holds {low:g} to {high:g} here" if kind.is_float else f"it holds {low} to {high}"
    )
