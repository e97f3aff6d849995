"""How large a network is."""

from dataclasses import dataclass

from station.estimators.network_inputs import INPUTS


@dataclass(frozen=True)
class Shape:
    """Sizes of a Transformer-GRU.

    Attributes:
        inputs: of each second.
        hidden: what a cell remembers.
        context: what a rack's Transformer tells its cells; 0 for none.
        width, layers, heads, key: of the Transformer.
        window: tokens that it looks at, with the present one.
        patch_s: seconds of a token.
        least_variance: added to variances before their root, where it is too steep.
    """

    inputs: int = len(INPUTS)
    hidden: int = 14
    context: int = 8
    width: int = 48
    layers: int = 2
    heads: int = 4
    key: int = 8
    window: int = 32
    patch_s: int = 16
    least_variance: float = 1e-4

    @property
    def slopes(self) -> list[float]:
        """By how much each head prefers younger tokens, per token of age."""
        return [2.0 ** -(2 * head + 1) for head in range(self.heads)]


PLAIN = Shape(inputs=3, hidden=64, context=0)
"""A plain GRU of voltage, current and temperature alone: what the others are compared with."""
