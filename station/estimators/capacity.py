"""Capacity of every cell, from the charge it moved between two SOC that its voltage told well.

Where the open-circuit voltage is steep (the ends and the knees) the voltage alone tells SOC. Two
such moments, and the charge counted between them, give the capacity: charge over change of SOC.
Both have errors, so that the variance of the quotient takes in those of both SOC and of the
count (total least squares as in Plett 2011, J. Power Sources 196:2319; here of one pair after
the other, each folded into what is known by its weight, as a Kalman filter does).

An estimate never moves by more than a hundredth at once. Errors that every pair of a cell has in
common (the current sensor's gain, the table's error at the ends) do not average out: the interval
never becomes narrower than they are.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from station.estimators.cell_model import NORMAL_90, OCV_COLUMN, CellModel, Floats
from station.estimators.meter import Meter, clock, hours_between
from station.estimators.samples import Flags, Halves, Indices
from station.estimators.visit import Visit, put

_PRIOR_SD = 0.04
"""Cells as delivered lie so near their type plate, and no BMS is believed to know better."""
_WELL_KNOWN_SD = 0.015
_LEAST_SD = 0.003
"""SOC is referred to a measured capacity that is itself not better known."""
_LARGEST_SHIFT = 0.15
"""Where voltage and filter differ by more, something else is wrong."""
_STEPS = 4
_LARGEST_REST_V = 0.001
"""The voltage is turned into SOC in some steps along the table, which must have arrived."""
_LEAST_SLOPE_V = np.float32(1e-3)
_FAR = 0.3
_LEFT = 0.1
_SENSOR_V = 0.002
_OVERPOTENTIAL_SHARE = 0.05
_HYSTERESIS_SHARE = 0.3
"""How far overpotential and hysteresis of the moment may be off, of themselves."""
GAIN_SD = 0.003
"""Of the current sensor: it is in every pair, and in whatever else is counted with that sensor."""
AGEING_SD_PER_ROOT_HOUR = 0.005 / 720**0.5
"""Half a percent in a month."""
_GATE = 9.0
_LARGEST_STEP = 0.01
_MOST_LEFT = 0.1
"""What a step has left undone widens the interval, up to this."""
_REPEATED = 0.5
"""So much of a pair's standard deviation is in the next pair's error, too."""
_BOUNDS = (0.4, 1.2)


@dataclass(frozen=True)
class Mark:
    """A moment at which SOC was well known, of each cell; sd infinite where there is none.

    Attributes:
        net: the rack's net count then.
        soc, sd: what the voltage told.
        clock: of the rack then.
    """

    net: Floats
    soc: Halves
    sd: Halves
    clock: npt.NDArray[np.uint16]


@dataclass(frozen=True)
class CapacityState:
    """What is known of the capacity of each cell, shape (cells,) each; 24 bytes a cell.

    Attributes:
        lost: of the nominal capacity, a share; negative where there is more than nominal.
        sd: its standard deviation.
        one, other: two moments of well-known SOC, far from one another; the other is the later.
    """

    lost: Halves
    sd: Halves
    one: Mark
    other: Mark

    @property
    def soh(self) -> Floats:
        """Capacity over the nominal one, shape (cells,)."""
        return (1 - self.lost.astype(np.float32)).astype(np.float32)


def no_mark(cells: int) -> Mark:
    """Return marks of cells none of which has one."""
    return Mark(
        net=np.zeros(cells, np.float32),
        soc=np.zeros(cells, np.float16),
        sd=np.full(cells, np.inf, np.float16),
        clock=np.zeros(cells, np.uint16),
    )


def known_capacity(told_soh: Floats) -> CapacityState:
    """Return the state of cells of which an SOH was told; NaN: taken for new."""
    soh = np.where(np.isnan(told_soh), 1, np.clip(told_soh, *_BOUNDS)).astype(np.float32)
    cells = len(soh)
    sd = np.full(cells, _PRIOR_SD, np.float16)
    return CapacityState((1 - soh).astype(np.float16), sd, no_mark(cells), no_mark(cells))


def half_width(state: CapacityState) -> Floats:
    """Return half of the interval that is to hold SOH nine times in ten."""
    return (np.float32(NORMAL_90) * state.sd).astype(np.float32)


def look(
    model: CellModel,
    state: CapacityState,
    meter: Meter,
    visit: Visit,
    resistance: tuple[Floats, Floats],
) -> CapacityState:
    """Return the state after some racks had their turn: marks set, pairs folded in.

    Args:
        model: the make.
        state: before.
        meter: counts of the racks.
        visit: the cells.
        resistance: of them against new, with standard deviations.
    """
    here = _here(model, meter, visit, resistance)
    one, other = _of(state.one, visit.cells), _of(state.other, visit.cells)
    soh, sd = state.soh[visit.cells], state.sd[visit.cells].astype(np.float32)

    back = np.isfinite(other.sd) & (np.abs(visit.soc - other.soc) > _LEFT)
    found, found_sd = _quotient(one, other, visit)
    hours = hours_between(one.clock, other.clock)
    sd = np.where(back, np.sqrt(sd**2 + AGEING_SD_PER_ROOT_HOUR**2 * hours), sd)
    soh, sd = folded(soh, sd, found, found_sd, back)
    one, other = _chosen(back, other, one), _dropped(back, other)

    known = np.isfinite(here.sd)
    has_one = np.isfinite(one.sd)
    far = known & has_one & (np.abs(here.soc - one.soc) >= _FAR)
    aged = one.sd + _count_sd(visit, hours_between(one.clock, here.clock))
    one = _chosen(known & ~far & (~has_one | (here.sd <= aged)), here, one)
    other = _chosen(far & (here.sd <= other.sd), here, other)
    return CapacityState(
        put(state.lost, visit.cells, (1 - soh).astype(np.float16)),
        put(state.sd, visit.cells, sd.astype(np.float16)),
        _put_mark(state.one, visit.cells, one),
        _put_mark(state.other, visit.cells, other),
    )


def doubt(state: CapacityState, meter: Meter, visit: Visit) -> Floats:
    """Return by how much SOC's variance has grown since the turn before, for want of capacity.

    Charge over a capacity that is off by a share is off by that share of the charge moved since
    SOC was last well known. It grows with the distance; coming back makes nothing surer.
    """
    last = np.where(np.isfinite(state.other.sd), state.other.net, state.one.net)[visit.cells]
    now = meter.net[visit.racks].astype(np.float32)[visit.turn]
    step = (meter.discharged - meter.charged)[visit.racks][visit.turn]
    share = state.sd[visit.cells].astype(np.float32) / state.soh[visit.cells]
    grown = share**2 * ((now - last) ** 2 - (now - step - last) ** 2)
    variance: Floats = np.maximum(grown, 0).astype(np.float32)
    return variance


def widened(state: CapacityState, moved_sd: float, away_s: float) -> CapacityState:
    """Return the state after an absence in which charge may have been moved uncounted.

    Args:
        state: before.
        moved_sd: standard deviation of that charge, a share of the capacity.
        away_s: how long it was.
    """
    one = replace(state.one, sd=_wider(state.one.sd, moved_sd))
    other = replace(state.other, sd=_wider(state.other.sd, moved_sd))
    aged = AGEING_SD_PER_ROOT_HOUR * (away_s / 3600) ** 0.5
    return replace(state, one=one, other=other, sd=_wider(state.sd, aged))


def folded(
    soh: Floats, sd: Floats, found: Floats, found_sd: Floats, where: Flags
) -> tuple[Floats, Floats]:
    """Return SOH and its standard deviation after a measurement, where there is one."""
    away = found - soh
    variance = sd**2 + found_sd**2
    gate = np.maximum(away**2 / variance / _GATE, 1)
    weight = sd**2 / (sd**2 + found_sd**2 * gate)
    wanted = weight * away
    step = np.clip(wanted, -_LARGEST_STEP, _LARGEST_STEP)
    least_sd = np.maximum(np.minimum(_REPEATED * found_sd, sd), GAIN_SD)
    left = np.where(step == wanted, 0, np.minimum(np.abs(away - step), _MOST_LEFT))
    left_sd = left / NORMAL_90
    new_sd = np.maximum(np.maximum(np.sqrt(1 - weight) * sd, least_sd), left_sd)
    new = np.clip(soh + step, *_BOUNDS)
    return (
        np.where(where, new, soh).astype(np.float32),
        np.where(where, new_sd, sd).astype(np.float32),
    )


def _here(model: CellModel, meter: Meter, visit: Visit, resistance: tuple[Floats, Floats]) -> Mark:
    """Return what the voltages of this moment tell of SOC, where they tell it well."""
    ratio, ratio_sd = resistance
    load_v = visit.overpotential_v
    open_v = visit.ocv_v + visit.ocv_error_v + visit.innovation_v
    open_v = open_v + load_v * (ratio - 1 - visit.resistance_error)
    shift: Floats = np.zeros_like(visit.soc)
    slope, rest = np.maximum(visit.ocv_slope_v, _LEAST_SLOPE_V), open_v - visit.ocv_v
    for _ in range(_STEPS):
        shift = np.clip(shift + rest / slope, -_LARGEST_SHIFT, _LARGEST_SHIFT).astype(np.float32)
        values, slopes = model.look_up(visit.soc + shift, visit.temperature_c)
        slope = np.maximum(slopes[OCV_COLUMN], _LEAST_SLOPE_V)
        rest = open_v - values[OCV_COLUMN]
    volts2 = (
        model.noise.ocv_v**2
        + _SENSOR_V**2
        + ((_OVERPOTENTIAL_SHARE + ratio_sd) * load_v) ** 2
        + (_HYSTERESIS_SHARE * visit.hysteresis_v) ** 2
    )
    sd = np.sqrt(volts2) / slope + _LEAST_SD
    known = (sd < _WELL_KNOWN_SD) & (np.abs(shift) < _LARGEST_SHIFT)
    known &= np.abs(rest) < _LARGEST_REST_V
    known &= ~visit.searching & (visit.innovation_v != 0)
    return Mark(
        net=meter.net[visit.racks].astype(np.float32)[visit.turn],
        soc=(visit.soc + shift).astype(np.float16),
        sd=np.where(known, sd, np.inf).astype(np.float16),
        clock=clock(meter)[visit.racks][visit.turn],
    )


def _quotient(one: Mark, other: Mark, visit: Visit) -> tuple[Floats, Floats]:
    """Return SOH by two marks, and its standard deviation; 1 where there are none."""
    there = np.isfinite(one.sd) & np.isfinite(other.sd)
    change = other.soc.astype(np.float32) - one.soc
    change = np.where(there, change, 1)
    hours = hours_between(one.clock, other.clock)
    moved = visit.bias_c_rate * hours - (other.net - one.net)
    soh = moved / change
    ends = np.where(there, one.sd.astype(np.float32) ** 2 + other.sd.astype(np.float32) ** 2, 1)
    variance = (soh**2 * ends + _count_sd(visit, hours) ** 2) / change**2 + GAIN_SD**2
    return (
        np.where(there, soh, 1).astype(np.float32),
        np.where(there, np.sqrt(variance), 1).astype(np.float32),
    )


def _count_sd(visit: Visit, hours: Floats) -> Floats:
    """Return how far counted charge may be off after some hours, by the offset of the sensor."""
    return (np.sqrt(visit.bias_variance) * hours).astype(np.float32)


def _of(mark: Mark, cells: Indices) -> Mark:
    return Mark(mark.net[cells], mark.soc[cells], mark.sd[cells], mark.clock[cells])


def _chosen(where: Flags, this: Mark, that: Mark) -> Mark:
    return Mark(
        np.where(where, this.net, that.net),
        np.where(where, this.soc, that.soc),
        np.where(where, this.sd, that.sd),
        np.where(where, this.clock, that.clock),
    )


def _dropped(where: Flags, mark: Mark) -> Mark:
    return replace(mark, sd=np.where(where, np.float16(np.inf), mark.sd))


def _put_mark(mark: Mark, cells: Indices, new: Mark) -> Mark:
    return Mark(
        put(mark.net, cells, new.net),
        put(mark.soc, cells, new.soc),
        put(mark.sd, cells, new.sd),
        put(mark.clock, cells, new.clock),
    )


def _wider(sd: Halves, by: float) -> Halves:
    return np.hypot(sd.astype(np.float32), np.float32(by)).astype(np.float16)
