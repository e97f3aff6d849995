"""What is told of a second, by the names of the contract's layouts; NaN where it is not known."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from contract.layouts import ESTIMATE, ESTIMATE_LIMIT, ESTIMATE_STATION, estimate_cells_layout
from station.estimators import capacity, cluster, efficiency, resistance
from station.estimators.anomaly import Anomalies, Finding
from station.estimators.capacity import CapacityState
from station.estimators.cell_model import Floats
from station.estimators.dispatchable import HORIZONS_S, Promise, bound_of_station, of_station
from station.estimators.estimator_state import EstimatorState, known_capacity
from station.estimators.health_limit import HealthCurves, health_current_limit
from station.estimators.samples import Flags
from station.estimators.settings import Settings
from station.estimators.soc import SocEstimate
from station.estimators.soh_features import Series

NO_DATA, SEARCHING, SETTLED, RESUMED, STALE, DOUBTFUL = range(6)
"""Values of the contract's ESTIMATOR_STATE."""
_WORST_FIRST = (STALE, NO_DATA, SEARCHING, DOUBTFUL, RESUMED, SETTLED)
_SILENT_TICKS = 10
_NOT_KNOWN = float("nan")
_HORIZONS = ("15min", "1h", "4h")
_WAYS = ("discharge", "charge")
_RACK_NAMES = tuple(
    column.signal.name for layout in (ESTIMATE, ESTIMATE_LIMIT) for column in layout.columns
)
_STATION_NAMES = tuple(column.signal.name for column in ESTIMATE_STATION.columns)
_CELL_NAMES = tuple(column.signal.name for column in estimate_cells_layout(1).columns)
_MEANS = ("ece_charge", "ece_discharge", "soc_estimate", "soh_estimate", "resistance_ratio")
_WIDTHS = (
    "soc_half_width",
    "soh_half_width",
    "resistance_half_width",
    "ece_charge_half_width",
    "ece_discharge_half_width",
)


@dataclass(frozen=True)
class Estimates:
    """What is made of one second. Keys are signal names of the contract's layouts.

    Attributes:
        cells: arrays of shape (cells,).
        racks: arrays of shape (racks,); cell indices count from 1 in each rack.
        station: numbers.
        findings: anomalies that begin, or become more severe, in this second.
        innovation_mv: root mean square of measured less expected voltages of half a minute.
        doubtful: cells whose voltages do not look like those of their make, shape (cells,).
        charge_ends: numbers of CHARGE_END of the charges that ended in this second, shape
            (cells, 16), NaN where there are none; None where no charge ended.
    """

    cells: Mapping[str, Floats]
    racks: Mapping[str, Floats]
    station: Mapping[str, float]
    innovation_mv: float = _NOT_KNOWN
    findings: tuple[Finding, ...] = ()
    doubtful: Flags | None = None
    charge_ends: Series | None = None


def estimates_of(  # noqa: PLR0917 - what was made of one moment
    settings: Settings,
    state: EstimatorState,
    estimate: SocEstimate,
    promise: Promise,
    anomalies: Anomalies | None,
    charge_ends: Series | None = None,
) -> Estimates:
    """Return what is told of a second after which the state is this."""
    known = known_capacity(settings, state)
    doubtful = estimate.doubtful & ~state.soc.searching
    cells = _of_cells(settings, state, estimate, known)
    racks = _of_racks(settings, state, estimate, cells, doubtful)
    racks |= _of_promise(settings, promise)
    station = _of_station(settings, racks) | _sums(settings, state, promise)
    if settings.health is not None:
        racks |= _of_health(settings.health, settings, cells)
    if anomalies is not None:
        cells["cell_anomaly_score"] = anomalies.score
        racks |= _of_anomalies(anomalies)
        station["anomaly_level"] = float(anomalies.level.max())
    not_told = np.full(settings.racks, np.nan, np.float32)
    nothing = np.full(len(settings.rack), np.nan, np.float32)
    return Estimates(
        MappingProxyType({name: cells.get(name, nothing) for name in _CELL_NAMES}),
        MappingProxyType({name: racks.get(name, not_told) for name in _RACK_NAMES}),
        MappingProxyType({name: station.get(name, _NOT_KNOWN) for name in _STATION_NAMES}),
        1000 * float(np.sqrt(_mean(state.watch.innovation_v2))),
        () if anomalies is None else anomalies.findings,
        doubtful,
        charge_ends,
    )


def _of_health(
    curves: HealthCurves, settings: Settings, cells: Mapping[str, Floats]
) -> dict[str, Floats]:
    left = health_current_limit(
        curves,
        settings.by_rack,
        (cells["cell_soh"], cells["cell_soh_half_width"]),
        (cells["cell_resistance_ratio"], cells["cell_resistance_half_width"]),
    )
    return {
        "charge_health_share": left.charge,
        "charge_health_cell": np.where(left.charge_cell > 0, left.charge_cell, np.nan),
        "discharge_health_share": left.discharge,
        "discharge_health_cell": np.where(left.discharge_cell > 0, left.discharge_cell, np.nan),
    }


def _of_anomalies(anomalies: Anomalies) -> dict[str, Floats]:
    cell = np.where(anomalies.cell >= 0, anomalies.cell + 1, np.nan)
    return {
        "anomaly_score": anomalies.rack_score,
        "anomaly_kind": anomalies.kind.astype(np.float32),
        "anomaly_level": anomalies.level.astype(np.float32),
        "anomaly_cell_index": cell.astype(np.float32),
    }


def _of_cells(
    settings: Settings, state: EstimatorState, estimate: SocEstimate, known: CapacityState
) -> dict[str, Floats]:
    ece = efficiency.of_cells(settings.model, state.efficiency, settings.rack)
    return {
        "cell_soc": estimate.soc,
        "cell_soc_half_width": estimate.half_width,
        "cell_soh": known.soh,
        "cell_soh_half_width": capacity.half_width(known),
        "cell_resistance_ratio": state.resistance.ratio,
        "cell_resistance_half_width": resistance.half_width(state.resistance),
        "cell_ece_charge": ece.charge,
        "cell_ece_discharge": ece.discharge,
        "cell_ece_half_width": np.fmax(ece.charge_half_width, ece.discharge_half_width),
    }


def _of_racks(
    settings: Settings,
    state: EstimatorState,
    estimate: SocEstimate,
    cells: Mapping[str, Floats],
    doubtful: Flags,
) -> dict[str, Floats]:
    by_rack = settings.by_rack
    nominal_ah, soh = np.float32(settings.model.capacity_ah), cells["cell_soh"]
    capacity_ah = nominal_ah * soh
    string = cluster.cluster_soc(by_rack, estimate.soc, estimate.half_width, capacity_ah)
    least_soc = cluster.least(by_rack, estimate.soc)
    most_soc = cluster.largest(by_rack, estimate.soc)
    least_soh = cluster.least(by_rack, soh)
    most_ohm = cluster.largest(by_rack, state.resistance.ratio)
    widths = efficiency.of_racks(settings.model, state.efficiency, by_rack.count)
    ece_charge = by_rack.mean(cells["cell_ece_charge"])
    ece_discharge = by_rack.mean(cells["cell_ece_discharge"])
    searching = by_rack.total(state.soc.searching.astype(np.float32))
    doubted = by_rack.total(doubtful.astype(np.float32))
    return {
        "soc_estimate": string.soc,
        "soc_half_width": string.half_width,
        "soc_cell_min": least_soc.value,
        "soc_cell_min_index": least_soc.cell,
        "soc_cell_max": most_soc.value,
        "soc_cell_max_index": most_soc.cell,
        "soh_estimate": by_rack.mean(soh),
        "soh_half_width": cluster.mean_half_width(by_rack, cells["cell_soh_half_width"]),
        "soh_cell_min": least_soh.value,
        "soh_cell_min_index": least_soh.cell,
        "resistance_ratio": by_rack.mean(state.resistance.ratio),
        "resistance_half_width": cluster.mean_half_width(
            by_rack, cells["cell_resistance_half_width"]
        ),
        "resistance_cell_max": most_ohm.value,
        "resistance_cell_max_index": most_ohm.cell,
        "ece_charge": ece_charge,
        "ece_charge_half_width": np.where(np.isnan(ece_charge), np.nan, widths[1]),
        "ece_discharge": ece_discharge,
        "ece_discharge_half_width": np.where(np.isnan(ece_discharge), np.nan, widths[0]),
        "current_bias_a": by_rack.mean(estimate.bias_c_rate) * nominal_ah * settings.parallel,
        "cells_searching": searching,
        "estimator_state": _state_of(state, searching, doubted),
        "innovation_ratio": np.sqrt(state.watch.innovation_square),
    }


def _state_of(state: EstimatorState, searching: Floats, doubted: Floats) -> Floats:
    watch = state.watch
    known = np.where(watch.resumed, RESUMED, SETTLED)
    known = np.where(doubted > 0, DOUBTFUL, known)
    known = np.where(searching > 0, SEARCHING, known)
    known = np.where(watch.silent > _SILENT_TICKS, STALE, known)
    return np.where(watch.heard, known, NO_DATA).astype(np.float32)


def _of_promise(settings: Settings, promise: Promise) -> dict[str, Floats]:
    told: dict[str, Floats] = {}
    for way, direction in enumerate(_WAYS):
        for number, horizon in enumerate(_HORIZONS):
            power_kw = promise.power_kw[way, number, 1]
            told |= _power_and_energy(direction, horizon, power_kw, HORIZONS_S[number])
        told[f"{direction}_bound_by"] = promise.bound_by[way].astype(np.float32)
        told[f"{direction}_bound_cell"] = cluster.places(promise.bound_cell[way], settings.by_rack)
    told["dispatchable_confidence"] = np.full(settings.racks, settings.confidence, np.float32)
    return told


def _power_and_energy(
    direction: str, horizon: str, power_kw: Floats, horizon_s: float
) -> dict[str, Floats]:
    return {
        f"{direction}_power_{horizon}_kw": power_kw,
        f"{direction}_energy_{horizon}_kwh": power_kw * np.float32(horizon_s / 3600),
    }


def _of_station(settings: Settings, racks: Mapping[str, Floats]) -> dict[str, float]:
    weights = settings.rack_capacity_ah * settings.by_rack.count
    means = {name: cluster.weighted_mean(racks[name], weights) for name in _MEANS}
    widths = {name: cluster.station_half_width(racks[name], weights) for name in _WIDTHS}
    states = racks["estimator_state"]
    worst = next(state for state in _WORST_FIRST if (states == state).any())
    return (
        means
        | widths
        | {
            "estimator_state": float(worst),
            "cells_searching": float(racks["cells_searching"].sum()),
            "innovation_ratio": float(np.sqrt(_mean(racks["innovation_ratio"] ** 2))),
        }
    )


def _sums(settings: Settings, state: EstimatorState, promise: Promise) -> dict[str, float]:
    told: dict[str, float] = {}
    power_kw = of_station(promise)
    reasons = bound_of_station(promise, settings.rack_rated_kw)
    for way, direction in enumerate(_WAYS):
        for number, horizon in enumerate(_HORIZONS):
            kw = float(power_kw[way, number])
            told[f"{direction}_power_{horizon}_kw"] = kw
            told[f"{direction}_energy_{horizon}_kwh"] = kw * HORIZONS_S[number] / 3600
        told[f"{direction}_bound_by"] = float(reasons[way])
    heard = state.watch.heard
    counts = settings.by_rack.count
    volts = float(np.nansum((state.efficiency.ocv_v * counts)[heard]))
    energy_kwh = volts * float(settings.rack_capacity_ah.mean()) / 1000
    return told | {
        "dispatchable_confidence": settings.confidence,
        "system_efficiency": efficiency.system_efficiency(state.balance, energy_kwh),
        "cells_estimated": float(counts[heard].sum()),
    }


def _mean(values: Floats) -> float:
    there = values[np.isfinite(values)]
    return float(there.mean()) if len(there) else _NOT_KNOWN
