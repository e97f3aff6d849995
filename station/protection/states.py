"""What protection must know of the plant, in physical units and free of any protocol.

NaN means "not known". Signs: discharge positive; limits are positive magnitudes. Times are
epoch milliseconds of the device; 0 when it was never heard.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CellRow:
    """Every cell of one rack at one time.

    Attributes:
        time_ms: device time.
        fresh: not stale.
        voltage_v, temperature_c: arrays of shape (cells,), NaN where not usable.
    """

    time_ms: int
    fresh: bool
    voltage_v: Floats
    temperature_c: Floats


@dataclass(frozen=True)
class CellHealth:
    """What the health of a rack's cells leaves of its full current, as the station estimates it.

    Attributes:
        charge, discharge: shares, 0..1.
        charge_cell, discharge_cell: the cells that bind, from 1; 0 where none does.
    """

    charge: float
    discharge: float
    charge_cell: int = 0
    discharge_cell: int = 0


@dataclass(frozen=True)
class RackState:
    """One battery rack as its BMS tells it.

    Attributes:
        device: tag of the rack.
        fresh: its data are not stale.
        contactor_closed: it carries current; None when never told.
        faulted: its BMS says fault, or raises an alarm.
        voltage_v, current_a: DC terminal values.
        soc: 0..1.
        charge_current_limit_a, discharge_current_limit_a: what the BMS allows, positive.
        cell_voltage_max_v ... cell_temperature_min_index: extremes and the cells that have
            them (1-based; 0 when not told), by its BMS, or by its cells where it tells none.
        by_cells: those of the four extremes that the cells tell and not the BMS; they are as
            old as the cells and hold where the rack itself is stale.
        beyond: by name of an extreme, what sound cells tell beyond the BMS's word, and which
            cell. The rules of that extreme heed it; power does not, as it is some seconds older.
        soh: state of health, 0..1.
        capacity_ah: rated charge.
        insulation_alarm: its BMS reports low insulation.
        time_ms: device time.
        cells: its cells; None when they are not read.
        health: what their health leaves; None where nobody estimates it.
    """

    device: str
    fresh: bool
    contactor_closed: bool | None
    faulted: bool
    voltage_v: float
    current_a: float
    soc: float
    charge_current_limit_a: float
    discharge_current_limit_a: float
    cell_voltage_max_v: float
    cell_voltage_min_v: float
    cell_temperature_max_c: float
    cell_temperature_min_c: float
    cell_voltage_max_index: int = 0
    cell_voltage_min_index: int = 0
    cell_temperature_max_index: int = 0
    cell_temperature_min_index: int = 0
    soh: float = math.nan
    capacity_ah: float = math.nan
    insulation_alarm: bool = False
    time_ms: int = 0
    cells: CellRow | None = None
    health: CellHealth | None = None
    by_cells: frozenset[str] = frozenset()
    beyond: Mapping[str, tuple[float, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class ConverterState:
    """One power converter (PCS).

    Attributes:
        device: tag of the converter.
        rated_kw: its rating.
        fresh: its data are not stale.
        available: it takes set-points and can follow them.
        power_kw: measured active power, NaN when not known.
        setpoint_kw: the set-point it says it follows, NaN when not known.
        running: it says that it runs; None when not told.
        time_ms: device time.
    """

    device: str
    rated_kw: float
    fresh: bool
    available: bool
    power_kw: float
    setpoint_kw: float
    running: bool | None = None
    time_ms: int = 0


@dataclass(frozen=True)
class ChillerState:
    """A container's liquid cooling; `state` is ``chiller_state`` (0 off, 1 on, 2 fault)."""

    device: str
    fresh: bool
    state: int | None
    supply_c: float
    flow_lpm: float
    time_ms: int = 0


@dataclass(frozen=True)
class InsulationState:
    """An insulation monitor: of a container's DC bus, or of one rack when `rack` names it.

    Attributes:
        resistance_kohm: the lower one of both poles against earth.
        alarm: the monitor itself raises its alarm.
    """

    device: str
    fresh: bool
    resistance_kohm: float
    alarm: bool
    rack: str = ""
    time_ms: int = 0


@dataclass(frozen=True)
class FireState:
    """A fire panel with its detectors; `state` is the signal ``fire_state`` (2 is fire)."""

    device: str
    fresh: bool
    state: int | None
    hydrogen_ppm: float
    carbon_monoxide_ppm: float
    smoke: bool | None
    heat: bool | None
    time_ms: int = 0


@dataclass(frozen=True)
class RoomState:
    """A small sensor of a container, or of no container; what it does not tell is not known."""

    device: str
    container: str
    fresh: bool
    hydrogen_ppm: float
    carbon_monoxide_ppm: float
    smoke: bool | None
    time_ms: int = 0


@dataclass(frozen=True)
class VentilationState:
    """A container's ventilation; `state` is ``ventilation_state`` (0 off, 1 on, 2 fault)."""

    device: str
    fresh: bool
    state: int | None
    time_ms: int = 0


@dataclass(frozen=True)
class PanelState:
    """The site's control panel; None where not told."""

    device: str
    fresh: bool
    emergency_stop: bool | None
    remote: bool | None
    reset_pressed: bool | None
    time_ms: int = 0


@dataclass(frozen=True)
class MeterState:
    """The meter at the connection point."""

    device: str
    fresh: bool
    time_ms: int = 0


@dataclass(frozen=True)
class ContainerState:
    """One converter with the racks on its DC bus and what stands around them.

    Attributes:
        name: the container.
        converter: its converter.
        racks: its racks.
        interlock: tag of the insulation monitor or fire panel that forbids power by itself,
            empty when none does.
        chiller, ventilation, fire: its own ones, None without.
        insulation: its insulation monitors.
    """

    name: str
    converter: ConverterState
    racks: tuple[RackState, ...]
    interlock: str = ""
    chiller: ChillerState | None = None
    insulation: tuple[InsulationState, ...] = ()
    fire: FireState | None = None
    ventilation: VentilationState | None = None


@dataclass(frozen=True)
class PlantState:
    """Everything protection looks at.

    Attributes:
        containers: all containers.
        fire: tag of the station's fire panel that reports a fire, empty when none does.
        fire_panels: the fire panels that belong to no container.
        panel: the site's control panel, None without.
        meter: the meter, None without.
        rooms: all small sensors.
    """

    containers: tuple[ContainerState, ...]
    fire: str = ""
    fire_panels: tuple[FireState, ...] = ()
    panel: PanelState | None = None
    meter: MeterState | None = None
    rooms: tuple[RoomState, ...] = ()
