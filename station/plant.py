"""From the process image to what protection and dispatch look at: roles, not protocols.

Whoever is stale counts as unknown. A converter is available when it runs, is switched to
remote and its breaker is closed. An insulation alarm forbids power in its container, a fire
everywhere; a silent panel raises an alarm of its own but forbids nothing, since it is the
panel's hard-wired trip that protects people.
"""

import math
from enum import IntEnum

import numpy as np

from contract.layouts import FIRE, INSULATION, PCS, RACK
from station.config import DeviceConfig, Role, StationConfig
from station.image import Image, PointRow
from station.protection.states import ContainerState, ConverterState, PlantState, RackState

__all__ = ["PcsState", "fresh_number", "mean_soc", "pcs_state", "read_plant"]

_INSULATION_ALARM_BIT = 1
_FIRE = 2
_RACK_FAULT = 4


class PcsState(IntEnum):
    """Values of the signal ``pcs_state``."""

    OFF = 0
    STANDBY = 1
    RUNNING = 2
    DERATED = 3
    FAULT = 4
    MAINTENANCE = 5


_DELIVERS = {PcsState.RUNNING, PcsState.DERATED}


def read_plant(image: Image, config: StationConfig) -> PlantState:
    """Return the plant as protection sees it."""
    racks = config.with_role(Role.RACK)
    return PlantState(
        containers=tuple(
            ContainerState(
                name=pcs.container,
                converter=_converter(image, pcs),
                racks=tuple(
                    _rack(image, rack.tag) for rack in racks if rack.container == pcs.container
                ),
                interlock=_interlock(image, config, pcs.container),
            )
            for pcs in config.with_role(Role.PCS)
        ),
        fire=next(
            (
                panel.tag
                for panel in config.with_role(Role.FIRE)
                if _fresh_integer(image.get(panel.tag, FIRE.name), "fire_state") == _FIRE
            ),
            "",
        ),
    )


def fresh_number(image: Image, device: str, layout: str, signal: str) -> float:
    """Return a signal's value, NaN when the device is stale or the value unusable."""
    row = image.get(device, layout)
    return math.nan if row is None or row.stale else row.number(signal)


def pcs_state(image: Image, tag: str) -> PcsState | None:
    """Return a converter's state when it is fresh and known."""
    value = _fresh_integer(image.get(tag, PCS.name), "pcs_state")
    return PcsState(value) if value in set(PcsState) else None


def mean_soc(racks: tuple[RackState, ...]) -> float:
    """Return the mean state of charge of the racks that tell it, NaN when none does."""
    known = [rack.soc for rack in racks if rack.fresh and math.isfinite(rack.soc)]
    return float(np.mean(known)) if known else math.nan


def _fresh_integer(row: PointRow | None, signal: str) -> int | None:
    return None if row is None or row.stale else row.integer(signal)


def _interlock(image: Image, config: StationConfig, container: str) -> str:
    for monitor in config.with_role(Role.INSULATION):
        if monitor.container in ("", container):
            alarms = _fresh_integer(image.get(monitor.tag, INSULATION.name), "insulation_alarms")
            if (alarms or 0) >> _INSULATION_ALARM_BIT & 1:
                return monitor.tag
    return ""


def _converter(image: Image, device: DeviceConfig) -> ConverterState:
    row = image.get(device.tag, PCS.name)
    rated_kw = device.rated_kw or 0.0
    if row is None:
        return ConverterState(device.tag, rated_kw, False, False, math.nan, math.nan)
    available = (
        row.integer("pcs_state") in _DELIVERS
        and row.integer("remote_control") != 0
        and row.integer("breaker_closed") != 0
    )
    return ConverterState(
        device=device.tag,
        rated_kw=rated_kw,
        fresh=not row.stale,
        available=available,
        power_kw=row.number("active_power_kw"),
        setpoint_kw=row.number("active_power_setpoint_kw"),
    )


def _rack(image: Image, tag: str) -> RackState:
    row = image.get(tag, RACK.name)

    def number(signal: str) -> float:
        return math.nan if row is None else row.number(signal)

    def integer(signal: str) -> int | None:
        return None if row is None else row.integer(signal)

    closed = integer("contactor_closed")
    return RackState(
        device=tag,
        fresh=row is not None and not row.stale,
        contactor_closed=None if closed is None else bool(closed),
        faulted=integer("rack_state") == _RACK_FAULT,
        voltage_v=number("voltage_v"),
        current_a=number("current_a"),
        soc=number("soc"),
        charge_current_limit_a=number("charge_current_limit_a"),
        discharge_current_limit_a=number("discharge_current_limit_a"),
        cell_voltage_max_v=number("cell_voltage_max_v"),
        cell_voltage_min_v=number("cell_voltage_min_v"),
        cell_temperature_max_c=number("cell_temperature_max_c"),
        cell_temperature_min_c=number("cell_temperature_min_c"),
        cell_voltage_max_index=integer("cell_voltage_max_index") or 0,
        cell_voltage_min_index=integer("cell_voltage_min_index") or 0,
        cell_temperature_max_index=integer("cell_temperature_max_index") or 0,
        cell_temperature_min_index=integer("cell_temperature_min_index") or 0,
    )
