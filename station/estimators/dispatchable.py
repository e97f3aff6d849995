"""What racks and the station can be promised to give or take for a whole horizon, and why no more.

Promised is a constant power that is held from now to the end of the horizon with the stated
probability; energy is that power times the horizon. Racks take turns to be computed from their
cells (strings.py); limits that can change in a second (the BMS's currents, the converter, a rack
that drops out) are applied to the result each second.
"""

from dataclasses import dataclass

import numpy as np

from station.estimators import margins
from station.estimators.cell_model import CellModel, Floats
from station.estimators.samples import Flags, Indices
from station.estimators.strings import (
    AWAY,
    BMS,
    CONVERTER,
    NOTHING,
    PROTECTION,
    Ageing,
    Bounds,
    Question,
    highest,
    string,
)
from station.estimators.visit import Visit

HORIZONS_S = (900.0, 3600.0, 14_400.0)
_TOLD = 1
"""What bounds is told of the horizon of one hour."""
_MEDIAN = 0.5
_BETWEEN_RACKS = 0.5
"""Correlation of the racks' errors: one table, but each rack its own current sensor."""


@dataclass(frozen=True)
class Held:
    """What racks' cells can hold, until the rack's next turn.

    Attributes:
        power_w: of one string, positive, shape (2, 3, 2, racks): discharge and charge; horizons;
            at even odds and at the stated confidence.
        current_v: the string's voltage where its current is largest, of the same shape.
        bound_by: of the stated confidence, shape (2, 3, racks).
        bound_cell: place among all cells, of the same shape.
    """

    power_w: Floats
    current_v: Floats
    bound_by: Indices
    bound_cell: Indices


@dataclass(frozen=True)
class Limits:
    """What can change each second; shape (racks,) each, NaN where not known.

    Attributes:
        discharge_a, charge_a: limits of the BMS, of one cell, positive.
        rated_kw: each rack's share of the converter.
        parallel: strings side by side.
        available: whether the rack can be dispatched.
        guarded: whether the limit of current is protection's and not the BMS's, discharge and
            charge, shape (2, racks).
    """

    discharge_a: Floats
    charge_a: Floats
    rated_kw: Floats
    parallel: Floats
    available: Flags
    guarded: Flags


@dataclass(frozen=True)
class Promise:
    """What racks can be relied on for; all power positive.

    Attributes:
        power_kw: shape (2, 3, 2, racks), see Held.
        bound_by: shape (2, racks).
        bound_cell: place among all cells, -1 where no cell bounds, shape (2, racks).
    """

    power_kw: Floats
    bound_by: Indices
    bound_cell: Indices


def nothing_held(racks: int) -> Held:
    """Return what is held before the first turn: nothing."""
    return Held(
        power_w=np.zeros((2, 3, 2, racks), np.float32),
        current_v=np.zeros((2, 3, 2, racks), np.float32),
        bound_by=np.zeros((2, 3, racks), np.intp),
        bound_cell=np.zeros((2, 3, racks), np.intp),
    )


def look(
    model: CellModel,
    held: Held,
    visit: Visit,
    ageing: Ageing,
    asked: tuple[Bounds, Limits, float],
) -> Held:
    """Return what is held after some racks had their turn.

    Args:
        model: the make.
        held: before.
        visit: the cells.
        ageing: of the same cells.
        asked: bounds of the station, limits of all racks, and the confidence, from 0.5 to 1.
    """
    bounds, limits, confidence = asked
    after = Held(
        held.power_w.copy(), held.current_v.copy(), held.bound_by.copy(), held.bound_cell.copy()
    )
    racks = visit.racks
    for odds, chance in enumerate((_MEDIAN, confidence)):
        for way, bms_a in enumerate((limits.discharge_a, limits.charge_a)):
            question = Question(charge=way == 1, confidence=chance, bms_a=bms_a[racks])
            strings = string(model, visit, ageing, bounds, question)
            most_w = np.full(len(racks), np.inf, np.float32)
            for number, horizon_s in enumerate(HORIZONS_S):
                answer = highest(strings, horizon_s)
                most_w = np.minimum(most_w, answer.power_w)
                after.power_w[way, number, odds, racks] = most_w
                after.current_v[way, number, odds, racks] = answer.current_v
                after.bound_by[way, number, racks] = answer.bound_by
                after.bound_cell[way, number, racks] = visit.cells[answer.cell]
    return after


def promised(held: Held, limits: Limits) -> Promise:
    """Return what racks can be relied on for at this moment, and what bounds it."""
    power_kw = held.power_w / 1000 * limits.parallel
    bms_a = np.stack([limits.discharge_a, limits.charge_a])[:, None, None, :]
    bms_kw = bms_a * held.current_v / 1000 * limits.parallel
    by_bms = bms_kw < power_kw
    power_kw = np.where(by_bms, bms_kw, power_kw)
    by_converter = power_kw >= limits.rated_kw
    power_kw = np.where(by_converter, limits.rated_kw, power_kw)
    power_kw = np.where(limits.available, power_kw, 0)
    power_kw = np.minimum.accumulate(power_kw, axis=1).astype(np.float32)

    bound_by = held.bound_by[:, _TOLD].copy()
    bound_by = np.where(by_bms[:, _TOLD, 1], BMS, bound_by)
    bound_by = np.where((bound_by == BMS) & limits.guarded, PROTECTION, bound_by)
    bound_by = np.where(by_converter[:, _TOLD, 1], CONVERTER, bound_by)
    bound_by = np.where(limits.available, bound_by, AWAY)
    of_cell = ~np.isin(bound_by, (NOTHING, BMS, CONVERTER, PROTECTION, AWAY))
    return Promise(
        power_kw.astype(np.float32), bound_by, np.where(of_cell, held.bound_cell[:, _TOLD], -1)
    )


def of_station(promise: Promise) -> Floats:
    """Return the station's power in kW at the stated confidence, shape (2, 3).

    Racks fall short of what is expected of them partly together and partly not: the sum's margin
    is smaller than the sum of the racks' margins. A longer horizon is never told more power.
    """
    expected, sure = promise.power_kw[:, :, 0], promise.power_kw[:, :, 1]
    short = np.maximum(expected - sure, 0)
    power_kw = np.array(
        [
            [
                expected[way, number].sum()
                - margins.sum_of_parts(short[way, number], _BETWEEN_RACKS)
                for number in range(len(HORIZONS_S))
            ]
            for way in range(2)
        ]
    )
    return np.minimum.accumulate(np.maximum(power_kw, 0), axis=1).astype(np.float32)


def bound_of_station(promise: Promise, rated_kw: Floats) -> Indices:
    """Return the reason that bounds most of the station's rated power, shape (2,)."""
    return np.array([np.bincount(way, weights=rated_kw).argmax() for way in promise.bound_by])
