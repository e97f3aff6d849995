"""Plays a scenario: makes its events begin and end at their times.

Targets are device tags (`C1-PCS`, `C2-R04`, `METER`); a cell is `C2-R04/217`, numbered from 1.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from simulator.config import Kind, Scenario, ScenarioEvent
from simulator.errors import ConfigError
from simulator.physics.converter import ALARM_TRIP
from simulator.plant import CellHeating
from simulator.servers import Devices, rack_tag

_log = logging.getLogger(__name__)

_SMOKE_FROM_PPM = 1000.0
"""Cells that vent this much hydrogen smoke as well; see the panel's alarm levels."""

Change = Callable[[ScenarioEvent, bool], Awaitable[None] | None]


class ScenarioPlayer:
    """Events not yet begun, and events not yet ended."""

    def __init__(self, scenario: Scenario, devices: Devices, file: Path) -> None:
        """Check every target at the start, so that no event fails half-way through a run.

        Raises:
            ConfigError: an event names a target that this plant does not have.
        """
        self._devices = devices
        self._plant = devices.plant
        self._waiting = list(scenario.events)
        self._running: list[ScenarioEvent] = []
        plant = self._plant.parameters
        self._racks = {
            rack_tag(k, n): k * plant.racks_per_container + n
            for k in range(plant.containers)
            for n in range(plant.racks_per_container)
        }
        self._containers = {f"C{k + 1}": k for k in range(plant.containers)}
        self._changes: dict[Kind, Change] = {
            Kind.UPLINK_CUT: lambda _event, _begins: None,
            Kind.DEVICE_SILENT: self._silent,
            Kind.DEVICE_DOWN: self._down,
            Kind.PCS_TRIP: self._trip,
            Kind.PCS_LOCAL: self._local,
            Kind.CELL_HEAT: self._heat,
            Kind.RACK_OPEN: self._open,
            Kind.SENSOR_FAILED: self._sensor,
            Kind.GAS_RELEASE: self._gas,
            Kind.INSULATION_FAULT: self._insulation,
            Kind.CHILLER_FAULT: self._chiller,
            Kind.GRID_FREQUENCY: self._frequency,
        }
        for k, event in enumerate(scenario.events):
            self._check(event, file, f"events.{k}.target")

    async def play(self, elapsed_s: float) -> None:
        """Begin and end what is due `elapsed_s` after the start."""
        for event in [e for e in self._waiting if e.at_s <= elapsed_s]:
            self._waiting.remove(event)
            self._running.append(event)
            await self._change(event, begins=True)
        for event in [e for e in self._running if e.at_s + e.for_s <= elapsed_s]:
            self._running.remove(event)
            await self._change(event, begins=False)

    async def _change(self, event: ScenarioEvent, *, begins: bool) -> None:
        _log.info("event=scenario kind=%s target=%s begins=%s", event.kind, event.target, begins)
        waiting = self._changes[event.kind](event, begins)
        if waiting is not None:
            await waiting

    def _check(self, event: ScenarioEvent, file: Path, key: str) -> None:
        devices = self._devices
        known: set[str] = set()
        match event.kind:
            case Kind.DEVICE_SILENT:
                known = {*devices.modbus, *devices.pcs, *devices.units}
            case Kind.DEVICE_DOWN:
                known = {*devices.modbus, *devices.pcs}
            case Kind.PCS_TRIP | Kind.PCS_LOCAL:
                known = set(devices.pcs)
            case Kind.RACK_OPEN:
                known = set(self._racks)
            case Kind.INSULATION_FAULT | Kind.CHILLER_FAULT:
                known = set(self._containers)
            case Kind.CELL_HEAT | Kind.SENSOR_FAILED:
                rack, _, cell = event.target.partition("/")
                count = self._plant.parameters.cells_per_rack
                if rack not in self._racks or not cell.isdigit() or not 1 <= int(cell) <= count:
                    remedy = f"name a rack and a cell from 1 to {count}, like C1-R01/1"
                    raise ConfigError(file, key, event.target, remedy)
                return
            case _:
                return
        if event.target not in known:
            raise ConfigError(file, key, event.target, f"name one of {', '.join(sorted(known))}")

    def _silent(self, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
        devices = self._devices
        if event.target in devices.pcs:
            devices.pcs[event.target].silent = begins
        elif event.target in devices.modbus:
            devices.modbus[event.target].silent = begins
        else:
            devices.units[event.target].silent = begins

    async def _down(self, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
        converter = self._devices.pcs.get(event.target)
        if converter is not None:
            await asyncio.to_thread(converter.stop if begins else converter.resume)
            return
        server = self._devices.modbus[event.target]
        await (server.stop() if begins else server.resume())

    def _trip(self, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
        converter = self._plant.converters[self._container(event)]
        converter.hold_trip = begins
        if begins:
            converter.trip(ALARM_TRIP)

    def _local(self, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
        self._plant.converters[self._container(event)].local = begins

    def _heat(self, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
        rack, cell = self._cell(event)
        heating = CellHeating(rack, cell, event.value)
        if begins:
            self._plant.heatings.append(heating)
        else:
            self._plant.heatings.remove(heating)

    def _open(self, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
        rack = self._racks[event.target]
        if begins:
            self._plant.bms.command_open(rack)
        else:
            self._plant.close_contactor(rack)

    def _sensor(self, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
        failed = self._devices.sensors.failed_temperature
        (failed.add if begins else failed.discard)(self._cell(event))

    def _gas(self, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
        panel = self._plant.fire
        panel.hydrogen_ppm = event.value if begins else 0.0
        panel.smoke = begins and event.value > _SMOKE_FROM_PPM

    def _insulation(self, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
        monitor = self._plant.insulation[self._containers[event.target]]
        monitor.positive_kohm = event.value if begins else type(monitor)().positive_kohm

    def _chiller(self, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
        self._plant.chillers.faulted[self._containers[event.target]] = begins

    def _frequency(self, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
        self._plant.grid.frequency_offset_hz = event.value if begins else 0.0

    def _container(self, event: ScenarioEvent) -> int:
        return self._containers[event.target.partition("-")[0]]

    def _cell(self, event: ScenarioEvent) -> tuple[int, int]:
        rack, _, cell = event.target.partition("/")
        return self._racks[rack], int(cell) - 1
