"""From recordings and splits to the arrays that a fold is trained on."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from cell_lab.errors import TrainingError
from cell_lab.identify import identify
from cell_lab.network.duty import duty_c_rate
from cell_lab.network.made_cells import differing, make_cell
from cell_lab.network.series import Example, Measured, drive_cell, every_second, example
from cell_lab.network.splits import Splits
from cell_lab.parameter_files import parameters_of
from cell_lab.recordings import Recording, Series
from station.estimators.cell_model import CellModel, build_cell_model
from station.estimators.network_inputs import INPUTS

Halves = npt.NDArray[np.float16]
Progress = Callable[[float], None]
Job = tuple[int, tuple[str, int]]
"""Place of an example, and what it is made of: a kind, and a number in it."""
_FEWEST_TEMPERATURES = 2
_SHORTEST_S = 1200
_DIFFERS = 0.5
_LEAD_S = 4000
"""So long before a piece begins the lags and the hysteresis are followed."""


@dataclass(frozen=True)
class Amounts:
    """How much to train on.

    Attributes:
        seconds: length of a series; shorter ones are filled up.
        variants: of each recording, with other faults and beliefs, for each 2000 s that it lasts.
        made: series of made cells.
    """

    seconds: int = 8192
    variants: int = 10
    made: int = 1500


@dataclass(frozen=True)
class Arrays:
    """Series side by side.

    Attributes:
        inputs: shape (series, seconds, INPUTS).
        error, soc: shape (series, seconds): true minus believed, and true.
        length: seconds that hold something, shape (series,).
        validates: whether it chooses the best weights rather than being trained on.
    """

    inputs: Halves
    error: Halves
    soc: Halves
    length: npt.NDArray[np.int64]
    validates: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Source:
    """A recording and the tables that have not seen its temperature."""

    measured: Measured
    model: CellModel
    validates: bool


@dataclass(frozen=True)
class _Stock:
    """What examples are made of: recordings, tables of makes, pieces of drives."""

    sources: Sequence[_Source]
    known: Sequence[CellModel]
    pool: Sequence[Series]
    seconds: int
    seed: int


def prepare(
    recordings: Sequence[Recording],
    splits: Splits,
    fold: str,
    amounts: Amounts,
    *,
    seed: int,
    workers: int,
    progress: Progress,
) -> Arrays:
    """Return the arrays of a fold: the same for the same seed, however many workers.

    Raises:
        TrainingError: nothing is left to train on.
    """
    sources, known = _sources(recordings, splits, fold)
    if not any(not source.validates for source in sources):
        raise TrainingError(f"fold {fold}: the splits leave no recording to train on")
    pool = [
        source.measured.current_a / source.measured.capacity_ah
        for source in sources
        if not source.validates
    ]
    jobs: list[tuple[str, int]] = []
    for number, source in enumerate(sources):
        times = max(round(amounts.variants * len(source.measured.soc) / 2000), 1)
        jobs += [("recorded", number)] * times
    jobs += [("made", number) for number in range(amounts.made)]
    work = partial(_work, _Stock(sources, known, pool, amounts.seconds, seed))
    found: list[Example] = []
    for done in _mapped(work, list(enumerate(jobs)), workers):
        found.append(done)
        progress(len(found) / len(jobs))
    validates = [kind == "recorded" and sources[number].validates for kind, number in jobs]
    return stacked(found, np.array(validates), amounts.seconds)


def tables_of(recordings: Sequence[Recording], cell: str, splits: Splits, fold: str) -> CellModel:
    """Return a make as a station would know it that has not seen what a fold holds out.

    A cell that is held out altogether has the tables that the house has of it.
    """
    if any(cell.startswith(name) for name in splits.held_out_cells):
        return build_cell_model(parameters_of(cell))
    own = _of_seen_cycles(recordings, cell, splits)
    return tables_without(own, tuple(splits.held_out_c(cell, fold)))


def tables_without(recordings: Sequence[Recording], unseen_c: Sequence[float]) -> CellModel:
    """Return the make as identified without some temperatures.

    Raises:
        TrainingError: too few temperatures are left.
    """
    cell = recordings[0].cell
    seen = [recording for recording in recordings if recording.chamber_c not in unseen_c]
    if len({recording.chamber_c for recording in seen}) < _FEWEST_TEMPERATURES:
        raise TrainingError(f"{cell}: too few temperatures are left without {unseen_c}")
    known = parameters_of(cell)
    has_slow = any(recording.slow for recording in seen)
    ocv = None if has_slow else known.ocv
    fit = identify(seen, known.make, known.chemistry, known.source, ocv)
    return build_cell_model(fit.parameters)


def _of_seen_cycles(recordings: Sequence[Recording], cell: str, splits: Splits) -> list[Recording]:
    held = splits.held_out_cycles
    return [r for r in recordings if r.cell == cell and not any(p in r.profile for p in held)]


def _sources(
    recordings: Sequence[Recording], splits: Splits, fold: str
) -> tuple[list[_Source], list[CellModel]]:
    """Return recordings with tables made without their temperature, and the fold's tables.

    A make whose temperatures are too few for that gets the fold's tables.
    """
    sources, known = [], []
    for cell in dict.fromkeys(recording.cell for recording in recordings):
        own = [r for r in recordings if r.cell == cell]
        used = [r for r in own if not r.slow and splits.role(r, fold) != "test"]
        if not used:
            continue
        held = tuple(splits.held_out_c(cell, fold))
        seen_cycles = _of_seen_cycles(recordings, cell, splits)
        known.append(tables_without(seen_cycles, held))
        for chamber_c in sorted({recording.chamber_c for recording in used}):
            left = {each.chamber_c for each in seen_cycles} - {*held, chamber_c}
            unseen = (*held, chamber_c) if len(left) >= _FEWEST_TEMPERATURES else held
            model = tables_without(seen_cycles, unseen)
            sources += [
                _Source(every_second(r), model, splits.role(r, fold) == "validate")
                for r in used
                if r.chamber_c == chamber_c
            ]
    return [source for source in sources if len(source.measured.soc) > _SHORTEST_S], known


def _work(stock: _Stock, job: Job) -> Example:
    place, (kind, number) = job
    rng = np.random.default_rng((stock.seed, place))
    if kind == "recorded":
        source = stock.sources[number]
        # A cell is not its make's table to the last millivolt, whichever cell was measured.
        model = differing(source.model, rng) if rng.random() < _DIFFERS else source.model
        at = int(rng.integers(max(len(source.measured.soc) - stock.seconds, 0) + 1))
        lead = min(at, _LEAD_S)
        piece = source.measured.between(at - lead, at + stock.seconds)
        whole = example(model, piece, rng)
        return Example(whole.inputs[lead:], whole.error[lead:], whole.soc[lead:])
    cell = make_cell(stock.known[number % len(stock.known)], rng)
    start_soc = float(rng.uniform(0.05, 0.99))
    c_rate = duty_c_rate(stock.pool, start_soc, stock.seconds, rng)
    return example(
        cell.model, drive_cell(cell.truth, cell.capacity_ah, c_rate, start_soc, rng), rng
    )


_function: Callable[[Job], Example]


def _take(function: Callable[[Job], Example]) -> None:
    global _function  # noqa: PLW0603 - each worker gets the recordings once, not with each job
    _function = function


def _do(job: Job) -> Example:
    return _function(job)


def _mapped(
    work: Callable[[Job], Example],
    jobs: Sequence[Job],
    workers: int,
) -> Iterator[Example]:
    if workers <= 1:
        yield from map(work, jobs)
        return
    with ProcessPoolExecutor(workers, initializer=_take, initargs=(work,)) as pool:
        yield from pool.map(_do, jobs, chunksize=8)


def stacked(examples: Sequence[Example], validates: npt.NDArray[np.bool_], seconds: int) -> Arrays:
    """Return examples side by side, filled up to so many seconds."""
    inputs = np.zeros((len(examples), seconds, len(INPUTS)), np.float16)
    error = np.zeros((len(examples), seconds), np.float16)
    soc = np.zeros((len(examples), seconds), np.float16)
    for row, each in enumerate(examples):
        heard = slice(0, len(each.soc))
        inputs[row, heard], error[row, heard], soc[row, heard] = each.inputs, each.error, each.soc
    length = np.array([len(each.soc) for each in examples], np.int64)
    return Arrays(inputs, error, soc, length, validates)
