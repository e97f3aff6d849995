"""SOH of the cells of a station: what their charges tell, beside what counted charge tells.

Two witnesses of a cell's capacity are fused by their variances (two measurements of one quantity:
Bar-Shalom, Li, Kirubarajan, Estimation with Applications to Tracking and Navigation, 2001,
ch. 3.4). What is taken to be independent, and what not:

- The model of the ends of charges errs on a cell by nearly the same all its life. Its words of
  different charges are one witness: only the newest counts, and it is never folded in twice.
- Counted charge (capacity.py) does not know the model, nor the model it: their errors are
  independent, but for the gain of the current sensor that both read. That part of the variance
  is in both and does not average out.
- A word ages as a counted capacity does. Where the two differ by more than three standard
  deviations, the interval widens towards holding both: then one of them is wrong.
"""

from dataclasses import dataclass, replace

import numpy as np

from station.estimators.capacity import AGEING_SD_PER_ROOT_HOUR, GAIN_SD, CapacityState
from station.estimators.cell_model import NORMAL_90, Floats
from station.estimators.charge_ends import ChargeEndRule
from station.estimators.meter import Meter
from station.estimators.samples import Flags, Halves, Indices
from station.estimators.soh import SohModel, interval

_GATE = 9.0
_LEAST_VARIANCE = np.float32(1e-8)
_BOUNDS = (0.4, 1.2)
_HOUR_S = 3600.0


@dataclass(frozen=True)
class ChargeHealth:
    """The SOH model of a make of cell, and what the end of its charge is."""

    model: SohModel
    rule: ChargeEndRule


@dataclass(frozen=True)
class Words:
    """What the model said of each cell last; 2 bytes a cell.

    Attributes:
        soh: NaN where it said nothing, shape (cells,).
        told_s: of the meter when it said it, shape (racks,).
    """

    soh: Halves
    told_s: Floats


def nothing_said(cells: int, racks: int) -> Words:
    """Return the state before the first charge."""
    return Words(np.full(cells, np.nan, np.float16), np.zeros(racks, np.float32))


def said(words: Words, meter: Meter, rack: int, cells: Indices | slice, soh: Floats) -> Words:
    """Return the state after the model has looked at a rack's newest charge.

    Args:
        words: before.
        meter: of the racks.
        rack: whose charge ended.
        cells: which are its.
        soh: what the model says of them; NaN: nothing.
    """
    now, told_s = words.soh.copy(), words.told_s.copy()
    now[cells] = np.clip(soh, *_BOUNDS).astype(np.float16)
    told_s[rack] = meter.seconds[rack]
    return Words(now, told_s)


def fused(
    health: ChargeHealth, words: Words, counted: CapacityState, meter: Meter, rack: Indices
) -> CapacityState:
    """Return what is known of the capacity by both witnesses; the marks are those of counting.

    Args:
        health: says how far its words may be off.
        words: the newest of each cell.
        counted: by charge; it is left as it is.
        meter: of the racks.
        rack: of each cell.
    """
    there: Flags = np.isfinite(words.soh)
    if not there.any():
        return counted
    soh = np.where(there, words.soh.astype(np.float32), counted.soh)
    age_h = ((meter.seconds - words.told_s) / _HOUR_S).astype(np.float32)[rack]
    common = np.float32(GAIN_SD**2)
    by_charge = np.maximum(_sd(health, soh) ** 2 + AGEING_SD_PER_ROOT_HOUR**2 * age_h - common, 0)
    by_count = np.maximum(counted.sd.astype(np.float32) ** 2 - common, 0)
    by_charge, by_count = by_charge + _LEAST_VARIANCE, by_count + _LEAST_VARIANCE
    weight = by_count / (by_charge + by_count)
    away = soh - counted.soh
    beyond = np.maximum(away**2 - _GATE * (by_charge + by_count), 0)
    variance = by_count * (1 - weight) + weight * (1 - weight) * beyond + common
    lost = 1 - (counted.soh + weight * away)
    return replace(
        counted,
        lost=np.where(there, lost, counted.lost).astype(np.float16),
        sd=np.where(there, np.sqrt(variance), counted.sd).astype(np.float16),
    )


def _sd(health: ChargeHealth, soh: Floats) -> Floats:
    """Return the standard deviation by the model's interval of nine in ten."""
    low, high = interval(health.model.card.zones, soh.astype(np.float64))
    return ((high - low) / (2 * NORMAL_90)).astype(np.float32)
