"""What clients may write over Modbus, carried out on the plant and noted in the record."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulator.devices import auxiliaries, bms, safety
from simulator.modbus.server import Refusal
from simulator.plant import Plant
from simulator.record import Record
from simulator.tags import rack_tag


class Writes:
    """Commands to racks, chillers and ventilation. `tick` is the second they came in."""

    def __init__(self, plant: Plant, record: Record) -> None:
        self.tick = 0
        self.registers: NDArray[np.int64] = np.zeros((plant.parameters.racks, 2), np.int64)
        """Holding registers of each rack, (racks, 2): last command, heartbeat of the EMS."""
        self._plant = plant
        self._record = record

    def rack(self, rack: int, address: int, values: Sequence[int]) -> Refusal | None:
        """Registers 0 (command) and 1 (heartbeat of the EMS), alone or together."""
        if address + len(values) > bms.HEARTBEAT + 1:
            return Refusal.ILLEGAL_ADDRESS
        refused: Refusal | None = None
        for register, value in enumerate(values, start=address):
            if register == bms.COMMAND:
                refused = self._contactor(rack, value)
            if refused is None:
                self.registers[rack, register] = value
        return refused

    def chiller(self, k: int, address: int, values: Sequence[int]) -> Refusal | None:
        """The set-point of the supply temperature, and the switch of the whole unit."""
        if len(values) != 1:
            return Refusal.ILLEGAL_ADDRESS
        tag = f"C{k + 1}-CHL"
        if address == auxiliaries.CHILLER_COOLING:
            return self._switch(tag, "cooling", self._plant.chillers.enabled, k, values[0])
        if address != auxiliaries.CHILLER_SETPOINT:
            return Refusal.ILLEGAL_ADDRESS
        celsius = (values[0] - 0x10000 if values[0] & 0x8000 else values[0]) / 10
        done = self._plant.chillers.set_setpoint(k, celsius)
        result = "accepted" if done else "refused: out of range"
        self._record.command(self.tick, tag, "coolant_setpoint_c", celsius, result)
        return None if done else Refusal.ILLEGAL_VALUE

    def ventilation(self, k: int, address: int, values: Sequence[int]) -> Refusal | None:
        """The switch of a container's fan."""
        if address != safety.VENTILATION_COMMAND or len(values) != 1:
            return Refusal.ILLEGAL_ADDRESS
        tag = f"C{k + 1}-VENT"
        return self._switch(tag, "ventilation", self._plant.dangers.air.ventilated, k, values[0])

    def _contactor(self, rack: int, value: int) -> Refusal | None:
        if value == bms.COMMAND_CLOSE:
            outcome = None if self._plant.close_contactor(rack) else Refusal.DEVICE_FAILURE
        elif value == bms.COMMAND_OPEN:
            self._plant.bms.command_open(rack)
            outcome = None
        else:
            outcome = Refusal.ILLEGAL_VALUE
        container, number = divmod(rack, self._plant.parameters.racks_per_container)
        result = "accepted" if outcome is None else f"refused: {outcome.name.lower()}"
        self._record.command(self.tick, rack_tag(container, number), "contactor", value, result)
        return outcome

    def _switch(
        self, tag: str, point: str, switches: NDArray[np.bool_], k: int, value: int
    ) -> Refusal | None:
        """Carry out a command that is 0 for off and 1 for on."""
        done = value in (0, 1)
        if done:
            switches[k] = bool(value)
        result = "accepted" if done else "refused: neither 0 nor 1"
        self._record.command(self.tick, tag, point, value, result)
        return None if done else Refusal.ILLEGAL_VALUE
