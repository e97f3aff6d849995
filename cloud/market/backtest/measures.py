"""What a strategy earned, how surely, and how badly it may go: one row of the table.

A year has few independent weeks, and some days earn as much as a month. So shares of perfect
foresight come with an interval from resampled whole weeks, and once more without the three days
on which most could be earned.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cloud.market.backtest.case import Case, Outcome
from cloud.market.risk import var_cvar

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BEST_DAYS = 3
"""Left out of `share_ex3`: those on which perfect foresight earns most."""
WEEK_DAYS = 7
RESAMPLES = 2000
_ENDS = (0.05, 0.95)


@dataclass(frozen=True)
class Row:
    """A strategy's results.

    Attributes:
        strategy: its name.
        revenue: money over the test, wear counted.
        share_of_perfect: of what perfect foresight earns, per cent.
        share_ex3: the same without the days on which most could be earned.
        ci90: interval of 90 % of `share_of_perfect`, weeks resampled.
        cvar95: mean loss of the worst 5 % of days, per MW; negative: they earn.
        worst_day: money of the worst day, per MW.
        cycles: full equivalent cycles.
        infeasible_bids: bids that could not be submitted or followed.
        seconds: run time.
        fallbacks: days on which something stood in for an input.
        vs_value_ci90: interval of 90 % of what it earns more than the Markov-SDP, in points of
            perfect foresight; None where that did not run.
        notes: what a reader must know.
    """

    strategy: str
    revenue: float
    share_of_perfect: float
    share_ex3: float
    ci90: tuple[float, float]
    cvar95: float
    worst_day: float
    cycles: float
    infeasible_bids: int
    seconds: float
    fallbacks: int = 0
    vs_value_ci90: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it for a JSON file."""
        return asdict(self)


def daily(case: Case, money: Floats) -> Floats:
    """Return the money of each tested day, shape (days,)."""
    number = case.prices.day[case.span] - case.first
    found = np.bincount(number, money, minlength=case.last - case.first + 1)
    return np.asarray(found, np.float64)


def row(name: str, case: Case, outcome: Outcome, best: Floats, seconds: float) -> Row:
    """Measure a strategy.

    Args:
        name: its name.
        case: the back-test.
        outcome: what it did.
        best: money of perfect foresight, by day, shape (days,).
        seconds: that it took.
    """
    earned, battery = daily(case, outcome.money), case.battery
    others = np.argsort(best)[: max(len(best) - BEST_DAYS, 1)]
    discharged = outcome.power_mw.clip(min=0).sum() * case.prices.step_min / 60
    full = battery.usable_mwh * battery.discharge_efficiency
    low, high = interval(earned, best)
    return Row(
        strategy=name,
        revenue=round(float(earned.sum()), 2),
        share_of_perfect=_share(earned, best),
        share_ex3=_share(earned[others], best[others]),
        ci90=(low, high),
        cvar95=round(cvar(earned) / battery.discharge_mw, 2),
        worst_day=round(float(earned.min()) / battery.discharge_mw, 2),
        cycles=round(float(discharged / full), 1),
        infeasible_bids=outcome.infeasible,
        seconds=round(seconds, 2),
        fallbacks=outcome.fallbacks,
        notes=outcome.notes,
    )


def cvar(earned: Floats) -> float:
    """Return the mean loss of the worst 5 % of days."""
    return var_cvar(earned).cvar


def interval(earned: Floats, best: Floats) -> tuple[float, float]:
    """Return the 90 % interval of the share of perfect foresight, per cent, weeks resampled."""
    weeks = _resampled(len(earned))
    shares = 100 * _by_week(earned)[weeks].sum(1) / _by_week(best)[weeks].sum(1)
    low, high = np.quantile(shares, _ENDS)
    return round(float(low), 2), round(float(high), 2)


def _resampled(days: int) -> Ints:
    count = -(-days // WEEK_DAYS)
    return np.random.default_rng(1).integers(0, count, (RESAMPLES, count))


def _by_week(values: Floats) -> Floats:
    starts = np.arange(0, len(values), WEEK_DAYS)
    return np.asarray(np.add.reduceat(values, starts))


def _share(earned: Floats, best: Floats) -> float:
    return round(100 * float(earned.sum() / best.sum()), 2)
