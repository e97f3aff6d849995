"""The rules of protection: which quantity, which limits, how long, and what follows.

A rule has up to four levels. A level is reached when the value has been beyond its limit for
its delay; it ends when the value has been back behind limit and dead band for its clearing
time. With reset `operator` or `named` it stays latched until somebody resets it.
"""

from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from contract.events import EVENT_CODES
from contract.limits import LimitReason
from station.protection.levels import Direction, Level, ResetRule
from station.protection.settings_file import FOLDER, Name, Section, read


class Quantity(StrEnum):
    """What a rule can look at; each is computed from the plant (see ``quantities``)."""

    CELL_VOLTAGE_MAX_V = "cell_voltage_max_v"
    CELL_VOLTAGE_MIN_V = "cell_voltage_min_v"
    CELL_TEMPERATURE_MAX_C = "cell_temperature_max_c"
    CELL_TEMPERATURE_MIN_C = "cell_temperature_min_c"
    TEMPERATURE_RISE_K_PER_MIN = "temperature_rise_k_per_min"
    VOLTAGE_SPREAD_V = "voltage_spread_v"
    TEMPERATURE_SPREAD_K = "temperature_spread_k"
    CHARGE_CURRENT_RATIO = "charge_current_ratio"
    DISCHARGE_CURRENT_RATIO = "discharge_current_ratio"
    SOC = "soc"
    RUNAWAY_SIGNATURE_S = "runaway_signature_s"
    RUNAWAY_EARLY = "runaway_early"
    RACK_INSULATION = "rack_insulation"
    RACK_SILENT = "rack_silent"
    CONTACTOR_STUCK = "contactor_stuck"
    CONVERTER_SILENT = "converter_silent"
    STOP_UNCONFIRMED = "stop_unconfirmed"
    ISOLATION_FAILED = "isolation_failed"
    INSULATION_KOHM = "insulation_kohm"
    COOLANT_SUPPLY_C = "coolant_supply_c"
    COOLANT_FLOW_LPM_PER_RACK = "coolant_flow_lpm_per_rack"
    CHILLER_FAULT = "chiller_fault"
    CHILLER_SILENT = "chiller_silent"
    VENTILATION_FAULT = "ventilation_fault"
    AUXILIARY_UNCONFIRMED = "auxiliary_unconfirmed"
    HYDROGEN_PPM = "hydrogen_ppm"
    CARBON_MONOXIDE_PPM = "carbon_monoxide_ppm"
    SMOKE = "smoke"
    HEAT = "heat"
    SMOKE_AND_HEAT = "smoke_and_heat"
    FIRE_STATE = "fire_state"
    FIRE_PANEL_SILENT = "fire_panel_silent"
    EMERGENCY_STOP = "emergency_stop"
    PANEL_SILENT = "panel_silent"
    METER_SILENT = "meter_silent"


LEVEL_CODES = MappingProxyType(
    {
        Level.WARN: "protection.warning",
        Level.DERATE: "protection.derate",
        Level.STOP: "protection.stop",
        Level.TRIP: "protection.trip",
    }
)
"""Event codes of findings whose rule has none of its own."""


class Sense(StrEnum):
    """On which side of its limit a value is bad."""

    HIGH = "high"
    LOW = "low"


def _reason(value: object) -> object:
    if isinstance(value, str):
        if value not in LimitReason.__members__:
            raise ValueError(
                f"is no limit reason; choose one of {', '.join(LimitReason.__members__)}"
            )
        return LimitReason[value]
    return value


class LevelRule(Section):
    """When one level is reached and ended."""

    limit: float = Field(description="In the unit of the quantity")
    delay_s: float = Field(default=0, ge=0, description="Beyond the limit for so long")
    dead_band: float = Field(default=0, ge=0, description="Back behind limit by so much")
    clear_s: float = Field(default=0, ge=0, description="Back for so long before it ends")
    reset: ResetRule = Field(default=ResetRule.AUTO, description="Who ends it")
    factor: float | None = Field(default=None, gt=0, lt=1, description="Power left, derate only")
    confirm_s: float = Field(default=3, gt=0, description="Plant must show an action within")


class Rule(Section):
    """One rule, with the source of its figures beside it."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{1,31}$")
    name: Name
    quantity: Quantity
    sense: Sense = Sense.HIGH
    unit: str = ""
    direction: Direction = Direction.BOTH
    reason: Annotated[LimitReason, BeforeValidator(_reason)] = LimitReason.NONE
    code: str = Field(default="", description="Event code; empty: by the level")
    source: str = Field(min_length=1, description="Where the limits come from")
    warn: LevelRule | None = None
    derate: LevelRule | None = None
    stop: LevelRule | None = None
    trip: LevelRule | None = None

    @property
    def levels(self) -> tuple[tuple[Level, LevelRule], ...]:
        """The levels that the rule has, mildest first."""
        found = zip(
            (Level.WARN, Level.DERATE, Level.STOP, Level.TRIP),
            (self.warn, self.derate, self.stop, self.trip),
            strict=True,
        )
        return tuple((level, rule) for level, rule in found if rule is not None)

    def level(self, level: Level) -> LevelRule | None:
        """Return one level's figures, None when the rule has no such level."""
        return dict(self.levels).get(level)

    def event_code(self, level: Level) -> str:
        """Return the event code under which a level is told."""
        return self.code or LEVEL_CODES[level]

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if not self.levels:
            raise ValueError(f"rule {self.id} has no level; add [rules.warn] or another")
        sign = 1 if self.sense is Sense.HIGH else -1
        limits = [sign * rule.limit for _, rule in self.levels]
        if limits != sorted(limits):
            raise ValueError(
                f"rule {self.id}: a graver level must lie further out; order the limits"
            )
        if self.derate is not None and self.derate.factor is None:
            raise ValueError(f"rule {self.id}: derate needs factor, e.g. factor = 0.5")
        if any(r.factor is not None for level, r in self.levels if level is not Level.DERATE):
            raise ValueError(f"rule {self.id}: factor belongs to derate only; remove it elsewhere")
        if self.code and self.code not in EVENT_CODES:
            raise ValueError(f"rule {self.id}: code {self.code!r} is not in the event catalogue")
        return self


class CellSettings(Section):
    """How the courses of single cells are watched."""

    rise_window_s: float = Field(gt=0, description="Temperature rise is taken over this time")
    rise_least_s: float = Field(gt=0, description="And not before so much of it is known")
    snapshot_s: float = Field(gt=0, description="Distance of remembered pictures")
    runaway_k_per_s: float = Field(gt=0, description="Runaway: rate of the temperature")
    runaway_voltage_drop: float = Field(gt=0, lt=1, description="Runaway: part of the voltage")
    maker_max_c: float = Field(description="Runaway: the maker's highest temperature")


class EarlySettings(Section):
    """Early warning: when a deviation begins to count (z) and when it counts fully."""

    smooth_s: float = Field(gt=0, description="Time constant against sensor noise")
    baseline_s: float = Field(gt=0, description="Time constant of what is usual for a cell")
    settle_s: float = Field(gt=0, description="No verdict before so much was seen")
    temperature_floor_k: float = Field(gt=0, description="Least scale of a temperature residual")
    voltage_floor_v: float = Field(gt=0, description="Least scale of a voltage residual")
    plateau_v: tuple[float, float] = Field(description="Rack median inside: voltage counts fully")
    outside_plateau: float = Field(gt=1, description="Scale of the voltage residual outside")
    gas_floor_ppm: float = Field(gt=0, description="Least scale of a gas rise")
    most_floors: float = Field(ge=1, description="A scale grows to no more floors than this")
    begin_z: float = Field(gt=0)
    full_z: float = Field(gt=0)
    gas_joins_from: float = Field(gt=0, description="Cell evidence from which gas is added to it")

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.full_z <= self.begin_z or self.plateau_v[0] >= self.plateau_v[1]:
            raise ValueError("full_z must be above begin_z, and plateau_v must be low, high")
        return self


class Rules(Section):
    """The whole file."""

    cells: CellSettings
    early_warning: EarlySettings
    rules: tuple[Rule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        ids = [rule.id for rule in self.rules]
        twice = {i for i in ids if ids.count(i) > 1}
        if twice:
            raise ValueError(f"rule {min(twice)!r} stands twice; give each its own id")
        return self

    def find(self, rule_id: str) -> Rule | None:
        """Return a rule by its id."""
        return next((rule for rule in self.rules if rule.id == rule_id), None)


@lru_cache(maxsize=8)
def load_rules(path: Path | None = None) -> Rules:
    """Read the rules, by default those that ship with the station.

    Raises:
        ConfigError: names file, key and remedy.
    """
    return read(path or FOLDER / "rules.toml", Rules)
