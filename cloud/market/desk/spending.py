"""What charging may still cost today: what the day has earned and spent, and what it may spend.

A price that the market has not told yet is taken to be the newest one known. What is offered
and not cleared yet counts as bought at its own prices, wherever that costs most.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cloud.db import Pool
from cloud.market import bids
from cloud.market.battery import Battery
from cloud.market.bid import BidInterval, Direction
from cloud.market.bids import Cleared
from cloud.market.units import HOUR_MIN
from cloud.vault.vault import Vault

_ENERGY = (Direction.CHARGE, Direction.DISCHARGE)


@dataclass(frozen=True, slots=True)
class Spending:
    """What charging may cost, and has cost.

    Attributes:
        most: money that a local day's charging may cost beyond what the day has earned.
        earned: by the day so far, wear counted; negative: it was spent.
    """

    most: float
    earned: float

    @property
    def left(self) -> float:
        """Money that may still be spent."""
        return max(self.most + self.earned, 0.0)


async def earned_within(
    pool: Pool,
    vault: Vault,
    station: str,
    span_ms: tuple[int, int],
    *,
    known: Mapping[int, float],
    newest: float,
    battery: Battery,
) -> float:
    """Return what the energy of a span of time has earned, wear counted.

    Args:
        pool: the store.
        vault: keys of stations.
        station: whose bids.
        span_ms: UTC epoch; intervals that begin in it count.
        known: price by beginning of an interval, for results that tell none.
        newest: price known, where there is none for an interval.
        battery: for its wear.
    """
    results = await bids.results_within(pool, vault, station, *span_ms)
    cleared = sum(_of_result(one.cleared, span_ms, known, newest, battery) for one in results)
    pending = await bids.pending_within(pool, vault, station, *span_ms)
    return cleared - sum(
        max(most_cost(one.intervals, one.interval_min, span_ms) for one in offers)
        for offers in pending
    )


def _of_result(
    cleared: Cleared,
    span_ms: tuple[int, int],
    known: Mapping[int, float],
    newest: float,
    battery: Battery,
) -> float:
    hours, earned = cleared.interval_min / HOUR_MIN, 0.0
    for one in cleared.awards:
        if one.direction not in _ENERGY or not span_ms[0] <= one.start_ms < span_ms[1]:
            continue
        price = known.get(one.start_ms, newest) if one.price is None else float(one.price)
        sold = one.direction is Direction.DISCHARGE
        each = price - battery.wear_per_mwh if sold else -price
        earned += each * float(one.power_mw) * hours
    return earned


def most_cost(
    intervals: Iterable[BidInterval], interval_min: int, span_ms: tuple[int, int]
) -> float:
    """Return the most that the charging of offers can cost, each interval at its worst price.

    Args:
        intervals: offers of energy; those of other things cost nothing.
        interval_min: minutes.
        span_ms: UTC epoch; intervals that begin in it count.
    """
    cost = 0.0
    for one in intervals:
        if not span_ms[0] <= one.start_ms < span_ms[1]:
            continue
        buys = [part for part in one.segments if part.direction is Direction.CHARGE]
        reached, worst = 0.0, 0.0
        for part in sorted(buys, key=lambda part: -float(part.price or 0)):
            reached += float(part.power_mw)
            worst = max(worst, reached * float(part.price or 0))
        cost += worst * interval_min / HOUR_MIN
    return cost
