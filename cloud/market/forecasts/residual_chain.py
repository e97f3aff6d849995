"""The real-time price around the day-ahead price as a Markov chain.

What the real-time price is off the day-ahead price comes in spells: a scarcity lasts. Independent
noise would promise that a spike may come in every quarter hour, and overvalue waiting. States are
bands of the residual by its quantiles, narrow at the ends; how they follow one another depends on
the block of the day, shrunk towards what is usual over the whole day. The model is that of
N. Zheng, J. Jaworski, B. Xu, "Arbitraging variable efficiency energy storage using analytical
stochastic dynamic programming", IEEE Trans. Power Systems 37 (2022) 4785.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud.market.errors import BadSeries
from cloud.market.forecast import LEVELS, Forecast
from cloud.market.forecasts.history import Floats

Ints = npt.NDArray[np.int64]

SPREAD_OFFSET: Final = 20.0
"""Per MWh: a residual counts relative to the day-ahead price plus this, so that a price near
nothing makes it neither endless nor of another sign."""

STATE_SHARES: Final = (0.02, 0.08, 0.15, 0.15, 0.20, 0.15, 0.10, 0.07, 0.05, 0.02, 0.01)
"""Of the residuals in each state, from low to high; narrow where spikes are."""

VERSION: Final = "residual chain/1"
_BLOCKS: Final = 6
_PRIOR: Final = 10.0  # transitions that the whole day lends to each block and state
_LEAST_IN_BLOCK: Final = 6  # values below which a state's mean is that of the whole day
_INSIDE: Final = np.linspace(0.025, 0.975, 20)  # quantiles kept of what lies in a state
_DAY_MIN: Final = 24 * 60


@dataclass(frozen=True)
class ResidualChain:
    """States of the residual and how they follow one another.

    Attributes:
        edges: between the states, rising, shape (states - 1,).
        means: of the residual by block of the day and state, shape (blocks, states).
        transitions: from state to state by the block in which it arrives, shape (blocks, states,
            states); rows add up to 1.
        inside: quantiles of the residual in each state, shape (states, 20).
    """

    edges: Floats
    means: Floats
    transitions: Floats
    inside: Floats

    @staticmethod
    def fit(
        residual: Floats,
        minutes_of_day: Ints,
        *,
        blocks: int = _BLOCKS,
        shares: tuple[float, ...] = STATE_SHARES,
        prior: float = _PRIOR,
    ) -> "ResidualChain":
        """Fit a chain to a series without gaps in time; NaN where the residual is not known.

        Args:
            residual: scaled or not (see `scaled_residual`), shape (intervals,).
            minutes_of_day: local time of each interval's beginning, shape (intervals,).
            blocks: of the day, of equal length.
            shares: of the residuals in each state.
            prior: transitions lent to each block and state.

        Raises:
            BadSeries: fewer than a hundred residuals for each state.
        """
        known = np.isfinite(residual)
        states = len(shares)
        if known.sum() < 100 * states:
            raise BadSeries(
                f"{int(known.sum())} residuals for {states} states; give at least {100 * states}"
            )
        edges = np.quantile(residual[known], np.cumsum(shares)[:-1] / sum(shares))
        state = np.searchsorted(edges, np.where(known, residual, 0.0))
        block = minutes_of_day * blocks // _DAY_MIN
        means, inside = np.zeros((blocks, states)), np.zeros((states, len(_INSIDE)))
        for one in range(states):
            own = known & (state == one)
            values = residual[own] if own.any() else edges[max(0, one - 1) : one + 1]
            inside[one] = np.quantile(values, _INSIDE)
            for part in range(blocks):
                here = residual[own & (block == part)]
                means[part, one] = (here if len(here) >= _LEAST_IN_BLOCK else values).mean()
        counts = np.zeros((blocks, states, states))
        both = known[1:] & known[:-1]
        np.add.at(counts, (block[1:][both], state[:-1][both], state[1:][both]), 1.0)
        usual = counts.sum(axis=0) + np.eye(states)  # a state never left stays what it is
        usual /= usual.sum(axis=1, keepdims=True)
        counts += prior * usual
        return ResidualChain(edges, means, counts / counts.sum(axis=2, keepdims=True), inside)

    @property
    def states(self) -> int:
        """Number of states."""
        return len(self.edges) + 1

    def state_of(self, residual: float) -> int:
        """Return the state that a residual lies in."""
        return int(np.searchsorted(self.edges, residual))

    def between(self, residual: float, minute: int) -> tuple[int, int, float]:
        """Return two states and the share of the upper one, so that their means give the residual.

        A value by state that is mixed in this way does not jump where the state changes.
        """
        means = np.maximum.accumulate(self.means[self.block_of(minute)])
        upper = int(np.searchsorted(means, residual))
        if upper == 0 or upper == len(means):
            state = min(upper, len(means) - 1)
            return state, state, 0.0
        low, high = means[upper - 1], means[upper]
        return upper - 1, upper, float((residual - low) / max(high - low, 1e-12))

    def block_of(self, minute: int) -> int:
        """Return the block of a minute of the day."""
        return minute % _DAY_MIN * len(self.means) // _DAY_MIN

    def sample(
        self,
        n_paths: int,
        horizon: int,
        start_state: int,
        rng: np.random.Generator,
        *,
        minute: int = 0,
        step_min: int = 15,
    ) -> Floats:
        """Draw paths of the residual after an interval in a state.

        Args:
            n_paths: how many.
            horizon: intervals of each.
            start_state: of the interval before the first.
            rng: where chance comes from.
            minute: of the day at which the first interval begins.
            step_min: minutes an interval.

        Returns:
            Residuals of shape (n_paths, horizon).
        """
        state = np.full(n_paths, start_state)
        cumulated = np.cumsum(self.transitions, axis=2)
        cumulated[:, :, -1] = 1.0
        found = np.empty((n_paths, horizon))
        for at in range(horizon):
            block = self.block_of(minute + at * step_min)
            state = (rng.random((n_paths, 1)) > cumulated[block, state]).sum(axis=1)
            place = rng.random(n_paths) * (len(_INSIDE) - 1)
            low = np.minimum(place.astype(np.int64), len(_INSIDE) - 2)
            share = place - low
            found[:, at] = (1 - share) * self.inside[state, low] + share * self.inside[
                state, low + 1
            ]
        return found

    def chances(self, horizon: int, start_state: int, *, minute: int, step_min: int) -> Floats:
        """Return the chance of each state in each interval, shape (horizon, states)."""
        chance = np.eye(self.states)[start_state]
        found = np.empty((horizon, self.states))
        for at in range(horizon):
            chance = chance @ self.transitions[self.block_of(minute + at * step_min)]
            found[at] = chance
        return found


def scaled_residual(real_time: Floats, day_ahead: Floats) -> Floats:
    """Return the residual relative to the day-ahead price, of the shape of both."""
    return np.asarray((real_time - day_ahead) / (SPREAD_OFFSET + np.abs(day_ahead)))


def real_time_price(residual: Floats, day_ahead: Floats) -> Floats:
    """Return the real-time price from a scaled residual."""
    return np.asarray(day_ahead + residual * (SPREAD_OFFSET + np.abs(day_ahead)))


def real_time_forecast(
    chain: ResidualChain,
    day_ahead: Floats,
    last_residual: float,
    *,
    start_ms: int,
    step_min: int,
    minute: int,
    known_ms: int,
) -> Forecast:
    """Forecast the real-time price from the day-ahead price and the last residual.

    Args:
        chain: fitted to scaled residuals.
        day_ahead: the day-ahead price of the intervals ahead, shape (intervals,).
        last_residual: scaled, of the interval before the first.
        start_ms: UTC epoch of the first interval.
        step_min: minutes an interval.
        minute: of the local day at which it begins.
        known_ms: when the last residual became known.
    """
    state = chain.state_of(last_residual)
    chances = chain.chances(len(day_ahead), state, minute=minute, step_min=step_min)
    values = chain.inside.ravel()
    order = np.argsort(values)
    each = np.repeat(chances, chain.inside.shape[1], axis=1)[:, order] / chain.inside.shape[1]
    reached = np.cumsum(each, axis=1) - each / 2
    residuals = np.stack([np.interp(LEVELS, row, values[order]) for row in reached])
    blocks = [chain.block_of(minute + at * step_min) for at in range(len(day_ahead))]
    mean = (chances * chain.means[blocks]).sum(axis=1)
    return Forecast(
        series="price.real_time",
        start_ms=start_ms,
        step_min=step_min,
        known_ms=known_ms,
        mean=real_time_price(mean, day_ahead),
        quantiles=real_time_price(residuals, day_ahead[:, None]),
        version=VERSION,
    )
