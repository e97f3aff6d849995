"""How good a network is alone, where it was never trained."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cell_lab.network.architecture import TransformerGru
from cell_lab.network.prepare import stacked, tables_of
from cell_lab.network.series import every_second, example
from cell_lab.network.splits import Splits
from cell_lab.network.training import Settings
from cell_lab.network.trials import Trial, try_network
from cell_lab.recordings import Recording
from station.estimators.cell_model import NORMAL_90, CellModel

ZONES = ((0.0, 0.1), (0.1, 0.3), (0.3, 0.7), (0.7, 0.9), (0.9, 1.1))
_VARIANTS = 4
_SHORTEST_S, _LONGEST_S = 1200, 20_000

Percent = float


@dataclass(frozen=True)
class Alone:
    """The network beside beliefs that wander, in percent of SOC.

    Attributes:
        where: cell and temperature, or zone of SOC.
        before: RMSE of the beliefs that it was given.
        after: RMSE of what it told.
        inside: share of the time within its own interval of nominally 90 %.
    """

    where: str
    before: Percent
    after: Percent
    inside: Percent


def score_alone(
    network: TransformerGru,
    recordings: Sequence[Recording],
    splits: Splits,
    fold: str,
    sd_times: float,
) -> list[Alone]:
    """Return scores by cell and temperature, then by zone of SOC, of recordings held out."""
    trials = {
        name: _flat(_trial(network, group, tables_of(recordings, group[0].cell, splits, fold)))
        for name, group in _groups(recordings, splits, fold)
    }
    if not trials:
        return []
    rows = [_alone(name, trial, sd_times) for name, trial in trials.items()]
    parts = list(trials.values())
    soc = np.concatenate([each.soc for each in parts])
    for low, high in ZONES:
        here = (soc >= low) & (soc < high)
        if here.any():
            zone = Trial(
                np.concatenate([each.error for each in parts])[here],
                np.concatenate([each.sd for each in parts])[here],
                np.concatenate([each.before for each in parts])[here],
                soc[here],
            )
            name = f"SOC {100 * low:.0f} to {100 * min(high, 1):.0f} %"
            rows.append(_alone(name, zone, sd_times))
    return rows


def _groups(
    recordings: Sequence[Recording], splits: Splits, fold: str
) -> Iterator[tuple[str, list[Recording]]]:
    """Yield the recordings that a fold never saw, by cell and temperature."""
    test = [
        each
        for each in recordings
        if not each.slow
        and splits.role(each, fold) == "test"
        and each.time_s[-1] - each.time_s[0] > _SHORTEST_S
    ]
    for cell, chamber_c in dict.fromkeys((each.cell, each.chamber_c) for each in test):
        group = [each for each in test if (each.cell, each.chamber_c) == (cell, chamber_c)]
        yield f"{cell} at {chamber_c:g} °C", group


def _trial(network: TransformerGru, group: Sequence[Recording], model: CellModel) -> Trial:
    """Return what the network tells of recordings with several beliefs that wander."""
    examples = [
        example(model, every_second(recording).between(0, _LONGEST_S), np.random.default_rng(seed))
        for recording in group
        for seed in range(_VARIANTS)
    ]
    longest = max(len(each.soc) for each in examples)
    arrays = stacked(examples, np.ones(len(examples), bool), longest)
    return try_network(network, arrays, arrays.validates, Settings())


def _flat(trial: Trial) -> Trial:
    """Return the moments of a trial that hold something, one after the other."""
    known = np.isfinite(trial.error)
    return Trial(trial.error[known], trial.sd[known], trial.before[known], trial.soc[known])


def _alone(where: str, trial: Trial, sd_times: float) -> Alone:
    inside = np.abs(trial.error) <= NORMAL_90 * sd_times * trial.sd
    return Alone(
        where,
        round(100 * float(np.sqrt(np.mean(trial.before**2))), 2),
        round(100 * float(np.sqrt(np.mean(trial.error**2))), 2),
        round(100 * float(inside.mean()), 1),
    )
