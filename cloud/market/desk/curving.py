"""Curves for markets within the day: what stored energy is worth, or what a policy makes of it.

A plan sells one quantity an hour. Where a market takes prices interval by interval, a curve says
for every price what the battery does. The policy that has passed the gate forms it; without one,
or with files that are not what was judged, the opportunity value alone does; and where even that
cannot be had, the plan's bid stays. Each is said in the bid.
"""

import asyncio
import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from cloud.config_desk import DeskSection, ProductSection
from cloud.db import Pool
from cloud.market.backtest.case import Case, believe
from cloud.market.battery import Battery
from cloud.market.bid import BidInterval, BidSet, OfferMode
from cloud.market.bidding import (
    Policy,
    Values,
    bid_curve,
    full_charge_cost,
    load_policy,
    policy_curve,
)
from cloud.market.bidding.value import energy_of, physics
from cloud.market.desk.curve_beside import beside_promised
from cloud.market.desk.curve_words import curve_words
from cloud.market.desk.drafting import Draft, DraftRequest
from cloud.market.desk.price_view import (
    View,
    bands_of,
    case_of,
    read_view,
    seen_ahead,
    value_ahead,
)
from cloud.market.desk.spending import DayTrades, Spending, day_trades, earned_by, most_cost
from cloud.market.errors import BadSeries, MarketError
from cloud.market.exchanges import DayGate
from cloud.market.retraining import FallsBack, Lacks, MayBid, standing
from cloud.vault.vault import Vault

_SHORT_HASH: Final = 12


@dataclass(frozen=True)
class Maker:
    """What forms curves.

    Attributes:
        policy: that may bid; None: the opportunity values alone.
        model: its name.
        note: why this one.
        trades: of the product on this day.
        spend_charges: full charges that a day's charging may cost.
    """

    policy: Policy | None
    model: str
    note: str
    trades: DayTrades
    spend_charges: float


class Curver:
    """Turns drafts of products within the day into curves.

    Args:
        pool: the store.
        vault: keys of stations.
        policies: folder of all policies; None: none may bid.
    """

    def __init__(self, pool: Pool, vault: Vault, policies: Path | None) -> None:
        self._pool, self._vault, self._policies = pool, vault, policies
        self._loaded: tuple[Path, Policy] | None = None

    async def curved(
        self, section: DeskSection, product: ProductSection, asked: DraftRequest, made: Draft
    ) -> Draft:
        """Return a draft whose energy is offered as curves; as it was, where they cannot be made.

        Args:
            section: of the desk.
            product: what is traded; without a series of its own price it is bid by the plan.
            asked: what was planned.
            made: the plan's draft.
        """
        if product.real_time is None:
            return made
        try:
            _require_curves(asked)
            view = await read_view(self._pool, product.real_time, section.price, asked)
            policy, model, note = await self._policy(asked)
            trades = await self._trades(asked)
            maker = Maker(policy, model, note, trades, product.spend_charges)
            return await asyncio.to_thread(_curve, view, asked, made, maker)
        except MarketError as error:
            note = f"no curve could be made, the plan's bid stands: {error}"
            return replace(made, notes=(*made.notes, note))

    async def _trades(self, asked: DraftRequest) -> DayTrades:
        place = asked.market.id, asked.product.id
        begin_ms = asked.market.calendar.day_bounds_ms(asked.day)[0]
        span_ms = begin_ms, asked.from_ms
        return await day_trades(self._pool, self._vault, asked.station, place, span_ms)

    async def _policy(self, asked: DraftRequest) -> tuple[Policy | None, str, str]:
        """Return the policy that may bid, the name of what forms the curve, and what is said."""
        values = "opportunity values, Markov-SDP"
        if self._policies is None:
            return None, values, "bid by curves of opportunity values"
        found = await standing(self._pool, self._policies, asked.station, asked.market.id)
        match found:
            case MayBid(training, folder):
                if self._loaded is None or self._loaded[0] != folder:
                    self._loaded = folder, await asyncio.to_thread(load_policy, folder)
                model = (training.model or "")[:_SHORT_HASH]
                day = dt.datetime.fromtimestamp((training.ended_ms or 0) / 1e3, dt.UTC).date()
                note = f"bid by curves of policy {model}, which passed the gate on {day}"
                return self._loaded[1], f"policy {model} on {values}", note
            case FallsBack(Lacks.NONE_PASSED):
                why = "no policy has passed the gate"
            case FallsBack(Lacks.WITHDRAWN):
                why = "the policy that passed the gate earned less since and is withdrawn"
            case FallsBack():
                why = "the files of the policy that passed the gate are missing or altered"
        return None, values, f"bid by curves of opportunity values: {why}"


def _curve(view: View, asked: DraftRequest, made: Draft, maker: Maker) -> Draft:
    rules, policy = asked.product, maker.policy
    case = case_of(view, asked)
    values = value_ahead(view, case)
    seen = None if policy is None else seen_ahead(view, case, policy.measure)
    bands, rated = bands_of(rules), (asked.sold.battery.charge_mw, asked.sold.battery.discharge_mw)
    starts = [one for one in made.starts_ms if asked.until_ms is None or one < asked.until_ms]
    intervals, told, soc = [], {}, asked.sold.battery.soc
    spending, newest = _spending(view, case, maker)
    left = spending.left
    for number, start in enumerate(starts):
        promised = asked.committed.get(start, 0.0)
        paid = max(-promised, 0.0)
        if policy is None or seen is None:
            curve = bid_curve(values, number, soc, bands, spend=left, paid_mw=paid)
        else:
            row = seen[view.begin + number]
            curve = policy_curve(
                *(policy.actions, values, number, soc, bands),
                seen=row,
                measure=policy.measure,
                spend=left,
                paid_mw=paid,
            )
        offers = beside_promised(curve, promised, rules, rated)
        intervals.append(BidInterval(start, offers))
        told[start] = curve_words(
            *(values, number, soc, curve, promised), left=left, by_policy=policy is not None
        )
        soc = _soc_after(values, number, soc)
        cost = most_cost(
            intervals[-1:], rules.interval_min, lambda at: asked.committed.get(at, 0.0), newest
        )
        left = max(left - cost, 0.0)
    bid = BidSet(
        station=asked.station,
        market=asked.market.id,
        product=rules.id,
        day=asked.day,
        interval_min=rules.interval_min,
        mode=OfferMode.QUANTITY_PRICE,
        intervals=tuple(intervals),
    )
    return replace(
        made,
        bids=(bid,) if any(one.segments for one in intervals) else (),
        told=dict(made.told) | {rules.id: told},
        notes=(*made.notes, maker.note, _words(spending, asked.market.currency)),
        models=(maker.model,),
        beside_mw=tuple(asked.committed.get(start, 0.0) for start in made.starts_ms),
    )


def _spending(view: View, case: Case, maker: Maker) -> tuple[Spending, float]:
    """Return what charging may cost and has cost on the day, and the newest price known."""
    believed, battery = believe(case).price, case.battery
    known = believed[np.isfinite(believed)]
    newest = float(known[-1])
    most = maker.spend_charges * full_charge_cost(battery, float(np.abs(known).mean()))
    today = view.prices_within(*maker.trades.span_ms)
    return Spending(most, earned_by(maker.trades, today, newest, battery.wear_per_mwh)), newest


def _words(spending: Spending, currency: str) -> str:
    return (
        f"charging may cost {spending.left:.2f} {currency} more today: {spending.most:.2f} and what"
        f" the day earns, {spending.earned:+.2f} so far"
    )


def _require_curves(asked: DraftRequest) -> None:
    """Refuse what takes no curve.

    Raises:
        BadSeries: the product is traded by the day, without prices, or with a day's fixed prices.
    """
    rules = asked.product
    if (
        isinstance(rules.gate, DayGate)
        or rules.prices_fixed_for_day
        or asked.mode is not OfferMode.QUANTITY_PRICE
        or OfferMode.QUANTITY_PRICE not in rules.modes
    ):
        raise BadSeries(
            f"{rules.id} of {asked.market.id} takes no prices interval by interval; take real_time "
            "out of its section"
        )


def _soc_after(values: Values, number: int, soc: float) -> float:
    """Return the SOC expected after a step: what the values do at the expected price."""
    from cloud.market.bidding.kernels import best_power, step  # noqa: PLC0415 - needs numba

    battery: Battery = values.battery
    price, hours = float(values.base[number]), values.step_min / 60
    left = np.ascontiguousarray(values.at_price(number, price))
    energy = energy_of(battery, soc)
    asked = best_power(left, energy, price, hours, physics(battery), 0.0, 0.0, 0.0)
    after, _ = step(energy, asked, hours, physics(battery))
    return battery.soc_min + float(after) / battery.energy_mwh
