"""Where a value lies on a Modbus device, and how its bits are meant."""

import struct
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, model_validator

MAX_REGISTERS = 125  # Modbus application protocol V1.1b3, 6.3 and 6.4
MAX_BITS = 2000  # the same, 6.1 and 6.2
ADDRESSES = 0x1_0000
MAX_POWER_OF_TEN = 10
"""The SunSpec Device Information Model Specification bounds scale factors (sunssf) to -10..10."""

Order = Literal["hi-lo", "lo-hi"]


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
    """How a value lies in registers; big-endian bytes inside each register unless said."""

    BIT = "bit"
    U16 = "u16"
    S16 = "s16"
    U32 = "u32"
    S32 = "s32"
    U64 = "u64"
    S64 = "s64"
    F32 = "f32"
    F64 = "f64"

    @property
    def words(self) -> int:
        """How many registers (or bits) a value takes."""
        return 1 if self is RegisterType.BIT else int(self.value[1:]) // 16

    @property
    def dtype(self) -> str:
        """The same for NumPy: sign, size and the order of bytes in registers."""
        kind = {"u": "u", "s": "i", "f": "f"}.get(self.value[0], "u")
        return f">{kind}{2 * self.words}"

    @property
    def is_float(self) -> bool:
        """Whether it is an IEEE 754 number, which says "no value" by itself (not-a-number)."""
        return self in {RegisterType.F32, RegisterType.F64}

    @property
    def is_signed(self) -> bool:
        """Whether it is a whole number with a sign."""
        return self.value.startswith("s")

    @property
    def bounds(self) -> tuple[int, int]:
        """The least and the greatest number that it holds; of whole numbers and bits."""
        bits = 1 if self is RegisterType.BIT else 16 * self.words
        half = 1 << bits - 1
        return (-half, half - 1) if self.is_signed else (0, 2 * half - 1)


INVALID_MARKERS: Mapping[RegisterType, tuple[int, ...]] = {
    RegisterType.BIT: (),
    RegisterType.U16: (0xFFFF,),
    RegisterType.S16: (-0x8000,),
    RegisterType.U32: (0xFFFF_FFFF,),
    RegisterType.S32: (-0x8000_0000,),
    RegisterType.U64: (0xFFFF_FFFF_FFFF_FFFF,),
    RegisterType.S64: (-0x8000_0000_0000_0000,),
    RegisterType.F32: (),
    RegisterType.F64: (),
}
"""What devices commonly say instead of a value (the same as SunSpec's)."""

Whole = StrictInt
Number = StrictFloat
"""A number of a profile is written as one: "32" in quotes is a text."""

Address = Annotated[Whole, Field(ge=0, lt=ADDRESSES)]


class Strict(BaseModel):
    """A table of a profile: no key that is not known, nothing changed after it is read.

    A number is a number: ``nan`` and ``inf``, which TOML has, would make every value pass.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Place(Strict):
    """Where a value lies and how its bits are meant.

    Attributes:
        space: address space; the profile's default when left out.
        word_order: ``hi-lo``: the first register holds the high word.
        byte_order: ``hi-lo`` (the protocol's own): a register's first byte is its high one.
        invalid: register values that mean "no value"; the type's usual marker when left out.
        shared: the same for all `instances` of a profile, so its address does not move.
    """

    space: Space | None = None
    address: Address
    type: RegisterType
    word_order: Order = "hi-lo"
    byte_order: Order = "hi-lo"
    invalid: tuple[Whole | Number, ...] | None = None
    shared: bool = False

    @model_validator(mode="after")
    def _fits(self) -> "Place":
        if self.address + self.type.words > ADDRESSES:
            raise ValueError("reaches past address 65535")
        return self

    @property
    def markers(self) -> tuple[int | float, ...]:
        """Values of the register's type that mean "no value"."""
        if self.invalid is None:
            return INVALID_MARKERS[self.type]
        if self.type is RegisterType.F32:  # as the device's four bytes can say it
            return tuple(struct.unpack(">f", struct.pack(">f", m))[0] for m in self.invalid)
        return self.invalid


def masked(raw: int, mask: int | None) -> int:
    """Return the bits of a register under a mask, shifted down to bit 0; all without one."""
    return raw if mask is None else (raw & mask) >> (mask & -mask).bit_length() - 1
