"""Train a detector: healthy racks, the network, the tails, the levels; each step is kept.

A folder that holds the results of earlier steps goes on where it stopped.
"""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

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
from cell_lab.anomaly.racks import Racks
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
_WINDOW_CELLS = 104
_NO_RECORDING = np.linspace(0, 3, 1000, dtype=np.float32)
"""Without recordings the SOC filter is taken to be off by as much as it expects at the most."""
_STACK = 3

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Plan:
    """How much is learned.

    Attributes:
        hours: of each made-up duty; cells: of a rack.
        stacks: of three racks each, whose figures are learned.
        level_stacks: other racks, whose scores are learned.
        steps: of the network.
        seed: of all that is random.
    """

    hours: float = 20.0
    cells: int = 416
    stacks: int = 4
    level_stacks: int = 24
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
    learned = Learned()
    rng = np.random.default_rng(plan.seed)
    racks = _made_up_racks(plan, plan.level_stacks, plan.seed + 900)
    learn(learned, racks, Detector(card, network), rng, partial(tell, "scores"), scored=True)
    levels, tail = levels_of(learned.hourly)
    card = card.model_copy(update={"levels": levels})
    (out / CARD_FILE).write_text(card.model_dump_json(indent=1) + "\n", "utf-8")
    told = {"rack_hours": learned.rack_hours, "hourly_tail": tail.model_dump()}
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
    small = replace(plan, cells=_WINDOW_CELLS)
    for racks in _all_racks(small, real, plan.seed + 50):
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
    rng = np.random.default_rng(plan.seed)
    learned = Learned()
    for racks in _all_racks(plan, real, plan.seed + 100):
        learn(learned, racks, known, rng, partial(tell, "figures"), scored=False)
    off = [innovations(model, duty) for model, duty in real]
    moved = [np.abs(each - np.median(each)) for each in off] or [_NO_RECORDING]
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


def _all_racks(plan: Plan, real: Sequence[tuple[CellModel, Duty]], seed: int) -> Iterator[Racks]:
    yield _made_up_racks(plan, plan.stacks, seed)
    for number, (model, duty) in enumerate(real):
        yield Racks(model, [duty], plan.cells // 2, stack=_STACK, seed=seed + 1 + number)


def _made_up_racks(plan: Plan, stacks: int, seed: int) -> Racks:
    model = build_cell_model(parameters_of(MAKE))
    signal = regulation_signal()
    duties = [made_up(plan.hours, seed * 1000 + each, signal) for each in range(stacks)]
    return Racks(model, duties, plan.cells, stack=_STACK, seed=seed)
