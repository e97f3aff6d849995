"""The device servers of a plant: which device listens where and what it shows at each tick."""

from collections import deque
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulator.devices import auxiliaries, bms, meter, pcs, safety
from simulator.devices.sensors import RackReadings, RackSensors
from simulator.iec61850.server import PcsServer
from simulator.modbus.image import Image
from simulator.modbus.server import ModbusServer, Refusal, Unit
from simulator.physics.converter import Denial, Point
from simulator.plant import Plant
from simulator.record import Record

METER = "METER"
FIRE = "FIRE"
PANEL = "PANEL"
_SINGLE = 1
"""Unit identifier of devices that stand alone behind their address."""
_NO_IMAGE = Image(0, ())


def rack_tag(container: int, rack: int) -> str:
    """Tag of a rack from indices that start at 0."""
    return f"C{container + 1}-R{rack + 1:02d}"


class Devices:
    """All servers of a plant, by device tag."""

    def __init__(self, plant: Plant, record: Record, icd: Path) -> None:
        self.plant = plant
        self.sensors = RackSensors(plant, np.random.default_rng(plant.parameters.seed + 1))
        self.accepted: deque[tuple[int, Point, float]] = deque()
        self.modbus: dict[str, ModbusServer] = {}
        self.pcs: dict[str, PcsServer] = {}
        self.units: dict[str, Unit] = {}
        self.tick = 0
        self._record = record
        self._written = [[0, 0] for _ in range(plant.parameters.racks)]
        self._beat = 0
        self._add(METER, {_SINGLE: Unit(METER, _NO_IMAGE, meter.DEVICE_TIME, meter.LAYOUTS)})
        self._add(FIRE, {_SINGLE: Unit(FIRE, _NO_IMAGE, safety.FIRE_TIME, safety.FIRE_LAYOUTS)})
        self._add(PANEL, {_SINGLE: Unit(PANEL, _NO_IMAGE, safety.PANEL_TIME, safety.PANEL_LAYOUTS)})
        for container in range(plant.parameters.containers):
            self._add_container(container, icd)

    async def start(self, host: str, base: int) -> dict[str, int]:
        """Start all servers; return the port of each device tag."""
        ports: dict[str, int] = {}
        for tag, server in self.modbus.items():
            await server.start(host, base + len(ports) if base else 0)
            ports[tag] = server.port
        for tag, converter in self.pcs.items():
            converter.start(host, base + len(ports) if base else 0)
            ports[tag] = converter.port
        return ports

    async def stop(self) -> None:
        """Close all servers."""
        for server in self.modbus.values():
            await server.stop()
        for converter in self.pcs.values():
            converter.close()

    def publish(self, tick: int, dt_s: float) -> None:
        """Show the plant's present state as the state at `tick` (epoch seconds)."""
        plant = self.plant
        self.tick = tick
        self._beat = (self._beat + 1) % 0xFFFF
        readings = self.sensors.read(plant, dt_s)
        per = plant.parameters.racks_per_container
        for k in range(plant.parameters.containers):
            self.modbus[f"C{k + 1}-BMS"].publish(
                (n + 1, self._rack_image(readings, k * per + n)) for n in range(per)
            )
            self._show(f"C{k + 1}-CHL", auxiliaries.chiller_image(plant, k, tick))
            self._show(f"C{k + 1}-IMD", auxiliaries.insulation_image(plant, k, tick))
            self._show(f"C{k + 1}-FIRE", safety.fire_image(plant.container_fire[k], tick))
            self._show(
                f"C{k + 1}-VENT",
                safety.ventilation_image(
                    plant.air.state(k), wanted=bool(plant.air.ventilated[k]), tick=tick
                ),
            )
            self.pcs[f"C{k + 1}-PCS"].publish(tick, pcs.values(plant, k))
        self._show(METER, meter.image(plant, tick))
        self._show(FIRE, safety.fire_image(plant.fire, tick))
        self._show(PANEL, safety.panel_image(plant.panel, tick))

    def carry_out(self) -> None:
        """Give the converters the commands accepted since the last tick."""
        while self.accepted:
            container, point, value = self.accepted.popleft()
            self.plant.converters[container].command(point, value)

    def _rack_image(self, readings: RackReadings, rack: int) -> Image:
        command, heartbeat = self._written[rack]
        return bms.image(
            self.plant,
            readings,
            rack,
            tick=self.tick,
            beat=self._beat,
            written=(command, heartbeat),
        )

    def _show(self, tag: str, image: Image) -> None:
        self.modbus[tag].publish([(_SINGLE, image)])

    def _add(self, tag: str, units: dict[int, Unit]) -> None:
        self.modbus[tag] = ModbusServer(tag, units, self._record.served)
        self.units.update({unit.device: unit for unit in units.values()})

    def _add_container(self, k: int, icd: Path) -> None:
        p = self.plant.parameters
        layouts = bms.layouts(p.cells_per_rack)
        racks = {
            n + 1: Unit(
                rack_tag(k, n),
                _NO_IMAGE,
                bms.DEVICE_TIME,
                layouts,
                partial(self._write_rack, k * p.racks_per_container + n),
            )
            for n in range(p.racks_per_container)
        }
        self._add(f"C{k + 1}-BMS", racks)
        tag = f"C{k + 1}-CHL"
        chiller = Unit(
            tag,
            _NO_IMAGE,
            auxiliaries.CHILLER_TIME,
            auxiliaries.CHILLER_LAYOUTS,
            partial(self._write_chiller, k),
        )
        self._add(tag, {_SINGLE: chiller})
        tag = f"C{k + 1}-IMD"
        monitor = Unit(tag, _NO_IMAGE, auxiliaries.INSULATION_TIME, auxiliaries.INSULATION_LAYOUTS)
        self._add(tag, {_SINGLE: monitor})
        tag = f"C{k + 1}-FIRE"
        self._add(tag, {_SINGLE: Unit(tag, _NO_IMAGE, safety.FIRE_TIME, safety.FIRE_LAYOUTS)})
        tag = f"C{k + 1}-VENT"
        fan = Unit(
            tag,
            _NO_IMAGE,
            safety.VENTILATION_TIME,
            safety.VENTILATION_LAYOUTS,
            partial(self._write_ventilation, k),
        )
        self._add(tag, {_SINGLE: fan})
        self.pcs[f"C{k + 1}-PCS"] = self._pcs_server(k, icd)

    def _pcs_server(self, k: int, icd: Path) -> PcsServer:
        tag = f"C{k + 1}-PCS"

        def accept(point: Point, value: float) -> None:
            self.accepted.append((k, point, value))
            self._record.command(self.tick, tag, point, value, "accepted")

        def deny(point: Point, value: float, denial: Denial) -> None:
            self._record.command(self.tick, tag, point, value, f"refused: {denial}")

        return PcsServer(
            tag,
            icd,
            f"C{k + 1}PCS",
            self.plant.parameters.pcs_rated_kw * 1e3,
            ask=self.plant.converters[k].refusal,
            accept=accept,
            deny=deny,
            on_served=partial(self._record.served, tag, "pcs"),
        )

    def _write_rack(self, rack: int, address: int, values: Sequence[int]) -> Refusal | None:
        """Registers 0 (command) and 1 (heartbeat of the EMS), alone or together."""
        if address + len(values) > bms.HEARTBEAT + 1:
            return Refusal.ILLEGAL_ADDRESS
        refused: Refusal | None = None
        for register, value in enumerate(values, start=address):
            if register == bms.COMMAND:
                refused = self._command_rack(rack, value)
            if refused is None:
                self._written[rack][register] = value
        return refused

    def _command_rack(self, rack: int, value: int) -> Refusal | None:
        if value == bms.COMMAND_CLOSE:
            outcome = None if self.plant.close_contactor(rack) else Refusal.DEVICE_FAILURE
        elif value == bms.COMMAND_OPEN:
            self.plant.bms.command_open(rack)
            outcome = None
        else:
            outcome = Refusal.ILLEGAL_VALUE
        container, number = divmod(rack, self.plant.parameters.racks_per_container)
        result = "accepted" if outcome is None else f"refused: {outcome.name.lower()}"
        self._record.command(self.tick, rack_tag(container, number), "contactor", value, result)
        return outcome

    def _write_chiller(self, k: int, address: int, values: Sequence[int]) -> Refusal | None:
        if len(values) != 1:
            return Refusal.ILLEGAL_ADDRESS
        if address == auxiliaries.CHILLER_COOLING:
            return self._switch(f"C{k + 1}-CHL", "cooling", self.plant.chillers.enabled, k, values)
        if address != auxiliaries.CHILLER_SETPOINT:
            return Refusal.ILLEGAL_ADDRESS
        raw = values[0] - 0x10000 if values[0] & 0x8000 else values[0]
        done = self.plant.chillers.set_setpoint(k, raw / 10)
        result = "accepted" if done else "refused: out of range"
        self._record.command(self.tick, f"C{k + 1}-CHL", "coolant_setpoint_c", raw / 10, result)
        return None if done else Refusal.ILLEGAL_VALUE

    def _write_ventilation(self, k: int, address: int, values: Sequence[int]) -> Refusal | None:
        if address != safety.VENTILATION_COMMAND or len(values) != 1:
            return Refusal.ILLEGAL_ADDRESS
        return self._switch(f"C{k + 1}-VENT", "ventilation", self.plant.air.ventilated, k, values)

    def _switch(
        self, tag: str, point: str, switches: NDArray[np.bool_], k: int, values: Sequence[int]
    ) -> Refusal | None:
        """Carry out a command that is 0 for off and 1 for on."""
        done = values[0] in (0, 1)
        if done:
            switches[k] = bool(values[0])
        result = "accepted" if done else "refused: neither 0 nor 1"
        self._record.command(self.tick, tag, point, values[0], result)
        return None if done else Refusal.ILLEGAL_VALUE
