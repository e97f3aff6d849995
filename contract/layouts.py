"""Layouts: which signals of a device travel together, in which order and with which scale.

A published layout never changes; a better one gets another name. The layout of cell values is
parametric in the number of cells ("rack.cells/416").
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType

from contract.errors import LayoutError, UnknownLayoutError
from contract.layout import HASH_BYTES, MAX_WIDTH, Column, Layout
from contract.signals import SIGNALS

__all__ = [
    "ALL",
    "CHILLER",
    "DISPATCH",
    "DISPATCH_1",
    "ESTIMATE",
    "ESTIMATE_LIMIT",
    "ESTIMATE_STATION",
    "ESTIMATE_SUMMARY",
    "FIRE",
    "HASH_BYTES",
    "INSULATION",
    "LIMITS",
    "MAX_CELLS",
    "METER",
    "PANEL",
    "PCS",
    "RACK",
    "ROOM",
    "STATION",
    "VENTILATION",
    "Column",
    "Layout",
    "by_hash",
    "cells_layout",
    "estimate_cells_layout",
    "get",
    "register",
]

MAX_CELLS = 4096


def _columns(names: str, **scales: float) -> Iterable[Column]:
    for name in names.split():
        signal = SIGNALS[name]
        yield Column(replace(signal, scale=scales[name]) if name in scales else signal)


PCS = Layout(
    "pcs",
    tuple(
        _columns(
            "active_power_kw reactive_power_kvar apparent_power_kva power_factor frequency_hz "
            "dc_voltage_v dc_current_a voltage_ab_v voltage_bc_v voltage_ca_v "
            "current_a_a current_b_a current_c_a heatsink_temperature_c "
            "active_power_setpoint_kw reactive_power_setpoint_kvar "
            "pcs_state breaker_closed remote_control pcs_alarms"
        )
    ),
)
RACK = Layout(
    "rack",
    tuple(
        _columns(
            "voltage_v current_a power_kw soc soh "
            "cell_voltage_max_v cell_voltage_min_v cell_voltage_mean_v "
            "cell_voltage_max_index cell_voltage_min_index "
            "cell_temperature_max_c cell_temperature_min_c cell_temperature_mean_c "
            "cell_temperature_max_index cell_temperature_min_index "
            "charge_current_limit_a discharge_current_limit_a "
            "contactor_closed rack_state rack_warnings rack_alarms"
        )
    ),
)
CHILLER = Layout(
    "chiller",
    tuple(
        _columns(
            "coolant_supply_c coolant_return_c coolant_setpoint_c ambient_c coolant_flow_lpm "
            "coolant_pressure_kpa auxiliary_power_kw chiller_state chiller_alarms"
        )
    ),
)
INSULATION = Layout(
    "insulation",
    tuple(_columns("resistance_positive_kohm resistance_negative_kohm insulation_alarms")),
)
FIRE = Layout(
    "fire",
    tuple(
        _columns(
            "hydrogen_ppm carbon_monoxide_ppm smoke_detected heat_detected fire_state fire_alarms"
        )
    ),
)
METER = Layout(
    "meter",
    tuple(
        _columns(
            "active_power_kw reactive_power_kvar voltage_ab_v voltage_bc_v voltage_ca_v "
            "current_a_a current_b_a current_c_a frequency_hz power_factor "
            "energy_discharged_kwh energy_charged_kwh",
            # A grid meter reads a medium-voltage bus through transformers: whole volts.
            voltage_ab_v=1.0,
            voltage_bc_v=1.0,
            voltage_ca_v=1.0,
        )
    ),
)
STATION = Layout(
    "station",
    tuple(
        _columns(
            "scheduled_power_kw target_power_kw delivered_power_kw charge_limit_kw "
            "discharge_limit_kw charge_limit_reason discharge_limit_reason soc "
            "stored_energy_kwh capacity_kwh control_mode link_state queued_batches cycle_ms "
            "devices_stale station_alarms"
        )
    ),
)

PANEL = Layout(
    "panel",
    tuple(_columns("emergency_stop remote_control reset_pressed")),
)
"""The site's control panel: emergency stop, local/remote switch, reset button."""
VENTILATION = Layout("ventilation", tuple(_columns("ventilation_state")))
ROOM = Layout(
    "room",
    tuple(
        _columns(
            "ambient_c relative_humidity hydrogen_ppm carbon_monoxide_ppm "
            "combustible_gas_lel smoke_detected"
        )
    ),
)
"""A small sensor of a room or a container; it tells some of these."""
DISPATCH_1 = Layout(
    "dispatch",
    tuple(
        _columns(
            "dispatch_source binding_limit protection_level asked_power_kw granted_power_kw "
            "frequency_response_kw agc_power_kw reactive_power_target_kvar fast_loop_p99_ms "
            "fast_loop_missed"
        )
    ),
)
"""What older stations have sent: their data stay readable, nobody writes it any more."""
DISPATCH = Layout(
    "dispatch/2",
    tuple(
        _columns(
            "dispatch_source binding_limit protection_level asked_power_kw granted_power_kw "
            "regulation_power_kw frequency_request_kw frequency_response_kw agc_power_kw "
            "reactive_power_target_kvar fast_loop_p99_ms fast_loop_missed"
        )
    ),
)
"""The controller's decision of each second: who decides, what was granted, which limit bit.

While the schedule decides, schedule, regulation and frequency request add up to what was asked.
"""
_DISPATCHABLE = (
    "discharge_energy_15min_kwh charge_energy_15min_kwh discharge_power_15min_kw "
    "charge_power_15min_kw discharge_energy_1h_kwh charge_energy_1h_kwh discharge_power_1h_kw "
    "charge_power_1h_kw discharge_energy_4h_kwh charge_energy_4h_kwh discharge_power_4h_kw "
    "charge_power_4h_kw discharge_bound_by charge_bound_by dispatchable_confidence "
)
_ESTIMATED = (
    "soc_estimate soc_half_width soh_estimate soh_half_width resistance_ratio "
    "resistance_half_width ece_charge ece_charge_half_width ece_discharge "
    "ece_discharge_half_width estimator_state cells_searching innovation_ratio anomaly_level "
)
ESTIMATE = Layout(
    "estimate",
    tuple(
        _columns(
            _ESTIMATED + _DISPATCHABLE + "soc_cell_max soc_cell_min soc_cell_max_index "
            "soc_cell_min_index soh_cell_min soh_cell_min_index resistance_cell_max "
            "resistance_cell_max_index current_bias_a discharge_bound_cell charge_bound_cell "
            "anomaly_score anomaly_kind anomaly_cell_index"
        )
    ),
)
"""What the station itself makes of a rack (the device), each second."""
ESTIMATE_STATION = Layout(
    "estimate.station",
    tuple(
        _columns(
            _ESTIMATED + _DISPATCHABLE + "system_efficiency cells_estimated "
            "estimator_core_share model_version shadow_version model_state "
            "shadow_innovation_ratio"
        )
    ),
)
"""The same of all racks together, and which models the estimators run."""
ESTIMATE_LIMIT = Layout(
    "estimate.limit",
    tuple(
        _columns(
            "charge_health_share charge_health_cell discharge_health_share discharge_health_cell"
        )
    ),
)
"""How much of its full current the health of a rack's cells leaves, and of which cell."""
ESTIMATE_SUMMARY = Layout(
    "estimate.summary",
    tuple(
        _columns(
            "cells_voltage_max_v cells_voltage_min_v cells_voltage_mean_v "
            "cells_voltage_deviation_v cells_voltage_max_index cells_voltage_min_index "
            "cells_temperature_max_c cells_temperature_min_c cells_temperature_mean_c "
            "cells_temperature_deviation_c cells_temperature_max_index "
            "cells_temperature_min_index cells_usable cells_spiking cells_frozen"
        )
    ),
)
"""What the cells of a rack (the device) come to, each time it tells them."""
LIMITS = Layout(
    "limits",
    tuple(
        _columns(
            "charge_limit_rack charge_limit_cell discharge_limit_rack discharge_limit_cell "
            "charge_bound_rack discharge_bound_rack"
        )
    ),
)
"""Where the limits in force and the bounds of dispatchable energy come from."""

ALL: Mapping[str, Layout] = MappingProxyType(
    {
        x.name: x
        for x in (
            *(PCS, RACK, CHILLER, INSULATION, FIRE, METER, STATION),
            *(PANEL, VENTILATION, ROOM, DISPATCH_1, DISPATCH, ESTIMATE, ESTIMATE_STATION),
            *(ESTIMATE_LIMIT, ESTIMATE_SUMMARY, LIMITS),
        )
    }
)
"""The published layouts with a fixed width, by name."""

CELLS = "rack.cells/"
"""How the name of a layout of one rack's cells begins; their number follows."""
MOST_CELLS = min(MAX_CELLS, MAX_WIDTH // 2)
"""The largest such number: a cell has two values."""
_ESTIMATE_CELLS = "estimate.cells/"
_ESTIMATE_OF_CELL = (
    *("cell_soc", "cell_soc_half_width", "cell_soh", "cell_soh_half_width"),
    *("cell_resistance_ratio", "cell_resistance_half_width"),
    *("cell_ece_charge", "cell_ece_discharge", "cell_ece_half_width", "cell_anomaly_score"),
)
_known: dict[bytes, Layout] = {layout.hash8: layout for layout in ALL.values()}


@lru_cache(maxsize=256)
def cells_layout(n: int) -> Layout:
    """Return the layout of one rack's `n` cell voltages followed by its `n` temperatures."""
    return _of_cells(CELLS, ("cell_voltage_v", "cell_temperature_c"), n)


@lru_cache(maxsize=256)
def estimate_cells_layout(n: int) -> Layout:
    """Return the layout of what the station makes of each of one rack's `n` cells."""
    return _of_cells(_ESTIMATE_CELLS, _ESTIMATE_OF_CELL, n)


def _of_cells(prefix: str, names: Sequence[str], n: int) -> Layout:
    most = min(MAX_CELLS, MAX_WIDTH // len(names))
    if not 1 <= n <= most:
        msg = f"a rack of {n} cells cannot be laid out as {prefix}N; allowed are 1..{most}"
        raise LayoutError(msg)
    layout = Layout(f"{prefix}{n}", tuple(Column(SIGNALS[name], n) for name in names))
    _known[layout.hash8] = layout
    return layout


def get(name: str) -> Layout:
    """Return a published layout by name; UnknownLayoutError when there is none."""
    if name in ALL:
        return ALL[name]
    prefix, _, count = name.rpartition("/")
    laid_out = {CELLS: cells_layout, _ESTIMATE_CELLS: estimate_cells_layout}.get(f"{prefix}/")
    digits = count.isascii() and count.isdigit() and len(count) <= len(str(MAX_CELLS))
    if laid_out is not None and digits and count[0] != "0":
        try:
            return laid_out(int(count))
        except LayoutError as error:
            raise UnknownLayoutError(name) from error
    raise UnknownLayoutError(name)


def register(layout: Layout) -> Layout:
    """Make a layout known to `by_hash` in this process; return it."""
    return _known.setdefault(layout.hash8, layout)


def by_hash(hash8: bytes) -> Layout:
    """Return a known layout by its 8-byte hash; UnknownLayoutError when there is none."""
    try:
        return _known[bytes(hash8)]
    except KeyError:
        raise UnknownLayoutError(bytes(hash8)) from None
