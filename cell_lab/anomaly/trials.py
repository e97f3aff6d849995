"""The trials of `evaluate anomaly`: which racks, which duties, which hours."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from cell_lab.anomaly.duties import Duty, made_up
from cell_lab.anomaly.evaluate import Progress, Set, Trial, run_trials
from cell_lab.anomaly.false_alarms import FalseAlarms
from cell_lab.anomaly.healthy import watch_healthy
from cell_lab.anomaly.train import MAKE, RECORDINGS, real_duties, regulation_signal
from cell_lab.parameter_files import parameters_of
from station.estimators.anomaly import Detector
from station.estimators.cell_model import CellModel, build_cell_model

TRIAL_CELLS = 64
MADE_UP, RECORDED = "made-up days", "recorded cells"
_MADE_UP_H, _MADE_UP_AT_H = 24.0, 2.5
_LEAST_H, _AT_SHARE = 2.0, 0.3
_SEED = 70_000
"""Far from those of a training by the house's seed, 1: no duty and no cell was seen."""


def run_all(
    detector: Detector,
    data: Sequence[Path],
    repeats: int,
    rack_hours: float,
    progress: Progress | None = None,
    *,
    keep: Path | None = None,
) -> tuple[list[Trial], FalseAlarms]:
    """Run all trials and count false alarms.

    Args:
        detector: to be tried.
        data: recordings beside those that ship with the house.
        repeats: trials of each fault and size, on recorded and on made-up duties each.
        rack_hours: of healthy racks, about a seventh of them of 416 cells, the others of 64.
        progress: told what is done and the share of it.
        keep: a folder for what the healthy racks have shown; a later count goes on from there.

    Raises:
        LabError: a recording is wrong, or the folder is of another detector.
    """
    if repeats == 0:
        return [], watch_healthy(detector, rack_hours, keep, progress)
    model = build_cell_model(parameters_of(MAKE))
    signal = regulation_signal()
    days = [made_up(_MADE_UP_H, _SEED + each, signal) for each in range(12)]
    sets = [Set(MADE_UP, model, days, _MADE_UP_H, _MADE_UP_AT_H)]
    sets += _recorded([*sorted(RECORDINGS.glob("*.parquet")), *data])
    trials: list[Trial] = []
    for number, each in enumerate(sets):
        trials += run_trials(
            detector, each, repeats, cells=TRIAL_CELLS, seed=_SEED + number, progress=progress
        )
    return trials, watch_healthy(detector, rack_hours, keep, progress)


def _recorded(files: Sequence[Path]) -> list[Set]:
    """Return one set for each make and length of recordings."""
    groups: dict[tuple[str, int], list[tuple[CellModel, Duty]]] = defaultdict(list)
    for path in files:
        for model, duty in real_duties(path):
            if duty.hours >= _LEAST_H:
                groups[model.make, int(duty.hours / 4)].append((model, duty))
    sets = []
    for pairs in groups.values():
        hours = min(duty.hours for _, duty in pairs)
        duties = [duty for _, duty in pairs]
        sets.append(Set(RECORDED, pairs[0][0], duties, hours, _AT_SHARE * hours))
    return sets
