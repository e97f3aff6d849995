"""How a device wants to be asked: rhythm, patience, requests, and classes of what it tells.

Not all that a device tells is wanted equally often. Control needs a few values many times a
second, a summary once a second is plenty for most, and the cells of a rack change slowly.
"""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import ConfigDict, Field

from station.protocols.modbus.place import (
    MAX_BITS,
    MAX_REGISTERS,
    Address,
    Number,
    Space,
    Strict,
    Whole,
)


class PollClass(StrEnum):
    """How often a layout is asked for."""

    FAST = "fast"
    NORMAL = "normal"
    SLOW = "slow"


class Polling(Strict):
    """How a device wants to be asked.

    Attributes:
        period_s: one reading each; cycles are aligned to whole periods of the wall clock.
        fast_s, slow_s: the same for layouts of the classes fast and slow.
        classes: class of each layout that is not normal.
        phase_s: asked so long after the device's tick.
        timeout_s: an answer later than this counts as none.
        pause_s: rest between two requests to this device.
        in_flight: most requests under way at once on a connection.
        connections: most connections to its server.
        max_gap: registers read for nothing rather than making two requests.
        max_registers: the most registers that this device gives in one reply.
        stalled_after: periods without a tick after which the device counts as standing still.
    """

    period_s: Number = Field(default=1.0, gt=0)
    fast_s: Number = Field(default=0.2, ge=0.05, le=1.0)
    slow_s: Number = Field(default=5.0, gt=0)
    classes: Mapping[str, PollClass] = Field(default_factory=dict)
    phase_s: Number = Field(default=0.3, ge=0)
    timeout_s: Number = Field(default=0.5, gt=0, le=1.0)
    pause_s: Number = Field(default=0.0, ge=0)
    in_flight: Whole = Field(default=1, ge=1, le=16)
    connections: Whole = Field(default=1, ge=1, le=8)
    max_gap: Whole = Field(default=16, ge=0, le=MAX_REGISTERS)
    max_registers: Whole = Field(default=MAX_REGISTERS, ge=1, le=MAX_REGISTERS)
    stalled_after: Whole = Field(default=5, ge=1)

    def class_period_s(self, poll_class: PollClass) -> float:
        """Return how often a class is asked for."""
        match poll_class:
            case PollClass.FAST:
                return self.fast_s
            case PollClass.NORMAL:
                return self.period_s
            case PollClass.SLOW:
                return self.slow_s


class FixedBlock(Strict):
    """One request as the maker of the device wants it, instead of one planned from the points.

    Attributes:
        space: the profile's default when left out.
        address, count: what it reads; values that lie whole in it are taken from it.
        poll_class: of the layouts whose points lie in it; ``class`` in the file.
        period_s: instead of the class's own.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True
    )

    space: Space | None = None
    address: Address
    count: Whole = Field(ge=1, le=MAX_BITS)
    poll_class: PollClass | None = Field(default=None, alias="class")
    period_s: Number | None = Field(default=None, gt=0)
