"""From the process image to what protection and dispatch look at: roles, not protocols.

Whoever is stale counts as unknown. A converter is available when it runs, is switched to
remote and its breaker is closed. An insulation alarm forbids power in its container; a fire
forbids it in the container of its panel, or everywhere when the panel stands in none. A
silent panel raises an alarm of its own but forbids nothing here, since it is the panel's
hard-wired trip that protects people.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from enum import IntEnum
from functools import lru_cache

import numpy as np

from contract.frame import Quality
from contract.layouts import (
    CHILLER,
    ESTIMATE_LIMIT,
    FIRE,
    INSULATION,
    METER,
    PANEL,
    PCS,
    RACK,
    VENTILATION,
    Layout,
)
from station.config import DeviceConfig, Role, StationConfig
from station.image import CELLS_PREFIX, Image, PointRow
from station.protection.states import (
    CellHealth,
    CellRow,
    ChillerState,
    ContainerState,
    ConverterState,
    FireState,
    InsulationState,
    MeterState,
    PanelState,
    PlantState,
    RackState,
    VentilationState,
)

__all__ = ["PcsState", "fresh_number", "mean_soc", "pcs_state", "read_plant"]

_INSULATION_ALARM_BIT = 1
_RACK_INSULATION_BIT = 8
_FIRE = 2
_RACK_FAULT = 4
_NOMINAL_CELL_V = 3.2
"""Nominal voltage of an LFP cell: what a rated energy is divided by to get a rated charge."""


class PcsState(IntEnum):
    """Values of the signal ``pcs_state``."""

    OFF = 0
    STANDBY = 1
    RUNNING = 2
    DERATED = 3
    FAULT = 4
    MAINTENANCE = 5


_DELIVERS = {PcsState.RUNNING, PcsState.DERATED}


def read_plant(image: Image, config: StationConfig, asleep: Collection[str] = ()) -> PlantState:
    """Return the plant as protection sees it.

    Args:
        image: the frozen picture.
        config: who is what.
        asleep: converters that the station has stopped to save their losses, and may start again.
    """
    racks = _racks(image, config)
    panels = [(p.container, _fire(image, p.tag)) for p in config.with_role(Role.FIRE)]
    monitors = [_insulation(image, m, racks) for m in config.with_role(Role.INSULATION)]
    outside = tuple(state for container, state in panels if not container)
    meters = config.with_role(Role.METER)
    return PlantState(
        containers=tuple(
            ContainerState(
                name=pcs.container,
                converter=_converter(image, pcs, asleep=pcs.tag in asleep),
                racks=tuple(state for container, state in racks if container == pcs.container),
                interlock=_interlock(monitors, pcs.container),
                chiller=_chiller(image, _tag_in(config, Role.CHILLER, pcs.container)),
                insulation=tuple(m for c, m in monitors if c in ("", pcs.container)),
                fire=next((state for c, state in panels if c == pcs.container), None),
                ventilation=_ventilation(image, _tag_in(config, Role.VENTILATION, pcs.container)),
            )
            for pcs in config.with_role(Role.PCS)
        ),
        fire=next((p.device for p in outside if p.fresh and p.state == _FIRE), ""),
        fire_panels=outside,
        panel=_panel(image, config),
        meter=_meter(image, meters[0].tag) if meters else None,
    )


def fresh_number(image: Image, device: str, layout: str, signal: str) -> float:
    """Return a signal's value, NaN when the device is stale or the value unusable."""
    row = image.get(device, layout)
    return math.nan if row is None or row.stale else row.number(signal)


def pcs_state(image: Image, tag: str) -> PcsState | None:
    """Return a converter's state when it is fresh and known."""
    row = image.get(tag, PCS.name)
    value = None if row is None or row.stale else row.integer("pcs_state")
    return PcsState(value) if value in set(PcsState) else None


def mean_soc(racks: tuple[RackState, ...]) -> float:
    """Return the mean state of charge of the racks that tell it, NaN when none does."""
    known = [rack.soc for rack in racks if rack.fresh and math.isfinite(rack.soc)]
    return float(np.mean(known)) if known else math.nan


@lru_cache(maxsize=64)
def _columns(layout: Layout) -> tuple[tuple[str, float], ...]:
    return tuple((c.signal.name, c.signal.scale) for c in layout.columns)


class _Row:
    """All values of one row of scalars, read at once: a plant has hundreds of racks."""

    def __init__(self, row: PointRow | None) -> None:
        self.fresh = row is not None and not row.stale
        self.time_ms = 0 if row is None else row.sample.time_ms
        self._values: Mapping[str, float] = {}
        if row is not None:
            quality = row.sample.quality.tolist()
            self._values = {
                name: raw.item(0) * scale if q < Quality.INVALID else math.nan
                for (name, scale), raw, q in zip(
                    _columns(row.layout), row.sample.values, quality, strict=True
                )
            }

    def number(self, signal: str) -> float:
        return self._values.get(signal, math.nan)

    def integer(self, signal: str) -> int | None:
        value = self.number(signal)
        return int(value) if math.isfinite(value) else None

    def flag(self, signal: str) -> bool | None:
        value = self.integer(signal)
        return None if value is None else bool(value)

    def index(self, signal: str) -> int:
        return self.integer(signal) or 0


def _tag_in(config: StationConfig, role: Role, container: str) -> str:
    """Return the device of a role that serves a container, empty when there is none."""
    return next((d.tag for d in config.with_role(role) if d.container == container), "")


def _interlock(monitors: list[tuple[str, InsulationState]], container: str) -> str:
    return next(
        (
            monitor.device
            for place, monitor in monitors
            if place in ("", container) and monitor.fresh and monitor.alarm and not monitor.rack
        ),
        "",
    )


def _converter(image: Image, device: DeviceConfig, *, asleep: bool) -> ConverterState:
    row = _Row(image.get(device.tag, PCS.name))
    state = row.integer("pcs_state")
    delivers = state in _DELIVERS and row.integer("breaker_closed") != 0
    return ConverterState(
        device=device.tag,
        rated_kw=device.rated_kw or 0.0,
        fresh=row.fresh,
        available=row.integer("remote_control") != 0
        and (delivers or (asleep and state == PcsState.STANDBY)),
        power_kw=row.number("active_power_kw"),
        setpoint_kw=row.number("active_power_setpoint_kw"),
        running=None if state is None else state in _DELIVERS,
        time_ms=row.time_ms,
    )


def _racks(image: Image, config: StationConfig) -> list[tuple[str, RackState]]:
    """Return (container, state) of every rack."""
    racks = config.with_role(Role.RACK)
    cells = {
        device: _cells(row)
        for (device, layout), row in image.rows.items()
        if layout.startswith(CELLS_PREFIX)
    }
    energy_kwh = config.station.capacity_kwh / max(1, len(racks))
    asked = config.estimators
    heeded = asked is not None and asked.health_limits
    found = []
    for rack in racks:
        state = _rack(image, rack.tag, cells.get(rack.tag), energy_kwh)
        health = _health(image, rack.tag) if heeded else None
        found.append((rack.container, state if health is None else replace(state, health=health)))
    return found


def _health(image: Image, tag: str) -> CellHealth | None:
    """Return what the estimated health of a rack's cells leaves; None where nothing is known."""
    row = _Row(image.get(tag, ESTIMATE_LIMIT.name))
    if not row.fresh:
        return None
    return CellHealth(
        charge=row.number("charge_health_share"),
        discharge=row.number("discharge_health_share"),
        charge_cell=row.index("charge_health_cell"),
        discharge_cell=row.index("discharge_health_cell"),
    )


def _cells(row: PointRow) -> CellRow:
    return CellRow(
        time_ms=row.sample.time_ms,
        fresh=not row.stale,
        voltage_v=row.physical("cell_voltage_v"),
        temperature_c=row.physical("cell_temperature_c"),
    )


def _rack(image: Image, tag: str, cells: CellRow | None, energy_kwh: float) -> RackState:
    row = _Row(image.get(tag, RACK.name))
    voltage_v = row.number("voltage_v")
    nominal_v = voltage_v if cells is None else _NOMINAL_CELL_V * cells.voltage_v.size
    return RackState(
        device=tag,
        fresh=row.fresh,
        contactor_closed=row.flag("contactor_closed"),
        faulted=row.integer("rack_state") == _RACK_FAULT,
        voltage_v=voltage_v,
        current_a=row.number("current_a"),
        soc=row.number("soc"),
        charge_current_limit_a=row.number("charge_current_limit_a"),
        discharge_current_limit_a=row.number("discharge_current_limit_a"),
        cell_voltage_max_v=row.number("cell_voltage_max_v"),
        cell_voltage_min_v=row.number("cell_voltage_min_v"),
        cell_temperature_max_c=row.number("cell_temperature_max_c"),
        cell_temperature_min_c=row.number("cell_temperature_min_c"),
        cell_voltage_max_index=row.index("cell_voltage_max_index"),
        cell_voltage_min_index=row.index("cell_voltage_min_index"),
        cell_temperature_max_index=row.index("cell_temperature_max_index"),
        cell_temperature_min_index=row.index("cell_temperature_min_index"),
        soh=row.number("soh"),
        capacity_ah=energy_kwh * 1000 / nominal_v if nominal_v > 0 else math.nan,
        insulation_alarm=bool(row.index("rack_alarms") >> _RACK_INSULATION_BIT & 1),
        time_ms=row.time_ms,
        cells=cells,
    )


def _chiller(image: Image, tag: str) -> ChillerState | None:
    if not tag:
        return None
    row = _Row(image.get(tag, CHILLER.name))
    return ChillerState(
        device=tag,
        fresh=row.fresh,
        state=row.integer("chiller_state"),
        supply_c=row.number("coolant_supply_c"),
        flow_lpm=row.number("coolant_flow_lpm"),
        time_ms=row.time_ms,
    )


def _insulation(
    image: Image, device: DeviceConfig, racks: list[tuple[str, RackState]]
) -> tuple[str, InsulationState]:
    """Return (container, state) of a monitor; one tagged ``C1-R03-...`` watches rack C1-R03."""
    row = _Row(image.get(device.tag, INSULATION.name))
    poles = [row.number(f"resistance_{pole}_kohm") for pole in ("positive", "negative")]
    return device.container, InsulationState(
        device=device.tag,
        fresh=row.fresh,
        resistance_kohm=math.nan if any(map(math.isnan, poles)) else min(poles),
        alarm=bool(row.index("insulation_alarms") >> _INSULATION_ALARM_BIT & 1),
        rack=next((r.device for _, r in racks if device.tag.startswith(f"{r.device}-")), ""),
        time_ms=row.time_ms,
    )


def _fire(image: Image, tag: str) -> FireState:
    row = _Row(image.get(tag, FIRE.name))
    return FireState(
        device=tag,
        fresh=row.fresh,
        state=row.integer("fire_state"),
        hydrogen_ppm=row.number("hydrogen_ppm"),
        carbon_monoxide_ppm=row.number("carbon_monoxide_ppm"),
        smoke=row.flag("smoke_detected"),
        heat=row.flag("heat_detected"),
        time_ms=row.time_ms,
    )


def _ventilation(image: Image, tag: str) -> VentilationState | None:
    if not tag:
        return None
    row = _Row(image.get(tag, VENTILATION.name))
    return VentilationState(tag, row.fresh, row.integer("ventilation_state"), row.time_ms)


def _panel(image: Image, config: StationConfig) -> PanelState | None:
    for panel in config.with_role(Role.PANEL)[:1]:
        row = _Row(image.get(panel.tag, PANEL.name))
        return PanelState(
            device=panel.tag,
            fresh=row.fresh,
            emergency_stop=row.flag("emergency_stop"),
            remote=row.flag("remote_control"),
            reset_pressed=row.flag("reset_pressed"),
            time_ms=row.time_ms,
        )
    return None


def _meter(image: Image, tag: str) -> MeterState:
    row = image.get(tag, METER.name)
    return MeterState(
        tag, row is not None and not row.stale, 0 if row is None else row.sample.time_ms
    )
