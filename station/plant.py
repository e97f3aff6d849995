"""From the process image to what protection and dispatch look at: roles, not protocols.

Whoever is stale counts as unknown. A converter is available when it runs, is switched to
remote and its breaker is closed. An insulation alarm forbids power in its container; a fire
forbids it in the container of its panel, or everywhere when the panel stands in none. A
silent panel raises an alarm of its own but forbids nothing here, since it is the panel's
hard-wired trip that protects people.
"""

import math
from collections.abc import Collection, Sequence
from enum import IntEnum

import numpy as np

from contract.layouts import (
    CHILLER,
    FIRE,
    INSULATION,
    METER,
    PANEL,
    PCS,
    ROOM,
    VENTILATION,
)
from station.config import DeviceConfig, Role, StationConfig
from station.image import Image
from station.image_table import TableRow
from station.plant_racks import read_racks
from station.protection.states import (
    ChillerState,
    ContainerState,
    ConverterState,
    FireState,
    InsulationState,
    MeterState,
    PanelState,
    PlantState,
    RackState,
    RoomState,
    VentilationState,
)

__all__ = ["PcsState", "fresh_number", "mean_soc", "pcs_state", "read_plant"]

_INSULATION_ALARM_BIT = 1
_FIRE = 2


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
    racks = read_racks(image, config)
    panels = [(p.container, _fire(image, p.tag)) for p in config.with_role(Role.FIRE)]
    inside = dict(reversed(panels))
    tags = [state.device for states in racks.values() for state in states]
    monitors = [_insulation(image, m, tags) for m in config.with_role(Role.INSULATION)]
    outside = tuple(state for container, state in panels if not container)
    meters = config.with_role(Role.METER)
    chillers, fans = _by_container(config, Role.CHILLER), _by_container(config, Role.VENTILATION)
    return PlantState(
        containers=tuple(
            ContainerState(
                name=pcs.container,
                converter=_converter(image, pcs, asleep=pcs.tag in asleep),
                racks=tuple(racks.get(pcs.container, ())),
                interlock=_interlock(monitors, pcs.container),
                chiller=_chiller(image, chillers.get(pcs.container, "")),
                insulation=tuple(m for c, m in monitors if c in ("", pcs.container)),
                fire=inside.get(pcs.container),
                ventilation=_ventilation(image, fans.get(pcs.container, "")),
            )
            for pcs in config.with_role(Role.PCS)
        ),
        fire=next((p.device for p in outside if p.fresh and p.state == _FIRE), ""),
        fire_panels=outside,
        panel=_panel(image, config),
        meter=_meter(image, meters[0].tag) if meters else None,
        rooms=tuple(_room(image, device) for device in config.with_role(Role.ROOM)),
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


def _by_container(config: StationConfig, role: Role) -> dict[str, str]:
    """Return the (first) device of a role in each container."""
    return {device.container: device.tag for device in reversed(config.with_role(role))}


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
    row = TableRow(image.table(PCS), device.tag)
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


def _chiller(image: Image, tag: str) -> ChillerState | None:
    if not tag:
        return None
    row = TableRow(image.table(CHILLER), tag)
    return ChillerState(
        device=tag,
        fresh=row.fresh,
        state=row.integer("chiller_state"),
        supply_c=row.number("coolant_supply_c"),
        flow_lpm=row.number("coolant_flow_lpm"),
        time_ms=row.time_ms,
    )


def _insulation(
    image: Image, device: DeviceConfig, racks: Sequence[str]
) -> tuple[str, InsulationState]:
    """Return (container, state) of a monitor; one tagged ``C1-R03-...`` watches rack C1-R03."""
    row = TableRow(image.table(INSULATION), device.tag)
    poles = [row.number(f"resistance_{pole}_kohm") for pole in ("positive", "negative")]
    return device.container, InsulationState(
        device=device.tag,
        fresh=row.fresh,
        resistance_kohm=math.nan if any(map(math.isnan, poles)) else min(poles),
        alarm=bool(row.index("insulation_alarms") >> _INSULATION_ALARM_BIT & 1),
        rack=next((tag for tag in racks if device.tag.startswith(f"{tag}-")), ""),
        time_ms=row.time_ms,
    )


def _fire(image: Image, tag: str) -> FireState:
    row = TableRow(image.table(FIRE), tag)
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


def _room(image: Image, device: DeviceConfig) -> RoomState:
    row = TableRow(image.table(ROOM), device.tag)
    return RoomState(
        device=device.tag,
        container=device.container,
        fresh=row.fresh,
        hydrogen_ppm=row.number("hydrogen_ppm"),
        carbon_monoxide_ppm=row.number("carbon_monoxide_ppm"),
        smoke=row.flag("smoke_detected"),
        time_ms=row.time_ms,
    )


def _ventilation(image: Image, tag: str) -> VentilationState | None:
    if not tag:
        return None
    row = TableRow(image.table(VENTILATION), tag)
    return VentilationState(tag, row.fresh, row.integer("ventilation_state"), row.time_ms)


def _panel(image: Image, config: StationConfig) -> PanelState | None:
    for panel in config.with_role(Role.PANEL)[:1]:
        row = TableRow(image.table(PANEL), panel.tag)
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
