"""Teaching policies that decide a power: what a back-test compares our bids with.

They have no gate: none bids in the product. A power is decided before its price is known, so
shaken prices would teach nothing, and all weeks are of the spot.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from cloud.market.bidding.policy import FORMAT
from cloud.market.bidding.policy_course import hindsight_values
from cloud.market.bidding.policy_kernels import deliver, foreseen, hindsight
from cloud.market.bidding.policy_power import Rival, Told
from cloud.market.bidding.policy_training.network import write_network
from cloud.market.bidding.policy_training.practice import Practice
from cloud.market.bidding.policy_training.train import (
    BATTERIES,
    Manner,
    Options,
    Progress,
    course_key,
    forget_others,
    fresh,
    practise,
    write_card,
)
from cloud.market.bidding.value import physics

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]

_PASSES, _BATCH = 12, 512
"""Over the steps, each with an energy drawn anew."""
_LESSON_RATE, _DECAY = 1e-3, 1e-4
_SEED = 0


@dataclass(frozen=True)
class Lesson:
    """How a rival is taught.

    Attributes:
        imitates: learns first what perfect foresight does.
        practised: share of the steps that our policy's seeds practise each; 0: none.
        shaped: the change of the hindsight value is added to the money, and what lies outside the
            range of rewards is cut, both as with our policy.
        manner: of practice.
    """

    imitates: bool
    practised: float
    shaped: bool
    manner: Manner


_FROM_NOTHING = Manner(rate=3e-4, first_log_std=-0.7)
"""The library's own rate, and actions that try half of the power: there is nothing to keep."""
LESSONS: Mapping[Rival, Lesson] = {
    # Energy charged by night is paid for by the evening: that must be seen from there.
    Rival.PLAIN: Lesson(False, 1.0, False, replace(_FROM_NOTHING, discount=0.995, gae=0.95)),
    Rival.IMITATION: Lesson(True, 0.0, False, Manner()),
    Rival.CONTINUED: Lesson(True, 0.5, True, Manner()),
    Rival.VALUES: Lesson(False, 0.5, True, _FROM_NOTHING),
}
"""Chosen once, before the test was seen."""


class PowerPractice(Practice):
    """The practice ground of policies whose action is the power itself.

    Args:
        told: what is learnt on, and what is seen of it.
        batteries: at once.
        seed: of all chance.
        shaped: see `Lesson`.
    """

    def __init__(self, told: Told, batteries: int, seed: int, *, shaped: bool) -> None:
        super().__init__(told.course, batteries, seed, features=told.features, actions=1)
        self._told, self._shaped = told, shaped

    def _bid(self) -> Floats32:
        course, before = self._course, self._energy.copy()
        earned, gained = np.empty(self.num_envs), np.empty(self.num_envs)
        price, action = course.price[self._at], self._action[:, 0]
        deliver(self._energy, price, action, course.hours, self._physics, earned)
        if not self._shaped:
            return np.asarray(earned / self._unit, np.float32)
        hindsight(self._at, before, self._energy, self._best, self._physics[2], gained)
        return self._scaled(earned + gained)

    def _see(self) -> Floats32:
        return self._told.see(self._at, self._energy)


def teach_rival(
    told: Told, rival: Rival, folder: Path, steps: int, progress: Progress | None = None
) -> None:
    """Teach a rival and write network and card, unless the folder holds the same one.

    Args:
        told: what is learnt on.
        rival: which.
        folder: for the network, the card, and what is kept of the training.
        steps: that each seed of our policy practises.
        progress: told how far practice is.
    """
    lesson = LESSONS[rival]
    folder.mkdir(parents=True, exist_ok=True)
    steps = round(lesson.practised * steps)
    key = course_key(told.course, Options(steps))
    forget_others(folder, key)
    path = folder / f"seed-{_SEED}.onnx"
    if not path.exists():
        practice = PowerPractice(told, BATTERIES, _SEED, shaped=lesson.shaped)
        policy = practise(
            practice,
            _SEED,
            steps,
            path.with_suffix(".zip"),
            lambda: _begun(practice, told, lesson),
            manner=lesson.manner,
            progress=progress,
        )
        write_network(policy, path, practice.reset())
    card = {
        "format": FORMAT,
        "kind": f"{rival.value}, to be compared with; decides a power",
        "course": key,
        "measure": told.course.measure,
        "steps": steps,
        "battery": asdict(told.course.battery),
        "versions": {"torch": torch.__version__},
        "networks": {path.name: hashlib.sha256(path.read_bytes()).hexdigest()},
        "gate": {"promoted": False, "reason": "is to be compared with and never bids"},
    }
    write_card(folder, card)


def _begun(practice: PowerPractice, told: Told, lesson: Lesson) -> Any:
    """Return the learner with which practice begins."""
    model = fresh(practice, _SEED, lesson.manner)
    if lesson.imitates:
        imitate(model.policy, told)
    return model


def imitate(policy: Any, told: Told) -> None:
    """Teach a policy what perfect foresight does, from energies that are drawn.

    From an energy of its own schedule alone a network would not learn what to do anywhere else,
    and would come there soon.
    """
    course, rng = told.course, np.random.default_rng(_SEED)
    battery, left = physics(course.battery), hindsight_values(course)
    steps = np.arange(len(course.price))
    learner = torch.optim.Adam(policy.parameters(), _LESSON_RATE, weight_decay=_DECAY)
    for _ in range(_PASSES):
        energy = rng.uniform(-0.1, 1.1, len(steps)).clip(0, 1) * course.battery.usable_mwh
        wanted = np.empty(len(steps))
        foreseen(energy, course.price, left, course.hours, battery, wanted)
        seen = torch.as_tensor(told.see(steps, energy))
        right = torch.as_tensor(wanted.astype(np.float32))
        order = rng.permutation(len(steps))
        for begin in range(0, len(order), _BATCH):
            batch = order[begin : begin + _BATCH]
            inner = policy.mlp_extractor.forward_actor(seen[batch])
            off = ((policy.action_net(inner)[:, 0] - right[batch]) ** 2).mean()
            learner.zero_grad()
            off.backward()
            learner.step()
