"""How far a filter may go along with a network: by what it did to estimates, not by what it claims.

A network is tried as a witness of the filter, on recordings that it never saw, with several
degrees of trust side by side; the first of these is none. The rule is cautious, for the filter is
good by itself: a degree at which any group of recordings comes out materially worse than with
the filter alone is out, and of the others one is taken only if it helps at all. Each chemistry is
judged by its own recordings: on the flat curve of an LFP cell a network errs in other ways than
where a voltage tells SOC.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cell_lab.evaluate_soc import SETTLE_S, Case
from cell_lab.grid import Grid
from cell_lab.network.follow import follow_fused
from cell_lab.track import Track
from station.estimators import fused
from station.estimators.cell_model import CellModel
from station.estimators.network import NOTHING, Network, Trust

Percent = float
Progress = Callable[[float], None]
_LASTS_S = (600.0, 1800.0, 5400.0, 16_200.0, 48_600.0)
_WORSE, _WORSE_SHARE, _FEWER_INSIDE = 0.01, 0.02, 2.0
"""Material: RMSE grows by more than 0.01 percent of SOC and by 2 % of itself, or 2 % of the time
leaves the intervals."""
_FEWEST_RECORDINGS = 6
"""Fewer say too little: three drives of an LFP cell promised what a fourth did not hold."""
_HELPS = 0.99
"""The mean of the ratios of RMSE must fall below this."""


def degrees(sd_times: float) -> tuple[Trust, ...]:
    """Return what is tried, none at all first, then from bold to cautious."""
    some = (Trust(sd_times=sd_times, lasts_s=lasts_s) for lasts_s in _LASTS_S)
    return (NOTHING.model_copy(update={"sd_times": sd_times}), *some)


@dataclass(frozen=True)
class Tried:
    """What became of a group of recordings with each degree of trust, none at all first.

    Attributes:
        cell, chemistry, chamber_c, cycles, disturbance: of the group.
        recordings: how many.
        rmse: percent of SOC, mean over the recordings, one for each degree.
        inside: share of the time within the interval of nominally 90 %, in percent.
    """

    cell: str
    chemistry: str
    chamber_c: float
    cycles: str
    disturbance: str
    recordings: int
    rmse: tuple[Percent, ...]
    inside: tuple[Percent, ...]


def choose(tried: Sequence[Tried], offered: Sequence[Trust]) -> Trust:
    """Return the degree of trust that helps most among those that nowhere do material harm."""
    harmless = [
        number
        for number in range(1, len(offered))
        if not any(_is_worse(group, number) for group in tried)
    ]
    gains = {number: _mean_ratio(tried, number) for number in harmless} if tried else {}
    best = min(gains, key=lambda number: gains[number], default=0)
    return offered[best] if gains.get(best, 1.0) < _HELPS else offered[0]


def choose_each(tried: Sequence[Tried], offered: Sequence[Trust]) -> dict[str, Trust]:
    """Return the degree of trust by chemistry, each by its own groups alone; none by too few."""
    trusts = {}
    for chemistry in sorted({group.chemistry for group in tried}):
        own = [group for group in tried if group.chemistry == chemistry]
        recordings = {
            (group.cell, group.chamber_c, group.cycles): group.recordings for group in own
        }
        enough = sum(recordings.values()) >= _FEWEST_RECORDINGS
        trusts[chemistry] = choose(own, offered) if enough else offered[0]
    return trusts


def try_degrees(
    network: Network,
    model: CellModel,
    cases: Sequence[Case],
    offered: Sequence[Trust],
    progress: Progress,
    *,
    cycles: str,
) -> list[Tried]:
    """Return what became of cases of one cell and temperature, a group for each disturbance."""
    repeated = [case for case in cases for _ in offered]
    grid = Grid([case.disturbed for case in repeated])
    grid_ah = np.array([case.recording.capacity_ah for case in repeated], np.float32)
    cautions = _side_by_side(list(offered) * len(cases))
    track = follow_fused(model, network, grid, grid_ah, progress, cautions=cautions)
    scores = np.array([_score(case, track, number) for number, case in enumerate(repeated)])
    scores = scores.reshape(len(cases), len(offered), 2)
    found = []
    for name in dict.fromkeys(case.disturbance.name for case in cases):
        own = np.array([case.disturbance.name == name for case in cases])
        rmse, inside = scores[own].mean(axis=0).T
        first = cases[0].recording
        found.append(
            Tried(
                first.cell,
                model.chemistry,
                first.chamber_c,
                cycles,
                name,
                int(own.sum()),
                tuple(rmse.round(3).tolist()),
                tuple(inside.round(1).tolist()),
            )
        )
    return found


def _is_worse(group: Tried, number: int) -> bool:
    alone, told = group.rmse[0], group.rmse[number]
    worse = told > alone + _WORSE and told > alone * (1 + _WORSE_SHARE)
    return worse or group.inside[number] < group.inside[0] - _FEWER_INSIDE


def _mean_ratio(tried: Sequence[Tried], number: int) -> float:
    return float(np.mean([group.rmse[number] / max(group.rmse[0], 1e-6) for group in tried]))


def _side_by_side(trusts: Sequence[Trust]) -> fused.Cautions:
    return fused.Cautions(
        np.array([trust.sd_times for trust in trusts], np.float32),
        np.array([trust.lasts_s for trust in trusts], np.float32),
        np.array([trust.most_sd for trust in trusts], np.float32),
        np.array([trust.coloured for trust in trusts], np.float32),
    )


def _score(case: Case, track: Track, column: int) -> tuple[Percent, Percent]:
    """Return RMSE and share of the time within the interval, from ten minutes after the start."""
    recording = case.disturbed.recording
    rows = len(recording.time_s)
    error = track.soc[:rows, column] - recording.soc
    counts = recording.time_s - recording.time_s[0] >= SETTLE_S
    assert track.half_width is not None  # noqa: S101 - a fused track has it
    inside = np.abs(error) <= track.half_width[:rows, column]
    return (
        100 * float(np.sqrt(np.mean(error[counts] ** 2))),
        100 * float(inside[counts].mean()),
    )
