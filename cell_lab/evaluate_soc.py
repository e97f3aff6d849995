"""How well the station's own SOC estimator does on recordings with disturbances in them.

Every case (a recording with a disturbance) is a rack of one cell; all cases of a make go through
the estimator side by side, as the cells of a station do. The same cases go through all
other methods of `cell_lab.methods`, so that each figure has something beside it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from cell_lab.disturb import Disturbance, Disturbed, disturb
from cell_lab.grid import Grid
from cell_lab.methods import METHODS, Method, Progress, Track
from cell_lab.recordings import Recording
from station.estimators.cell_model import CellModel

SETTLE_S = 600.0
"""Errors count from ten minutes after the start."""
_CONVERGED = 0.03
_STAYS_S = 300.0


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


def evaluate(
    model: CellModel,
    cases: Sequence[Case],
    progress: Progress,
    methods: Sequence[Method] = METHODS,
) -> dict[str, list[Score | None]]:
    """Return the scores of each method by its name, a line for each case.

    A method that does not know the make has None in place of each line.
    """
    grid = Grid([case.disturbed for case in cases])
    capacity = np.array([case.recording.capacity_ah for case in cases], np.float32)
    found: dict[str, list[Score | None]] = {}
    for method in methods:
        track = method.run(model, grid, capacity, progress)
        found[method.name] = [
            None if track is None else _score(case, track, number)
            for number, case in enumerate(cases)
        ]
    return found


def as_rows(scores: Sequence[Score]) -> list[dict[str, object]]:
    """Return the scores as plain rows for JSON."""
    return [asdict(score) for score in scores]


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
