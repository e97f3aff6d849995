"""Training a policy: several seeds, each kept as it goes, so that a run that was cut goes on."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from cloud.market.bidding.policy import CARD_FILE, FORMAT, Policy, load_policy
from cloud.market.bidding.policy_course import Course
from cloud.market.bidding.policy_features import WEIGHTS
from cloud.market.bidding.policy_run import run_policy
from cloud.market.bidding.policy_training.gate import Verdict, judge
from cloud.market.bidding.policy_training.network import write_network
from cloud.market.bidding.policy_training.practice import SHAKE, Practice

Floats = npt.NDArray[np.float64]

Progress = Callable[[int, int, int], None]
"""Told a seed, steps done and steps in all."""

BATTERIES, _STEPS, _BATCH, _EPOCHS = 64, 168, 2688, 5
_DISCOUNT, _GAE = 0.985, 0.93
"""Short: the change of the hindsight value has told a step already what comes of it."""
_LEARNING_RATE, _LEAST_RATE = 1e-4, 1e-5
_NEURONS = [96, 96]
_FIRST_LOG_STD = -1.6
_FIRST_ACTION_SHARE = 0.01
"""The policy begins as the Markov-SDP, nearly."""
_KEPT_EVERY = 25
"""Rounds of practice between files."""


@dataclass(frozen=True)
class Options:
    """How long and how often is trained."""

    steps: int = 4_000_000
    seeds: tuple[int, ...] = (0, 1)


@dataclass(frozen=True)
class Manner:
    """How PPO learns; as it stands, our policy.

    Attributes:
        discount: of a reward one step later.
        gae: how far advantages look beyond the value that is learnt beside the policy.
        rate: of learning at first.
        first_log_std: of the actions at first: how far practice strays.
    """

    discount: float = _DISCOUNT
    gae: float = _GAE
    rate: float = _LEARNING_RATE
    first_log_std: float = _FIRST_LOG_STD


@dataclass(frozen=True)
class Promoted:
    """The new policy has passed the gate and may bid."""

    folder: Path
    verdict: Verdict


@dataclass(frozen=True)
class Kept:
    """What bade before goes on bidding; why the new policy may not."""

    folder: Path
    verdict: Verdict


def retrain(
    course: Course,
    unseen: Course,
    days: npt.NDArray[np.int64],
    folder: Path,
    *,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Promoted | Kept:
    """Train on one span, judge on a later one, and write networks and card.

    A folder that holds a policy for the same course and options is judged as it is. Whether a
    policy may bid stands in its card; one that may not leaves whatever bade before in place.

    Args:
        course: what is learnt on.
        unseen: later steps, never learnt on.
        days: number of the local day of each of them, shape (steps,).
        folder: for networks, card and what is kept of the training.
        options: see `Options`.
        progress: told how far it is.
    """
    options = options or Options()
    folder.mkdir(parents=True, exist_ok=True)
    key = course_key(course, options)
    forget_others(folder, key)
    networks: dict[str, str] = {}
    questions = _questions(course)
    for seed in options.seeds:
        path = folder / f"seed-{seed}.onnx"
        if not path.exists():
            write_network(_train(course, seed, options, folder, progress), path, questions)
        networks[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    card = _card(course, options, key, networks)
    write_card(folder, card | {"gate": {"promoted": False}})
    verdict = judge(*earnings(load_policy(folder), unseen, days))
    write_card(folder, card | {"gate": asdict(verdict)})
    return Promoted(folder, verdict) if verdict.promoted else Kept(folder, verdict)


def earnings(policy: Policy, unseen: Course, days: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return what a policy and the Markov-SDP earn on each day of steps that it never saw.

    Args:
        policy: trained earlier.
        unseen: with the policy's own measure.
        days: number of the local day of each step, shape (steps,).

    Returns:
        Money of both, shape (days,) each.
    """

    def nothing(seen: npt.NDArray[np.float32]) -> Floats:
        return np.zeros((len(seen), 2))

    number = days - days[0]
    earned = [
        np.asarray(np.bincount(number, run_policy(unseen, actions)[0]), np.float64)
        for actions in (policy.actions, nothing)
    ]
    return earned[0], earned[1]


def _train(
    course: Course, seed: int, options: Options, folder: Path, progress: Progress | None
) -> Any:
    """Return a trained policy of stable-baselines3."""
    practice = Practice(course, BATTERIES, seed)

    def begin() -> Any:
        return fresh(practice, seed)

    kept = folder / f"seed-{seed}.zip"
    return practise(practice, seed, options.steps, kept, begin, progress=progress)


def practise(
    practice: Practice,
    seed: int,
    steps: int,
    kept: Path,
    begin: Callable[[], Any],
    *,
    manner: Manner | None = None,
    progress: Progress | None = None,
) -> Any:
    """Practise until all steps are done, from where a training that was cut has been.

    Args:
        practice: the practice ground.
        seed: of the learner.
        steps: in all.
        kept: file of the training.
        begin: makes the learner where nothing is kept.
        manner: with which it was made.
        progress: told how far it is.

    Returns:
        The trained policy of stable-baselines3.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    model: Any = PPO.load(kept, env=practice, device="cpu") if kept.exists() else begin()
    rest = steps - model.num_timesteps
    if rest > 0:
        keeper = _Keeper(kept, seed, steps, progress)
        rate = _rate((manner or Manner()).rate)
        model.learning_rate = rate
        model.lr_schedule = rate
        model.learn(rest, callback=keeper, reset_num_timesteps=False)
        _keep(model, kept)
    return model.policy


def _rate(first: float) -> Callable[[float], float]:
    """Falls in a straight line over the whole training; `left` knows of what preceded a cut."""
    return lambda left: first * left + _LEAST_RATE


def fresh(practice: Practice, seed: int, manner: Manner | None = None) -> Any:
    """Return a learner of stable-baselines3 whose actions are nought, nearly: the Markov-SDP's."""
    manner = manner or Manner()
    model: Any = PPO(
        "MlpPolicy",
        practice,
        n_steps=_STEPS,
        batch_size=_BATCH,
        n_epochs=_EPOCHS,
        gamma=manner.discount,
        gae_lambda=manner.gae,
        learning_rate=manner.rate,
        ent_coef=0.001,
        clip_range=0.2,
        policy_kwargs={"net_arch": _NEURONS, "log_std_init": manner.first_log_std},
        device="cpu",
        seed=seed,
    )
    with torch.no_grad():
        model.policy.action_net.weight.mul_(_FIRST_ACTION_SHARE)
        model.policy.action_net.bias.zero_()
    return model


class _Keeper(BaseCallback):
    """Keeps the training every few rounds and tells how far it is."""

    def __init__(self, kept: Path, seed: int, steps: int, progress: Progress | None) -> None:
        super().__init__()
        self._kept, self._seed, self._of, self._tell = kept, seed, steps, progress
        self._rounds = 0

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self._rounds += 1
        if self._tell:
            self._tell(self._seed, min(self.num_timesteps, self._of), self._of)
        if self._rounds % _KEPT_EVERY == 0:
            _keep(self.model, self._kept)


def _keep(model: Any, file: Path) -> None:
    """Write a training whole or not at all: half a file would not let it go on."""
    part = file.with_name(f"{file.stem}.part.zip")
    model.save(part)
    part.replace(file)


def _questions(course: Course) -> npt.NDArray[np.float32]:
    practice = Practice(course, BATTERIES, 0)
    return practice.reset()


def _card(course: Course, options: Options, key: str, networks: dict[str, str]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "kind": "residual bidding policy on opportunity values (PPO)",
        "course": key,
        "measure": course.measure,
        "steps": options.steps,
        "seeds": list(options.seeds),
        "trained_on_days": round(len(course.price) * course.hours / 24),
        "weights": {kind.value: asdict(weights) for kind, weights in WEIGHTS.items()},
        "price_shake": SHAKE,
        "battery": asdict(course.battery),
        "versions": {"torch": torch.__version__},
        "networks": networks,
    }


def write_card(folder: Path, card: dict[str, Any]) -> None:
    """Write a policy's card whole or not at all."""
    part = folder / (CARD_FILE + ".part")
    part.write_text(json.dumps(card, indent=1) + "\n", "utf-8")
    part.replace(folder / CARD_FILE)


def course_key(course: Course, options: Options) -> str:
    """Return what names a course and how long is practised on it."""
    digest = hashlib.sha256()
    parts: Sequence[npt.NDArray[Any]] = (course.price, course.base, course.seen)
    for part in parts:
        digest.update(np.ascontiguousarray(part).tobytes())
    digest.update(repr((course.battery, options.steps, course.measure)).encode())
    return digest.hexdigest()[:16]


def forget_others(folder: Path, key: str) -> None:
    """Networks of another course would be taken for this one's."""
    mark = folder / "course"
    if mark.exists() and mark.read_text("utf-8") == key:
        return
    for old in (*folder.glob("seed-*.onnx"), *folder.glob("seed-*.zip")):
        old.unlink()
    mark.write_text(key, "utf-8")
