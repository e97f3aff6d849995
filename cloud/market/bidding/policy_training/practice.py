"""The practice ground: many batteries at once bid on past prices that are shaken as they go.

A battery's week begins at a random time with random energy, in a random type of market. In half
of the weeks prices are multiplied by 0.7 to 1.3, anew every few hours, so that a policy that
only works at the recorded prices does not pay.
"""

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecEnv

from cloud.market.bidding.policy_course import Course, hindsight_values
from cloud.market.bidding.policy_features import WEIGHTS, MarketType, market_code
from cloud.market.bidding.policy_kernels import VALUE_FEATURES, answer, hindsight, see
from cloud.market.bidding.value import physics

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]

SHAKE = 0.3
_SHAKEN_SHARE = 0.5
_SHAKE_HOURS = 4
_EPISODE_HOURS = 168
_TYPES = tuple(MarketType)
_TYPE_SHARES = (0.8, 0.1, 0.1)
_REWARD_RANGE = (-10.0, 30.0)
_REWARD_UNIT_SHARE = 0.16
"""Rewards are counted in this share of a full-power step at the usual price."""
_SEEN_RANGE = 20.0


class Practice(VecEnv):
    """Vectorised environment of stable-baselines3.

    Args:
        course: what is learnt on.
        batteries: at once.
        seed: of all chance.
        features: numbers that are seen; None: the market's, its type and the values.
        actions: numbers that are decided.
    """

    def __init__(
        self,
        course: Course,
        batteries: int,
        seed: int,
        *,
        features: int | None = None,
        actions: int = 2,
    ) -> None:
        self._course = course
        self._rng = np.random.default_rng(seed)
        self._best = hindsight_values(course)
        self._physics = physics(course.battery)
        self._length = round(_EPISODE_HOURS / course.hours)
        self._hold = max(round(_SHAKE_HOURS / course.hours), 1)
        features = features or course.seen.shape[1] + len(_TYPES) + VALUE_FEATURES
        super().__init__(
            batteries,
            gymnasium.spaces.Box(-_SEEN_RANGE, _SEEN_RANGE, (features,), np.float32),
            gymnasium.spaces.Box(-1, 1, (actions,), np.float32),
        )
        self._unit = _REWARD_UNIT_SHARE * course.measure * course.battery.discharge_mw
        self._unit *= course.hours / 0.25
        self._codes = np.stack([market_code(one) for one in _TYPES])
        weights = [WEIGHTS[one] for one in _TYPES]
        self._weights = np.array([(one.spot, one.balance, one.response) for one in weights])
        self._at = np.zeros(batteries, np.int64)
        self._done = np.zeros(batteries, np.int64)
        self._energy, self._factor = np.zeros(batteries), np.ones(batteries)
        self._shaken = np.zeros(batteries, bool)
        self._type = np.zeros(batteries, np.int64)
        self._action = np.zeros((batteries, actions))

    def reset(self) -> Floats32:
        """Begin everywhere anew, at different places of the week."""
        everyone = np.arange(self.num_envs)
        self._begin(everyone)
        self._done = self._rng.integers(0, self._length, self.num_envs)
        return self._see()

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Take the actions of the next step."""
        self._action = np.clip(actions, -1, 1).astype(np.float64)

    def step_wait(self) -> tuple[Floats32, Floats32, npt.NDArray[np.bool_], list[dict[str, Any]]]:
        """Bid one step, and tell what came of it."""
        reward = self._bid()
        self._at += 1
        self._done += 1
        self._shake(self._done % self._hold == 0)
        ended = self._done >= self._length
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if ended.any():
            last = self._see()
            for n in np.flatnonzero(ended):
                infos[n] = {"terminal_observation": last[n], "TimeLimit.truncated": True}
            self._begin(np.flatnonzero(ended))
        return self._see(), reward, ended, infos

    def _bid(self) -> Floats32:
        course, before = self._course, self._energy.copy()
        earned, power, gained = (np.empty(self.num_envs) for _ in range(3))
        answer(
            self._at,
            self._energy,
            self._price(),
            self._action,
            course.base,
            course.offset,
            course.means,
            course.left,
            course.hours,
            self._physics,
            0.0,
            0.0,
            earned,
            power,
        )
        hindsight(self._at, before, self._energy, self._best, self._physics[2], gained)
        weight = self._weights[self._type]
        return self._scaled(weight[:, 0] * (earned + gained) + self._other_aims(weight, power))

    def _scaled(self, reward: Floats) -> Floats32:
        """Count money in units, and cut what lies far outside."""
        return np.asarray(np.clip(reward / self._unit, *_REWARD_RANGE), np.float32)

    def _other_aims(self, weight: Floats, power: Floats) -> Floats:
        """Money for balance and for what could be given to frequency response."""
        charge, discharge, full, eff_in, eff_out, _ = self._physics
        apart = np.abs(self._energy - full / 2)
        up = np.minimum(discharge - power, self._energy * eff_out)
        down = np.minimum(charge + power, (full - self._energy) / eff_in)
        both = np.clip(np.minimum(up, down), 0, None)
        hours = self._course.hours
        return np.asarray((weight[:, 2] * both - weight[:, 1] * apart) * hours)

    def _begin(self, who: npt.NDArray[np.int64]) -> None:
        count = len(who)
        latest = len(self._course.price) - self._length - 1
        self._at[who] = self._rng.integers(1, latest, count)
        self._done[who] = 0
        self._energy[who] = self._rng.uniform(0, self._physics[2], count)
        self._type[who] = self._rng.choice(len(_TYPES), count, p=_TYPE_SHARES)
        self._shaken[who] = self._rng.random(count) < _SHAKEN_SHARE
        self._factor[who] = 1.0
        begun = np.zeros(self.num_envs, bool)
        begun[who] = True
        self._shake(begun)

    def _shake(self, who: npt.NDArray[np.bool_]) -> None:
        chosen = who & self._shaken
        self._factor[chosen] = self._rng.uniform(1 - SHAKE, 1 + SHAKE, int(chosen.sum()))

    def _price(self) -> Floats:
        return np.asarray(self._course.price[self._at] * self._factor)

    def _see(self) -> Floats32:
        course = self._course
        values = np.empty((self.num_envs, VALUE_FEATURES), np.float32)
        see(
            self._at,
            self._energy,
            self._price(),
            course.base,
            course.offset,
            course.means,
            course.left,
            self._physics,
            course.measure,
            values,
        )
        return np.concatenate([course.seen[self._at], self._codes[self._type], values], axis=1)

    def close(self) -> None:
        """Nothing is held open."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute for each battery."""
        del indices
        return [getattr(self, attr_name, None)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Batteries have no attributes of their own."""

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **named: Any) -> Any:
        """Batteries have no methods of their own."""
        del method_name, args, indices, named
        return [None] * self.num_envs

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """No battery is wrapped."""
        del wrapper_class, indices
        return [False] * self.num_envs
