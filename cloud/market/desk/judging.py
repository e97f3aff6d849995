"""Whether a bid may go out, what it may lose, and who is enough to approve it.

A version brings the battery and the forecast that it was made on, so an edit is weighed against the
same possible days as the version before it: what differs is the edit, not the dice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from zlib import crc32

import numpy as np
import numpy.typing as npt

from cloud.market.battery import Battery
from cloud.market.bid import BidSet, Direction
from cloud.market.bids import Approver, Bid, Judgement, State, Version
from cloud.market.desk.weighing import (
    beside_of,
    follow_together,
    held_revenue,
    is_energy,
    stress_together,
    worth_of,
)
from cloud.market.exchanges import Market, Party, Role, Violation, check_everything
from cloud.market.forecast import Floats, Forecast
from cloud.market.risk import (
    Limits,
    Stressed,
    approver,
    breaches,
    greatest_power,
    var_cvar,
)
from cloud.market.units import HOUR_MIN, MINUTE_MS
from contract.words import Words

_SCENARIOS: Final = 2_000
"""The worst twentieth has 100 of them: the CVaR of two draws differs by some per cent."""
_LEVEL: Final = 0.95


@dataclass(frozen=True)
class Context:
    """What a version is judged by besides itself.

    Attributes:
        market: the rules.
        limits: of the bid's desk.
        party: as whom the station stands at the exchange.
        role: as what it stands in the market.
        others: the station's other live bids of the market and time.
        others_cvar: sum of the CVaR of the desk's other bids of the day. Together they lose no more
            than this and the bid's own: CVaR is subadditive.
        now_ms: gates are looked at as of this time.
    """

    market: Market
    limits: Limits
    party: Party
    others_cvar: float
    now_ms: int
    role: Role = Role.INDEPENDENT
    others: tuple[BidSet, ...] = ()


def judge(bid: Bid, version: Version, context: Context) -> Judgement:
    """Check a version by the market's rules and the desk's limits."""
    offers, inputs = version.content.bid_set, version.content.inputs
    battery = battery_of(inputs)
    if battery is None:
        words = Words(
            "the bid brings no battery that it could be checked with; draft it anew",
            "申报未附电池参数，无法校核；请重新编制",
        )
        return Judgement(violations=(words,), approver=Approver.HEAD_TRADER)
    wrong = violations_of(bid, version, context, battery)
    figures = figures_of(
        *(offers, battery, forecast_of(inputs)),
        beside=beside_of(inputs),
        worth=worth_of(inputs),
        seed=crc32(bid.id.encode()),
    )
    if not is_energy(offers):
        figures["expected"] = held_revenue(offers, inputs)
    if "cvar" in figures:
        figures["book_cvar"] = figures["cvar"] + max(context.others_cvar, 0.0)
    broken = breaches(figures, context.limits, bid.desk, context.market.currency)
    enough = Approver(approver(figures, context.limits).value)
    return Judgement(
        violations=tuple(Words(one.words("en"), one.words("zh")) for one in wrong),
        breaches=tuple(one.words for one in broken),
        figures=figures,
        approver=enough,
        rule="within the desk's limits for rules" if enough is Approver.RULE else "",
        stressed=stressed_days(version, context.market, battery),
    )


def stressed_days(version: Version, market: Market, battery: Battery) -> tuple[Stressed, ...]:
    """Return what stressed days make of a version; empty: no price of energy can weigh it."""
    offers, inputs = version.content.bid_set, version.content.inputs
    forecast = forecast_of(inputs)
    if forecast is None or not is_energy(offers):
        return ()
    prices = expected_prices(offers, forecast)
    if prices is None:
        return ()
    return stress_together(
        *(offers, prices, battery, beside_of(inputs)),
        spike_price=float(market.product(offers.product).price_cap),
        worth=worth_of(inputs),
    )


def violations_of(
    bid: Bid, version: Version, context: Context, battery: Battery
) -> tuple[Violation, ...]:
    """Return the market's rules that a version breaks, each with its interval."""
    standing = bid.newest(State.ACCEPTED)
    return check_everything(
        version.content.bid_set,
        context.market,
        battery,
        party=context.party,
        role=context.role,
        now_ms=context.now_ms,
        before=None if standing is None else standing.content.bid_set,
        reason=version.why,
        others=context.others,
    )


def figures_of(
    offers: BidSet,
    battery: Battery,
    forecast: Forecast | None,
    *,
    seed: int,
    beside: Mapping[int, float] | None = None,
    worth: float | None = None,
) -> dict[str, float]:
    """Return the figures of a bid set that limits are about; without a forecast those of size only.

    Power that is held ready is paid or not, and costs no money through prices. `beside` is what is
    promised beside the offers, MW by interval: the battery is the same. `worth` is that of a MWh
    left in store: it is part of what is earned, and `left` says how much of `expected` it is.
    """
    sold = sum(one.power_mw(Direction.DISCHARGE) for one in offers.intervals)
    figures = {
        "power_mw": float(greatest_power(offers)),
        "energy_mwh": float(sold) * offers.interval_min / HOUR_MIN,
    }
    if not any(one.segments for one in offers.intervals) or not is_energy(offers):
        return figures | {"expected": 0.0, "var": 0.0, "cvar": 0.0, "worst": 0.0}
    prices = None if forecast is None else paths_of(offers, forecast, seed)
    if prices is None:
        return figures
    followed = follow_together(offers, prices, battery, beside or {}, worth)
    risk = var_cvar(followed.revenue, _LEVEL)
    left_mwh = float(followed.left_mwh.mean())
    if worth is not None:
        figures |= {"left": left_mwh * worth, "left_mwh": left_mwh, "left_price": worth}
    return figures | {
        "expected": risk.expected,
        "var": risk.var,
        "cvar": risk.cvar,
        "worst": risk.worst,
    }


def paths_of(offers: BidSet, forecast: Forecast, seed: int) -> Floats | None:
    """Return possible prices of a bid's intervals, shape (scenarios, intervals).

    None where the forecast does not reach over all of them.
    """
    from cloud.market.forecasts import paths  # noqa: PLC0415 - needs scipy, which is slow to load

    places = _places(offers, forecast)
    if places is None:
        return None
    drawn = paths(forecast, _SCENARIOS, np.random.default_rng(seed))
    chosen: Floats = drawn[:, places]
    return chosen


def expected_prices(offers: BidSet, forecast: Forecast) -> Floats | None:
    """Return the expected price of each of a bid's intervals, shape (intervals,); None as above."""
    places = _places(offers, forecast)
    if places is None:
        return None
    prices: Floats = forecast.mean[places]
    return prices


def _places(offers: BidSet, forecast: Forecast) -> npt.NDArray[np.int64] | None:
    """Return where a forecast has each interval; None where it does not reach over all."""
    starts = np.array([one.start_ms for one in offers.intervals], np.int64)
    places = (starts - forecast.start_ms) // (forecast.step_min * MINUTE_MS)
    return None if places.min() < 0 or places.max() >= len(forecast.mean) else places


def battery_of(inputs: Mapping[str, Any]) -> Battery | None:
    """Return the battery that a version was made for; None where it brings none."""
    given = inputs.get("battery")
    try:
        return None if given is None else Battery(**given)
    except TypeError:
        return None


def forecast_of(inputs: Mapping[str, Any]) -> Forecast | None:
    """Return the forecast of the price that a version is paid by; None where it brings none.

    A bid at another market than the plan's own brings that of its market beside the plan's.
    """
    from cloud.market.forecasts import from_record  # noqa: PLC0415 - as above

    given = inputs.get("own_forecast") or inputs.get("forecast")
    return None if given is None else replace(from_record(given), members={}, weights={})
