"""What the plant itself shows of an action: never the answer of the device that took it.

A contactor is open when its feedback says so and the current is gone; a converter is stopped
when it says so and delivers nothing. What is stale shows nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from station.protection.effects import Part
from station.protection.matrix import ClosedLoop
from station.protection.states import (
    ChillerState,
    ContainerState,
    ConverterState,
    PlantState,
    RackState,
    VentilationState,
)

_ON = 1
_OFF = 0
Device = RackState | ConverterState | ChillerState | VentilationState


@dataclass(frozen=True)
class Feedback:
    """The plant by device tag."""

    devices: Mapping[str, Device]
    containers: Mapping[str, ContainerState]
    settings: ClosedLoop

    def shows(self, device: str, part: Part, *, on: bool) -> bool:
        """Whether the plant shows that a part is on (closed, running) or off."""
        found = self.devices.get(device)
        if found is None or not found.fresh:
            return False
        if isinstance(found, RackState):
            return self._contactor(found, on=on)
        if isinstance(found, ConverterState):
            return self._converter(found, on=on)
        return part in (Part.COOLING, Part.VENTILATION) and found.state == (_ON if on else _OFF)

    def time_ms(self, device: str) -> int:
        """Return the device time of what is shown, 0 when never heard."""
        found = self.devices.get(device)
        return 0 if found is None else found.time_ms

    def idle(self, container: str) -> bool:
        """Whether a container's converter delivers nothing."""
        found = self.containers.get(container)
        return found is not None and found.converter.fresh and self._powerless(found.converter)

    def _contactor(self, rack: RackState, *, on: bool) -> bool:
        if on:
            return rack.contactor_closed is True
        gone = abs(rack.current_a) <= self.settings.current_low_a
        return rack.contactor_closed is False and gone

    def _converter(self, converter: ConverterState, *, on: bool) -> bool:
        if on:
            return converter.running is True
        return converter.running is False and self._powerless(converter)

    def _powerless(self, converter: ConverterState) -> bool:
        return abs(converter.power_kw) <= self.settings.power_low_part * converter.rated_kw


def feedback(plant: PlantState, settings: ClosedLoop) -> Feedback:
    """Return the plant's feedback, looked up by tag."""
    devices: dict[str, Device] = {}
    for container in plant.containers:
        devices[container.converter.device] = container.converter
        devices |= {rack.device: rack for rack in container.racks}
        for helper in (container.chiller, container.ventilation):
            if helper is not None:
                devices[helper.device] = helper
    return Feedback(devices, {c.name: c for c in plant.containers}, settings)
