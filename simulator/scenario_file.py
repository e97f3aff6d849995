"""Scenario files (TOML): what happens to the plant and when, checked on load.

A scenario has a start, which says how uneven the plant stands, and events. Each kind of event
has its target and the range and unit of its value in `RULES`; whether the target exists is
checked by whoever knows the plant.
"""

import math
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from pydantic import Field

from simulator.errors import ConfigError
from simulator.files import DATA, Strict, load_toml
from simulator.physics.tables import Floats

_SCENARIOS = DATA / "simulator" / "scenarios"


class Kind(StrEnum):
    """What a scenario can do.

    `UPLINK_CUT` is carried out by whoever runs the uplink's network, `AGC_REQUEST` by whoever
    runs the dispatch centre: the plant has no part in them.
    """

    UPLINK_CUT = "uplink_cut"
    AGC_REQUEST = "agc_request"
    DEVICE_SILENT = "device_silent"
    DEVICE_DOWN = "device_down"
    EMERGENCY_STOP = "emergency_stop"
    PANEL_LOCAL = "panel_local"
    PANEL_RESET = "panel_reset"
    PCS_TRIP = "pcs_trip"
    PCS_LOCAL = "pcs_local"
    CONVERTER_DERATE = "converter_derate"
    RACK_OPEN = "rack_open"
    CONTACTOR_WELD = "contactor_weld"
    INSULATION_FAULT = "insulation_fault"
    CELL_HEAT = "cell_heat"
    CELL_SOC = "cell_soc"
    INTERNAL_SHORT = "internal_short"
    SENSOR_FAILED = "sensor_failed"
    VOLTAGE_SENSOR_STUCK = "voltage_sensor_stuck"
    GAS_RELEASE = "gas_release"
    CHILLER_FAULT = "chiller_fault"
    COOLANT_LOSS = "coolant_loss"
    VENTILATION_FAULT = "ventilation_fault"
    GRID_FREQUENCY = "grid_frequency"
    REPLY_SLOW = "reply_slow"
    REPLY_SHORT = "reply_short"
    REPLY_CUT = "reply_cut"
    REPLY_WRONG_TRANSACTION = "reply_wrong_transaction"
    REPLY_EXCEPTION = "reply_exception"
    REPLY_OF_OTHER_UNIT = "reply_of_other_unit"
    VALUES_OF_OTHER_UNIT = "values_of_other_unit"
    CONNECTION_RESET = "connection_reset"
    CONNECTION_HALF_OPEN = "connection_half_open"
    CLOCK_JUMP = "clock_jump"
    CLOCK_STOPPED = "clock_stopped"
    VALUES_FROZEN = "values_frozen"
    INVALID_MARKERS = "invalid_markers"
    CONVERTER_CLOCK_JUMP = "converter_clock_jump"
    CONVERTER_QUALITY = "converter_quality"
    CONVERTER_RECONFIGURED = "converter_reconfigured"
    CONVERTER_BUFFER = "converter_buffer"


class Target(Enum):
    """What the target of an event names."""

    ANYTHING = auto()
    STATION = auto()
    DEVICE = auto()
    ADDRESS = auto()
    MODBUS = auto()
    MODBUS_ADDRESS = auto()
    CONVERTER = auto()
    RACK = auto()
    RACK_OR_CONTAINER = auto()
    CONTAINER = auto()
    FIRE_PANEL = auto()
    CELL = auto()


@dataclass(frozen=True)
class Rule:
    """What an event of a kind needs. Without `unit` the kind has no value."""

    target: Target
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    extras: frozenset[str] = frozenset()


CONFIRMED_OPEN: Final = 0.0
"""A welded contactor whose feedback says open: only the current tells."""
FEEDBACK_CLOSED: Final = 1.0
"""A welded contactor whose feedback stays closed."""

RULES: Final[dict[Kind, Rule]] = {
    Kind.UPLINK_CUT: Rule(Target.ANYTHING),
    Kind.AGC_REQUEST: Rule(Target.STATION, "kW, discharge positive", -1e6, 1e6),
    Kind.DEVICE_SILENT: Rule(Target.DEVICE),
    Kind.DEVICE_DOWN: Rule(Target.ADDRESS),
    Kind.EMERGENCY_STOP: Rule(Target.STATION),
    Kind.PANEL_LOCAL: Rule(Target.STATION),
    Kind.PANEL_RESET: Rule(Target.STATION),
    Kind.PCS_TRIP: Rule(Target.CONVERTER),
    Kind.PCS_LOCAL: Rule(Target.CONVERTER),
    Kind.CONVERTER_DERATE: Rule(Target.CONVERTER, "per cent of the set-point", 0, 100),
    Kind.RACK_OPEN: Rule(Target.RACK),
    Kind.CONTACTOR_WELD: Rule(
        Target.RACK, "0: feedback says open, 1: feedback stays closed", CONFIRMED_OPEN, 1
    ),
    Kind.INSULATION_FAULT: Rule(Target.RACK_OR_CONTAINER, "kilo-ohm to earth", 0, 1e6),
    Kind.CELL_HEAT: Rule(Target.CELL, "W", 0, 1e5),
    Kind.CELL_SOC: Rule(Target.CELL, "SOC", 0, 1),
    Kind.INTERNAL_SHORT: Rule(Target.CELL, "milliohm", 0.5, 1e6, frozenset({"ramp_s"})),
    Kind.SENSOR_FAILED: Rule(Target.CELL),
    Kind.VOLTAGE_SENSOR_STUCK: Rule(Target.CELL, "V", 0, 5),
    Kind.GAS_RELEASE: Rule(Target.FIRE_PANEL, "ppm of hydrogen", 0, 1e6),
    Kind.CHILLER_FAULT: Rule(Target.CONTAINER),
    Kind.COOLANT_LOSS: Rule(Target.CONTAINER),
    Kind.VENTILATION_FAULT: Rule(Target.CONTAINER),
    Kind.GRID_FREQUENCY: Rule(
        Target.ANYTHING, "Hz", -5, 5, frozenset({"ramp_s", "recovery_s", "file"})
    ),
    Kind.REPLY_SLOW: Rule(Target.MODBUS, "s", 0.001, 60),
    Kind.REPLY_SHORT: Rule(Target.MODBUS, "registers missing", 1, 125),
    Kind.REPLY_CUT: Rule(Target.MODBUS, "bytes missing", 1, 255),
    Kind.REPLY_WRONG_TRANSACTION: Rule(Target.MODBUS),
    Kind.REPLY_EXCEPTION: Rule(Target.MODBUS, "exception code", 1, 255),
    Kind.REPLY_OF_OTHER_UNIT: Rule(Target.MODBUS),
    Kind.VALUES_OF_OTHER_UNIT: Rule(Target.RACK),
    Kind.CONNECTION_RESET: Rule(Target.MODBUS),
    Kind.CONNECTION_HALF_OPEN: Rule(Target.MODBUS_ADDRESS),
    Kind.CLOCK_JUMP: Rule(Target.MODBUS, "s", -1e6, 1e6),
    Kind.CLOCK_STOPPED: Rule(Target.MODBUS),
    Kind.VALUES_FROZEN: Rule(Target.MODBUS),
    Kind.INVALID_MARKERS: Rule(Target.RACK),
    Kind.CONVERTER_CLOCK_JUMP: Rule(Target.CONVERTER, "s", -1e6, 1e6),
    Kind.CONVERTER_QUALITY: Rule(Target.CONVERTER, "0: questionable, 1: invalid", 0, 1),
    Kind.CONVERTER_RECONFIGURED: Rule(Target.CONVERTER),
    Kind.CONVERTER_BUFFER: Rule(Target.CONVERTER, "bytes kept for a client", 4000, 1e8),
}

_EXTRAS = ("ramp_s", "recovery_s", "file")


class ScenarioEvent(Strict):
    """One thing that happens: when (s after the start), what, to what, for how long.

    `ramp_s` is how long the value takes to be reached, `recovery_s` how long to go again after
    `for_s`; `file` is a CSV of `time_s,deviation_hz` that takes the place of all three.
    """

    at_s: Annotated[float, Field(ge=0)]
    kind: Kind
    target: str = ""
    for_s: Annotated[float, Field(gt=0)] = math.inf
    value: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    ramp_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    recovery_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    file: Path | None = None


class Start(Strict):
    """How the plant stands when the scenario begins; what is not said is as configured."""

    soc: Annotated[float, Field(ge=0, le=1, description="Mean SOC of all containers")] | None = None
    container_soc: Annotated[
        tuple[Annotated[float, Field(ge=0, le=1)], ...],
        Field(description="SOC of the first, second, ... container, repeated when there are more"),
    ] = ()
    rack_soc_spread: Annotated[
        float, Field(ge=0, le=0.4, description="Racks lie within +- this of their container's SOC")
    ] = 0.0
    rack_capacity_spread: Annotated[
        float, Field(ge=0, le=0.4, description="Rack capacities lie within 1 +- this")
    ] = 0.0
    rack_resistance_spread: Annotated[
        float, Field(ge=0, le=0.6, description="Rack resistances lie within 1 +- this")
    ] = 0.0


class Scenario(Strict):
    """A named course of events."""

    name: str
    description: str
    start: Start = Start()
    events: tuple[ScenarioEvent, ...] = ()


def scenario_file(name: str, base: Path) -> Path:
    """Return where a scenario lies, by its name or by a path relative to `base`."""
    return base / name if name.endswith(".toml") else _SCENARIOS / f"{name}.toml"


def load_scenario(name: str, base: Path) -> Scenario:
    """Read a scenario by its name in data/simulator/scenarios or by a path.

    Raises:
        ConfigError: there is none, or it is malformed.
    """
    path = scenario_file(name, base)
    if not name.endswith(".toml") and not path.is_file():
        known = ", ".join(sorted(p.stem for p in _SCENARIOS.glob("*.toml")))
        raise ConfigError(base, "scenario", name, f"choose one of {known}, or a path to a .toml")
    scenario = load_toml(path, Scenario)
    for k, event in enumerate(scenario.events):
        _check(event, path, f"events.{k}")
    events = tuple(
        e if e.file is None else e.model_copy(update={"file": path.parent / e.file})
        for e in scenario.events
    )
    return scenario.model_copy(update={"events": events})


def deviations(event: ScenarioEvent) -> tuple[Floats, Floats]:
    """The course of a frequency event: seconds after its begin, and deviations in Hz.

    Raises:
        ConfigError: its file is missing or not two columns of numbers with rising times.
    """
    if event.file is None:
        top = event.ramp_s + (event.for_s if math.isfinite(event.for_s) else 1e12)
        times = np.array([0.0, event.ramp_s, top, top + event.recovery_s])
        return times, np.array([0.0, event.value, event.value, 0.0])
    try:
        lines = event.file.read_text(encoding="utf-8").splitlines()[1:]
        table = np.loadtxt(lines, delimiter=",", ndmin=2) if lines else np.zeros((0, 0))
    except (OSError, ValueError) as error:
        remedy = f"{error}; give a header and lines of time_s,deviation_hz"
        raise ConfigError(event.file, "file", str(event.file), remedy) from error
    if table.shape[1] != 2 or not (np.diff(table[:, 0]) > 0).all():  # noqa: PLR2004 - columns
        remedy = "give two columns, time_s and deviation_hz, with rising times"
        raise ConfigError(event.file, "file", f"{table.shape[1]} columns", remedy)
    return table[:, 0], table[:, 1]


def _check(event: ScenarioEvent, path: Path, key: str) -> None:
    rule = RULES[event.kind]
    for extra in _EXTRAS:
        given = getattr(event, extra)
        if given and extra not in rule.extras:
            raise ConfigError(
                path, f"{key}.{extra}", given, f"{event.kind} has no {extra}; leave it out"
            )
    if not rule.unit and event.value:
        raise ConfigError(
            path, f"{key}.value", event.value, f"{event.kind} has no value; leave it out"
        )
    if rule.unit and not rule.low <= event.value <= rule.high:
        remedy = f"{event.kind} needs {rule.low:g} to {rule.high:g} ({rule.unit})"
        raise ConfigError(path, f"{key}.value", event.value, remedy)
    if event.kind is Kind.CONTACTOR_WELD and event.value not in (CONFIRMED_OPEN, FEEDBACK_CLOSED):
        raise ConfigError(path, f"{key}.value", event.value, f"write {rule.unit}")
    if event.kind is Kind.GRID_FREQUENCY:
        if event.file is not None:
            event = event.model_copy(update={"file": path.parent / event.file})
        deviations(event)
