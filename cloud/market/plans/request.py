"""What a plan is asked for: the battery, the prices that are believed, and what is wished."""

from dataclasses import dataclass

import numpy as np

from cloud.market.battery import Battery
from cloud.market.bid import Direction
from cloud.market.errors import MarketError
from cloud.market.forecast import Floats
from cloud.market.plans.wishes import Wish


class BadRequest(MarketError):  # noqa: N818 - says what is wrong with the caller's arrays
    """The arrays of a request do not fit together."""


@dataclass(frozen=True)
class CapacityProduct:
    """A market that pays for power held ready.

    Attributes:
        id: as "regulation".
        direction: UP raises what the grid gets, DOWN lowers it, BOTH must be able to do either.
        price: expected per MW and hour held ready, shape (intervals,); of regulation paid by
            performance the expected K x mileage x mileage price is already in it.
        hours: for so long one MW must be sustained out of the stored energy; about 1 h for the
            CAISO regulation signal (its hourly net energy has a deviation of 0.55 MWh/MW).
        used: energy expected to flow through the cells per MW and hour, MWh; it is paid or
            costs nothing on average but wears.
        most_mw: greatest offer.
        blocks: number of the offer that each interval belongs to, shape (intervals,), where one
            offer holds for several intervals; None: each has its own.
    """

    id: str
    direction: Direction
    price: Floats
    hours: float
    used: float = 0.0
    most_mw: float = float("inf")
    blocks: tuple[int, ...] | None = None


@dataclass(frozen=True)
class SideMarket:
    """Another place where energy can be sold or bought, beside the one that sets `price`.

    As a regional market between neighbours: what is sold there is not sold at the spot market.

    Attributes:
        id: as "local".
        price: per MWh, shape (intervals,).
        most_mw: greatest power sold or bought there.
    """

    id: str
    price: Floats
    most_mw: float


@dataclass(frozen=True)
class PlanRequest:
    """One station's day.

    Attributes:
        battery: its limits; `soc` is the SOC at the beginning.
        price: of energy per MWh, shape (intervals,).
        step_h: length of an interval, hours.
        capacity: markets of power held ready.
        side: other markets of energy.
        wishes: what should hold besides the battery's own limits.
        available: share of the power that can be used, shape (intervals,); None: all of it.
        end_value: worth of one MWh left in the cells at the end, in the market's currency.
        limit_s: seconds after which the best plan found so far is taken.
    """

    battery: Battery
    price: Floats
    step_h: float
    capacity: tuple[CapacityProduct, ...] = ()
    side: tuple[SideMarket, ...] = ()
    wishes: tuple[Wish, ...] = ()
    available: Floats | None = None
    end_value: float = 0.0
    limit_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse arrays of other lengths and prices that are no numbers."""
        require_prices("price", self.price)
        for product in self.capacity:
            require_prices(f"capacity {product.id}: price", product.price, len(self.price))
            if product.blocks is not None and len(product.blocks) != len(self.price):
                raise BadRequest(
                    f"capacity {product.id}: {len(product.blocks)} blocks for "
                    f"{len(self.price)} intervals"
                )
        for market in self.side:
            require_prices(f"{market.id}: price", market.price, len(self.price))
        if self.available is not None:
            require_prices("available", self.available, len(self.price))


@dataclass(frozen=True)
class ScenarioRequest:
    """A day-ahead position that is corrected in real time.

    Attributes:
        battery: its limits.
        day_ahead: expected day-ahead price per MWh, shape (intervals,).
        real_time: paths of the real-time price, shape (scenarios, intervals), equally likely.
        step_h: length of an interval, hours.
        position_step: intervals that share one position, as 4 for hourly positions.
        cvar_level: as 0.95.
        cvar_cap: the mean of the worst 5 % of days may lose so much at the most, in currency.
        end_value: worth of one MWh left in the cells at the end.
        limit_s: seconds.
    """

    battery: Battery
    day_ahead: Floats
    real_time: Floats
    step_h: float
    position_step: int = 1
    cvar_level: float = 0.95
    cvar_cap: float | None = None
    end_value: float = 0.0
    limit_s: float = 20.0

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit."""
        require_prices("day_ahead", self.day_ahead)
        for number, path in enumerate(self.real_time):
            require_prices(f"real_time, scenario {number}", path, len(self.day_ahead))
        if len(self.day_ahead) % self.position_step:
            raise BadRequest(
                f"{len(self.day_ahead)} intervals cannot be shared in positions of "
                f"{self.position_step}"
            )


def require_prices(name: str, values: Floats, length: int | None = None) -> None:
    """Refuse an array that is empty, of another length, or holds no numbers.

    Raises:
        BadRequest: names the array and the first bad interval.
    """
    if len(values) == 0 or (length is not None and len(values) != length):
        wanted = "at least one" if length is None else str(length)
        raise BadRequest(f"{name}: {len(values)} values, {wanted} asked for")
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise BadRequest(
            f"{name}: interval {bad[0]} is {values[bad[0]]}: fill gaps with a forecast first"
        )
