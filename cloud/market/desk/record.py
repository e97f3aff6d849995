"""A draft as what a bid keeps of it: offers, inputs, versions, and why."""

import datetime as dt
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, Final

from cloud.market.bid import BidSet
from cloud.market.bids import Content, Reason
from cloud.market.desk.drafting import Draft, DraftRequest
from cloud.market.desk.notes import note_zh
from cloud.market.desk.together import together_words
from cloud.market.desk.weighing import own_mw
from cloud.market.forecast import Floats, Forecast
from cloud.market.forecasts import as_record
from cloud.market.plans import worth_left
from cloud.market.units import MINUTE_MS

_DIGITS: Final = 6


def content_of(
    made: Draft, bid: BidSet, asked: DraftRequest, *, planned_on: str | None = None
) -> Content:
    """Return what is kept with a bid of a draft.

    Args:
        made: the draft.
        bid: one of its bids.
        asked: what was asked for, with the forecasts: by that of its own price a bid of energy is
            weighed.
        planned_on: version of what it was planned on, where that is another one.
    """
    own, words = asked.side.get(bid.product), together_words(made, bid)
    return Content(
        bid_set=bid,
        inputs=_inputs(made, bid, asked),
        forecasts=(
            _named(asked.energy, planned_on),
            *(() if own is None else (f"{bid.product}: {_named(own)}",)),
        ),
        models=(f"plans, HiGHS {version('highspy')}", *made.models),
        explanation=(
            *(Reason(None, note, note_zh(note)) for note in made.notes),
            *(() if words is None else (Reason(None, words.en, words.zh),)),
            *(Reason(one.start_ms, *made.told[bid.product][one.start_ms]) for one in bid.intervals),
        ),
    )


def _named(forecast: Forecast, planned_on: str | None = None) -> str:
    known = dt.datetime.fromtimestamp(forecast.known_ms / 1e3, dt.UTC)
    return f"{planned_on or forecast.version} known {known:%Y-%m-%dT%H:%MZ}"


def _price(made: Draft, bid: BidSet) -> Floats:
    """Return the price that a bid of energy is planned on: that of its own market."""
    own = (one.price for one in made.request.side if one.id == bid.product)
    return next(own, made.request.price)


def _last(made: Draft, bid: BidSet) -> int:
    """Return the place of the last planned interval in a bid's time."""
    end_ms = bid.intervals[-1].start_ms + bid.interval_min * MINUTE_MS
    return sum(start < end_ms for start in made.starts_ms) - 1


def _inputs(made: Draft, bid: BidSet, asked: DraftRequest) -> dict[str, Any]:
    plan, side = made.plan, asked.side.get(bid.product)
    own = {one.start_ms: own_mw(one) for one in bid.intervals}
    planned = [
        power - own.get(start, 0.0)
        for start, power in zip(made.starts_ms, plan.power_mw.tolist(), strict=True)
    ]
    beside = [round(one, _DIGITS) for one in made.beside_mw or planned]
    return {
        "battery": asdict(made.request.battery),
        "forecast": as_record(asked.energy),
        **({} if side is None else {"own_forecast": as_record(side)}),
        "notes": list(made.notes),
        "plan": {
            "starts_ms": list(made.starts_ms),
            "step_h": made.request.step_h,
            "price": _price(made, bid).tolist(),
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
