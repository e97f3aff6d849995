"""Device profiles: what a Modbus device says where, as data that a plant engineer can edit.

A profile is a TOML file, validated whole on load. Register addresses are the protocol's own
(0-based). Every point names a signal of ``contract``; conversion to that signal's unit is
``physical = register * scale * 10**scale_factor + offset``. docs/protocols.md tells how to
write one.
"""

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contract import layouts
from contract.errors import ContractError
from station.protocols.errors import ProfileError
from station.protocols.profile_files import PROFILE_FOLDER, find

MAX_REGISTERS = 125  # Modbus application protocol V1.1b3, 6.3 and 6.4
MAX_BITS = 2000  # the same, 6.1 and 6.2


class Space(StrEnum):
    """The four address spaces of a Modbus device."""

    COIL = "coil"
    DISCRETE = "discrete"
    HOLDING = "holding"
    INPUT = "input"

    @property
    def is_bit(self) -> bool:
        """Whether an address holds one bit; otherwise it holds 16."""
        return self in {Space.COIL, Space.DISCRETE}


class RegisterType(StrEnum):
    """How a value lies in registers; big-endian bytes inside each register."""

    BIT = "bit"
    U16 = "u16"
    S16 = "s16"
    U32 = "u32"
    S32 = "s32"
    U64 = "u64"
    F32 = "f32"

    @property
    def words(self) -> int:
        """How many registers (or bits) a value takes."""
        return {"u32": 2, "s32": 2, "f32": 2, "u64": 4}.get(self.value, 1)


INVALID_MARKERS: Mapping[RegisterType, tuple[int, ...]] = {
    RegisterType.BIT: (),
    RegisterType.U16: (0xFFFF,),
    RegisterType.S16: (-0x8000,),
    RegisterType.U32: (0xFFFF_FFFF,),
    RegisterType.S32: (-0x8000_0000,),
    RegisterType.U64: (0xFFFF_FFFF_FFFF_FFFF,),
    RegisterType.F32: (),  # not-a-number marks itself
}
"""What devices commonly say instead of a value (the same as SunSpec's)."""

_ADDRESSES = 0x1_0000
Address = Annotated[int, Field(ge=0, lt=_ADDRESSES)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Place(_Strict):
    """Where a value lies and how its bits are meant.

    Attributes:
        space: address space; the profile's default when left out.
        word_order: ``hi-lo``: the first register holds the high word.
        invalid: register values that mean "no value"; the type's usual marker when left out.
    """

    space: Space | None = None
    address: Address
    type: RegisterType
    word_order: Literal["hi-lo", "lo-hi"] = "hi-lo"
    invalid: tuple[int, ...] | None = None

    @model_validator(mode="after")
    def _fits(self) -> "Place":
        if self.address + self.type.words > _ADDRESSES:
            raise ValueError("reaches past address 65535")
        return self

    @property
    def markers(self) -> tuple[int, ...]:
        """Register values that mean "no value"."""
        return INVALID_MARKERS[self.type] if self.invalid is None else self.invalid


class Point(Place):
    """One signal of a layout.

    Attributes:
        scale, offset: to the signal's unit.
        scale_factor: register with a power of ten that multiplies the value (SunSpec "sf").
        repeat: number of values side by side (cells), or the name of a parameter.
        low, high: plausible range in the signal's unit; outside, quality is questionable.
        states: device code -> state code of the signal; other codes are invalid.
        bits: device bit -> bit of the signal; other bits are dropped. With type ``bit``,
            device bit n is the one at ``address + n``.
        all_bits: the value is 1 when all of these device bits are set, else 0.
    """

    scale: float = 1.0
    offset: float = 0.0
    scale_factor: Place | None = None
    repeat: int | str = 1
    low: float | None = None
    high: float | None = None
    states: Mapping[int, int] | None = None
    bits: Mapping[int, int] | None = None
    all_bits: tuple[int, ...] | None = None

    @model_validator(mode="after")
    def _one_meaning(self) -> "Point":
        given = [x for x in (self.states, self.bits, self.all_bits) if x is not None]
        if len(given) > 1:
            raise ValueError("at most one of states, bits, all_bits can be meant")
        if given and (self.scale != 1.0 or self.offset or self.scale_factor or self.repeat != 1):
            raise ValueError("codes and bits have no scale, offset, scale_factor or repeat")
        if self.scale == 0.0:
            raise ValueError("a scale of 0 makes every value 0")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError("low must be below high")
        return self

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
    max_error_s: float = Field(default=60.0, gt=0)
    holds_s: float = Field(default=0.0, ge=0)


class Expectation(Place):
    """A register that tells whether this is the device that the profile describes."""

    equals: int
    meaning: str


class Write(Place):
    """One command point: a value to write, checked against its range first.

    Attributes:
        scale: signal unit per register unit.
        scale_factor: register with a power of ten, as in `Point`.
        low, high: allowed range in the signal's unit; outside, the command is refused.
        value: written whatever the command's value is (verbs such as ``start``).
        single: use function 6 (5 for coils) instead of 16 (15).
        routine: a sign of life and the like, which lets commands that change something pass.
    """

    scale: float = 1.0
    scale_factor: Place | None = None
    low: float | None = None
    high: float | None = None
    value: int | None = None
    single: bool = False
    routine: bool = False


class Polling(_Strict):
    """How a device wants to be asked.

    Attributes:
        period_s: one reading each; cycles are aligned to whole periods of the wall clock.
        phase_s: asked so long after the device's tick.
        timeout_s: an answer later than this counts as none.
        pause_s: rest between two requests to this device.
        max_gap: registers read for nothing rather than making two requests.
        max_registers: the most registers that this device gives in one reply.
        stalled_after: periods without a tick after which the device counts as standing still.
    """

    period_s: float = Field(default=1.0, gt=0)
    phase_s: float = Field(default=0.3, ge=0)
    timeout_s: float = Field(default=0.5, gt=0, le=1.0)
    pause_s: float = Field(default=0.0, ge=0)
    max_gap: int = Field(default=16, ge=0, le=MAX_REGISTERS)
    max_registers: int = Field(default=MAX_REGISTERS, ge=1, le=MAX_REGISTERS)
    stalled_after: int = Field(default=5, ge=1)


class Fast(_Strict):
    """Signals that are wanted many times a second, over a connection of their own.

    Attributes:
        period_s: one reading each, on a grid of the station's clock.
        signals: single values of one layout that lie in one request.
    """

    period_s: float = Field(default=0.05, ge=0.02, le=1.0)
    signals: tuple[str, ...] = Field(min_length=1)


class Profile(_Strict):
    """A device profile; `layout_points` gives it with parameters filled in."""

    title: str
    space: Space = Space.HOLDING
    parameters: Mapping[str, int] = Field(default_factory=dict)
    polling: Polling = Polling()
    time: DeviceTime | None = None
    expect: tuple[Expectation, ...] = ()
    fast: Fast | None = None
    layouts: Mapping[str, Mapping[str, Point]]
    writes: Mapping[str, Write] = Field(default_factory=dict)

    def space_of(self, place: Place) -> Space:
        """Return the address space of a place."""
        return place.space or self.space

    def layout_points(self) -> dict[str, dict[str, Point]]:
        """Return points by layout name and signal name, parameters filled in.

        Raises:
            KeyError: a parameter is not defined; its name is the argument.
        """
        return {
            name.format_map(self.parameters): {
                signal: point.model_copy(update={"repeat": self._repeat(point)})
                for signal, point in points.items()
            }
            for name, points in self.layouts.items()
        }

    def _repeat(self, point: Point) -> int:
        return point.repeat if isinstance(point.repeat, int) else self.parameters[point.repeat]


def load(name: str) -> Profile:
    """Read and check a profile whole.

    Raises:
        ProfileError: naming file, key and remedy.
    """
    path = find(name)
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        shipped = ", ".join(sorted(p.name for p in PROFILE_FOLDER.glob("*.toml")))
        raise ProfileError(
            str(path), "file", f"cannot be read ({error.strerror})", f"shipped are: {shipped}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(str(path), "file", f"is no TOML: {error}", "mend the line") from error
    try:
        profile = Profile.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "file"
        raise ProfileError(
            str(path), key, _problem(first), "docs/protocols.md lists the keys of a profile"
        ) from error
    _check_layouts(str(path), profile)
    return profile


def _problem(first: Mapping[str, Any]) -> str:
    text = str(first["msg"])
    given = first.get("input")
    return text if isinstance(given, Mapping) else f"{text} (given: {given!r})"


def _check_layouts(file: str, profile: Profile) -> None:
    """Refuse layouts and signals that the contract does not know, and wrong repeats."""
    try:
        filled = profile.layout_points()
    except (KeyError, ValueError) as error:
        raise ProfileError(
            file, "layouts", f"parameter {error} is unknown", "define it under [parameters]"
        ) from error
    for name, points in filled.items():
        key = f"layouts.{name}"
        try:
            layout = layouts.get(name)
        except ContractError as error:
            known = ", ".join(layouts.ALL)
            raise ProfileError(
                file, key, "is no layout of the contract", f"take one of {known}, rack.cells/N"
            ) from error
        for signal, point in points.items():
            if signal not in layout:
                raise ProfileError(
                    file, f"{key}.{signal}", "is no signal of this layout",
                    f"take one of {', '.join(c.signal.name for c in layout.columns)}",
                )  # fmt: skip
            start, stop = layout.offset(signal)
            if point.repeat != stop - start:
                raise ProfileError(
                    file, f"{key}.{signal}.repeat", f"is {point.repeat}",
                    f"this layout has {stop - start} values of it",
                )  # fmt: skip
            if profile.space_of(point).is_bit != (point.type is RegisterType.BIT):
                raise ProfileError(
                    file, f"{key}.{signal}.type", f"{point.type} cannot lie there",
                    "type bit belongs to the spaces coil and discrete, the others to registers",
                )  # fmt: skip
