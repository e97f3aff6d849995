"""How far a price strays from what is expected of it: a Markov chain over states of the residual.

The residual is relative, (price - base) / (offset + |base|), so that one chain serves cheap and
dear hours. Its states are bands between quantiles of the past, finer where prices are high,
because that is where the money is; means and transitions differ by block of the local day. A
residual that is drawn anew each step would overvalue waiting: spikes stay for a while.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud.market.errors import BadSeries
from cloud.market.units import DAY_MIN

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

QUANTILES = (0.0, 0.01, 0.05, 0.12, 0.25, 0.40, 0.55, 0.70, 0.80, 0.88, 0.93, 0.96, 0.98, 0.99, 1.0)
"""Ends of the states' bands."""
BLOCKS = 1
"""Blocks of the local day. One served best where it was tried (docs/market-bidding.md): the base
knows the hour already."""
OFFSET = 10.0
"""Added to the base's size before dividing, in the currency per MWh: near nought a residual is
counted in money, far from it in shares."""
_LONG_STEPS = 4096
"""After so many steps a chain has forgotten where it began."""


@dataclass(frozen=True)
class Chain:
    """States of a residual.

    Attributes:
        edges: between neighbouring states, shape (states - 1,).
        means: of the residual in each state by block of the day, shape (blocks, states).
        transitions: chance to come from the row's state into the column's at a step in a block,
            shape (blocks, states, states).
        offset: see `OFFSET`.
    """

    edges: Floats
    means: Floats
    transitions: Floats
    offset: float = OFFSET

    def residual(self, price: Floats, base: Floats) -> Floats:
        """Return the relative residual of prices, of the shape of the given."""
        return (price - base) / (self.offset + np.abs(base))

    def prices(self, base: Floats, minutes: Ints) -> Floats:
        """Return each state's price, shape (steps, states).

        Args:
            base: expected price of each step, shape (steps,).
            minutes: local minute of the day of each step, shape (steps,).
        """
        scale = self.offset + np.abs(base)
        return base[:, None] + scale[:, None] * self.means[self.block(minutes)]

    def block(self, minutes: Ints) -> Ints:
        """Return the block of the day of local minutes."""
        return minutes // (DAY_MIN // len(self.means))

    def independent(self) -> "Chain":
        """Return the same states, drawn anew each step: what a forecast of quantiles says."""
        lasting = np.linalg.matrix_power(self.transitions.mean(axis=0), _LONG_STEPS)
        return Chain(
            self.edges,
            self.means,
            np.broadcast_to(lasting, self.transitions.shape).copy(),
            self.offset,
        )


def certain_chain() -> Chain:
    """Return the chain of one state without residual: the base is believed to come."""
    return Chain(np.empty(0), np.zeros((1, 1)), np.ones((1, 1, 1)))


def fit_chain(
    price: Floats,
    base: Floats,
    minutes: Ints,
    *,
    quantiles: tuple[float, ...] = QUANTILES,
    blocks: int = BLOCKS,
    offset: float = OFFSET,
) -> Chain:
    """Estimate a chain from prices that came and the base believed before.

    Steps without a finite price or base are left out.

    Args:
        price: shape (steps,).
        base: shape (steps,).
        minutes: local minute of the day of each step, shape (steps,).
        quantiles: ends of the states' bands, rising from 0 to 1.
        blocks: number of blocks of the day, a divisor of 24.
        offset: see `OFFSET`.

    Returns:
        The chain; that of one state if too few steps are usable.
    """
    # The forecasts load scipy, which only who fits needs.
    from cloud.market.forecasts.residual_chain import ResidualChain  # noqa: PLC0415

    residual = (price - base) / (offset + np.abs(base))
    shares = tuple(np.diff(quantiles).tolist())
    try:
        found = ResidualChain.fit(residual, minutes, blocks=blocks, shares=shares)
    except BadSeries:
        return certain_chain()
    means = np.maximum.accumulate(found.means, axis=1)
    return Chain(found.edges, means, found.transitions, offset)
