"""Healthy racks, watched for false alarms over as many hours as the proof of a budget takes.

To show with 95 % confidence that less than twelve warnings come in a rack-year takes 2,190
rack-hours without one, 3,470 with one, 4,600 with two (Garwood 1936). So the hours are made in
runs of a day, each kept when it is done: an interrupted count goes on where it was stopped.

What is healthy is varied: each run has duties, coolants and cells of its own, and cells and sensors
of a system with more or less spread and noise than is usual; every fourth run is grown around a
recorded cell. No run has a seed that a training or a trial uses.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cell_lab.anomaly.duties import Duty, made_up
from cell_lab.anomaly.evaluate import STACK, Progress
from cell_lab.anomaly.false_alarms import FalseAlarms, count_false_alarms
from cell_lab.anomaly.learn import SETTLE_S
from cell_lab.anomaly.racks import Racks, Spread
from cell_lab.anomaly.train import MAKE, RECORDINGS, real_duties, regulation_signal
from cell_lab.errors import KeptCountError
from cell_lab.parameter_files import parameters_of
from station.estimators.anomaly import Detector
from station.estimators.cell_model import CellModel, build_cell_model

SEED = 5_000_000
"""Far from the seeds of training and of the trials: no duty and no cell was seen."""
LARGE_CELLS, SMALL_CELLS = 416, 64
_STACKS = 8
_DUTY_H = 26.0
_RECORDED_EVERY = 4
_LARGE, _ROUND = (3, 9), 12
"""Of twelve runs two, one of them recorded, are of large racks, which cost six times as much."""


@dataclass(frozen=True)
class Run:
    """Racks of one kind, side by side for a day.

    Attributes:
        number: of the run; all that is random follows from it.
        cells: of each rack.
        recorded: whether the racks are grown around a recorded cell.
        spread: of cells and sensors.
        rack_hours: how long all racks together are watched after their first hours.
    """

    number: int
    cells: int
    recorded: bool
    spread: Spread
    rack_hours: float


class HealthyRacks:
    """Runs without end; each tells for itself what racks it has."""

    def __init__(self, seed: int = SEED) -> None:
        """Take the recordings that ship with the house.

        Args:
            seed: of the first run.
        """
        self.seed = seed
        self.model: CellModel = build_cell_model(parameters_of(MAKE))
        self._signal = regulation_signal()
        files = sorted(RECORDINGS.glob("*.parquet"))
        self._recorded = [pair for path in files for pair in real_duties(path)]

    def run(self, number: int) -> Run:
        """Return what a run is made of."""
        spread = Spread().varied(np.random.default_rng([self.seed, number]))
        recorded = bool(self._recorded) and number % _RECORDED_EVERY == _RECORDED_EVERY - 1
        hours = self._duty(number)[1].hours if recorded else _DUTY_H
        racks = STACK * _STACKS
        watched = racks * (int(hours * 3600) // 16 * 16 - SETTLE_S) / 3600
        cells = LARGE_CELLS if number % _ROUND in _LARGE else SMALL_CELLS
        return Run(number, cells, recorded, spread, watched)

    def racks(self, run: Run) -> Racks:
        """Return the racks of a run."""
        seed = self.seed + run.number * _STACKS
        if run.recorded:
            model, duty = self._duty(run.number)
            duties = [duty] * _STACKS
        else:
            model = self.model
            duties = [made_up(_DUTY_H, seed + each, self._signal) for each in range(_STACKS)]
        return Racks(model, duties, run.cells, stack=STACK, seed=seed, spread=run.spread)

    def _duty(self, number: int) -> tuple[CellModel, Duty]:
        return self._recorded[number // _RECORDED_EVERY % len(self._recorded)]

    def planned(self, rack_hours: float) -> list[Run]:
        """Return the runs that come to so many rack-hours or a little more."""
        runs: list[Run] = []
        while sum(run.rack_hours for run in runs) < rack_hours:
            runs.append(self.run(len(runs)))
        return runs


def watch_healthy(
    detector: Detector,
    rack_hours: float,
    keep: Path | None = None,
    progress: Progress | None = None,
    *,
    seed: int = SEED,
) -> FalseAlarms:
    """Return how often healthy racks came to a notice, a warning, an alarm.

    Args:
        detector: to be tried.
        rack_hours: at the least.
        keep: a folder that gets what each run shows; runs that lie there are not done again.
        progress: told the share that is done.
        seed: of the runs.

    Raises:
        KeptCountError: the folder holds the count of another detector.
    """
    healthy = HealthyRacks(seed)
    runs = healthy.planned(rack_hours)
    if keep is not None:
        _check_kept(keep, detector, seed)
    total = sum(run.rack_hours for run in runs)
    counted = FalseAlarms(0.0, 0, 0, 0)
    for run in runs:
        done = counted.rack_hours

        def tell(share: float, done: float = done, run: Run = run) -> None:
            if progress:
                progress("healthy racks", (done + share * run.rack_hours) / total)

        file = None if keep is None else keep / f"run-{run.number:04d}.json"
        if file is not None and file.exists():
            counts = FalseAlarms(**json.loads(file.read_text("utf-8")))
        else:
            counts = count_false_alarms(detector, healthy.racks(run), SETTLE_S, tell)
            if file is not None:
                half = file.with_suffix(".half")
                half.write_text(json.dumps(asdict(counts)) + "\n", "utf-8")
                half.replace(file)
        counted = counted.and_(counts)
    return counted


def _check_kept(keep: Path, detector: Detector, seed: int) -> None:
    """Refuse a folder whose runs are of another detector."""
    keep.mkdir(parents=True, exist_ok=True)
    file = keep / "detector.txt"
    own = hashlib.sha256(f"{seed} {detector.card.model_dump_json()}".encode()).hexdigest()
    if file.exists() and file.read_text("utf-8").strip() != own:
        raise KeptCountError(f"{keep}: holds the count of another detector; name an empty folder")
    file.write_text(own + "\n", "utf-8")
