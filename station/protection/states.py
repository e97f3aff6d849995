"""What protection must know of the plant, in physical units and free of any protocol.

NaN means "not known". Signs: discharge positive; limits are positive magnitudes.
"""

from dataclasses import dataclass


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
            them (1-based; 0 when not told).
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
    """

    device: str
    rated_kw: float
    fresh: bool
    available: bool
    power_kw: float
    setpoint_kw: float


@dataclass(frozen=True)
class ContainerState:
    """One converter with the racks on its DC bus and the interlocks around them.

    Attributes:
        name: the container.
        converter: its converter.
        racks: its racks.
        interlock: tag of the insulation monitor that forbids power, empty when none does.
    """

    name: str
    converter: ConverterState
    racks: tuple[RackState, ...]
    interlock: str = ""


@dataclass(frozen=True)
class PlantState:
    """Everything protection looks at.

    Attributes:
        containers: all containers.
        fire: tag of the fire panel that reports a fire, empty when none does.
    """

    containers: tuple[ContainerState, ...]
    fire: str = ""
