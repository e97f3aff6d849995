"""A point: one signal of a layout on a Modbus device, and how its registers become the signal."""

import itertools
import math
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from contract.signal import Signal
from station.protocols.modbus.place import ADDRESSES, Number, Place, RegisterType, Whole
from station.protocols.units import conversion

Count = Whole | str
"""A number, or the name of an entry of ``[parameters]``."""
_NEVER_EMPTY = ("repeat", "stride", "mask", "states", "bits", "all_bits")
"""All of no bits would be true whatever the device says."""
Mask = Annotated[Whole, Field(gt=0, lt=1 << 63)]


def _levels(counts: Count | tuple[Count, ...]) -> tuple[Count, ...]:
    return counts if isinstance(counts, tuple) else (counts,)


class ScaleFactor(Place):
    """A register with a power of ten that multiplies a value.

    Attributes:
        stride: addresses to the next one, for each step of the outermost level of the point's
            `repeat`; 0: one register for all values.
    """

    stride: Count = 0


class MoreBits(Place):
    """Further bits of a signal, in registers of their own.

    Attributes:
        bits: as in `Point`; a bit is set when any of its sources says so.
    """

    bits: Mapping[int, Whole | str] = Field(min_length=1)

    @property
    def bit_width(self) -> int:
        """How many addresses of single bits it takes; 1 for registers."""
        return 1 + max(self.bits) if self.type is RegisterType.BIT else 1


class Point(Place):
    """One signal of a layout.

    signal = (register * scale * 10**scale_factor + offset) in `unit`, converted to the
    signal's own unit.

    Attributes:
        scale, offset: to `unit`.
        unit: of the device's value; the signal's own when left out.
        scale_factor: register with a power of ten that multiplies the value (SunSpec "sf");
            each module may have its own (`ScaleFactor.stride`).
        repeat: number of values (cells), or the name of a parameter; a list counts from the
            outermost level to the innermost (modules, cells of a module).
        stride: addresses from one value to the next, for each level of `repeat`; side by side
            when left out. 0 at a level: one register stands for all its values.
        low, high: plausible range in the signal's unit; outside, quality is questionable.
        states: device code -> state code of the signal, or its English word; other codes are
            invalid.
        mask: the bits of the register that hold the value or the code of `states`, shifted down
            to bit 0; a list has one for each value of the innermost level of `repeat` (two
            temperatures in a register: stride 0 and two masks). With it, `invalid` is about the
            shifted value; signed types have their sign in the highest bit of the mask.
        bits: device bit -> bit of the signal, or its English words; other bits are dropped.
            With type ``bit``, device bit n is the one at ``address + n``.
        also: further registers with bits of the same signal.
        all_bits: the value is 1 when all of these device bits are set, else 0.
    """

    scale: Number = 1.0
    offset: Number = 0.0
    unit: str | None = None
    scale_factor: ScaleFactor | None = None
    repeat: Count | tuple[Count, ...] = 1
    stride: Count | tuple[Count, ...] | None = None
    low: Number | None = None
    high: Number | None = None
    states: Mapping[int, Whole | str] | None = None
    mask: Mask | tuple[Mask, ...] | None = None
    bits: Mapping[int, Whole | str] | None = None
    also: tuple[MoreBits, ...] = ()
    all_bits: tuple[Whole, ...] | None = None

    @model_validator(mode="after")
    def _one_meaning(self) -> "Point":
        for key in _NEVER_EMPTY:
            if getattr(self, key) in ((), {}):
                raise ValueError(f"{key} is empty: fill it, or leave it out")
        given = [x for x in (self.states, self.bits, self.all_bits) if x is not None]
        if len(given) > 1:
            raise ValueError("at most one of states, bits, all_bits can be meant")
        scaled = self.scale != 1.0 or self.offset or self.scale_factor or self.unit
        if given and (scaled or self.repeat != 1):
            raise ValueError("codes and bits have no scale, offset, unit, scale_factor or repeat")
        if given and self.type.is_float:
            raise ValueError("codes and bits do not lie in floating-point registers")
        self._check_mask()
        if self.also and self.bits is None:
            raise ValueError("also has further bits: it belongs to bits")
        if self.scale == 0.0:
            raise ValueError("a scale of 0 makes every value 0")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError("low must be below high")
        if self.stride is not None and len(_levels(self.stride)) != len(_levels(self.repeat)):
            raise ValueError("stride needs one number for each level of repeat")
        return self

    def _check_mask(self) -> None:
        if self.mask is None:
            return
        if self.bits is not None or self.all_bits is not None or self.type is RegisterType.BIT:
            raise ValueError("mask belongs to numbers and states in registers")
        if self.type.is_float or self.scale_factor is not None:
            raise ValueError("a masked value is a whole number without scale_factor")
        if isinstance(self.mask, tuple) and self.states is not None:
            raise ValueError("states have one mask")

    @property
    def is_code(self) -> bool:
        """Whether bits or codes are translated, instead of a number scaled."""
        return not (self.states is None and self.bits is None and self.all_bits is None)

    @property
    def bit_width(self) -> int:
        """How many addresses of single bits make up the code; 1 for registers."""
        if self.type is not RegisterType.BIT:
            return 1
        return 1 + max([*(self.bits or {}), *(self.all_bits or ()), 0])

    @property
    def count(self) -> int:
        """How many values it has; of a point whose parameters are filled in."""
        return math.prod(int(n) for n in _levels(self.repeat))

    def offsets(self) -> list[int]:
        """Return how far each value lies from `address`, in the order of the signal's values.

        Parameters must be filled in (`resolved`).
        """
        if self.is_code:
            return list(range(self.bit_width))
        counts = [int(n) for n in _levels(self.repeat)]
        if self.stride is None:
            return list(range(0, self.count * self.type.words, self.type.words))
        levels = [
            range(0, count * int(step), int(step)) if step else [0] * count
            for count, step in zip(counts, _levels(self.stride), strict=True)
        ]
        return [sum(steps) for steps in itertools.product(*levels)]

    def factor_offsets(self) -> list[int]:
        """Return how far the scale factor of each value lies from that of the first."""
        stride = 0 if self.scale_factor is None else int(self.scale_factor.stride)
        inner = self.count // int(_levels(self.repeat)[0])
        return [number // inner * stride for number in range(self.count)]

    def masks(self) -> list[int]:
        """Return the mask of each value; of a point that has any."""
        given = (self.mask,) if isinstance(self.mask, int) else self.mask or ()
        return [given[number % len(given)] for number in range(self.count)]

    def resolved(self, signal: Signal | None, parameters: Mapping[str, int]) -> "Point":
        """Return the point with parameters, words and unit replaced by numbers.

        Args:
            signal: what it becomes; None when nobody knows it, and then nothing is converted.
            parameters: the profile's ``[parameters]``.

        Raises:
            KeyError: a parameter is not defined; its name is the argument.
            ValueError: a unit or a word does not belong to the signal, or a count is not
                positive, or values reach past the last address; the text says what.
        """
        changes: dict[str, object] = {"repeat": _filled(self.repeat, parameters)}
        if self.stride is not None:
            changes["stride"] = _filled(self.stride, parameters)
        if self.scale_factor is not None:
            stride = _filled(self.scale_factor.stride, parameters)
            changes["scale_factor"] = self.scale_factor.model_copy(update={"stride": stride})
        if signal is not None:
            if self.unit is not None:
                factor, shift = conversion(self.unit, signal.unit)
                changes |= {"scale": self.scale * factor, "unit": None}
                changes["offset"] = self.offset * factor + shift
            changes["states"] = _numbers(self.states, signal)
            changes["bits"] = _numbers(self.bits, signal)
            changes["also"] = tuple(
                more.model_copy(update={"bits": _numbers(more.bits, signal)}) for more in self.also
            )
        point = self.model_copy(update=changes)
        _check_addresses(point)
        return point


def _check_addresses(point: Point) -> None:
    if any(int(n) < 1 for n in _levels(point.repeat)):
        raise ValueError(f"repeat {point.repeat} counts nothing; give numbers from 1 on")
    if point.count > ADDRESSES or point.bit_width > ADDRESSES:
        raise ValueError("it has more values than there are addresses; mend repeat or bits")
    inner = int(_levels(point.repeat)[-1])
    if isinstance(point.mask, tuple) and len(point.mask) != inner:
        raise ValueError(f"mask has {len(point.mask)} entries for {inner} values of its level")
    offsets = point.offsets()
    first, last = point.address + min(offsets), point.address + max(offsets) + point.type.words
    if first < 0 or last > ADDRESSES:
        raise ValueError("its values reach past the addresses 0 to 65535; mend repeat or stride")


def _filled(
    counts: Count | tuple[Count, ...], parameters: Mapping[str, int]
) -> int | tuple[int, ...]:
    numbers = tuple(n if isinstance(n, int) else parameters[n] for n in _levels(counts))
    return numbers if len(numbers) > 1 else numbers[0]


def _numbers(codes: Mapping[int, int | str] | None, signal: Signal) -> Mapping[int, int] | None:
    """Return codes with the signal's English words replaced by its numbers."""
    if codes is None:
        return None
    by_word = {english: number for number, english, _ in signal.states}
    unknown = [word for word in codes.values() if isinstance(word, str) and word not in by_word]
    if unknown:
        known = ", ".join(repr(word) for word in by_word)
        raise ValueError(f"{unknown[0]!r} is no word of {signal.name}; take one of {known}")
    return {code: by_word[word] if isinstance(word, str) else word for code, word in codes.items()}


class Unmapped(Place):
    """A point of the device that is no signal of the contract: shown to people, never stored.

    Attributes:
        scale, offset, unit: value = register * scale * 10**scale_factor + offset, in `unit`.
        scale_factor: as in `Point`.
        words: what codes mean, where it is a state.
    """

    scale: Number = 1.0
    offset: Number = 0.0
    unit: str = ""
    scale_factor: Place | None = None
    words: Mapping[int, str] = Field(default_factory=dict)


class DeviceTime(Place):
    """The register with the device's clock: the identity of a sample.

    Attributes:
        unit: of the register.
        max_error_s: a clock that differs more from the station's makes values questionable.
        holds_s: reading this register makes the device answer the reads that follow on the
            same connection from the picture of that moment, for so long; 0 where the device
            keeps no such picture.
    """

    unit: Literal["s", "ms"] = "s"
    max_error_s: Number = Field(default=60.0, gt=0)
    holds_s: Number = Field(default=0.0, ge=0)


class Expectation(Place):
    """A register that tells whether this is the device that the profile describes.

    With ``equals = "unit"`` it holds the device's own unit id and is part of every reading, so
    that a gateway which sends a question to another unit is found out at once.
    """

    equals: Whole | Literal["unit"]
    meaning: str

    @property
    def names_unit(self) -> bool:
        """Whether it holds the device's own unit id."""
        return self.equals == "unit"
