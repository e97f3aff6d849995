"""Energy conversion efficiency (ECE) of every cell, charge and discharge apart, and the station's.

What a cell has stored is the integral of its open-circuit voltage over its charge (the mean of
the two branches of the hysteresis). Discharging, the efficiency is what comes out at the
terminals over what the store gives; charging, what the store takes over what goes in. Their
product is the round trip (energy efficiency of IEC 62933-2-1, taken apart at the store). In
windows of rest nothing is counted. What was moved two full capacities ago counts 1/e of what is
moved now, so that a figure is that of the last days whatever they were.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from station.estimators.cell_model import NORMAL_90, CellModel, Floats
from station.estimators.meter import Meter
from station.estimators.samples import Indices, Samples
from station.estimators.visit import Visit, put

_FORGETS = 2.0
"""In capacities discharged (or charged)."""
_FEWEST = 0.05
"""So much of the capacity must have been moved before a figure is told."""
_SENSOR_V = 0.002
"""Offset of a cell's voltage sensor, one standard deviation."""
_SWING = 0.8
"""Cells seldom cross more of their capacity; the table's errors repeat on the way back."""


@dataclass(frozen=True)
class EfficiencyState:
    """Energies that fade with throughput, per unit of nominal capacity, in V; 10 bytes a cell.

    Attributes:
        ocv_v: of the racks' mean cell at their last turn, shape (racks,); NaN before the first.
        above_v: each cell's open-circuit voltage above that, shape (cells,).
        lost_discharging, lost_charging: terminal against open circuit, shape (cells,).
        stored_discharging, stored_charging: of the racks' mean cell, shape (racks,).
        moved_discharging, moved_charging: charge behind them, shape (racks,).
        doubt_v2: squared error of the open-circuit voltage by that of SOC, mean over the charge
            moved, shape (racks,).
    """

    ocv_v: Floats
    above_v: npt.NDArray[np.float16]
    lost_discharging: Floats
    lost_charging: Floats
    stored_discharging: Floats
    stored_charging: Floats
    moved_discharging: Floats
    moved_charging: Floats
    doubt_v2: Floats


@dataclass(frozen=True)
class Efficiency:
    """ECE with the half width of its interval of nine in ten; NaN where not known."""

    charge: Floats
    charge_half_width: Floats
    discharge: Floats
    discharge_half_width: Floats


def nothing_moved(cells: int, racks: int) -> EfficiencyState:
    """Return the state before any charge was moved."""
    of_cells, of_racks = np.zeros(cells, np.float32), np.zeros(racks, np.float32)
    return EfficiencyState(
        np.full(racks, np.nan, np.float32),
        np.zeros(cells, np.float16),
        *[of_cells] * 2,
        *[of_racks] * 5,
    )


def moved(
    state: EfficiencyState, rack: Indices, moved_share: Floats, voltage_v: Floats
) -> EfficiencyState:
    """Return the state after one moment.

    Args:
        state: before.
        rack: of each cell.
        moved_share: charge of each rack over the nominal capacity, discharge positive, (racks,).
        voltage_v: at the terminals as last believed, shape (cells,).
    """
    if not moved_share.any():
        return state
    lost = (state.ocv_v[rack] + state.above_v - voltage_v) * moved_share[rack]
    lost = np.where(np.isfinite(lost), lost, 0).astype(np.float32)
    discharging = moved_share[rack] > 0
    return replace(
        state,
        lost_discharging=state.lost_discharging + np.where(discharging, lost, 0),
        lost_charging=state.lost_charging + np.where(discharging, 0, lost),
    )


def look(state: EfficiencyState, meter: Meter, visit: Visit) -> EfficiencyState:
    """Return the state after some racks had their turn: old energies fade, voltages are new."""
    racks, cells = visit.racks, visit.cells
    out, into = meter.discharged[racks], meter.charged[racks]
    fade_out, fade_into = np.exp(-out / _FORGETS), np.exp(-into / _FORGETS)
    mean_v = visit.by_rack.mean(visit.ocv_v)
    doubt_v2 = visit.by_rack.mean((visit.soc_sd * visit.ocv_slope_v) ** 2)
    before_v2 = state.doubt_v2[racks]
    return EfficiencyState(
        ocv_v=put(state.ocv_v, racks, mean_v),
        above_v=put(state.above_v, cells, (visit.ocv_v - mean_v[visit.turn]).astype(np.float16)),
        lost_discharging=_faded(state.lost_discharging, cells, fade_out[visit.turn]),
        lost_charging=_faded(state.lost_charging, cells, fade_into[visit.turn]),
        stored_discharging=put(
            state.stored_discharging,
            racks,
            state.stored_discharging[racks] * fade_out + mean_v * out,
        ),
        stored_charging=put(
            state.stored_charging, racks, state.stored_charging[racks] * fade_into + mean_v * into
        ),
        moved_discharging=put(
            state.moved_discharging, racks, state.moved_discharging[racks] * fade_out + out
        ),
        moved_charging=put(
            state.moved_charging, racks, state.moved_charging[racks] * fade_into + into
        ),
        doubt_v2=put(
            state.doubt_v2, racks, doubt_v2 + (before_v2 - doubt_v2) * fade_out * fade_into
        ),
    )


def of_cells(model: CellModel, state: EfficiencyState, rack: Indices) -> Efficiency:
    """Return the efficiencies of all cells, shape (cells,) each."""
    out = state.moved_discharging[rack] > _FEWEST
    into = state.moved_charging[rack] > _FEWEST
    given = np.where(out, state.stored_discharging[rack], np.nan)
    taken = np.where(into, state.stored_charging[rack], np.nan)
    volts = _error_v(model, state, np.float32(_SENSOR_V))
    return Efficiency(
        charge=(taken / (taken + state.lost_charging)).astype(np.float32),
        charge_half_width=np.where(into, volts[1][rack], np.nan).astype(np.float32),
        discharge=(1 - state.lost_discharging / given).astype(np.float32),
        discharge_half_width=np.where(out, volts[0][rack], np.nan).astype(np.float32),
    )


def of_racks(
    model: CellModel, state: EfficiencyState, visit_count: Indices
) -> tuple[Floats, Floats]:
    """Return the half widths of the racks' efficiencies, discharge and charge, shape (racks,).

    The table's error is the same in all cells of a rack and does not average out over them; the
    voltage sensors' errors are each one's own and do.

    Args:
        model: the make.
        state: of the cells.
        visit_count: cells of each rack.
    """
    return _error_v(model, state, (_SENSOR_V / np.sqrt(visit_count)).astype(np.float32))


def _error_v(
    model: CellModel, state: EfficiencyState, sensor_v: Floats | np.float32
) -> tuple[Floats, Floats]:
    widths = []
    for charge, stored in (
        (state.moved_discharging, state.stored_discharging),
        (state.moved_charging, state.stored_charging),
    ):
        tables = np.maximum(np.minimum(charge, _SWING) / model.noise.ocv_soc_span, 1)
        volts = np.sqrt(model.noise.ocv_v**2 / tables + sensor_v**2 + state.doubt_v2)
        mean_v = stored / np.maximum(charge, np.float32(1e-9))
        widths.append((NORMAL_90 * volts / np.maximum(mean_v, np.float32(1e-3))).astype(np.float32))
    return widths[0], widths[1]


def _faded(values: Floats, cells: Indices, by: Floats) -> Floats:
    return put(values, cells, values[cells] * by)


@dataclass(frozen=True)
class Balance:
    """The station's energies at the meter and in the store, in kWh, fading over three days.

    Attributes:
        out, into: at the meter, auxiliaries included.
        stored: by how much the cells' store has grown.
    """

    out: npt.NDArray[np.float64]
    into: npt.NDArray[np.float64]
    stored: npt.NDArray[np.float64]


_BALANCE_S = 3 * 86_400.0
_BALANCE_LEAST = 0.25
"""So much of the station's energy must have gone in before a figure is told."""


def new_balance() -> Balance:
    """Return a balance of nothing."""
    zero = np.zeros(())
    return Balance(zero, zero, zero)


def balanced(
    balance: Balance,
    samples: Samples,
    power_kw: Floats,
    ocv_kv: Floats,
    parallel: Floats,
) -> Balance:
    """Return the balance after one moment in which the power of every rack was known, or as it was.

    Args:
        balance: before.
        samples: of the moment.
        power_kw: at the meter, shared out to racks, discharge positive; NaN: not known.
        ocv_kv: open-circuit voltage of each rack's string.
        parallel: strings side by side.
    """
    known = np.isfinite(power_kw) & np.isfinite(ocv_kv) & samples.current_good
    if not known.all():
        return balance
    hours = samples.elapsed_s / 3600.0
    energy = float((power_kw * hours).sum())
    drawn = float((samples.moved_a * parallel * ocv_kv * hours).sum())
    keep = float(np.exp(-samples.elapsed_s.max() / _BALANCE_S))
    return Balance(
        out=np.asarray(balance.out * keep + max(energy, 0.0)),
        into=np.asarray(balance.into * keep + max(-energy, 0.0)),
        stored=np.asarray(balance.stored * keep - drawn),
    )


def system_efficiency(balance: Balance, energy_kwh: float) -> float:
    """Return energy out over energy in less what is still in store; NaN while too little moved.

    Args:
        balance: of the station.
        energy_kwh: what the station's cells hold when full.
    """
    used = float(balance.into - balance.stored)
    if balance.into < _BALANCE_LEAST * energy_kwh or used <= 0:
        return float("nan")
    return float(balance.out / used)
