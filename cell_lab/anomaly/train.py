"""Train a detector: healthy racks, the network, the tails, the levels; each step is kept.

A folder that holds the results of earlier steps goes on where it stopped.
"""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cell_lab.anomaly.duties import Duty, check_model, duty_of, made_up
from cell_lab.anomaly.learn import (
    Learned,
    innovations,
    learn,
    levels_of,
    tails_of,
    unlearned,
)
from cell_lab.anomaly.racks import BLOCK, Racks, Spread
from cell_lab.errors import NoParametersError, TrainingError
from cell_lab.parameter_files import parameters_of
from cell_lab.recordings import read_recordings
from station.estimators.anomaly.card import (
    CARD_FILE,
    NETWORK_FILE,
    Detector,
    DetectorCard,
    Levels,
    load_network,
)
from station.estimators.cell_model import CellModel, build_cell_model

DATA = Path(__file__).resolve().parent.parent.parent / "data"
REGULATION_FILE = DATA / "market" / "regulation_signal.csv"
RECORDINGS = DATA / "battery" / "recordings"
MAKE = "esc26650"
FIGURES_FILE, LEVELS_FILE = "figures.json", "levels.json"
PARTS = "parts"
LARGE_CELLS, SMALL_CELLS = 416, 64
_A_RUN = 4
"""Stacks that run side by side; what a run shows is kept."""
_WINDOW_STACKS = 4
_NO_RECORDING = np.linspace(0, 3, 1000, dtype=np.float32)
"""Without recordings the SOC filter is taken to be off by as much as it expects at the most."""
_STACK = 3

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Plan:
    """How much is learned.

    Attributes:
        hours: of each made-up duty: a day beyond the first hours, of which nothing is learned.
        cells: of a rack whose figures are learned.
        stacks: of three racks each, whose figures are learned.
        large_stacks, small_stacks: other racks of 416 and of 64 cells, whose scores are learned.
        steps: of the network.
        seed: of all that is random.
    """

    hours: float = 26.0
    cells: int = 104
    stacks: int = 16
    large_stacks: int = 8
    small_stacks: int = 12
    steps: int = 700
    seed: int = 1


def regulation_signal() -> npt.NDArray[np.float32]:
    """Return the shipped regulation signal, -1..1 every 4 s."""
    with REGULATION_FILE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    return np.array([float(row[-1]) for row in rows], np.float32)


def train_detector(
    out: Path, plan: Plan, recordings: Sequence[Path] = (), progress: Progress | None = None
) -> Detector:
    """Train a detector into a folder; return it.

    Args:
        out: gets detector.json, network.onnx and what a later run goes on from.
        plan: how much.
        recordings: files of real cells, whose drives become racks, too.
        progress: told the step and the share of it that is done.

    Raises:
        TrainingError: the folder holds the beginnings of another plan.
        LabError: a recording is wrong.
    """
    tell = progress or (lambda _step, _share: None)
    out.mkdir(parents=True, exist_ok=True)
    _check_plan(out, plan)
    real = [pair for path in recordings for pair in real_duties(path)]
    if not (out / NETWORK_FILE).exists():
        _train_network(out, plan, real, tell)
    network = load_network(out / NETWORK_FILE)
    if not (out / FIGURES_FILE).exists():
        _learn_figures(out, plan, real, unlearned(network), tell)
    kept = json.loads((out / FIGURES_FILE).read_text("utf-8"))
    card = DetectorCard(
        name="cells against their racks",
        version=1,
        source=kept["source"],
        cells=kept["cells"],
        racks=kept["racks"],
        levels=Levels(notice=1, warning=1, alarm=1),
    )
    daily, rack_hours = _learn_scores(out, plan, Detector(card, network), tell)
    levels, tail = levels_of(daily)
    card = card.model_copy(update={"levels": levels})
    (out / CARD_FILE).write_text(card.model_dump_json(indent=1) + "\n", "utf-8")
    told = {"rack_hours": rack_hours, "daily_tail": tail.model_dump()}
    (out / LEVELS_FILE).write_text(json.dumps(told) + "\n", "utf-8")
    return Detector(card, network)


def real_duties(path: Path) -> list[tuple[CellModel, Duty]]:
    """Return the drives of a file with the models of their makes; others are left out."""
    try:
        found = read_recordings(path, None, lambda cell: parameters_of(cell).capacity_ah)
    except NoParametersError:
        return []
    pairs = []
    for recording in found:
        duty = duty_of(recording)
        if duty is None:
            continue
        model = build_cell_model(parameters_of(recording.cell))
        if check_model(model, duty):
            pairs.append((model, duty))
    return pairs


def _check_plan(out: Path, plan: Plan) -> None:
    file = out / "plan.json"
    wanted = json.dumps(asdict(plan))
    if file.exists() and file.read_text("utf-8") != wanted:
        raise TrainingError(f"{out}: holds the beginnings of another plan; name an empty folder")
    file.write_text(wanted, "utf-8")


def _train_network(
    out: Path, plan: Plan, real: Sequence[tuple[CellModel, Duty]], tell: Progress
) -> None:
    from cell_lab.anomaly.contrastive import train_encoder  # noqa: PLC0415 - needs PyTorch
    from cell_lab.anomaly.network_onnx import write_network  # noqa: PLC0415 - needs onnx

    rng = np.random.default_rng(plan.seed)
    learned = Learned()
    few = replace(plan, stacks=min(plan.stacks, _WINDOW_STACKS))
    for racks in _all_racks(few, real, plan.seed + 50):
        learn(learned, racks, unlearned(), rng, partial(tell, "windows"), scored=False)
    windows = np.concatenate(learned.windows)
    trained = train_encoder(windows, plan.steps, plan.seed, partial(tell, "contrastive network"))
    off = write_network(trained, out / NETWORK_FILE, windows[:4096])
    told = {"losses": trained.losses, "parity": off, "windows": len(windows)}
    (out / "network.json").write_text(json.dumps(told) + "\n", "utf-8")


def _learn_figures(
    out: Path,
    plan: Plan,
    real: Sequence[tuple[CellModel, Duty]],
    known: Detector,
    tell: Progress,
) -> None:
    learned = Learned()
    total = -(-plan.stacks // _A_RUN) + len(real)
    for number, racks in enumerate(_all_racks(plan, real, plan.seed + 100)):
        part = out / PARTS / f"figures-{number}.npz"
        if not part.exists():
            found = Learned()
            rng = np.random.default_rng([plan.seed, number])
            learn(found, racks, known, rng, _within(tell, "figures", number, total), scored=False)
            most = {name: np.concatenate(parts) for name, parts in found.cells.items()}
            most |= {f"rack {name}": np.concatenate(p) for name, p in found.racks.items()}
            _keep(part, most)
        with np.load(part) as kept_part:
            for name in kept_part.files:
                own = learned.racks if name.startswith("rack ") else learned.cells
                own.setdefault(name.removeprefix("rack "), []).append(kept_part[name])
    off = [innovations(model, duty) for model, duty in real]
    moved = [_most_by_hour(np.abs(each - np.median(each))) for each in off] or [_NO_RECORDING]
    learned.racks["model"] = moved
    cells, tails = tails_of(learned)
    names = sorted({duty.name for _, duty in real})
    made = f"{plan.stacks * _STACK} made-up racks of {plan.cells} cells over {plan.hours:g} h"
    kept = {
        "source": "; ".join([made, *(f"racks made of {name}" for name in names)]),
        "cells": {name: tail.model_dump() for name, tail in cells.items()},
        "racks": {name: tail.model_dump() for name, tail in tails.items()},
    }
    (out / FIGURES_FILE).write_text(json.dumps(kept, indent=1), "utf-8")


def _learn_scores(
    out: Path, plan: Plan, known: Detector, tell: Progress
) -> tuple[list[npt.NDArray[np.float32]], float]:
    """Return the highest scores of other racks' days, large and small ones, and their hours."""
    runs = [
        (cells, first, min(_A_RUN, stacks - first))
        for cells, stacks in ((LARGE_CELLS, plan.large_stacks), (SMALL_CELLS, plan.small_stacks))
        for first in range(0, stacks, _A_RUN)
    ]
    daily, rack_hours = [], 0.0
    for number, (cells, _, stacks) in enumerate(runs):
        part = out / PARTS / f"scores-{number}.npz"
        if not part.exists():
            racks = _made_up_racks(replace(plan, cells=cells), stacks, plan.seed + 900, number)
            found = Learned()
            rng = np.random.default_rng(plan.seed)
            learn(found, racks, known, rng, _within(tell, "scores", number, len(runs)), scored=True)
            hours = np.asarray(found.rack_hours)
            _keep(part, {"daily": np.concatenate(found.daily), "rack_hours": hours})
        with np.load(part) as kept:
            daily.append(kept["daily"])
            rack_hours += float(kept["rack_hours"])
    return daily, rack_hours


def _keep(part: Path, arrays: dict[str, npt.NDArray[Any]]) -> None:
    """Write a part whole or not at all."""
    part.parent.mkdir(exist_ok=True)
    half = part.with_suffix(".half.npz")
    with half.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    half.replace(part)


def _within(tell: Progress, what: str, number: int, total: int) -> Callable[[float], None]:
    return lambda share: tell(what, (number + share) / total)


def _most_by_hour(off: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    blocks = 3600 // BLOCK
    starts = range(0, max(len(off) // blocks, 1) * blocks, blocks)
    return np.array([off[at : at + blocks].max() for at in starts], np.float32)


def _all_racks(plan: Plan, real: Sequence[tuple[CellModel, Duty]], seed: int) -> Iterator[Racks]:
    for number, first in enumerate(range(0, plan.stacks, _A_RUN)):
        yield _made_up_racks(plan, min(_A_RUN, plan.stacks - first), seed, number)
    for number, (model, duty) in enumerate(real):
        yield Racks(model, [duty], plan.cells, stack=_STACK, seed=seed + 1 + number)


def _made_up_racks(plan: Plan, stacks: int, seed: int, number: int) -> Racks:
    model = build_cell_model(parameters_of(MAKE))
    signal = regulation_signal()
    first = seed * 1000 + number * _A_RUN
    duties = [made_up(plan.hours, first + each, signal) for each in range(stacks)]
    spread = Spread().varied(np.random.default_rng(first))
    return Racks(model, duties, plan.cells, stack=_STACK, seed=first, spread=spread)
