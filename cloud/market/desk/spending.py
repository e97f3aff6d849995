"""What charging may still cost today: what the day has earned and spent, and what it may spend.

It is about one product within the day, beside what is promised at others: what was bought ahead is
paid for, and what was sold ahead and is bought back is no charging. A price that the market has not
told yet is taken to be the newest one known. What is offered and not cleared yet counts as bought,
wherever that costs most.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from cloud.db import Pool
from cloud.market import bids
from cloud.market.bid import BidInterval, BidSet, Direction
from cloud.market.bids import Award, Cleared, Result
from cloud.market.desk.awards import Traded, energy_trades
from cloud.market.units import HOUR_MIN
from cloud.vault.vault import Vault


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


@dataclass(frozen=True, slots=True)
class DayTrades:
    """The energy of a product from the beginning of a local day to that of an offer.

    Attributes:
        span_ms: UTC epoch; intervals that begin in it count.
        own: what is cleared of the product.
        promised: what is cleared of all others.
        pending: for each bid of the product that is not cleared, its offers of which one may be.
    """

    span_ms: tuple[int, int]
    own: tuple[Cleared, ...]
    promised: tuple[Traded, ...]
    pending: tuple[tuple[BidSet, ...], ...]

    def promised_mw(self, at_ms: int) -> float:
        """Return what is promised at other products, MW, discharge positive."""
        return sum(one.power_mw for one in self.promised if one.start_ms <= at_ms < one.end_ms)


async def day_trades(
    pool: Pool, vault: Vault, station: str, place: tuple[str, str], span_ms: tuple[int, int]
) -> DayTrades:
    """Return what a station has traded in a span of time.

    Args:
        pool: the store.
        vault: keys of stations.
        station: id.
        place: ids of the market and the product that it is about.
        span_ms: UTC epoch.
    """
    results = await bids.results_within(pool, vault, station, *span_ms)
    pending = await bids.pending_within(pool, vault, station, *span_ms)
    own: list[Result] = []
    others: list[Result] = []
    for one in results:
        (own if (one.market, one.product) == place else others).append(one)
    return DayTrades(
        span_ms,
        tuple(one.cleared for one in own),
        tuple(trade for one in others for trade in _trades(one)),
        tuple(offers for offers in pending if (offers[0].market, offers[0].product) == place),
    )


def _trades(result: Result) -> tuple[Traded, ...]:
    cleared = result.cleared
    awards = ((one.start_ms, one.direction, float(one.power_mw)) for one in cleared.awards)
    return energy_trades(awards, cleared.interval_min)


def earned_by(
    trades: DayTrades, known: Mapping[int, float], newest: float, wear_per_mwh: float
) -> float:
    """Return what a product has earned so far, wear counted; negative: it was spent.

    Args:
        trades: of the day.
        known: price by beginning of an interval, for results that tell none.
        newest: price known, where there is none for an interval.
        wear_per_mwh: of what is discharged.
    """
    cleared = sum(_earned(one, trades, known, newest, wear_per_mwh) for one in trades.own)
    pending = sum(
        max(
            most_cost(_inside(one, trades.span_ms), one.interval_min, trades.promised_mw, newest)
            for one in offers
        )
        for offers in trades.pending
    )
    return cleared - pending


def _earned(
    cleared: Cleared,
    trades: DayTrades,
    known: Mapping[int, float],
    newest: float,
    wear_per_mwh: float,
) -> float:
    awards: dict[int, list[Award]] = {}
    for one in cleared.awards:
        moves = one.power_mw and one.direction in {Direction.CHARGE, Direction.DISCHARGE}
        if moves and trades.span_ms[0] <= one.start_ms < trades.span_ms[1]:
            awards.setdefault(one.start_ms, []).append(one)
    earned = 0.0
    for start, here in awards.items():
        told = [known.get(start, newest) if a.price is None else float(a.price) for a in here]
        power = [float(one.power_mw) for one in here]
        price = sum(p * mw for p, mw in zip(told, power, strict=True)) / sum(power)
        signs = [1 if one.direction is Direction.DISCHARGE else -1 for one in here]
        promised = trades.promised_mw(start)
        net = promised + sum(sign * mw for sign, mw in zip(signs, power, strict=True))
        sold = max(max(net, 0.0) - max(promised, 0.0), 0.0)
        charged = max(max(-net, 0.0) - max(-promised, 0.0), 0.0)
        earned += (price - wear_per_mwh) * sold - price * charged
    return earned * cleared.interval_min / HOUR_MIN


def _inside(offers: BidSet, span_ms: tuple[int, int]) -> list[BidInterval]:
    return [one for one in offers.intervals if span_ms[0] <= one.start_ms < span_ms[1]]


def most_cost(
    intervals: Iterable[BidInterval],
    interval_min: int,
    promised_mw: Callable[[int], float],
    newest: float,
) -> float:
    """Return the most that the charging of offers can cost, each interval at its worst price.

    Args:
        intervals: offers of energy; those of other things cost nothing.
        interval_min: minutes.
        promised_mw: at the beginning of an interval (UTC epoch ms); what was sold and is bought
            back is no charging.
        newest: price known, for offers without one.
    """
    cost = 0.0
    for one in intervals:
        buys = [part for part in one.segments if part.direction is Direction.CHARGE]
        prices = [newest if part.price is None else float(part.price) for part in buys]
        reached, worst = -max(promised_mw(one.start_ms), 0.0), 0.0
        for price, part in sorted(zip(prices, buys, strict=True), key=lambda pair: -pair[0]):
            reached += float(part.power_mw)
            worst = max(worst, reached * price)
        cost += worst * interval_min / HOUR_MIN
    return cost
