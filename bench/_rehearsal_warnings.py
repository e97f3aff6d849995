"""How early the station warns of a thermal runaway, and how often without one.

A course is played with the plant left to its own battery management, so that the first trip by
a single fixed bound comes when it would have come without the station. In the quiet run the
same early warning looks at a plant that works hard and has nothing wrong.
"""

import csv
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench._dispatch_day import schedule_kw
from bench._rehearsal import START_S, Rehearsal
from launcher.paths import DATA
from simulator.config import PlantConfig, SimulatorConfig
from simulator.devices.sensors import RackSensors
from simulator.plant import Plant
from simulator.tags import rack_tag
from station.protection import load_rules
from station.protection.cells import CellGrid
from station.protection.early_warning import Channel, EarlyState, GasReadings, watch
from station.protection.rules import EarlySettings, Rules

_LONGEST_S = 1500
_EARLY = "runaway_early"
_QUIET_AFTER_S = 600
"""The sensors of a plant just switched on have been watched for long enough by then."""
_REGULATION_PART = 0.09
_REGULATION_PERIOD_S = 4
"""As the demo: 300 of 3,450 kW, a value each four seconds."""
_MONTH_S = 30 * 86_400


@dataclass(frozen=True)
class Lead:
    """One course; seconds of the scenario.

    Attributes:
        warned_s: first warning. tripped_s: first trip of the battery management.
        signs: when each kind of sign alone had half its weight; one that came later is absent.
    """

    warned_s: int
    tripped_s: int
    signs: dict[str, int]

    @property
    def lead_s(self) -> int:
        """The warning's lead over the trip."""
        return self.tripped_s - self.warned_s


async def measure_lead(scenario: str, rack: str, cell: int, power_kw: float) -> Lead:
    """Play a course until the battery management trips.

    Args:
        scenario: its name.
        rack: the rack in which it happens.
        cell: the cell, from 1.
        power_kw: at the meter, where the scenario asks for nothing.
    """
    run = Rehearsal(scenario, heard=False)
    settings = load_rules().early_warning
    signs: dict[str, int] = {}

    def tripped(stage: Rehearsal) -> bool:
        early = stage.control.state.protection.early
        if early is not None:
            for sign, evidence in _evidence(early, rack, cell, settings).items():
                if evidence >= 0.5:
                    signs.setdefault(sign, stage.seconds)
        return bool(stage.witness.bms_trips)

    await run.go(_LONGEST_S, power_kw, tripped)
    warned_s = run.story.first(_EARLY)
    if warned_s is None or not run.witness.bms_trips:
        raise RuntimeError(f"{scenario}: no warning or no trip in {_LONGEST_S} s")
    return Lead(warned_s, run.witness.bms_trips[0][0], signs)


def _evidence(early: EarlyState, rack: str, cell: int, settings: EarlySettings) -> dict[str, float]:
    """Return the weight of each kind of sign, 0..1 and beyond, at its least scale."""
    at = early.devices.index(rack), cell - 1
    panel = early.panels.index(f"{rack.split('-', maxsplit=1)[0]}-FIRE")

    def weight(channel: Channel, place: tuple[int, int], floor: float) -> float:
        away = abs(float(channel.smooth[place] - channel.usual[place]))
        return (away / floor - settings.begin_z) / (settings.full_z - settings.begin_z)

    return {
        "temperature": weight(early.temperature, at, settings.temperature_floor_k),
        "voltage": weight(early.voltage, at, settings.voltage_floor_v),
        "gas": weight(early.gas, (panel, 0), settings.gas_floor_ppm),
    }


@dataclass(frozen=True)
class Quiet:
    """A quiet run: how many warnings in how many months of one rack."""

    warnings: int
    rack_months: float
    highest: float


def quiet_run(hours: float, size: PlantConfig) -> Quiet:
    """Let a sound plant follow schedule and regulation, and count the warnings."""
    plant = Plant(SimulatorConfig(plant=size).plant_parameters(), start_epoch_s=START_S)
    sensors = RackSensors(plant, np.random.default_rng(2))
    rules = load_rules()
    look = _Look(plant, rules)
    powers, regulation = schedule_kw(), _regulation()
    seconds = round(hours * 3600)
    for second in range(1, _QUIET_AFTER_S + seconds + 1):
        part = powers[second // 900 % len(powers)]
        part += _REGULATION_PART * regulation[second // _REGULATION_PERIOD_S % len(regulation)]
        watt = max(-1.0, min(1.0, part)) * size.pcs_rated_kw * 1e3
        plant.step(1.0, [watt] * size.containers)
        look.at(sensors, second)
    months = plant.parameters.racks * seconds / _MONTH_S
    return Quiet(look.warnings, months, look.highest)


def _regulation() -> list[float]:
    with (DATA / "market" / "regulation_signal.csv").open(newline="") as stream:
        return [float(row["signal"]) for row in csv.DictReader(stream)]


class _Look:
    """The early warning on the sensors of a plant, with the rule's limit, delay and dead band."""

    def __init__(self, plant: Plant, rules: Rules) -> None:
        rule = rules.find(_EARLY)
        if rule is None or rule.derate is None:
            raise RuntimeError(f"the shipped rules have no level derate of {_EARLY}")
        self._level = rule.derate
        self._settings = rules.early_warning
        self._plant = plant
        p = plant.parameters
        self._tags = tuple(rack_tag(*divmod(i, p.racks_per_container)) for i in range(p.racks))
        self._panels = tuple(f"C{k + 1}-FIRE" for k in range(p.containers))
        self._early: EarlyState | None = None
        self._above_s: npt.NDArray[np.float64] = np.zeros(p.racks)
        self._warned = np.zeros(p.racks, dtype=np.bool_)
        self.warnings = 0
        self.highest = 0.0

    def at(self, sensors: RackSensors, second: int) -> None:
        """Look at one second."""
        readings = sensors.read(self._plant, 1.0)
        now_ms = (START_S + second) * 1000
        grid = CellGrid(
            self._tags,
            (readings.cell_mv / 1e3).astype(np.float32),
            (readings.cell_dc / 10).astype(np.float32),
            np.full(len(self._tags), now_ms, dtype=np.int64),
            np.ones(len(self._tags), dtype=np.bool_),
        )
        fires = self._plant.dangers.fires
        ppm = np.array([(f.hydrogen_ppm, f.carbon_monoxide_ppm) for f in fires], dtype=np.float32)
        times = np.full(len(fires), now_ms, dtype=np.int64)
        self._early = watch(
            grid, GasReadings(self._panels, ppm, times), self._early, self._settings
        )
        self._count(self._early.rack_score)

    def _count(self, score: npt.NDArray[np.float64]) -> None:
        self.highest = max(self.highest, float(score.max()))
        above = score >= self._level.limit
        self._above_s = np.where(above, self._above_s + 1, 0.0)
        begins = (self._above_s >= self._level.delay_s) & ~self._warned
        self.warnings += int(begins.sum())
        self._warned = (self._warned | begins) & (score > self._level.limit - self._level.dead_band)
