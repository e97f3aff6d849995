"""What the ends of a cell's charges tell of its SOH, seen from each cycle backwards only.

The last part of a charge (constant current up to the upper voltage, then constant voltage) is
the same at a station day after day, whatever the discharge was. Sixteen numbers describe it
(Wang et al. 2024, Nature Communications 15:4332). Set beside them are their slow means, and how
far they have moved since the cell's own first cycles. No number of a cycle looks ahead of it,
and none is scaled by what a cell does in its whole life.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Series = npt.NDArray[np.float64]
Inputs = npt.NDArray[np.float32]

CHARGE_END = (
    "voltage_mean",
    "voltage_std",
    "voltage_kurtosis",
    "voltage_skewness",
    "CC_Q",
    "CC_charge_time",
    "voltage_slope",
    "voltage_entropy",
    "current_mean",
    "current_std",
    "current_kurtosis",
    "current_skewness",
    "CV_Q",
    "CV_charge_time",
    "current_slope",
    "current_entropy",
)
"""Of the constant-current part: V, Ah, s, V/s; of the constant-voltage part: A, Ah, s, A/s."""
FIRST_CYCLES = 5
WINDOWS = (5, 20, 100)
"""Means over so many cycles: against the noise of one, of a day, of a season."""
INPUTS = len(CHARGE_END) * (1 + len(WINDOWS) + 3) + 1
"""Numbers that the model is given of each cycle."""


@dataclass(frozen=True)
class ChargeHistory:
    """One cell's charges in the order of time.

    Attributes:
        cycle: number of each since commissioning, rising, shape (cycles,).
        charge_end: the numbers of CHARGE_END, shape (cycles, 16); NaN where one is missing.
    """

    cycle: Series
    charge_end: Series


def hold_missing(charge_end: Series, before_first: Series) -> Series:
    """Return the numbers with each missing one replaced by the cell's last before it.

    Args:
        charge_end: shape (cycles, 16), NaN or infinite where a number is missing.
        before_first: what stands in where none was before it, shape (16,).
    """
    present = np.isfinite(charge_end)
    place = np.where(present, np.arange(len(charge_end))[:, None], -1)
    last = np.maximum.accumulate(place, axis=0)
    held = np.take_along_axis(charge_end, np.maximum(last, 0), axis=0)
    return np.where(last >= 0, held, before_first)


def causal_inputs(history: ChargeHistory, before_first: Series) -> Inputs:
    """Return what the model is given of each cycle, shape (cycles, INPUTS).

    Args:
        history: of one cell, from its first cycle on.
        before_first: see hold_missing.
    """
    now = hold_missing(history.charge_end, before_first)
    means = [_trailing_mean(now, window) for window in WINDOWS]
    first = _trailing_mean(now[:FIRST_CYCLES], FIRST_CYCLES)
    at_first = first[np.minimum(np.arange(len(now)), FIRST_CYCLES - 1)]
    moved = [means[0] - at_first, means[1] - at_first]
    columns = [now, *means, *moved, at_first, history.cycle[:, None]]
    return np.hstack(columns).astype(np.float32)


def _trailing_mean(values: Series, window: int) -> Series:
    """Return the mean over the last cycles up to each, fewer where there are fewer."""
    total = np.vstack([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    end = np.arange(1, len(values) + 1)
    start = np.maximum(end - window, 0)
    mean: Series = (total[end] - total[start]) / (end - start)[:, None]
    return mean
