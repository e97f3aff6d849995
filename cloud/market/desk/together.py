"""What a bid is to the others of its plan, in words: one battery, and money that stands alone."""

from typing import Final

import numpy as np

from cloud.market.bid import BidSet
from cloud.market.desk.drafting import Draft
from cloud.market.desk.weighing import is_energy, own_mw
from cloud.market.forecast import Floats
from contract.words import Words

_WORTH_SAYING_MWH: Final = 0.005
"""Less than two decimals show is not told."""


def together_words(made: Draft, bid: BidSet) -> Words | None:
    """Say what the plan trades here and elsewhere; None: it trades energy by this bid alone.

    Nor is it said of curves: only prices tell what they trade.

    A bid at a place that is cheap all day only buys: what it buys is sold by another bid, and the
    sale's money is there. Its own expectation is what the energy left in store is worth less what
    it costs.
    """
    if not is_energy(bid) or made.beside_mw is not None:
        return None
    own = {one.start_ms: own_mw(one) for one in bid.intervals}
    here = np.array([own.get(start, 0.0) for start in made.starts_ms])
    there = made.plan.power_mw - here
    bought, sold = _traded(here, made.request.step_h)
    beside_bought, beside_sold = _traded(there, made.request.step_h)
    if max(beside_bought, beside_sold) < _WORTH_SAYING_MWH:
        return None
    return Words(
        f"one plan, one battery: this bid buys {bought:.2f} MWh and sells {sold:.2f} MWh, what is "
        f"traded beside it buys {beside_bought:.2f} MWh and sells {beside_sold:.2f} MWh; money is "
        "counted where it is traded: what this bid leaves in store counts at the plan's worth, "
        "what it takes from the store is paid for at the same",
        f"同一计划、同一电池：本标买入 {bought:.2f} MWh、售出 {sold:.2f} MWh，其他交易买入 "
        f"{beside_bought:.2f} MWh、售出 {beside_sold:.2f} MWh；收支计入各自的标：本标留存的电量按"
        "计划价值计收益，取用的库存按同一价值计成本",
    )


def _traded(power_mw: Floats, step_h: float) -> tuple[float, float]:
    """Return what is bought and what is sold, MWh."""
    return (
        float(-np.minimum(power_mw, 0.0).sum()) * step_h,
        float(np.maximum(power_mw, 0.0).sum()) * step_h,
    )
