"""What the estimators of the pages' station would say: one rack has an aged, warm, drifting cell.

One rack's cells are still searched for, so that every state of a page has its place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ODD_RACK, ODD_CELL = "C1-R07", 144
SEARCHING_RACK = "C2-R04"
RACKS_WITH_PAST = (ODD_RACK, SEARCHING_RACK)
"""Racks whose estimates are kept over a longer range: enough for what pages show of it."""
VERSION, SHADOW_VERSION = 3, 4
BMS_ERROR = 0.021
"""By how much the odd rack's BMS tells more SOC than there is."""
_SETTLED, _SEARCHING = 2.0, 1.0
_EMPTY_CELL, _FULL_CELL, _CONVERTER = 1.0, 2.0, 6.0
_SHORT, _WARNING = 4.0, 2.0
_RACK_KWH, _RACK_KW = 372.7, 172.5
_HOURS = {"15min": 0.25, "1h": 1.0, "4h": 4.0}


@dataclass(frozen=True)
class _Cells:
    """Of every cell of a rack, shape (cells,); SOC as the distance from the rack's mean."""

    spread: Array
    soh: Array
    ratio: Array
    score: Array
    half: Array


@cache
def _cells(rack: str, number: int, cells: int) -> _Cells:
    draw = np.random.default_rng(1000 + number)
    spread = draw.normal(0, 0.004, cells)
    soh = 0.956 + 0.002 * np.cos(number) + draw.normal(0, 0.003, cells)
    ratio = 1.08 + draw.normal(0, 0.012, cells)
    score = np.abs(draw.normal(0.05, 0.02, cells))
    if rack == ODD_RACK:
        spread[ODD_CELL] -= 0.031
        soh[ODD_CELL] -= 0.034
        ratio[ODD_CELL] += 0.21
        score[ODD_CELL] = 0.93
    usual = 0.14 if rack == SEARCHING_RACK else 0.011
    half = np.full(cells, usual) + np.abs(draw.normal(0, 0.001, cells))
    return _Cells(spread, soh, ratio, score, half)


def of_rack(rack: str, number: int, cells: int, soc: Array) -> Mapping[str, Array]:
    """The estimate of a rack, one row for each value of `soc`, shape (rows,)."""
    own = _cells(rack, number, cells)
    odd, searching = rack == ODD_RACK, rack == SEARCHING_RACK
    true = soc - (BMS_ERROR if odd else 0.0)
    rows = np.ones(len(soc))
    return {
        **_common(true, own.half.mean(), _SEARCHING if searching else _SETTLED),
        **_dispatchable(true, _RACK_KWH, _RACK_KW),
        "soc_cell_max": np.clip(true + own.spread.max(), 0, 1),
        "soc_cell_min": np.clip(true + own.spread.min(), 0, 1),
        "soc_cell_max_index": rows * (own.spread.argmax() + 1),
        "soc_cell_min_index": rows * (own.spread.argmin() + 1),
        "soh_estimate": rows * own.soh.mean(),
        "soh_cell_min": rows * own.soh.min(),
        "soh_cell_min_index": rows * (own.soh.argmin() + 1),
        "resistance_ratio": rows * own.ratio.mean(),
        "resistance_cell_max": rows * own.ratio.max(),
        "resistance_cell_max_index": rows * (own.ratio.argmax() + 1),
        "current_bias_a": rows * (0.4 if odd else -0.1),
        "cells_searching": rows * (37 if searching else 0),
        "discharge_bound_cell": rows * (own.spread.argmin() + 1),
        "charge_bound_cell": rows * (own.spread.argmax() + 1),
        "anomaly_score": rows * own.score.max(),
        "anomaly_level": rows * (_WARNING if odd else 0),
        "anomaly_kind": rows * (_SHORT if odd else 0),
        "anomaly_cell_index": rows * (ODD_CELL + 1 if odd else np.nan),
    }


def of_limit(rack: str, soc: Array) -> Mapping[str, Array]:
    """What the health of a rack's cells leaves of the current; that of the odd cell leaves less."""
    rows = np.ones(len(soc))
    odd = rack == ODD_RACK
    return {
        "charge_health_share": rows * (0.82 if odd else 1.0),
        "charge_health_cell": rows * (ODD_CELL + 1 if odd else np.nan),
        "discharge_health_share": rows,
        "discharge_health_cell": rows * np.nan,
    }


def of_cells(
    rack: str, number: int, cells: int, power_kw: Array, soc: Array
) -> Mapping[str, Array]:
    """The estimate of every cell, shape (rows, cells); ECE only of what flows at the moment."""
    own = _cells(rack, number, cells)
    true = soc - (BMS_ERROR if rack == ODD_RACK else 0.0)
    of_all = np.ones((len(soc), cells))
    return {
        "cell_soc": np.clip(true[:, None] + own.spread, 0, 1),
        "cell_soc_half_width": own.half * of_all,
        "cell_soh": own.soh * of_all,
        "cell_soh_half_width": 0.008 * of_all,
        "cell_resistance_ratio": own.ratio * of_all,
        "cell_resistance_half_width": 0.03 * of_all,
        "cell_ece_charge": 0.967 * of_all,
        "cell_ece_discharge": np.where(power_kw > 1, 0.962, np.nan)[:, None] * of_all,
        "cell_ece_half_width": 0.006 * of_all,
        "cell_anomaly_score": own.score * of_all,
    }


def of_station(soc: Array, rated_kw: float, capacity_kwh: float) -> Mapping[str, Array]:
    """The estimate of the whole station, one row for each value of `soc`, shape (rows,)."""
    rows = np.ones(len(soc))
    return {
        **_common(soc - BMS_ERROR / 20, 0.009, _SETTLED),
        **_dispatchable(soc, capacity_kwh, rated_kw),
        "soh_estimate": rows * 0.956,
        "resistance_ratio": rows * 1.08,
        "anomaly_level": rows * _WARNING,
        "system_efficiency": rows * 0.884,
        "cells_estimated": rows * 8320,
        "estimator_core_share": rows * 0.061,
        "model_version": rows * VERSION,
        "shadow_version": rows * SHADOW_VERSION,
        "model_state": rows,
        "shadow_innovation_ratio": rows * 0.97,
    }


def _common(soc: Array, half_width: float, state: float) -> dict[str, Array]:
    rows = np.ones(len(soc))
    return {
        "soc_estimate": soc,
        "soc_half_width": rows * half_width,
        "soh_half_width": rows * 0.006,
        "resistance_half_width": rows * 0.02,
        "ece_charge": rows * 0.967,
        "ece_charge_half_width": rows * 0.004,
        "ece_discharge": rows * 0.962,
        "ece_discharge_half_width": rows * 0.005,
        "estimator_state": rows * state,
        "innovation_ratio": rows * 1.02,
    }


def _dispatchable(soc: Array, capacity_kwh: float, rated_kw: float) -> dict[str, Array]:
    told = {}
    for way, room in (("discharge", soc - 0.06), ("charge", 0.94 - soc)):
        held = np.maximum(room, 0) * capacity_kwh
        for name, hours in _HOURS.items():
            told[f"{way}_energy_{name}_kwh"] = np.minimum(held, rated_kw * hours)
            told[f"{way}_power_{name}_kw"] = np.minimum(held / hours, rated_kw)
        bound = _EMPTY_CELL if way == "discharge" else _FULL_CELL
        told[f"{way}_bound_by"] = np.where(held < 4 * rated_kw, bound, _CONVERTER)
    told["dispatchable_confidence"] = np.full(len(soc), 0.9)
    return told
