"""Plays a scenario: makes its events begin and end at their times.

Targets are device tags (`C1-PCS`, `C2-R04`, `METER`); a cell is `C2-R04/217`, numbered from 1.
"""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simulator.changes import CHANGES, Scene
from simulator.errors import ConfigError
from simulator.misbehaviour import MISBEHAVIOURS
from simulator.physics.tables import Floats
from simulator.scenario_file import RULES, Kind, Scenario, ScenarioEvent, Target, deviations
from simulator.servers import Devices
from simulator.tags import FIRE, rack_index

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Happening:
    """An event that has just begun or ended."""

    event: ScenarioEvent
    begins: bool


class ScenarioPlayer:
    """Events not yet begun, and events not yet ended."""

    def __init__(self, scenario: Scenario, devices: Devices, file: Path) -> None:
        """Check every target at the start, so that no event fails half-way through a run.

        Raises:
            ConfigError: an event names a target that this plant does not have.
        """
        self._devices = devices
        plant = devices.plant.parameters
        racks = rack_index(plant.containers, plant.racks_per_container)
        containers = {f"C{k + 1}": k for k in range(plant.containers)}
        self._scene = Scene(devices.plant, devices.sensors, racks, containers)
        self._waiting = sorted(scenario.events, key=lambda event: event.at_s)
        self._running: list[ScenarioEvent] = []
        self._frequency: list[tuple[float, Floats, Floats]] = []
        for k, event in enumerate(scenario.events):
            self._check(event, file, f"events.{k}.target")

    async def play(self, elapsed_s: float) -> list[Happening]:
        """Begin and end what is due `elapsed_s` after the start; return what did."""
        happened: list[Happening] = []
        for event in [e for e in self._waiting if e.at_s <= elapsed_s]:
            self._waiting.remove(event)
            self._running.append(event)
            happened.append(Happening(event, begins=True))
            await self._change(event, begins=True)
        for event in [e for e in self._running if e.at_s + e.for_s <= elapsed_s]:
            self._running.remove(event)
            happened.append(Happening(event, begins=False))
            await self._change(event, begins=False)
        self._move_frequency(elapsed_s)
        return happened

    async def _change(self, event: ScenarioEvent, *, begins: bool) -> None:
        _log.info("event=scenario kind=%s target=%s begins=%s", event.kind, event.target, begins)
        if event.kind is Kind.DEVICE_SILENT:
            self._silent(event.target, silent=begins)
        elif event.kind is Kind.DEVICE_DOWN:
            await self._down(event.target, down=begins)
        elif event.kind is Kind.GRID_FREQUENCY and begins:
            self._frequency.append((event.at_s, *deviations(event)))
        elif event.kind in MISBEHAVIOURS:
            MISBEHAVIOURS[event.kind](self._devices, event, begins)
        elif event.kind in CHANGES:
            CHANGES[event.kind](self._scene, event, begins)

    def _move_frequency(self, elapsed_s: float) -> None:
        """The grid's deviation is the sum of all that is under way; each course ends by itself."""
        self._frequency = [f for f in self._frequency if elapsed_s - f[0] <= f[1][-1]]
        self._devices.plant.grid.frequency_offset_hz = sum(
            float(np.interp(elapsed_s - at_s, times, hz)) for at_s, times, hz in self._frequency
        )

    def _silent(self, tag: str, *, silent: bool) -> None:
        devices = self._devices
        if tag in devices.pcs:
            devices.pcs[tag].silent = silent
        elif tag in devices.modbus:
            devices.modbus[tag].silent = silent
        else:
            devices.units[tag].silent = silent

    async def _down(self, tag: str, *, down: bool) -> None:
        converter = self._devices.pcs.get(tag)
        if converter is not None:
            await asyncio.to_thread(converter.stop if down else converter.resume)
            return
        server = self._devices.modbus[tag]
        await (server.stop() if down else server.resume())

    def _check(self, event: ScenarioEvent, file: Path, key: str) -> None:
        target = RULES[event.kind].target
        if target is Target.ANYTHING:
            return
        if target is Target.CELL:
            rack, _, cell = event.target.partition("/")
            count = self._devices.plant.parameters.cells_per_rack
            if rack in self._scene.racks and cell.isdigit() and 1 <= int(cell) <= count:
                return
            remedy = f"name a rack and a cell from 1 to {count}, like C1-R01/1"
            raise ConfigError(file, key, event.target, remedy)
        known = self._known(target)
        if event.target not in known:
            raise ConfigError(file, key, event.target, f"name one of {', '.join(sorted(known))}")

    def _known(self, target: Target) -> set[str]:
        devices, scene = self._devices, self._scene
        racks, containers = set(scene.racks), set(scene.containers)
        return {
            Target.STATION: {"", "station"},
            Target.DEVICE: {*devices.modbus, *devices.pcs, *devices.units},
            Target.ADDRESS: {*devices.modbus, *devices.pcs},
            Target.MODBUS: {*devices.modbus, *devices.units},
            Target.MODBUS_ADDRESS: set(devices.modbus),
            Target.CONVERTER: set(devices.pcs),
            Target.RACK: racks,
            Target.CONTAINER: containers,
            Target.RACK_OR_CONTAINER: racks | containers,
            Target.FIRE_PANEL: {FIRE, *(f"{name}-FIRE" for name in containers)},
        }[target]
