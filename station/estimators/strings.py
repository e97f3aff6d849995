"""Strings of cells in one direction: which constant power they hold for how long.

A string holds while each of its cells does. For every cell, SOC and capacity at the worst that
the confidence asks for bound the charge it can move; the voltage at the end, with the resistance
at its worst, must stay inside the cell's cut-offs. Energy at the terminals is the integral of the
open-circuit voltage over the charge, less (discharging) or plus (charging) what the overpotential
takes; power is energy over time. At constant power the current is largest where the voltage is
lowest: at the end of a discharge, at the start of a charge; the limits of current count there.
"""

from dataclasses import dataclass, replace

import numpy as np

from station.estimators import margins
from station.estimators.cell_limits import CellLimits
from station.estimators.cell_model import (
    FIRST_TERM_COLUMN,
    HYSTERESIS_COLUMN,
    OCV_COLUMN,
    CellModel,
    Floats,
)
from station.estimators.samples import Flags, Indices
from station.estimators.visit import Visit, only

_HOUR_S = 3600.0
_HALVINGS = 10
_AT_THE_END = 1.1
"""At constant power into the knee of an empty cell the last current is so many times the mean."""
_NEARLY = 0.85
"""A cell whose voltage binds after it moved so much of what it may is nearly empty (or full)."""
_LEAST_V = np.float32(0.1)
_VOLTAGE_SENSOR_V = 0.003
NOTHING, EMPTY, FULL, VOLTAGE, BMS, TEMPERATURE, CONVERTER, BAND, PROTECTION, AWAY = range(10)
"""Values of the contract's ENERGY_BOUND."""


@dataclass(frozen=True)
class Ageing:
    """Capacity and resistance of cells against new, with standard deviations, shape (n,) each."""

    soh: Floats
    soh_sd: Floats
    resistance: Floats
    resistance_sd: Floats

    def only(self, cells: Flags) -> "Ageing":
        """Return that of some of the cells."""
        return Ageing(
            self.soh[cells],
            self.soh_sd[cells],
            self.resistance[cells],
            self.resistance_sd[cells],
        )


@dataclass(frozen=True)
class Bounds:
    """What a string's cells must not leave: their own limits, and the station's band of SOC."""

    limits: CellLimits
    soc_min: float
    soc_max: float


@dataclass(frozen=True)
class Question:
    """What is asked of the strings.

    Attributes:
        charge: or else discharge.
        confidence: that the answer holds, 0.5 or more and below 1.
        bms_a: the BMS's limit of current, of one cell, positive, shape (turns,); NaN: none known.
    """

    charge: bool
    confidence: float
    bms_a: Floats


@dataclass(frozen=True)
class Answer:
    """What the strings of the turns hold; shape (turns,) each.

    Attributes:
        power_w: of one string, positive.
        current_v: the string's voltage where its current is largest.
        bound_by: which of the reasons above.
        cell: which of the visit's cells bounds.
    """

    power_w: Floats
    current_v: Floats
    bound_by: Indices
    cell: Indices


@dataclass(frozen=True)
class String:
    """The strings of a visit, with what does not depend on the horizon.

    Attributes:
        sign: of the current, 1 for discharge.
        capacity_ah: of each cell, shape (n,).
        weakest: standard deviations by which each cell is discounted, shape (n,).
        worst_resistance: against new, shape (n,).
        sensor_v: discount of a voltage.
        z: standard deviations by which what all cells share is discounted.
        room: what each cell can move as expected, a share of its capacity.
        low_soc: SOC lower by what all cells of a string share, for the lowest voltages; 0..1.
        before_v: what the store holds at that.
    """

    model: CellModel
    visit: Visit
    ageing: Ageing
    bounds: Bounds
    question: Question
    sign: np.float32
    capacity_ah: Floats
    weakest: Floats
    worst_resistance: Floats
    sensor_v: np.float32
    z: np.float32
    room: Floats
    low_soc: Floats
    before_v: Floats


def string(
    model: CellModel, visit: Visit, ageing: Ageing, bounds: Bounds, question: Question
) -> String:
    """Return the strings of a visit, ready to be asked for one horizon after the other."""
    cells = int(visit.by_rack.count.max())
    alone = float(margins.of_weakest(np.zeros(1, np.float32), cells, question.confidence)[0])
    z = np.float32(margins.standard_deviations(question.confidence))
    shift = z * np.sqrt(visit.shared) * visit.soc_sd
    low_soc = np.clip(visit.soc - shift, 0, 1).astype(np.float32)
    return String(
        model=model,
        visit=visit,
        ageing=ageing,
        bounds=bounds,
        question=question,
        sign=np.float32(-1 if question.charge else 1),
        capacity_ah=np.float32(model.capacity_ah) * ageing.soh,
        weakest=margins.of_weakest(visit.shared, cells, question.confidence),
        worst_resistance=ageing.resistance * (1 + np.float32(alone) * ageing.resistance_sd),
        sensor_v=np.float32(alone * np.hypot(_VOLTAGE_SENSOR_V, model.noise.ocv_v)),
        z=z,
        room=np.clip(1 - visit.soc if question.charge else visit.soc, 0, 1),
        low_soc=low_soc,
        before_v=_stored_v(model, visit, low_soc),
    )


def highest(strings: String, horizon_s: float) -> Answer:
    """Return the highest power that the strings hold for the horizon, and what bounds it."""
    hours = np.float32(horizon_s / _HOUR_S)
    limit_a, limited_by, hot = _of_current(strings)
    of_charge_a = _movable(strings) * strings.capacity_ah / hours
    place = strings.visit.by_rack.place_of_least(of_charge_a)
    band_a, weakest = _of_band(strings, hours, strings.z)
    tops = np.stack([of_charge_a[place], limit_a, band_a])
    which = np.argmin(tops, axis=0)
    turn = np.arange(len(limit_a))
    empty = np.full(len(turn), FULL if strings.question.charge else EMPTY)
    bound_by = np.stack([empty, limited_by, np.full(len(turn), BAND)])[which, turn]
    cell = np.stack([place, hot, weakest])[which, turn]

    most_a = tops.min(axis=0)
    spare = _spare(strings, most_a, horizon_s)
    fails = strings.visit.by_rack.least(spare) < 0
    if fails.any():
        failing = strings.visit.by_rack.place_of_least(spare)
        most_a = _halved(strings, most_a, horizon_s, spare < 0)
        nearly = most_a >= np.float32(_NEARLY) * of_charge_a[failing]
        bound_by = np.where(fails, np.where(nearly, empty, VOLTAGE), bound_by)
        cell = np.where(fails, failing, cell)
    power_w = _power_w(strings, most_a, horizon_s)
    lowest_v = _lowest_v(strings, limit_a, horizon_s)
    over = power_w > limit_a * lowest_v
    return Answer(
        power_w=np.minimum(power_w, limit_a * lowest_v).astype(np.float32),
        current_v=lowest_v,
        bound_by=np.where(over, limited_by, bound_by),
        cell=np.where(over, hot, cell),
    )


def _movable(strings: String) -> Floats:
    """Return what each cell can move at its worst, a share of its capacity.

    Moved by x, what is left is the room less x; its variance is that of SOC and, by x squared,
    that of the capacity. The x at which the rest equals so many standard deviations solves a
    quadratic equation.
    """
    ageing = strings.ageing
    margin2 = (strings.weakest * strings.visit.soc_sd) ** 2
    by_capacity2 = (strings.weakest * ageing.soh_sd / ageing.soh) ** 2
    left = np.maximum(strings.room**2 - margin2, 0)
    root = np.sqrt(margin2 + by_capacity2 * left)
    return (left / np.maximum(strings.room + root, np.float32(1e-9))).astype(np.float32)


def _of_current(strings: String) -> tuple[Floats, Indices, Indices]:
    """Return the limit of current of each string, its reason, and the cell it comes from."""
    limits, visit, charge = strings.bounds.limits, strings.visit, strings.question.charge
    share = limits.share(visit.temperature_c, charge=charge)
    rate = limits.charge_c_rate if charge else limits.discharge_c_rate
    hot = visit.by_rack.place_of_least(share)
    of_heat_a = share[hot] * np.float32(rate * strings.model.capacity_ah)
    bms_a = strings.question.bms_a
    by_bms = bms_a < of_heat_a
    reason = np.where(~by_bms & (share[hot] < 1), TEMPERATURE, BMS)
    return np.where(by_bms, bms_a, of_heat_a).astype(np.float32), reason, hot


def _of_band(strings: String, hours: np.float32, z: np.float32) -> tuple[Floats, Indices]:
    """Return the current at which the string's SOC, worse by z deviations, ends at the band's end.

    SOC of a string: what its weakest cell can give, over that and what its fullest can take.
    """
    by_rack = strings.visit.by_rack
    ours = strings.room * strings.capacity_ah
    weakest = by_rack.place_of_least(ours)
    others = by_rack.least((1 - strings.room) * strings.capacity_ah)
    bounds = strings.bounds
    kept = np.float32(1 - bounds.soc_max if strings.question.charge else bounds.soc_min)
    margin = z * strings.visit.soc_sd[weakest] * strings.capacity_ah[weakest]
    movable_ah = ours[weakest] * (1 - kept) - kept * others - margin
    return (np.maximum(movable_ah, 0) / hours).astype(np.float32), weakest


def _spare(strings: String, mean_a: Floats, horizon_s: float) -> Floats:
    """Return how far each cell's voltage at its worst stays inside its cut-off, in V, (n,)."""
    limits, charge = strings.bounds.limits, strings.question.charge
    last_a = mean_a if charge else mean_a * np.float32(_AT_THE_END)
    worst = (strings.weakest, strings.worst_resistance)
    volts = _loaded(strings, mean_a, horizon_s, worst, last_a)
    spare = limits.voltage_max_v - volts if charge else volts - limits.voltage_min_v
    return (spare - strings.sensor_v).astype(np.float32)


def _halved(strings: String, most_a: Floats, horizon_s: float, failing: Flags) -> Floats:
    """Return the highest mean currents at which no cell fails, of those that fail at most_a."""
    part, turns = _only(strings, failing)
    low: Floats = np.zeros(len(turns), np.float32)
    high: Floats = most_a[turns]
    for _ in range(_HALVINGS):
        middle: Floats = (low + high) / np.float32(2)
        bad = part.visit.by_rack.least(_spare(part, middle, horizon_s)) < 0
        low, high = np.where(bad, low, middle), np.where(bad, middle, high)
    found = most_a.copy()
    found[turns] = low
    return found


def _only(strings: String, wanted: Flags) -> tuple[String, Indices]:
    """Return strings of some of the cells, and of which turns they are."""
    visit, turns = only(strings.visit, wanted)
    return replace(
        strings,
        visit=visit,
        ageing=strings.ageing.only(wanted),
        question=replace(strings.question, bms_a=strings.question.bms_a[turns]),
        capacity_ah=strings.capacity_ah[wanted],
        weakest=strings.weakest[wanted],
        worst_resistance=strings.worst_resistance[wanted],
        room=strings.room[wanted],
        low_soc=strings.low_soc[wanted],
        before_v=strings.before_v[wanted],
    ), turns


def _power_w(strings: String, mean_a: Floats, horizon_s: float) -> Floats:
    """Return the constant power of a mean current, with voltages at their lowest.

    Own errors of the cells average out in their sum; what they share counts.
    """
    visit, ageing = strings.visit, strings.ageing
    hours = np.float32(horizon_s / _HOUR_S)
    moved = (mean_a * hours)[visit.turn] / strings.capacity_ah
    after_v = _stored_v(strings.model, visit, strings.low_soc - strings.sign * moved)
    stored_wh = strings.sign * (strings.before_v - after_v) * strings.capacity_ah
    drive = _drive(strings, mean_a)
    if strings.question.charge:
        lag = (strings.model.lag_s / np.float32(horizon_s))[:, None]
        drive = drive * (1 - lag * -np.expm1(-1 / np.maximum(lag, np.float32(1e-6))))
    drop_v = np.einsum("tc,tc->c", visit.resistance_ohm, drive[:, visit.turn])
    drop_v *= ageing.resistance * (1 + strings.sign * strings.z * ageing.resistance_sd)
    low_v = strings.sign * np.maximum(strings.sign * drop_v, 0)
    if not strings.question.charge:
        low_v = low_v + visit.hysteresis_v
    wh = stored_wh - low_v * (mean_a * hours)[visit.turn]
    return (visit.by_rack.total(np.maximum(wh, 0)) / hours).astype(np.float32)


def _stored_v(model: CellModel, visit: Visit, soc: Floats) -> Floats:
    stored, _ = model.store.look_up(soc, visit.temperature_c)
    stored_v: Floats = stored[OCV_COLUMN]
    return stored_v


def _lowest_v(strings: String, limit_a: Floats, horizon_s: float) -> Floats:
    """Return a voltage below which the strings do not come while their current is limited.

    Charging it is the open-circuit voltage of now; discharging that at the end of the band, or
    after all the charge that the limit lets go.
    """
    visit = strings.visit
    if strings.question.charge:
        values, _ = strings.model.look_up(strings.low_soc, visit.temperature_c)
        of_cells = values[OCV_COLUMN] - values[HYSTERESIS_COLUMN] * visit.hysteresis
    else:
        band_a, _ = _of_band(strings, np.float32(horizon_s / _HOUR_S), np.float32(0))
        mean_a = np.minimum(limit_a, band_a).astype(np.float32)
        last_a = np.minimum(limit_a, mean_a * np.float32(_AT_THE_END)).astype(np.float32)
        shared = strings.z * np.sqrt(visit.shared)
        of_cells = _loaded(strings, mean_a, horizon_s, (shared, strings.ageing.resistance), last_a)
    return visit.by_rack.total(np.maximum(of_cells, _LEAST_V)).astype(np.float32)


def _drive(strings: String, current_a: Floats) -> Floats:
    """Return what drives each term at a current that lasts, shape (terms, turns)."""
    model = strings.model
    kinetic = np.arcsinh(current_a / model.kinetic_a) * model.kinetic_a
    drive = np.where(model.kinetic[:, None], kinetic, current_a)
    return (strings.sign * drive).astype(np.float32)


def _loaded(
    strings: String,
    mean_a: Floats,
    horizon_s: float,
    worst: tuple[Floats, Floats],
    last_a: Floats,
) -> Floats:
    """Return each cell's voltage at the horizon's end.

    Args:
        strings: of the visit.
        mean_a: over the horizon, positive, shape (turns,).
        horizon_s: until when.
        worst: standard deviations by which SOC is worse than expected, and resistance against
            new, shape (n,) each.
        last_a: the current at the end, shape (turns,).
    """
    model, visit, ageing = strings.model, strings.visit, strings.ageing
    margin, resistance = worst
    moved = (mean_a * np.float32(horizon_s / _HOUR_S))[visit.turn] / strings.capacity_ah
    worse = margin * np.hypot(visit.soc_sd, moved * ageing.soh_sd / ageing.soh)
    soc = visit.soc - strings.sign * (moved + worse)
    values, _ = model.look_up(soc.astype(np.float32), visit.temperature_c)
    keep = np.exp(-moved * np.float32(model.hysteresis_rate))
    hysteresis = keep * visit.hysteresis + (1 - keep) * strings.sign
    lag_s = np.maximum(model.lag_s, np.float32(1e-6))[:, None]
    fade = np.exp(-np.float32(horizon_s) / lag_s)
    lagged = fade * visit.lagged_a + (1 - fade) * _drive(strings, last_a)
    ohm = np.maximum(values[FIRST_TERM_COLUMN:], visit.resistance_ohm)
    drop_v = np.einsum("tc,tc->c", ohm, lagged[:, visit.turn].astype(np.float32)) * resistance
    open_v = values[OCV_COLUMN] - values[HYSTERESIS_COLUMN] * hysteresis + visit.ocv_error_v
    volts: Floats = (open_v - drop_v).astype(np.float32)
    return volts
