"""Revenue of bids over possible prices: what clears, what the battery can follow, what is earned.

The station takes prices and makes none. What clears and cannot be followed, because the battery is
empty, full or out, is bought back at the price of imbalance. What is promised beside the bids moves
the same battery; what it earns or misses is its own. Energy that the bids leave in store, or take
from it, counts by what it is worth then.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud.market.battery import Battery
from cloud.market.bid import BidInterval, BidSet, Direction
from cloud.market.units import HOUR_MIN

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Followed:
    """What comes of bids in each scenario.

    Attributes:
        revenue: in the market's currency, wear taken off and the worth of `left_mwh` added, shape
            (scenarios,).
        missed_mwh: energy that cleared and could not be followed, shape (scenarios,).
        discharged_mwh: energy given to the grid, with what is promised beside, shape (scenarios,).
        end_mwh: energy in the cells at the end, shape (scenarios,).
        left_mwh: how much more of it there is by the bids, shape (scenarios,); negative: they take
            from the store.
    """

    revenue: Floats
    missed_mwh: Floats
    discharged_mwh: Floats
    end_mwh: Floats
    left_mwh: Floats


def revenue_scenarios(
    bids: BidSet,
    paths: Floats,
    battery: Battery,
    *,
    imbalance: Floats | None = None,
    end_value: float = 0.0,
) -> Floats:
    """Return the revenue of a bid set in each scenario, shape (scenarios,); see `follow`."""
    return follow(bids, paths, battery, imbalance=imbalance, end_value=end_value).revenue


def follow(
    bids: BidSet,
    paths: Floats,
    battery: Battery,
    *,
    imbalance: Floats | None = None,
    end_value: float = 0.0,
    beside_mw: Floats | None = None,
) -> Followed:
    """Follow a bid set of energy through price paths.

    Args:
        bids: what is offered; capacity that is held is left out.
        paths: prices per MWh of the bid's intervals, shape (scenarios, intervals).
        battery: what the station can do, with its SOC at the beginning.
        imbalance: price at which what was not followed is bought back, of the same shape; None:
            the same price, so that it earns nothing and costs nothing more.
        end_value: of a MWh in the cells at the end, above what was in them at the beginning.
        beside_mw: what is promised beside the bids and flows whatever the price, discharge
            positive, shape (intervals,); where both cannot be followed the bids miss first.

    Raises:
        ValueError: the paths do not fit the bid's intervals.
    """
    if paths.ndim != 2 or paths.shape[1] != len(bids.intervals):  # noqa: PLR2004 - a matrix
        raise ValueError(f"paths of shape {paths.shape} for {len(bids.intervals)} intervals")
    other = paths if imbalance is None else imbalance
    hours = bids.interval_min / HOUR_MIN
    low, high = battery.soc_min * battery.energy_mwh, battery.soc_max * battery.energy_mwh
    stored = np.full(len(paths), battery.soc * battery.energy_mwh)
    promised = np.zeros(len(bids.intervals)) if beside_mw is None else beside_mw
    revenue, missed, given, left = (np.zeros(len(paths)) for _ in range(4))
    for index, interval in enumerate(bids.intervals):
        price = paths[:, index]
        own, also = cleared_mw(interval, price) * hours, promised[index] * hours
        most = np.minimum(
            np.maximum(stored - low, 0) * battery.discharge_efficiency,
            battery.discharge_mw * hours,
        )
        least = -np.minimum(
            np.maximum(high - stored, 0) / battery.charge_efficiency, battery.charge_mw * hours
        )
        energy = np.clip(own + also, least, most)
        short = own + also - energy
        lacks = np.clip(short, np.minimum(own, 0), np.maximum(own, 0))
        others = also - (short - lacks)
        out = np.maximum(energy, 0)
        moved = _stored(energy, battery)
        stored += moved
        left += moved - _stored(others, battery)
        revenue += own * price - lacks * other[:, index]
        revenue -= (out - np.maximum(others, 0)) * battery.wear_per_mwh
        missed += np.abs(lacks)
        given += out
    return Followed(revenue + left * end_value, missed, given, stored, left)


def _stored(energy: Floats, battery: Battery) -> Floats:
    """Return how the energy in the cells changes with energy at the grid, discharge positive."""
    taken, out = np.maximum(-energy, 0), np.maximum(energy, 0)
    changed: Floats = taken * battery.charge_efficiency - out / battery.discharge_efficiency
    return changed


def cleared_mw(interval: BidInterval, price: Floats) -> Floats:
    """Return what clears of an interval at prices, MW, discharge positive, shape of `price`."""
    power = np.zeros_like(price)
    for one in interval.segments:
        limit = None if one.price is None else float(one.price)
        if one.direction is Direction.DISCHARGE:
            taken = True if limit is None else price >= limit
            power += float(one.power_mw) * taken
        elif one.direction is Direction.CHARGE:
            taken = True if limit is None else price <= limit
            power -= float(one.power_mw) * taken
    return power
