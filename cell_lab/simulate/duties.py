"""What storage cells are put through: a year of stationary use, drives, and chance."""

from pathlib import Path

import numpy as np

from cell_lab.errors import SimulationError
from cell_lab.simulate.cells import Values

DUTIES = Path(__file__).resolve().parents[2] / "data" / "battery" / "duties"
STATIONARY = ("frequency_containment", "peak_shaving", "pv_home", "pv_commercial")
"""Courses of SOC over a year, BLAST-Lite (NREL), BSD-3."""
_HOUR_S = 3600.0


def stationary_soc(name: str) -> tuple[Values, float]:
    """Return a year's course of SOC and the seconds from one value to the next.

    Raises:
        SimulationError: there is no such duty.
    """
    path = DUTIES / f"{name}.npz"
    if not path.is_file():
        raise SimulationError(f"there is no duty {name!r}; there are {', '.join(STATIONARY)}")
    with np.load(path) as file:
        return file["soc"].astype(np.float64) / 10_000, float(file["step_s"])


def stationary(
    name: str,
    start_day: float,
    hours: float,
    seed: int,
    *,
    step_s: float = 1.0,
    flutter: float = 0.05,
) -> tuple[Values, float]:
    """Return C-rates of some hours of a duty, and the SOC that it begins at.

    A quarter hour's mean power is all that the courses tell; within it the power flutters as
    that of a station under control does, without moving the mean of some minutes.

    Args:
        name: see STATIONARY.
        start_day: of the year.
        hours: how long.
        seed: of the flutter.
        step_s: of the returned rates.
        flutter: standard deviation of it, a C-rate.

    Returns:
        Rates, shape (steps,), positive discharges; and SOC before the first.
    """
    soc, every_s = stationary_soc(name)
    at_s = start_day * 86_400 + np.arange(round(hours * _HOUR_S / step_s) + 1) * step_s
    course = np.interp(at_s % (len(soc) * every_s), np.arange(len(soc)) * every_s, soc)
    rate = -np.diff(course) * _HOUR_S / step_s
    return rate + np.where(rate != 0, _flutter(len(rate), seed, step_s, flutter), 0), course[0]


def random_duty(
    hours: float,
    seed: int,
    soc: float,
    *,
    low: float = 0.05,
    high: float = 0.95,
    most_c: float = 1.0,
    step_s: float = 1.0,
) -> Values:
    """Return C-rates of stretches drawn by chance: rests, plateaus, pulses, drives, full runs.

    A stretch that would take a nominal cell beyond its bounds is turned round or cut.

    Args:
        hours: how long.
        seed: the same seed gives the same duty.
        soc: at the start.
        low: bound of SOC.
        high: bound of SOC.
        most_c: largest C-rate.
        step_s: of the returned rates.
    """
    rng = np.random.default_rng(seed)
    steps = round(hours * _HOUR_S / step_s)
    rates, at = np.zeros(steps), 0
    while at < steps:
        piece = _stretch(rng, most_c, step_s)[: steps - at]
        moved = np.cumsum(piece) * step_s / _HOUR_S
        if soc - moved[-1] < low or soc - moved[-1] > high:
            piece, moved = -piece, -moved
        beyond = np.flatnonzero((soc - moved < low) | (soc - moved > high))
        if len(beyond):
            piece = piece[: max(beyond[0], 1)] * (beyond[0] > 0)
        rates[at : at + len(piece)] = piece
        soc -= piece.sum() * step_s / _HOUR_S
        at += len(piece)
    return rates


def drive_like(current_c: Values, hours: float, step_s: float = 1.0) -> Values:
    """Return a measured course of C-rates (1 s) again and again, as long as is asked."""
    at = np.arange(round(hours * _HOUR_S / step_s)) * step_s
    repeated: Values = current_c[at.astype(np.intp) % len(current_c)]
    return repeated


def _stretch(rng: np.random.Generator, most_c: float, step_s: float) -> Values:
    """Return one stretch of a single kind."""
    kind = rng.choice(
        ["rest", "plateau", "pulses", "drive", "run"], p=[0.15, 0.25, 0.2, 0.25, 0.15]
    )
    sign = rng.choice([-1.0, 1.0])
    if kind == "rest":
        return np.zeros(_steps(rng, 5, 90, step_s))
    if kind == "plateau":
        return np.full(_steps(rng, 5, 60, step_s), sign * most_c * rng.uniform(0.05, 0.8))
    if kind == "pulses":  # pulses with rests between them
        count = _steps(rng, 5, 40, step_s)
        period, width = rng.integers(20, 180), rng.uniform(0.2, 0.8)
        on = (np.arange(count) * step_s % period) < width * period
        return np.asarray(sign * most_c * rng.uniform(0.2, 1.0) * on)
    if kind == "drive":  # a mean with a flutter of some ten seconds
        count = _steps(rng, 10, 60, step_s)
        mean = sign * most_c * rng.uniform(0.0, 0.4)
        drive = mean + _flutter(count, int(rng.integers(1 << 31)), step_s, 0.3 * most_c)
        return np.asarray(np.clip(drive, -most_c, most_c))
    return np.full(_steps(rng, 60, 300, step_s), sign * most_c * rng.uniform(0.15, 0.5))


def _steps(rng: np.random.Generator, low_min: float, high_min: float, step_s: float) -> int:
    return max(1, round(60 * rng.uniform(low_min, high_min) / step_s))


def _flutter(steps: int, seed: int, step_s: float, size: float) -> Values:
    """Return rates about 0 that hold for some ten seconds and then change."""
    rng = np.random.default_rng(seed)
    change = np.cumsum(rng.random(steps) < min(1.0, step_s / 12.0))
    values = rng.normal(0, size, change[-1] + 1 if steps else 1)
    return values[change] - values[change].mean() if steps else values[:0]
