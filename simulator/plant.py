"""The whole plant: containers of racks and cells, converters, chillers, one grid connection.

Discharge positive. `Plant.step` advances everything by one step; nothing here knows of servers
or clocks, so hours can be run in seconds. Every joule is accounted for: what the grid gets is
what the cells lose less heat, wiring loss, converter loss and auxiliary consumption.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from simulator.dangers import Dangers
from simulator.energy import EnergyAccount
from simulator.physics.bms import Bms
from simulator.physics.bus import BusState, solve_bus
from simulator.physics.cells import CellBank, Equivalent
from simulator.physics.chiller import ChillerBank
from simulator.physics.converter import Converter, ConverterParameters, Point
from simulator.physics.course import SAME_S, Course
from simulator.physics.grid import Grid
from simulator.physics.runaway import RunawayBank
from simulator.physics.safety import HardWired, SitePanel
from simulator.physics.tables import SECONDS_PER_HOUR, Floats, load_cell
from simulator.physics.thermal import ThermalModel
from simulator.unevenness import Unevenness, make_uneven

_RACK_WIRING_OHM = 0.020
"""Busbars, fuses, contactors and cables of one rack."""
_CONTAINER_BASE_W = 800.0
"""Controllers, lighting and ventilation of one container."""
_DC_WINDOW_V_PER_CELL = (2.45, 3.64)
"""A station's converters are chosen for its racks: 1,019 to 1,514 V for 416 cells in series."""
_START_C = 24.0
_LOCAL_OFFSET_S = 8 * 3600
"""China Standard Time: only the ambient temperature follows it."""
_DAY_S = 86_400


@dataclass(frozen=True)
class PlantParameters:
    """Size of the plant. `cell_file` describes the cell (TOML with its tables beside it)."""

    cell_file: Path
    containers: int = 2
    racks_per_container: int = 10
    cells_per_rack: int = 416
    capacity_ah: float = 280.0
    pcs_rated_kw: float = 1725.0
    start_soc: float = 0.5
    seed: int = 1
    cell_period_s: float = 0.0
    """Cells, heat and battery management advance when this much time has passed; 0: in each step.
    Converters, bus and grid follow every step all the same."""
    unevenness: Unevenness = field(default_factory=Unevenness)

    @property
    def racks(self) -> int:
        """Racks of the whole plant."""
        return self.containers * self.racks_per_container


@dataclass
class Plant:
    """The plant's state; arrays of racks are container by container."""

    parameters: PlantParameters
    start_epoch_s: int = 0
    elapsed_s: float = 0.0
    energy: EnergyAccount = field(default_factory=EnergyAccount)
    panel: SitePanel = field(default_factory=SitePanel)

    def __post_init__(self) -> None:
        p = self.parameters
        self.rng = np.random.default_rng(p.seed)
        self.tables = load_cell(p.cell_file, p.capacity_ah)
        cell = self.tables.parameters
        self.cells = CellBank(self.tables, p.racks, p.cells_per_rack, p.start_soc, self.rng)
        make_uneven(self.cells, p.containers, p.start_soc, p.unevenness, p.seed + 2)
        self.thermal = ThermalModel(
            p.racks,
            p.cells_per_rack,
            heat_capacity_j_per_k=cell.heat_capacity_j_per_k,
            start_c=_START_C,
            rng=self.rng,
        )
        runaway = RunawayBank(
            p.containers,
            p.racks_per_container,
            self.thermal.parameters.pack_cells,
            cell.heat_capacity_j_per_k,
            cell.capacity_ah,
        )
        self.dangers = Dangers(self.cells, runaway, self.energy)
        self.bms = Bms(p.racks, cell.capacity_ah)
        self.chillers = ChillerBank(p.containers)
        self.grid = Grid(self.rng)
        low, high = _DC_WINDOW_V_PER_CELL
        window = (low * p.cells_per_rack, high * p.cells_per_rack)
        converter = ConverterParameters(p.pcs_rated_kw * 1e3, dc_window_v=window)
        self.converters = [Converter(converter, self.ambient_c) for _ in range(p.containers)]
        self._hard_wired = HardWired(self.converters, self.bms)
        self.cell_voltage_v: Floats = np.zeros((p.racks, p.cells_per_rack))
        self.rack_current_a: Floats = np.zeros(p.racks)
        self.rack_charge_as: Floats = np.zeros(p.racks)
        """Charge that left each rack since the start, ampere seconds."""
        self.bus_voltage_v: Floats = np.zeros(p.containers)
        self.bus_current_a: Floats = np.zeros(p.containers)
        self.auxiliary_w: Floats = np.zeros(p.containers)
        self.grid_power_w = 0.0
        self.grid_reactive_var = 0.0
        self._charging: Floats = np.zeros(p.racks)
        self._course = Course(p.racks)
        self._cell_period_s = 0.0
        self.step(dt_s=1e-3)
        self._cell_period_s = p.cell_period_s
        self.energy = self.dangers.energy = EnergyAccount()
        self.elapsed_s = 0.0

    @property
    def ambient_c(self) -> float:
        """Outdoor temperature: warmest at three in the afternoon."""
        local = (self.start_epoch_s + self.elapsed_s + _LOCAL_OFFSET_S) % _DAY_S
        return 25.0 + 5.0 * math.sin(2 * math.pi * (local / _DAY_S - 9 / 24))

    def step(self, dt_s: float = 1.0, setpoints_w: Sequence[float] | None = None) -> None:
        """Advance the plant by `dt_s`.

        Args:
            dt_s: step length; 1 s is what the devices publish, up to some ten are stable.
            setpoints_w: active power of each converter; None leaves the set-points.
        """
        for converter, value in zip(self.converters, setpoints_w or (), strict=False):
            converter.command(Point.ACTIVE_POWER, value)
        self._hard_wired.advance(self.panel, self.dangers.fires, self.dangers.room, dt_s)
        bus = self._electrical(dt_s)
        delivered = self._settle_converters(bus, dt_s)
        if self._course.complete:
            self._thermal_and_bms()
        self._grid(delivered, dt_s)
        self.elapsed_s += dt_s

    def stored_energy_j(self) -> float:
        """Energy stored in the cells: a function of their state, not of the accounts."""
        return self.cells.stored_energy_j()

    def mean_soc(self) -> float:
        """Mean SOC of all cells."""
        return float(self.cells.soc.mean())

    def rack_container(self, rack: int) -> int:
        """Index of the container a rack stands in."""
        return rack // self.parameters.racks_per_container

    def rack_voltage_v(self) -> Floats:
        """Sum of the cell voltages of each rack, (racks,)."""
        total: Floats = self.cell_voltage_v.sum(axis=1)
        return total

    def close_contactor(self, rack: int) -> bool:
        """Close a rack's contactors if its voltage is near the bus; see `Bms.command_close`."""
        bus = float(self.bus_voltage_v[self.rack_container(rack)])
        own = float(self.cell_voltage_v[rack].sum())
        return self.bms.command_close(rack, own - bus if bus > 0 else 0.0)

    def measured(self) -> Mapping[str, float]:
        """The plant's true sums, for the record: kW, kWh and SOC."""
        kwh = SECONDS_PER_HOUR * 1e3
        return {
            "power_kw": self.grid_power_w / 1e3,
            "soc": self.mean_soc(),
            "stored_kwh": self.stored_energy_j() / kwh,
            "discharged_kwh": self.energy.discharged / kwh,
            "charged_kwh": self.energy.charged / kwh,
        }

    def _electrical(self, dt_s: float) -> BusState:
        p = self.parameters
        shape = (p.containers, p.racks_per_container)
        wanted = np.array(
            [
                converter.want(float(voltage) or math.inf, dt_s)
                for converter, voltage in zip(self.converters, self.bus_voltage_v, strict=True)
            ]
        )
        if self._course.elapsed_s == 0:
            self._charging = np.repeat((wanted < 0).astype(float), p.racks_per_container)
            self._course.planned_s = max(dt_s, self._cell_period_s)
            self.dangers.leak(self.cell_voltage_v, self.rack_current_a, self._course.planned_s)
            self._source = self._prepared(self._course.planned_s)
        bus = solve_bus(
            self._source.emf_v.reshape(shape),
            (self._source.resistance_ohm + _RACK_WIRING_OHM).reshape(shape),
            self.bms.conducting.reshape(shape),
            wanted,
        )
        self.rack_current_a = bus.current_a.reshape(-1)
        self.bus_voltage_v = bus.voltage_v
        self.bus_current_a = bus.current_a.sum(axis=1)
        self._course.add(self.rack_current_a, dt_s)
        self.rack_charge_as += self.rack_current_a * dt_s
        self.energy.wiring_loss += _RACK_WIRING_OHM * float((self.rack_current_a**2).sum()) * dt_s
        return bus

    def _prepared(self, seconds: float) -> Equivalent:
        return self.cells.prepare(self.thermal.temperature_c, self._charging, seconds)

    def _settle_converters(self, bus: BusState, dt_s: float) -> Floats:
        delivered = np.zeros(len(self.converters))
        for k, converter in enumerate(self.converters):
            delivered[k], loss = converter.settle(
                float(bus.power_w[k]), float(bus.voltage_v[k]), self.ambient_c, dt_s
            )
            self.energy.converter_loss += loss * dt_s
        return delivered

    def _thermal_and_bms(self) -> None:
        """Carry cells, heat and management through the course of currents that is complete."""
        p = self.parameters
        temperature = self.thermal.temperature_c
        course = self._course
        dt_s, current_a = course.elapsed_s, course.mean_a()
        if abs(dt_s - course.planned_s) > SAME_S:
            self._prepared(dt_s)
        self.cell_voltage_v, heat = self.cells.advance(current_a, temperature, course.ripple_a2())
        self.energy.cell_heat += float(heat.sum()) * dt_s
        self.energy.collapsed -= self.cells.faded_power_w(current_a) * dt_s
        course.begin()
        self.dangers.heat(temperature, self.cell_voltage_v, heat, dt_s)
        supply = np.repeat(self.chillers.supply_c, p.racks_per_container)
        flowing = np.repeat(self.chillers.flowing.astype(float), p.racks_per_container)
        carried = self.thermal.advance(heat, supply, self.ambient_c, flowing, dt_s)
        self.energy.coolant_heat += float(carried.to_coolant_w.sum()) * dt_s
        self.energy.ambient_heat += float(carried.to_ambient_w.sum()) * dt_s
        per_container = carried.to_coolant_w.reshape(p.containers, -1).sum(axis=1)
        loop = self.thermal.coolant_capacity_w_per_k() * p.racks_per_container
        chiller_w = self.chillers.advance(per_container, loop, self.ambient_c, dt_s)
        standby = np.array([converter.standby_w() for converter in self.converters])
        self.auxiliary_w = chiller_w + standby + self.dangers.air.power_w() + _CONTAINER_BASE_W
        self.bms.advance(
            self.dangers.sensed_v(self.cell_voltage_v),
            self.thermal.temperature_c,
            self.cells.rack_soc(),
            self.rack_current_a,
            dt_s,
        )
        self.dangers.sense(self.bms.conducting)

    def _grid(self, delivered_w: Floats, dt_s: float) -> None:
        auxiliary = float(self.auxiliary_w.sum())
        through = float(delivered_w.sum()) - auxiliary
        self.energy.auxiliary += auxiliary * dt_s
        self.energy.discharged += max(through, 0.0) * dt_s
        self.energy.charged += max(-through, 0.0) * dt_s
        self.grid_power_w = sum(c.active_w for c in self.converters) - auxiliary
        self.grid_reactive_var = sum(c.reactive_var for c in self.converters)
        self.grid.advance(dt_s)
