"""Commands of one association: checked, in the device's unit, each to its controllable object."""

import contextlib
import math
from collections.abc import Mapping
from functools import partial

from station.protocols.errors import ProtocolError
from station.protocols.iec61850.calls import Calls
from station.protocols.iec61850.connection import Association
from station.protocols.iec61850.control import CommandRefused, Setting
from station.protocols.iec61850.controls import Controls
from station.protocols.iec61850.mapping import Binding, CommandTarget


class Commands:
    """What a connected device can be told, by point."""

    def __init__(
        self,
        association: Association,
        binding: Binding,
        targets: Mapping[str, CommandTarget],
        calls: Calls,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            association: with the device.
            binding: where the points lie in it.
            targets: what the points mean, by name.
            calls: its worker threads.
        """
        self._association = association
        self._binding = binding
        self._targets = targets
        self._calls = calls
        self._controls = Controls(association, binding.controls.values())
        self._bases: dict[str, float] = {}

    async def prepare(self) -> None:
        """Learn how each object is controlled, beside the reports; a broken link ends it."""
        for point in self._binding.bases:
            with contextlib.suppress(ProtocolError):
                await self._base(point)
        for reference in self._controls.references:
            with contextlib.suppress(ProtocolError):
                await self._calls.command(partial(self._controls.prepare, reference))

    async def operate(self, point: str, value: float, deadline_s: float) -> None:
        """Carry out one command.

        Raises:
            CommandRefused, CommandTimedOut, DeviceUnreachable: what became of it.
        """
        target = self._targets[point]
        reference = self._binding.controls[point]
        written = _checked(target, value)
        if point in self._binding.bases and target.value is None:
            written = written / await self._base(point) * 100
        await self._calls.command(partial(self._controls.operate, reference, written, deadline_s))

    def abandon(self) -> None:
        """Let no further command begin."""
        self._controls.abandon()

    def close(self) -> None:
        """Free the objects; blocks. The association is retired already."""
        self._controls.close()

    async def _base(self, point: str) -> float:
        """Return what is 100 % of a command in per cent, in the device's unit.

        Raises:
            CommandRefused: the device does not tell it.
        """
        if point not in self._bases:
            reference = self._binding.bases[point]
            read = partial(self._association.read, reference, self._targets[point].constraint)
            found = await self._calls.ask(self._association, read)
            if isinstance(found, float | int) and math.isfinite(found) and found > 0:
                self._bases[point] = float(found)
        if point not in self._bases:
            raise CommandRefused(f"{point}: the device does not tell what is 100 %")
        return self._bases[point]


def _checked(target: CommandTarget, value: float) -> Setting:
    """Return the value in the device's unit.

    Raises:
        CommandRefused: it is outside the allowed range.
    """
    if target.value is not None:
        return target.value
    low = float("-inf") if target.low is None else target.low
    high = float("inf") if target.high is None else target.high
    if not low <= value <= high:  # false for not-a-number, too
        raise CommandRefused(f"{value:g} is outside the allowed range {low:g}..{high:g}")
    return float(value) * target.scale
