"""A command point: what may be written where, and how the device shows that it took it."""

from typing import Literal

from pydantic import Field, model_validator

from contract.signal import Signal
from station.protocols.modbus.place import (
    Address,
    Number,
    Order,
    Place,
    RegisterType,
    Space,
    Strict,
    Whole,
)
from station.protocols.units import UnitMismatch, conversion


class ReadBack(Strict):
    """Where a device shows what it was told; what is left out is as in the write.

    Attributes:
        scale, offset, unit: as those of the write.
        mask: the bits of the register that `equals` is about, shifted down to bit 0.
        equals: register value that proves it, whatever was written (a state after a verb).
        tolerance: how far the shown value may be off, in the signal's unit; half a step of
            the coarser register when left out.
        within_s: how long the device may take; it is asked until then.
    """

    space: Space | None = None
    address: Address
    type: RegisterType | None = None
    word_order: Order | None = None
    byte_order: Order | None = None
    shared: bool = False
    scale: Number | None = None
    offset: Number | None = None
    unit: str | None = None
    mask: Whole | None = Field(default=None, gt=0)
    equals: Whole | None = None
    tolerance: Number | None = Field(default=None, ge=0)
    within_s: Number = Field(default=0.5, ge=0, le=5)


class Write(Place):
    """One command point: a value to write, checked against its range first.

    Attributes:
        scale, offset, unit: signal = (register * scale * 10**scale_factor + offset) in `unit`.
        scale_factor: register with a power of ten, as in `Point`.
        low, high: allowed range in the signal's unit; outside, the command is refused.
        step: the device takes whole multiples of this only, in the signal's unit; values are
            rounded to the nearest that is allowed.
        value: written whatever the command's value is (verbs such as ``start``).
        before: registers that are written in the same request and lie right before `address`: a
            mode or an enable without which the device does not follow the value.
        single: use function 6 (5 for coils) instead of 16 (15).
        routine: a sign of life and the like, which lets commands that change something pass.
        read_back: the device must show the written value, in the registers written (true) or
            in others; else the command is refused.
    """

    scale: Number = 1.0
    offset: Number = 0.0
    unit: str | None = None
    scale_factor: Place | None = None
    low: Number | None = None
    high: Number | None = None
    step: Number | None = Field(default=None, gt=0)
    value: Whole | None = None
    before: tuple[Whole, ...] = Field(default=(), max_length=16)
    single: bool = False
    routine: bool = False
    read_back: ReadBack | Literal[True] | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> "Write":
        if self.scale == 0.0:
            raise ValueError("a scale of 0 makes every value 0")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("low must not be above high")
        if self.before and (self.single or self.type is RegisterType.BIT):
            raise ValueError("before needs function 16: leave single out, and take a register")
        if len(self.before) > self.address:
            raise ValueError("before reaches below address 0")
        shown = self.read_back
        if isinstance(shown, ReadBack) and self.scale_factor is not None and shown.equals is None:
            raise ValueError("read_back at another address cannot be compared with a scale_factor")
        return self

    def resolved(self, signal: Signal | None) -> "Write":
        """Return the write with units converted to the signal's, and its read-back completed.

        Raises:
            UnitMismatch: the unit is not one of the signal's, or nobody knows the signal.
        """
        own = "" if signal is None else signal.unit
        if signal is None and self.unit is not None:
            raise UnitMismatch("only signals of the contract have a unit; leave unit out")
        changes: dict[str, object] = _converted(self.scale, self.offset, self.unit, own)
        if isinstance(self.read_back, ReadBack):
            changes["read_back"] = self._shown(self.read_back, own)
        return self.model_copy(update=changes)

    def _shown(self, asked: ReadBack, own: str) -> ReadBack:
        """Return the read-back with everything that it takes from the write."""
        place = {
            "space": self.space, "type": self.type,
            "word_order": self.word_order, "byte_order": self.byte_order,
        }  # fmt: skip
        given = {key: getattr(asked, key) for key in place if getattr(asked, key) is not None}
        line = _converted(
            self.scale if asked.scale is None else asked.scale,
            self.offset if asked.offset is None else asked.offset,
            self.unit if asked.unit is None else asked.unit,
            own,
        )
        return asked.model_copy(update=place | given | line)


def _converted(scale: float, offset: float, unit: str | None, own: str) -> dict[str, object]:
    factor, shift = (1.0, 0.0) if unit is None else conversion(unit, own)
    return {"scale": scale * factor, "offset": offset * factor + shift, "unit": None}
