"""From the plant to the quantities of the rules, each as arrays over the devices that have it.

What is stale is not known (NaN). An extreme that the cells tell in place of their BMS is as old as
they are. Silence itself is always known. What protection has found
out by its own actions (a contactor that does not open) comes in as `Inner`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from station.protection.cell_maps import CellMaps
from station.protection.cells import CellCourse
from station.protection.early_warning import EarlyState, GasReadings
from station.protection.judge import Floats, Ints, Reading
from station.protection.rules import EarlySettings, Quantity
from station.protection.states import (
    ChillerState,
    ContainerState,
    ConverterState,
    FireState,
    InsulationState,
    PlantState,
    RackState,
    RoomState,
    VentilationState,
)

_FAULT = 2
_PANEL_FAULT = 3


@dataclass(frozen=True)
class Inner:
    """What protection found out by acting.

    Attributes:
        stuck: racks whose contactor did not open when told to.
        awaited: racks whose contactor was told to open and does not show it yet.
        unstopped: converters that did not stop.
        unisolated: converters of containers of which neither way of parting them worked.
        idle: chillers and ventilations that did not follow.
        guilty: racks that the search has found to be the insulation fault.
        current_low_a: less current than this is none.
        insulation_kohm: a rack's own monitor below this tells a fault.
    """

    stuck: frozenset[str] = frozenset()
    awaited: frozenset[str] = frozenset()
    unstopped: frozenset[str] = frozenset()
    unisolated: frozenset[str] = frozenset()
    idle: frozenset[str] = frozenset()
    guilty: frozenset[str] = frozenset()
    current_low_a: float = 5.0
    insulation_kohm: float = 0.0


@dataclass(frozen=True)
class Courses:
    """What is computed from the course of cells and gas."""

    cells: CellCourse | None
    early: EarlyState | None
    settings: EarlySettings


Readings = Mapping[Quantity, Reading]
_Row = tuple[str, str, float, int]
"""Device, container, value, device time."""


def all_readings(
    plant: PlantState, maps: CellMaps, courses: Courses, inner: Inner, now_ms: int
) -> Readings:
    """Return every quantity that the plant has; what was never heard is dated `now_ms`."""
    racks = [(r, c.name) for c in plant.containers for r in c.racks]
    panels = fire_panels(plant)
    found = {
        **_rack_readings(racks, maps),
        **_course_readings(racks, courses.cells),
        **_early_readings(racks, panels, courses),
        **_rack_flags(plant, racks, inner),
        **_container_readings(plant.containers, inner),
        **_insulation(plant),
        **_fire_readings(panels),
        **_gas_and_smoke([*panels, *((room, room.container) for room in plant.rooms)]),
        **_site_readings(plant),
    }
    return {
        quantity: replace(reading, times_ms=np.where(reading.times_ms, reading.times_ms, now_ms))
        for quantity, reading in found.items()
        if reading.devices
    }


def fire_panels(plant: PlantState) -> list[tuple[FireState, str]]:
    """Return all fire panels with their container, empty for the station's own."""
    inside = [(c.fire, c.name) for c in plant.containers if c.fire is not None]
    return [*inside, *((panel, "") for panel in plant.fire_panels)]


def gas_readings(plant: PlantState) -> GasReadings:
    """Return the gas at all panels for the early warning."""
    panels = [panel for panel, _ in fire_panels(plant)]
    ppm = [
        (p.hydrogen_ppm, p.carbon_monoxide_ppm) if p.fresh else (math.nan, math.nan) for p in panels
    ]
    return GasReadings(
        panels=tuple(p.device for p in panels),
        ppm=np.array(ppm, dtype=np.float32).reshape(len(panels), 2),
        times_ms=np.array([p.time_ms for p in panels], dtype=np.int64),
    )


def _reading(rows: Iterable[_Row]) -> Reading:
    found = list(rows)
    return Reading(
        devices=tuple(row[0] for row in found),
        containers=tuple(row[1] for row in found),
        values=np.array([row[2] for row in found], dtype=np.float64),
        times_ms=np.array([row[3] for row in found], dtype=np.int64),
        cells=np.zeros(len(found), dtype=np.int64),
    )


def _flag(told: object) -> float:
    return math.nan if told is None else float(bool(told))


def _both(*told: bool | None) -> float:
    """Return whether all detectors fired: one clear detector is enough to say no."""
    if False in told:
        return 0.0
    return math.nan if None in told else 1.0


def _rack_readings(racks: Sequence[tuple[RackState, str]], maps: CellMaps) -> Readings:
    devices, containers = tuple(r.device for r, _ in racks), tuple(name for _, name in racks)
    times = np.array([r.time_ms for r, _ in racks], dtype=np.int64)
    fresh = np.array([r.fresh for r, _ in racks], dtype=np.bool_)

    def column(name: str) -> Floats:
        values = np.array([getattr(r, name) for r, _ in racks], dtype=np.float64)
        return np.where(fresh, values, np.nan)

    def extreme(name: str) -> Floats:
        by_cells = [name in r.by_cells for r, _ in racks]
        values = np.array([getattr(r, name) for r, _ in racks], dtype=np.float64)
        return np.where(fresh | np.array(by_cells, dtype=np.bool_), values, np.nan)

    def indices(name: str) -> list[int]:
        return [getattr(r, name) for r, _ in racks]

    def reading(values: Floats, index: str = "") -> Reading:
        cells: Ints = np.zeros(len(devices), dtype=np.int64)
        if index:
            cells = np.array(indices(index), dtype=np.int64)
        return Reading(devices, containers, values, times, cells)

    def worst(name: str, index: str) -> Reading:
        pairs = zip(extreme(name).tolist(), indices(index), strict=True)
        told = [r.beyond.get(name, own) for (r, _), own in zip(racks, pairs, strict=True)]
        values = np.array([value for value, _ in told], dtype=np.float64)
        cells = np.array([cell for _, cell in told], dtype=np.int64)
        at_ms = np.array([_told_ms(r, name) for r, _ in racks], dtype=np.int64)
        return Reading(devices, containers, values, at_ms, cells)

    high, low = extreme("cell_voltage_max_v"), extreme("cell_voltage_min_v")
    hot, cold = extreme("cell_temperature_max_c"), extreme("cell_temperature_min_c")
    current, rated = column("current_a"), column("capacity_ah")
    return {
        Quantity.CELL_VOLTAGE_MAX_V: worst("cell_voltage_max_v", "cell_voltage_max_index"),
        Quantity.CELL_VOLTAGE_MIN_V: worst("cell_voltage_min_v", "cell_voltage_min_index"),
        Quantity.CELL_TEMPERATURE_MAX_C: worst(
            "cell_temperature_max_c", "cell_temperature_max_index"
        ),
        Quantity.CELL_TEMPERATURE_MIN_C: worst(
            "cell_temperature_min_c", "cell_temperature_min_index"
        ),
        Quantity.VOLTAGE_SPREAD_V: reading(high - low, "cell_voltage_min_index"),
        Quantity.TEMPERATURE_SPREAD_K: reading(hot - cold, "cell_temperature_max_index"),
        Quantity.CHARGE_CURRENT_RATIO: reading(-current / (rated * maps.charge.peak)),
        Quantity.DISCHARGE_CURRENT_RATIO: reading(current / (rated * maps.discharge.peak)),
        Quantity.SOC: reading(column("soc")),
    }


def _told_ms(rack: RackState, extreme: str) -> int:
    """Return the device time of an extreme: that of the cells where they tell it."""
    if rack.cells is not None and (extreme in rack.by_cells or extreme in rack.beyond):
        return rack.cells.time_ms
    return rack.time_ms


def _course_readings(racks: Sequence[tuple[RackState, str]], cells: CellCourse | None) -> Readings:
    if cells is None:
        return {}
    grid, place = cells.last, {r.device: name for r, name in racks}
    containers = tuple(place.get(device, "") for device in grid.devices)

    def reading(values: Floats, index: Ints) -> Reading:
        known = np.where(grid.fresh, values, np.nan)
        return Reading(grid.devices, containers, known, grid.times_ms, index)

    return {
        Quantity.TEMPERATURE_RISE_K_PER_MIN: reading(cells.rise_k_per_min, cells.rise_cell),
        Quantity.RUNAWAY_SIGNATURE_S: reading(cells.runaway_s, cells.runaway_cell),
    }


def _early_readings(
    racks: Sequence[tuple[RackState, str]],
    panels: Sequence[tuple[FireState, str]],
    courses: Courses,
) -> Readings:
    """Return the evidence of runaway: of every rack with that of its gas, and of gas alone."""
    early = courses.early
    if early is None:
        return {}
    gas = dict(zip(early.panels, early.gas_score.tolist(), strict=True))
    around = {name: gas.get(p.device, 0.0) for p, name in panels if name}
    known = {r.device: (name, r.cells is not None and r.cells.fresh) for r, name in racks}
    rows: list[_Row] = []
    for device, score, at_ms in zip(
        early.devices, early.rack_score.tolist(), early.times_ms.tolist(), strict=True
    ):
        name, fresh = known.get(device, ("", False))
        joins = score >= courses.settings.gas_joins_from
        whole = score + (around.get(name, 0.0) if joins else 0.0)
        rows.append((device, name, whole if fresh else math.nan, at_ms))
    rows += [
        (p.device, name, gas[p.device] if p.fresh else math.nan, p.time_ms)
        for p, name in panels
        if p.device in gas
    ]
    cells = np.append(early.rack_cell, np.zeros(len(rows) - len(early.devices), dtype=np.int64))
    return {Quantity.RUNAWAY_EARLY: replace(_reading(rows), cells=cells)}


def _rack_flags(
    plant: PlantState, racks: Sequence[tuple[RackState, str]], inner: Inner
) -> Readings:
    own = {m.rack: m for c in plant.containers for m in c.insulation if m.rack}

    def leaky(rack: RackState) -> float:
        return _leaky(rack, own.get(rack.device), inner)

    def silent(rack: RackState) -> float:
        return float(not rack.fresh and rack.contactor_closed is not False)

    return {
        quantity: _reading((r.device, name, test(r), r.time_ms) for r, name in racks)
        for quantity, test in (
            (Quantity.CONTACTOR_STUCK, lambda rack: _stuck(rack, inner)),
            (Quantity.RACK_INSULATION, leaky),
            (Quantity.RACK_SILENT, silent),
        )
    }


def _stuck(rack: RackState, inner: Inner) -> float:
    """Whether a contactor does not open, NaN while rack or contactor tell nothing."""
    if rack.device in inner.stuck:
        return 1.0
    if not rack.fresh or rack.contactor_closed is None or rack.device in inner.awaited:
        return math.nan
    if rack.contactor_closed:
        return 0.0
    # A contactor that says open while current flows is as stuck as one that says closed.
    known = math.isfinite(rack.current_a)
    return float(abs(rack.current_a) > inner.current_low_a) if known else math.nan


def _leaky(rack: RackState, monitor: InsulationState | None, inner: Inner) -> float:
    """Whether a rack has an insulation fault; no witness may be silent for a clear no.

    A BMS that goes on reporting it is believed behind an open contactor, too: the fault is in
    the rack, and closing it would bring it back onto the bus.
    """
    heard = monitor is not None and monitor.fresh
    told = rack.fresh and rack.insulation_alarm
    if rack.device in inner.guilty or told:
        return 1.0
    if monitor is None:
        return 0.0 if rack.fresh else math.nan
    if heard and (monitor.alarm or monitor.resistance_kohm < inner.insulation_kohm):
        return 1.0
    known = rack.fresh and heard and math.isfinite(monitor.resistance_kohm)
    return 0.0 if known else math.nan


def _container_readings(containers: Sequence[ContainerState], inner: Inner) -> Readings:
    converters = [(c.converter, c.name) for c in containers]
    chillers = [(c.chiller, c) for c in containers if c.chiller is not None]
    fans = [(c.ventilation, c.name) for c in containers if c.ventilation is not None]

    def of_converters(test: "frozenset[str] | None") -> Reading:
        return _reading(
            (p.device, name, float(_silent(p) if test is None else p.device in test), p.time_ms)
            for p, name in converters
        )

    def of_chillers(values: Iterable[float]) -> Reading:
        return _reading(
            (chiller.device, c.name, value, chiller.time_ms)
            for (chiller, c), value in zip(chillers, values, strict=True)
        )

    helpers: list[tuple[ChillerState | VentilationState, str]] = [
        *((chiller, c.name) for chiller, c in chillers),
        *fans,
    ]
    return {
        Quantity.CONVERTER_SILENT: of_converters(None),
        Quantity.STOP_UNCONFIRMED: of_converters(inner.unstopped),
        Quantity.ISOLATION_FAILED: of_converters(inner.unisolated),
        Quantity.COOLANT_SUPPLY_C: of_chillers(
            k.supply_c if k.fresh else math.nan for k, _ in chillers
        ),
        Quantity.COOLANT_FLOW_LPM_PER_RACK: of_chillers(
            k.flow_lpm / max(1, len(c.racks)) if k.fresh else math.nan for k, c in chillers
        ),
        Quantity.CHILLER_FAULT: of_chillers(_faulted(k) for k, _ in chillers),
        Quantity.CHILLER_SILENT: of_chillers(float(not k.fresh) for k, _ in chillers),
        Quantity.VENTILATION_FAULT: _reading(
            (fan.device, name, _faulted(fan), fan.time_ms) for fan, name in fans
        ),
        Quantity.AUXILIARY_UNCONFIRMED: _reading(
            (h.device, name, float(h.device in inner.idle), h.time_ms) for h, name in helpers
        ),
    }


def _silent(converter: ConverterState) -> bool:
    return not converter.fresh


def _faulted(device: ChillerState | VentilationState) -> float:
    known = device.fresh and device.state is not None
    return float(device.state == _FAULT) if known else math.nan


def _insulation(plant: PlantState) -> Readings:
    rows: dict[str, _Row] = {}
    for container in plant.containers:
        for m in container.insulation:
            if not m.rack:
                # A monitor that several containers share speaks for the whole station.
                place = "" if m.device in rows else container.name
                value = m.resistance_kohm if m.fresh else math.nan
                rows[m.device] = (m.device, place, value, m.time_ms)
    return {Quantity.INSULATION_KOHM: _reading(rows.values())}


def _fire_readings(panels: Sequence[tuple[FireState, str]]) -> Readings:
    def of_panels(values: Iterable[float]) -> Reading:
        return _reading(
            (panel.device, name, value, panel.time_ms)
            for (panel, name), value in zip(panels, values, strict=True)
        )

    def fresh(values: Iterable[float]) -> Iterable[float]:
        return (v if p.fresh else math.nan for (p, _), v in zip(panels, values, strict=True))

    heat = [_flag(p.heat) for p, _ in panels]
    both = [_both(p.smoke, p.heat) for p, _ in panels]
    state = [
        math.nan if p.state is None or p.state == _PANEL_FAULT else float(p.state)
        for p, _ in panels
    ]
    return {
        Quantity.HEAT: of_panels(fresh(heat)),
        Quantity.SMOKE_AND_HEAT: of_panels(fresh(both)),
        Quantity.FIRE_STATE: of_panels(fresh(state)),
        Quantity.FIRE_PANEL_SILENT: of_panels(float(not p.fresh) for p, _ in panels),
    }


def _gas_and_smoke(detectors: Sequence[tuple[FireState | RoomState, str]]) -> Readings:
    """Return what panels and small sensors tell alike: one detector is as good as another."""
    told = {
        Quantity.HYDROGEN_PPM: [d.hydrogen_ppm for d, _ in detectors],
        Quantity.CARBON_MONOXIDE_PPM: [d.carbon_monoxide_ppm for d, _ in detectors],
        Quantity.SMOKE: [_flag(d.smoke) for d, _ in detectors],
    }
    return {
        quantity: _reading(
            (d.device, name, value if d.fresh else math.nan, d.time_ms)
            for (d, name), value in zip(detectors, values, strict=True)
        )
        for quantity, values in told.items()
    }


def _site_readings(plant: PlantState) -> Readings:
    found: dict[Quantity, Reading] = {}
    panel, meter = plant.panel, plant.meter
    if panel is not None:
        pressed = _flag(panel.emergency_stop) if panel.fresh else math.nan
        found[Quantity.EMERGENCY_STOP] = _reading([(panel.device, "", pressed, panel.time_ms)])
        found[Quantity.PANEL_SILENT] = _reading(
            [(panel.device, "", float(not panel.fresh), panel.time_ms)]
        )
    if meter is not None:
        found[Quantity.METER_SILENT] = _reading(
            [(meter.device, "", float(not meter.fresh), meter.time_ms)]
        )
    return found
