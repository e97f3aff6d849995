"""One training from a folder of recordings to the files of a station, and its card."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cell_lab.errors import RecordingColumnsError, TrainingError
from cell_lab.network.export import export, facts_of
from cell_lab.network.prepare import Amounts, Arrays, prepare
from cell_lab.network.shape import PLAIN, Shape
from cell_lab.network.splits import Splits
from cell_lab.network.training import Fitted, Settings, train
from cell_lab.network.trials import trust_of
from cell_lab.parameter_files import parameters_of
from cell_lab.recordings import Recording, read_recordings
from station.estimators.network import NetworkFacts

Progress = Callable[[str, float, str], None]
_PROOF_CELLS, _PROOF_S = 4, 512


@dataclass(frozen=True)
class Plan:
    """What is trained.

    Attributes:
        fold: of the splits.
        amounts: of series.
        settings: of the training; with `raw` the plain network that is compared with.
        shape: of the network.
        seed: of the series.
        workers: processes that make series.
    """

    fold: str = "all"
    amounts: Amounts = field(default_factory=Amounts)
    settings: Settings = field(default_factory=Settings)
    shape: Shape = field(default_factory=Shape)
    seed: int = 1
    workers: int = 1

    @property
    def sized(self) -> Shape:
        """Shape of the network that is trained."""
        return PLAIN if self.settings.raw else self.shape


@dataclass(frozen=True)
class Trained:
    """A network, what a station must know of it, and how the files were proven."""

    fitted: Fitted
    facts: NetworkFacts
    difference: float
    series: int


def read_folder(folder: Path) -> list[Recording]:
    """Return the recordings of all Parquet files in a folder and below it, of known makes.

    Raises:
        TrainingError: there are none.
        RecordingError: a file of recordings is wrong.
        NoParametersError: a cell is of no known make.
    """
    found: list[Recording] = []
    for path in sorted(folder.rglob("*.parquet")):
        try:
            found += read_recordings(path, None, lambda cell: parameters_of(cell).capacity_ah)
        except RecordingColumnsError:
            continue  # a folder of data holds tables of other kinds, too
    if not found:
        raise TrainingError(f"{folder}: holds no Parquet files of recordings")
    return found


def train_network(
    recordings: Sequence[Recording],
    splits: Splits,
    out: Path,
    plan: Plan,
    progress: Progress,
    *,
    resume: bool = False,
) -> Trained:
    """Train a network, prove its export, and write it into a folder.

    Args:
        recordings: of all cells; the splits say what each is for.
        splits: written before.
        out: folder of the checkpoint and the network.
        plan: what is trained.
        progress: told what is being done, the share done and a line about it.
        resume: go on from the folder's checkpoint.

    Raises:
        TrainingError: the fold is not known, nothing is left to train on, or the export differs.
    """
    if plan.fold not in splits.folds:
        raise TrainingError(f"no fold {plan.fold!r}; the splits have {', '.join(splits.folds)}")
    arrays = prepare(
        recordings,
        splits,
        plan.fold,
        plan.amounts,
        seed=plan.seed,
        workers=plan.workers or os.cpu_count() or 1,
        progress=lambda share: progress("series", share, ""),
    )
    fitted = train(
        plan.sized,
        arrays,
        plan.settings,
        out,
        lambda share, line: progress("network", share, line),
        resume=resume,
    )
    trust = trust_of(fitted.network, arrays, plan.settings)
    facts = facts_of(fitted.network, trust)
    difference = export(fitted.network, facts, _proof(arrays, plan.sized), out)
    return Trained(fitted, facts, difference, len(arrays.length))


def _proof(arrays: Arrays, shape: Shape) -> np.ndarray[tuple[int, int, int], np.dtype[np.float32]]:
    """Return sequences to prove an export on."""
    few = arrays.inputs[:_PROOF_CELLS, :_PROOF_S, : shape.inputs]
    return np.ascontiguousarray(few.astype(np.float32))
