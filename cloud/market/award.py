"""What a market has given: so much of a product, for an interval, at a price."""

from dataclasses import dataclass
from decimal import Decimal

from cloud.market.bid import Direction

_MIN_PER_HOUR = Decimal(60)


@dataclass(frozen=True, slots=True)
class Award:
    """A cleared interval.

    Attributes:
        product: id of the product in the market's profile.
        start_ms: UTC epoch.
        minutes: length of the interval.
        direction: what is to be delivered.
        power_mw: positive.
        price: per MWh of energy, or per MW (and hour) of capacity.
    """

    product: str
    start_ms: int
    minutes: int
    direction: Direction
    power_mw: Decimal
    price: Decimal

    @property
    def signed_mw(self) -> Decimal:
        """Power, discharge positive; of energy only."""
        return -self.power_mw if self.direction is Direction.CHARGE else self.power_mw

    @property
    def energy_mwh(self) -> Decimal:
        """Energy of the interval, discharge positive; of energy only."""
        return self.signed_mw * self.minutes / _MIN_PER_HOUR
