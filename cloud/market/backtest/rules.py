"""What a back-test takes from a market's profile: product, bands, gates, and what is absurd."""

from decimal import Decimal

from cloud.market.bidding.curves import Bands
from cloud.market.errors import BadSeries
from cloud.market.exchanges import DayGate, Kind, Market, Product, Stage
from cloud.market.units import DAY_MIN

RESULTS_AFTER_MIN = 210
"""Minutes from a day-ahead gate to the publication of its prices where nothing else is said:
ERCOT takes bids until 10:00 and publishes at about 13:30."""
_GATE_MIN = 600
"""Where a market has no day-ahead gate of its own: 10:00."""


def energy_product(market: Market) -> Product:
    """Return the product that bids go to: real-time energy where there is one.

    Raises:
        BadSeries: the market trades no energy.
    """
    own = [one for one in market.products if one.kind is Kind.ENERGY]
    stages = (Stage.REAL_TIME, Stage.INTRADAY, Stage.DAY_AHEAD)
    found = [one for stage in stages for one in own if one.stage is stage]
    if not found:
        raise BadSeries(f"{market.id}: trades no energy; its prices cannot be bid on here")
    return found[0]


def bands_of(product: Product) -> Bands:
    """Return what a product allows of a curve."""
    return Bands(
        product.max_segments,
        product.price_floor,
        product.price_cap,
        max(product.price_step, Decimal("0.01")),
        min(product.power_step_mw, Decimal("0.1")),
    )


def believable(product: Product) -> tuple[float, float]:
    """Return the least and the greatest price that is believed."""
    return float(2 * product.clearing_floor) - 1, float(2 * product.clearing_cap) + 1


def gate_minute(market: Market) -> int:
    """Return the local minute of the day before at which day-ahead bids are due."""
    for one in market.products:
        due = one.gate if one.kind is Kind.ENERGY and one.stage is Stage.DAY_AHEAD else None
        if isinstance(due, DayGate) and due.days_before == 1:
            return due.at.hour * 60 + due.at.minute
    return _GATE_MIN


def results_minute(market: Market) -> int:
    """Return the local minute of the day before at which day-ahead prices become known."""
    return min(gate_minute(market) + RESULTS_AFTER_MIN, DAY_MIN - 1)
