"""How well a make of cell is followed at a temperature that its parameters have never seen.

For each temperature inside the measured range the make is identified anew from the recordings of
all others, and then tried at this one. Kinds of profiles can be kept out of the identification,
too: then it is tried on these. How far the estimates lay from the truth there, against what the
filter expected of itself, makes the intervals of the make.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cell_lab.disturb import Disturbance
from cell_lab.errors import IdentifyError
from cell_lab.evaluate_soc import SETTLE_S, Case, cases_of
from cell_lab.grid import Grid
from cell_lab.identify import Chemistry, Fit, identify
from cell_lab.methods import Progress, follow
from cell_lab.recordings import Recording, Series
from station.estimators.cell_model import CellModel, Intervals, OcvTable, build_cell_model

_NOMINAL = 0.9
_EVERY = 10
"""Neighbouring errors say the same: every tenth is used."""
_FEWEST = 300
"""So many errors, at the least, make a figure of their own."""


@dataclass(frozen=True)
class HeldOut:
    """A temperature, the model that has not seen it, and the cases to try it on."""

    chamber_c: float
    model: CellModel
    cases: list[Case]


def held_out(
    recordings: Sequence[Recording],
    disturbances: Sequence[Disturbance],
    chemistry: Chemistry,
    ocv: OcvTable | None = None,
    without: Sequence[str] = (),
    *,
    calibrated: bool = False,
) -> Iterator[HeldOut]:
    """Yield each temperature inside the range, with a model made without it.

    Args:
        recordings: of one make.
        disturbances: what is put into each recording.
        chemistry: of the make.
        ocv: open-circuit voltage where no recording is slow.
        without: parts of names of profiles that the identification never sees.
        calibrated: whether each model gets intervals of its own, by temperatures held out of
            what it was made of.

    Raises:
        IdentifyError: there are fewer than three temperatures, or too little to identify from.
    """
    inside = _inside(recordings)
    if not inside:
        raise IdentifyError(
            f"{recordings[0].cell}: a temperature can be held out only where there are three; "
            "leave --hold-out away"
        )
    for chamber_c in inside:
        seen = [
            recording
            for recording in recordings
            if recording.chamber_c != chamber_c
            and not any(part in recording.profile for part in without)
        ]
        wanted = disturbances if calibrated else ()
        fit = identify_calibrated(
            seen, recordings[0].cell, chemistry, "held out", ocv, disturbances=wanted
        )
        unseen = [recording for recording in recordings if recording.chamber_c == chamber_c]
        cases = cases_of(unseen, disturbances)
        if cases:
            yield HeldOut(chamber_c, build_cell_model(fit.parameters), cases)


def identify_calibrated(
    recordings: Sequence[Recording],
    make: str,
    chemistry: Chemistry,
    source: str,
    ocv: OcvTable | None,
    *,
    disturbances: Sequence[Disturbance],
    progress: Progress | None = None,
) -> Fit:
    """Identify a make, and find its intervals where there are three temperatures or more.

    Raises:
        IdentifyError: as `identify`.
    """
    fit = identify(recordings, make, chemistry, source, ocv)
    if not disturbances or not _inside(recordings):
        return fit
    intervals = _intervals(list(held_out(recordings, disturbances, chemistry, ocv)), progress)
    parameters = fit.parameters.model_copy(update={"intervals": intervals})
    return Fit(parameters, fit.residual_v)


def _inside(recordings: Sequence[Recording]) -> list[float]:
    return sorted({recording.chamber_c for recording in recordings})[1:-1]


def _intervals(trials: Sequence[HeldOut], progress: Progress | None) -> Intervals:
    settled, searching = [], []
    for number, trial in enumerate(trials):
        after, during = _exceeded(trial)
        if progress is not None:
            progress((number + 1) / len(trials))
        times = float(np.quantile(after, _NOMINAL)) if len(after) >= _FEWEST else 1.0
        settled.append(times)
        enough = len(during) >= _FEWEST
        searching.append(float(np.quantile(during, _NOMINAL)) if enough else times)
    return Intervals(
        temperature_c=tuple(trial.chamber_c for trial in trials),
        settled=tuple(round(times, 2) for times in settled),
        searching=tuple(round(times, 2) for times in searching),
    )


def _exceeded(trial: HeldOut) -> tuple[Series, Series]:
    """Return errors over half the width of the interval: of settled and of searching cells."""
    grid = Grid([case.disturbed for case in trial.cases])
    capacity_ah = np.full(len(trial.cases), trial.model.capacity_ah, np.float32)
    found = follow(trial.model, grid, capacity_ah)
    assert found.half_width is not None  # noqa: S101 - our own estimator has intervals
    assert found.searching is not None  # noqa: S101 - and tells who searches
    settled, searching = [], []
    for column, case in enumerate(trial.cases):
        recording = case.disturbed.recording
        counts = recording.time_s - recording.time_s[0] >= SETTLE_S
        rows = np.flatnonzero(counts)[::_EVERY]
        error = np.abs(found.soc[rows, column] - recording.soc[rows])
        times = error / found.half_width[rows, column]
        search = found.searching[rows, column]
        settled.append(times[~search])
        searching.append(times[search])
    return np.concatenate(settled), np.concatenate(searching)
