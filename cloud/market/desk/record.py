"""A draft as what a bid keeps of it: offers, inputs, versions, and why."""

import datetime as dt
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, Final

from cloud.market.bid import BidSet
from cloud.market.bids import Content, Reason
from cloud.market.desk.drafting import Draft
from cloud.market.desk.notes import note_zh
from cloud.market.desk.weighing import own_mw
from cloud.market.forecast import Forecast
from cloud.market.forecasts import as_record
from cloud.market.plans import worth_left
from cloud.market.units import MINUTE_MS

_DIGITS: Final = 6


def content_of(
    made: Draft, bid: BidSet, forecast: Forecast, *, planned_on: str | None = None
) -> Content:
    """Return what is kept with a bid of a draft.

    Args:
        made: the draft.
        bid: one of its bids.
        forecast: of the energy price; by it the bid is weighed.
        planned_on: version of what it was planned on, where that is another one.
    """
    known = dt.datetime.fromtimestamp(forecast.known_ms / 1e3, dt.UTC)
    return Content(
        bid_set=bid,
        inputs=_inputs(made, bid, forecast),
        forecasts=(f"{planned_on or forecast.version} known {known:%Y-%m-%dT%H:%MZ}",),
        models=(f"plans, HiGHS {version('highspy')}",),
        explanation=(
            *(Reason(None, note, note_zh(note)) for note in made.notes),
            *(Reason(one.start_ms, *made.told[bid.product][one.start_ms]) for one in bid.intervals),
        ),
    )


def _last(made: Draft, bid: BidSet) -> int:
    """Return the place of the last planned interval in a bid's time."""
    end_ms = bid.intervals[-1].start_ms + bid.interval_min * MINUTE_MS
    return sum(start < end_ms for start in made.starts_ms) - 1


def _inputs(made: Draft, bid: BidSet, forecast: Forecast) -> dict[str, Any]:
    plan = made.plan
    own = {one.start_ms: own_mw(one) for one in bid.intervals}
    beside = [
        round(power - own.get(start, 0.0), _DIGITS)
        for start, power in zip(made.starts_ms, plan.power_mw.tolist(), strict=True)
    ]
    return {
        "battery": asdict(made.request.battery),
        "forecast": as_record(forecast),
        "notes": list(made.notes),
        "plan": {
            "starts_ms": list(made.starts_ms),
            "step_h": made.request.step_h,
            "price": made.request.price.tolist(),
            "power_mw": plan.power_mw.tolist(),
            "beside_mw": beside,
            "soc": plan.soc.tolist(),
            "worth_left": round(worth_left(made.request, plan, _last(made, bid)), _DIGITS),
            "charge_below": [one.charge_below for one in made.reasons],
            "discharge_above": [one.discharge_above for one in made.reasons],
            "held_price": {one.id: one.price.tolist() for one in made.request.capacity},
            "held_mw": {name: one.offered_mw.tolist() for name, one in plan.capacity.items()},
            "revenue": plan.revenue,
            "wear": plan.wear,
            "gap": plan.gap,
            "seconds": plan.seconds,
        },
    }
