"""How well the station's own SOC estimator does on recordings with disturbances in them.

Every case (a recording with a disturbance) is a rack of one cell; all cases of a make go through
the estimator side by side, as the cells of a station do. The same cases go through coulomb
counting and through a plain extended Kalman filter, so that each figure has something beside it.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from cell_lab.baselines import count_charge, plain_filter
from cell_lab.disturb import Disturbance, Disturbed, disturb
from cell_lab.grid import Grid
from cell_lab.recordings import Recording
from station.estimators import soc as soc_estimator
from station.estimators.cell_model import CellModel

SETTLE_S = 600.0
"""Errors count from ten minutes after the start."""
_CONVERGED = 0.03
_STAYS_S = 300.0

Progress = Callable[[float], None]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Score:
    """One line of the table; percent of SOC.

    Attributes:
        coverage_pct: share of the time that the truth lies in the interval of nominally 90 %;
            None where an estimator gives no interval.
        converge_s: until the error has stayed below 3 % for five minutes, counted from the
            start to the beginning of these; None when it never does.
    """

    cell: str
    profile: str
    disturbance: str
    rmse_pct: float
    mae_pct: float
    max_pct: float
    coverage_pct: float | None
    converge_s: float | None


@dataclass(frozen=True)
class Case:
    """A recording with a disturbance in it."""

    recording: Recording
    disturbance: Disturbance
    disturbed: Disturbed


@dataclass(frozen=True)
class Track:
    """What an estimator said over all samples of all cases, shape (samples, cases)."""

    soc: Floats
    half_width: Floats | None
    searching: npt.NDArray[np.bool_] | None = None


def cases_of(recordings: Sequence[Recording], disturbances: Sequence[Disturbance]) -> list[Case]:
    """Return every loaded recording with every disturbance.

    Left out are open-circuit tests, and what a disturbance leaves shorter than twenty minutes.
    """
    cases = [
        Case(recording, disturbance, disturb(recording, disturbance))
        for recording in recordings
        if not recording.slow
        for disturbance in disturbances
    ]
    return [case for case in cases if np.ptp(case.disturbed.recording.time_s) > 2 * SETTLE_S]


def evaluate(model: CellModel, cases: Sequence[Case], progress: Progress) -> dict[str, list[Score]]:
    """Return the scores of `stationmaster`, `coulomb counting` and `EKF`, a line for each case."""
    grid = Grid([case.disturbed for case in cases])
    capacity = np.full(len(cases), cases[0].recording.capacity_ah, np.float32)
    tracks = {
        "stationmaster": track(model, grid, capacity, progress),
        "coulomb counting": Track(count_charge(grid, capacity), None),
        "EKF": Track(*plain_filter(model, grid, capacity)),
    }
    return {
        name: [_score(case, track, number) for number, case in enumerate(cases)]
        for name, track in tracks.items()
    }


def as_rows(scores: Sequence[Score]) -> list[dict[str, object]]:
    """Return the scores as plain rows for JSON."""
    return [asdict(score) for score in scores]


def track(
    model: CellModel, grid: Grid, capacity_ah: Floats, progress: Progress | None = None
) -> Track:
    """Run the station's estimator over all cases, from a cold start."""
    rows, cases = grid.good.shape
    rack = np.arange(cases)
    state = soc_estimator.cold_start(model, rack, cases, grid.told)
    soc, half_width = np.zeros((rows, cases), np.float32), np.zeros((rows, cases), np.float32)
    searching = np.zeros((rows, cases), bool)
    for row in range(rows):
        state, estimate = soc_estimator.step(model, state, grid.samples(row), capacity_ah)
        soc[row], half_width[row] = estimate.soc, estimate.half_width
        searching[row] = state.searching
        if progress is not None:
            progress((row + 1) / rows)
    return Track(soc, half_width, searching)


def _score(case: Case, track: Track, column: int) -> Score:
    recording = case.disturbed.recording
    rows = len(recording.time_s)
    error = track.soc[:rows, column] - recording.soc
    time_s = recording.time_s - recording.time_s[0]
    counts = time_s >= SETTLE_S
    late = error[counts]
    coverage = None
    if track.half_width is not None:
        inside = np.abs(error) <= track.half_width[:rows, column]
        coverage = round(100 * float(inside[counts].mean()), 1)
    return Score(
        cell=recording.cell,
        profile=recording.name,
        disturbance=case.disturbance.name,
        rmse_pct=round(100 * float(np.sqrt(np.mean(late**2))), 3),
        mae_pct=round(100 * float(np.abs(late).mean()), 3),
        max_pct=round(100 * float(np.abs(late).max()), 3),
        coverage_pct=coverage,
        converge_s=_converged_s(time_s, error),
    )


def _converged_s(time_s: npt.NDArray[np.float64], error: npt.NDArray[np.float64]) -> float | None:
    """Return when the error has first stayed small for five minutes, at their beginning."""
    outside = np.flatnonzero(np.abs(error) >= _CONVERGED)
    edges = np.concatenate([[-1], outside, [len(error)]])
    for before, after in pairwise(edges):
        first, last = before + 1, after - 1
        if last > first and time_s[last] - time_s[first] >= _STAYS_S:
            return round(float(time_s[first]), 1)
    return None
