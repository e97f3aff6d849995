"""The device servers of a plant: which device listens where and what it shows at each tick."""

from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from simulator.devices import auxiliaries, bms, meter, pcs, safety
from simulator.devices import sunspec as sunspec_map
from simulator.devices.sensors import RackSensors
from simulator.iec61850.server import PcsServer
from simulator.modbus.image import Image, Span
from simulator.modbus.server import ModbusServer, Served, Unit, Write, refuse_writes
from simulator.physics.converter import Denial, Point
from simulator.plant import Plant
from simulator.record import Record
from simulator.tags import FIRE, METER, PANEL, SUNSPEC, ports_of, rack_index, rack_tag
from simulator.writes import Writes

_SINGLE = 1
"""Unit identifier of devices that stand alone behind their address."""
_CONTAINERS_AT_ONCE = 8
_NO_IMAGE = Image(0, ())


class Devices:
    """All servers of a plant, by device tag."""

    def __init__(self, plant: Plant, record: Record, icd: Path, *, sunspec: bool = False) -> None:
        self.plant = plant
        self.sensors = RackSensors(plant, np.random.default_rng(plant.parameters.seed + 1))
        self.accepted: deque[tuple[int, Point, float]] = deque()
        self.modbus: dict[str, ModbusServer] = {}
        self.pcs: dict[str, PcsServer] = {}
        self.units: dict[str, Unit] = {}
        self.blank: set[str] = set()
        """Tags of racks that show "no value" in place of whatever they measure."""
        self.tick = 0
        """The newest second that all devices show."""
        self._record = record
        self._writes = Writes(plant, record)
        p = plant.parameters
        self._racks = rack_index(p.containers, p.racks_per_container)
        self._beat = 0
        self._shown_s = plant.elapsed_s
        self._shown_states: list[tuple[object, ...]] = [()] * plant.parameters.containers
        self._add_single(METER, meter.DEVICE_TIME, meter.LAYOUTS)
        self._add_single(FIRE, safety.FIRE_TIME, safety.FIRE_LAYOUTS)
        self._add_single(PANEL, safety.PANEL_TIME, safety.PANEL_LAYOUTS)
        for container in range(plant.parameters.containers):
            self._add_container(container, icd)
        self._shows_sunspec = sunspec
        if sunspec:
            self._add_single(SUNSPEC, sunspec_map.NO_TIME, ())

    async def start(self, host: str, base: int) -> dict[str, int]:
        """Start all servers; return the port of each device tag."""
        containers = self.plant.parameters.containers
        wanted = ports_of(containers, base, sunspec=self._shows_sunspec)
        for tag, server in self.modbus.items():
            await server.start(host, wanted[tag])
        for tag, converter in self.pcs.items():
            converter.start(host, wanted[tag])
        modbus = {tag: server.port for tag, server in self.modbus.items()}
        return modbus | {tag: converter.port for tag, converter in self.pcs.items()}

    async def stop(self) -> None:
        """Close all servers."""
        for server in self.modbus.values():
            await server.stop()
        for converter in self.pcs.values():
            converter.close()

    def publish(self, tick: int) -> None:
        """Show the plant's present state as the state at `tick` (epoch seconds)."""
        for _ in self.publishing(tick):
            pass

    def publishing(self, tick: int) -> Iterator[None]:
        """Publish in small parts: who serves clients as well can answer them between two.

        Each device is shown whole.
        """
        plant = self.plant
        self._writes.tick = tick
        self._beat = (self._beat + 1) % 0xFFFF
        readings = self.sensors.read(plant, plant.elapsed_s - self._shown_s)
        self._shown_s = plant.elapsed_s
        states = plant.bms.states(plant.rack_current_a)
        per = plant.parameters.racks_per_container
        racks = bms.images(
            plant,
            readings,
            states=states,
            tick=tick,
            beat=self._beat,
            written=self._writes.registers,
            blank=[self._racks[tag] for tag in self.blank],
        )
        self._show(METER, meter.image(plant, tick))
        yield
        for k in range(plant.parameters.containers):
            self.modbus[f"C{k + 1}-BMS"].publish(enumerate(racks[k * per : (k + 1) * per], start=1))
            self._show_container(k, tick)
            self._shown_states[k] = pcs.fingerprint(plant.converters[k])
            self.pcs[f"C{k + 1}-PCS"].publish(tick, pcs.values(plant, k))
            if (k + 1) % _CONTAINERS_AT_ONCE == 0:
                yield
        self._show(FIRE, safety.fire_image(plant.dangers.room, tick))
        self._show(PANEL, safety.panel_image(plant.panel, tick))
        if self._shows_sunspec:
            self._show(SUNSPEC, sunspec_map.image(plant, 0, tick))
        self.tick = tick

    def refresh(self, at_ms: int) -> None:
        """Show between two ticks what moves fast: the meter, and converters that changed state.

        The meter's registers keep the device time of the last tick; a converter's states carry
        `at_ms`.
        """
        plant = self.plant
        self._show(METER, meter.image(plant, self.tick))
        for k, converter in enumerate(plant.converters):
            now = pcs.fingerprint(converter)
            if now != self._shown_states[k]:
                self._shown_states[k] = now
                self.pcs[f"C{k + 1}-PCS"].publish_states(at_ms, pcs.values(plant, k))

    def carry_out(self) -> None:
        """Give the converters the commands accepted since the last tick."""
        while self.accepted:
            container, point, value = self.accepted.popleft()
            self.plant.converters[container].command(point, value)

    def _show_container(self, k: int, tick: int) -> None:
        plant, name = self.plant, f"C{k + 1}"
        self._show(f"{name}-CHL", auxiliaries.chiller_image(plant, k, tick))
        self._show(f"{name}-IMD", auxiliaries.insulation_image(plant, k, tick))
        self._show(f"{name}-FIRE", safety.fire_image(plant.dangers.fires[k], tick))
        wanted = bool(plant.dangers.air.ventilated[k])
        fan = safety.ventilation_image(plant.dangers.air.state(k), wanted=wanted, tick=tick)
        self._show(f"{name}-VENT", fan)

    def _show(self, tag: str, image: Image) -> None:
        self.modbus[tag].publish([(_SINGLE, image)])

    def _add(self, tag: str, units: dict[int, Unit]) -> None:
        self.modbus[tag] = ModbusServer(tag, units, self._record.served)
        self.units.update({unit.device: unit for unit in units.values()})

    def _add_container(self, k: int, icd: Path) -> None:
        p = self.plant.parameters
        writes, name = self._writes, f"C{k + 1}"
        layouts = bms.layouts(p.cells_per_rack)
        racks = {
            n + 1: Unit(
                rack_tag(k, n),
                _NO_IMAGE,
                bms.DEVICE_TIME,
                layouts,
                partial(writes.rack, k * p.racks_per_container + n),
            )
            for n in range(p.racks_per_container)
        }
        self._add(f"{name}-BMS", racks)
        self._add_single(
            f"{name}-CHL",
            auxiliaries.CHILLER_TIME,
            auxiliaries.CHILLER_LAYOUTS,
            partial(writes.chiller, k),
        )
        self._add_single(f"{name}-IMD", auxiliaries.INSULATION_TIME, auxiliaries.INSULATION_LAYOUTS)
        self._add_single(f"{name}-FIRE", safety.FIRE_TIME, safety.FIRE_LAYOUTS)
        self._add_single(
            f"{name}-VENT",
            safety.VENTILATION_TIME,
            safety.VENTILATION_LAYOUTS,
            partial(writes.ventilation, k),
        )
        self.pcs[f"{name}-PCS"] = self._pcs_server(k, icd)

    def _add_single(
        self, tag: str, time: Span, layouts: tuple[Served, ...], write: Write = refuse_writes
    ) -> None:
        """A device that stands alone behind its address."""
        self._add(tag, {_SINGLE: Unit(tag, _NO_IMAGE, time, layouts, write)})

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
