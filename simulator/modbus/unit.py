"""One Modbus device behind a server: what it holds, what it serves, what may be written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from simulator.modbus.image import Image, Span, Table
from simulator.modbus.mischief import SOUND, Mischief, with_clock_off


class Refusal(IntEnum):
    """Exception codes of the protocol."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    DEVICE_FAILURE = 4
    NO_RESPONSE_BEHIND_GATEWAY = 11


@dataclass(frozen=True)
class Served:
    """A layout of a device and the registers that make it up."""

    layout: str
    spans: tuple[Span, ...]

    def covered(self, table: Table, start: int, count: int) -> int:
        """Bit mask of the layout's registers that a read covers."""
        mask, offset = 0, 0
        for span in self.spans:
            low, high = max(start, span.start), min(start + count, span.stop)
            if span.table is table and low < high:
                mask |= ((1 << (high - low)) - 1) << (offset + low - span.start)
            offset += span.stop - span.start
        return mask

    @property
    def full(self) -> int:
        """The mask of all registers."""
        return (1 << sum(span.stop - span.start for span in self.spans)) - 1


Write = Callable[[int, Sequence[int]], Refusal | None]
OnServed = Callable[[str, str, int], None]


def refuse_writes(_address: int, _values: Sequence[int]) -> Refusal | None:
    """Refuse every write: the device takes no commands."""
    return Refusal.ILLEGAL_ADDRESS


@dataclass
class Unit:
    """One device behind the server: its image, what it serves, what may be written.

    `mischief` is what it does wrong; by `clock_offset_s` its clock is off. A `stopped` one holds
    its image for ever; of one that is `frozen_at` an image nothing but the clock goes on.
    """

    device: str
    image: Image
    device_time: Span
    serves: tuple[Served, ...]
    write: Write = refuse_writes
    silent: bool = False
    mischief: Mischief = SOUND
    clock_offset_s: int = 0
    stopped: bool = False
    frozen_at: Image | None = None
    stand_in: "Unit | None" = None
    """Whose values it shows in place of its own, where a gateway sends questions astray."""

    def show(self, image: Image) -> None:
        """Hold the image of a new tick."""
        if self.stopped:
            return
        if self.frozen_at is not None:
            passed_s = image.tick - self.frozen_at.tick
            aged = with_clock_off(self.frozen_at, self.device_time, passed_s)
            image = replace(aged, tick=image.tick)
        if self.clock_offset_s:
            image = with_clock_off(image, self.device_time, self.clock_offset_s)
        self.image = image
