"""Training of a network on prepared arrays: from seeds, in steps, resumable at any of them.

Each step draws its batch from the seed and its own number, so that a training that was killed
goes on exactly as it would have gone. What is kept are weights, their running mean, the state of
the optimiser, and the best weights so far on recordings that are not trained on.
"""

import math
import os
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cell_lab.errors import TrainingError
from cell_lab.network.architecture import Told, TransformerGru
from cell_lab.network.prepare import Arrays
from cell_lab.network.shape import Shape

CHECKPOINT_FILE = "checkpoint.pt"
_SETTLE_S = 48
"""The first seconds are not judged: no token has been heard yet."""
_WARM_STEPS = 100
_MEAN_KEEPS = 0.995
_MOST_NORM = 1.0
_MOST_AWAY = 5.0

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        steps: how many.
        seconds: unless 0, as many steps as fit into so many seconds; such a training differs
            from run to run.
        batch, length: series in a step, and seconds of each.
        rate: highest learning rate.
        every: steps between checkpoints.
        raw: a plain network of voltage, current and temperature that tells SOC itself.
    """

    steps: int = 2000
    seconds: float = 0.0
    batch: int = 64
    length: int = 2048
    rate: float = 4e-3
    seed: int = 1
    every: int = 100
    raw: bool = False


@dataclass(frozen=True)
class Fitted:
    """The best network found, and its score on validation: mean of the loss."""

    network: TransformerGru
    score: float
    step: int


@dataclass(frozen=True)
class _Data:
    inputs: Tensor
    target: Tensor
    length: Tensor


def train(
    shape: Shape,
    arrays: Arrays,
    settings: Settings,
    folder: Path,
    progress: Progress,
    *,
    resume: bool = False,
) -> Fitted:
    """Train, or go on, and return the best network.

    Args:
        shape: of the network.
        arrays: of the fold.
        settings: how.
        folder: where the checkpoint is kept; it is made.
        progress: told the share done and the scores.
        resume: go on from the checkpoint; without one, begin.

    Raises:
        TrainingError: the checkpoint is of another training.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    run = _Run(shape, settings, device)
    path = folder / CHECKPOINT_FILE
    if resume and path.exists():
        run.restore(path)
    learn = _data(arrays, ~arrays.validates, settings, device)
    check = _data(arrays, arrays.validates, settings, device)
    began_s = time.monotonic() - run.spent_s
    while run.share < 1:
        run.take_step(learn)
        run.spent_s = time.monotonic() - began_s
        if run.step % settings.every == 0 or run.share >= 1:
            run.check(check if len(check.length) else learn)
            run.save(path)
            progress(run.share, f"loss {run.loss:.3f}, unseen {run.score:.3f}, best {run.best:.3f}")
    best = TransformerGru(shape)
    best.load_state_dict(run.best_weights)
    return Fitted(best.eval(), run.best, run.best_step)


class _Run:
    """A training between two steps."""

    def __init__(self, shape: Shape, settings: Settings, device: torch.device) -> None:
        self.settings, self.shape = settings, shape
        self.network = TransformerGru(shape).to(device)
        self.mean = deepcopy(self.network)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), settings.rate, weight_decay=1e-3
        )
        self.step, self.spent_s = 0, 0.0
        self.loss, self.score, self.best, self.best_step = 0.0, 0.0, float("inf"), 0
        self.best_weights: dict[str, Tensor] = {}
        self.last_loss = torch.zeros(())

    @property
    def share(self) -> float:
        """How much of the training is done, 0..1."""
        if self.settings.seconds:
            return min(self.spent_s / self.settings.seconds, 1.0)
        return self.step / self.settings.steps

    def take_step(self, data: _Data) -> None:
        settings, share = self.settings, self.share
        warm = min((self.step + 1) / _WARM_STEPS, 1.0)
        for group in self.optimiser.param_groups:
            group["lr"] = (
                settings.rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
            )
        inputs, target, known = _batch(
            data, settings, np.random.default_rng((settings.seed, self.step))
        )
        told, _ = self.network(inputs)
        loss = _loss(told, target, known)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _MOST_NORM)
        self.optimiser.step()
        keeps = min(_MEAN_KEEPS, self.step / (self.step + 10))
        with torch.no_grad():
            for mean, now in zip(self.mean.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(now, 1 - keeps)
        self.step += 1
        self.last_loss = loss.detach()

    def check(self, data: _Data) -> None:
        self.loss = float(self.last_loss)
        rng = np.random.default_rng(self.settings.seed)
        losses = []
        for _ in range(4):
            inputs, target, known = _batch(data, self.settings, rng)
            with torch.no_grad():
                told, _ = self.mean(inputs)
            losses.append(float((_each_loss(told, target) * known).sum() / known.sum()))
        self.score = float(np.mean(losses))
        if self.score < self.best:
            self.best, self.best_step = self.score, self.step
            self.best_weights = {
                name: value.detach().cpu().clone() for name, value in self.mean.state_dict().items()
            }

    def save(self, path: Path) -> None:
        """Write the checkpoint beside its place, then put it there at once."""
        state = {
            "shape": asdict(self.shape),
            "settings": asdict(self.settings),
            "network": self.network.state_dict(),
            "mean": self.mean.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "numbers": (self.step, self.spent_s, self.loss, self.score, self.best, self.best_step),
            "best_weights": self.best_weights,
        }
        beside = path.with_suffix(".part")
        torch.save(state, beside)
        os.replace(beside, path)  # noqa: PTH105 - atomic

    def restore(self, path: Path) -> None:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        kept = (state["shape"], state["settings"])
        if kept != (asdict(self.shape), asdict(self.settings)):
            raise TrainingError(
                f"{path}: is of a training with other settings; go on with those, or leave "
                "--resume away to begin anew"
            )
        self.network.load_state_dict(state["network"])
        self.mean.load_state_dict(state["mean"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.spent_s, self.loss, self.score, self.best, self.best_step = state["numbers"]
        self.best_weights = state["best_weights"]


def _data(
    arrays: Arrays, wanted: np.ndarray[Any, Any], settings: Settings, device: torch.device
) -> _Data:
    inputs = arrays.inputs[wanted]
    target = arrays.error[wanted]
    if settings.raw:
        inputs, target = inputs[..., :3], arrays.soc[wanted] - np.float16(0.5)
    return _Data(
        torch.from_numpy(np.ascontiguousarray(inputs)).to(device),
        torch.from_numpy(target).to(device),
        torch.from_numpy(arrays.length[wanted]).to(device),
    )


def _batch(
    data: _Data, settings: Settings, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Return inputs, targets, and which seconds are judged, of random pieces."""
    device = data.inputs.device
    rows = torch.from_numpy(rng.integers(len(data.length), size=settings.batch)).to(device)
    length = min(settings.length, data.inputs.shape[1])
    room = (data.length[rows] - length).clamp(min=0)
    start = (torch.from_numpy(rng.random(settings.batch)).to(device) * room).long()
    place = start[:, None] + torch.arange(length, device=device)
    known = (place < data.length[rows][:, None]) & (place - start[:, None] >= _SETTLE_S)
    inputs = data.inputs[rows[:, None], place].float()
    return inputs, data.target[rows[:, None], place].float(), known


def _loss(told: Told, target: Tensor, known: Tensor) -> Tensor:
    """Return the loss to learn by: its seconds are weighted by the standard deviation told.

    Without the weight the surest seconds would drown all others (Seitzer 2022, arXiv 2203.09168).
    Its value tells nothing of how good a network is: the surer, the smaller all weights.
    """
    each = _each_loss(told, target) * told.log_sd.detach().exp().sqrt()
    return (each * known).sum() / known.sum().clamp(min=1)


def _each_loss(told: Told, target: Tensor) -> Tensor:
    """Return the Gaussian negative log-likelihood of each second.

    A wild second pulls like a straight line, not like a parabola.
    """
    away = ((target - told.error) / told.log_sd.exp()).abs()
    square = torch.where(away > _MOST_AWAY, _MOST_AWAY * (2 * away - _MOST_AWAY), away * away)
    return 0.5 * square + told.log_sd
