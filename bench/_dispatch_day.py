"""A day of a plant whose racks have drifted apart, under our split and under equal parts.

The plant is the simulator's own: cells, racks in parallel on DC buses, converters with their
loss curves, everything on one energy account. It follows the sample day's schedule, scaled to
its size. Both ways see the same limits, made by the station's protection from what the battery
management shows; only the division of the power differs.
"""

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench._rehearsal import protection_settings
from bench._rehearsal_site import station_config
from launcher.paths import DATA
from simulator.config import PlantConfig, SimulatorConfig
from simulator.physics.converter import Point
from simulator.plant import Plant
from simulator.scenario_file import load_scenario
from simulator.tags import rack_tag
from station.config import StationConfig
from station.control.plan import Fleet, units_of
from station.control.rest import Rest
from station.dispatch.commands import ACTIVE_KW
from station.dispatch.split import SplitResult, SplitSettings, SplitUnit, equal_split, split
from station.protection import (
    ContainerState,
    ConverterState,
    PlantState,
    RackState,
    Verdict,
    station_limits,
)

STEP_S = 10
_DAY_S = 86_400
_PER_ROW_S = 900
_SAMPLE_KW = 3450.0
"""Rating of the plant that the sample schedule was made for."""
_J_PER_KWH = 3.6e6
_OVER = 1.01
"""A current counts as beyond its limit from a hundredth on: what a sensor can tell apart."""
_SLEEP_AFTER_MS = 60_000
"""The station's `split.sleep_after_s`, where sleep is allowed."""

Divide = Callable[[float, Sequence[SplitUnit], SplitSettings], SplitResult]


@dataclass(frozen=True)
class Way:
    """One way to divide: the function, and whether converters may sleep."""

    divide: Divide
    rests: bool


EQUAL = Way(equal_split, rests=False)
AWAKE = Way(split, rests=False)
RESTING = Way(split, rests=True)


@dataclass(frozen=True)
class Day:
    """What a day came to.

    Attributes:
        lost_kwh: in converters, wiring and cells. converter_kwh: in converters alone.
        moved_kwh: through the converters, both directions.
        spread: highest less lowest SOC of a rack at the end, 0..1.
        violations: steps of racks beyond a limit of their battery management, and its alarms.
        starts: of resting converters.
    """

    lost_kwh: float
    converter_kwh: float
    moved_kwh: float
    spread: float
    violations: int
    starts: int


def size(containers: int, racks: int = 10, cells: int = 416) -> PlantConfig:
    """Return a plant of so many of the default plant's containers."""
    rated_kw = _SAMPLE_KW / 2 * racks / 10 * cells / 416
    return PlantConfig(
        containers=containers,
        racks_per_container=racks,
        cells_per_rack=cells,
        pcs_rated_kw=rated_kw,
    )


def schedule_kw() -> list[float]:
    """The sample day's powers as parts of the rating, one for each quarter of an hour."""
    lines = (DATA / "market" / "default_schedule.csv").read_text().splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return [float(row["power_kw"]) / _SAMPLE_KW for row in rows]


class _Run:
    """One plant under one way to divide."""

    def __init__(self, way: Way, plant: PlantConfig) -> None:
        start = load_scenario("unbalanced-racks", DATA).start
        self.plant = Plant(SimulatorConfig(plant=plant).plant_parameters(start))
        self.config: StationConfig = station_config(plant)
        self._way = way
        self._rest = Rest(_SLEEP_AFTER_MS if way.rests else None)
        self._margins = protection_settings(self.config).margins
        self._fleet = Fleet.of(self.config, may_sleep=way.rests)
        shares = self.config.split
        self._settings = SplitSettings(shares.soc_gain, shares.temperature_gain_per_k)
        self._setpoints: Mapping[str, float] = {}
        self.moved_kwh = 0.0
        self.violations = 0
        self.starts = 0

    def step(self, power_kw: float) -> None:
        """Divide a power and live through one step with it."""
        state = plant_state(self.plant)
        verdict = Verdict(station_limits(state, self._margins))
        units = units_of(self._fleet, state, verdict, self._setpoints)
        limits = verdict.limits
        power_kw = max(-limits.charge.kw, min(limits.discharge.kw, power_kw))
        found = self._way.divide(power_kw, units, self._settings)
        self._setpoints = found.powers
        self._sleep(found)
        allowed = self.plant.bms.charge_limit_a.copy(), self.plant.bms.discharge_limit_a.copy()
        self.plant.step(STEP_S, [found.powers[tag] * 1e3 for tag in _tags(self.plant)])
        self.moved_kwh += math.fsum(map(abs, found.powers.values())) * STEP_S / 3600
        current = self.plant.rack_current_a
        beyond = (current > allowed[1] * _OVER) | (-current > allowed[0] * _OVER)
        self.violations += int(beyond.sum()) + int((self.plant.bms.alarms != 0).sum())

    def _sleep(self, found: SplitResult) -> None:
        """Stop whom the station would stop, start who has power again."""
        converters = dict(zip(_tags(self.plant), self.plant.converters, strict=True))
        running = [tag for tag, converter in converters.items() if converter.connected]
        now_ms = round(self.plant.elapsed_s * 1000)
        for tag in self._rest.fall_asleep(found.sleeping, found.powers, running, now_ms):
            converters[tag].command(Point.STOP, 1)
        for tag, converter in converters.items():
            if not converter.connected and abs(found.powers[tag]) > ACTIVE_KW:
                converter.command(Point.START, 1)
                self.starts += 1


def run_day(way: Way, plant: PlantConfig, hours: float = 24.0) -> Day:
    """Live through a day, or its first hours."""
    run = _Run(way, plant)
    rated_kw = plant.containers * plant.pcs_rated_kw
    powers = [part * rated_kw for part in schedule_kw()]
    for second in range(0, round(hours * 3600), STEP_S):
        run.step(powers[second // _PER_ROW_S % len(powers)])
    energy, soc = run.plant.energy, run.plant.cells.rack_soc()
    lost_j = energy.converter_loss + energy.wiring_loss + energy.cell_heat
    return Day(
        lost_kwh=lost_j / _J_PER_KWH,
        converter_kwh=energy.converter_loss / _J_PER_KWH,
        moved_kwh=run.moved_kwh,
        spread=float(np.ptp(soc)),
        violations=run.violations,
        starts=run.starts,
    )


def _tags(plant: Plant) -> list[str]:
    return [f"C{k + 1}-PCS" for k in range(plant.parameters.containers)]


def plant_state(plant: Plant) -> PlantState:
    """Return the plant as protection sees it, with exact sensors and without single cells."""
    per = plant.parameters.racks_per_container
    racks = _racks(plant)
    containers = []
    for k, (tag, converter) in enumerate(zip(_tags(plant), plant.converters, strict=True)):
        state = ConverterState(
            device=tag,
            rated_kw=converter.parameters.rated_w / 1e3,
            fresh=True,
            # One that rests is there for the split: it is started when it gets power.
            available=True,
            power_kw=converter.active_w / 1e3,
            setpoint_kw=converter.active_setpoint_w / 1e3,
            running=converter.connected,
        )
        own = tuple(racks[k * per : (k + 1) * per])
        containers.append(ContainerState(name=f"C{k + 1}", converter=state, racks=own))
    return PlantState(containers=tuple(containers))


def _racks(plant: Plant) -> list[RackState]:
    bms, per = plant.bms, plant.parameters.racks_per_container
    volt, warm = plant.cell_voltage_v, plant.thermal.temperature_c
    columns = zip(
        bms.closed.tolist(),
        (bms.alarms != 0).tolist(),
        volt.sum(axis=1).tolist(),
        plant.rack_current_a.tolist(),
        plant.cells.rack_soc().tolist(),
        bms.charge_limit_a.tolist(),
        bms.discharge_limit_a.tolist(),
        volt.max(axis=1).tolist(),
        volt.min(axis=1).tolist(),
        warm.max(axis=1).tolist(),
        warm.min(axis=1).tolist(),
        strict=True,
    )
    return [RackState(rack_tag(*divmod(i, per)), True, *row) for i, row in enumerate(columns)]
