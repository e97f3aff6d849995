"""A day-ahead draft no larger than the desk's limit of CVaR allows.

What is sold a day ahead binds whatever the prices turn out to be. A draft that would break the
limit is no help to anybody: it is planned anew with less power until it keeps the limit. CVaR is
positively homogeneous (Artzner and others 1999, Coherent measures of risk): with a share of the
power, a draft loses that share of it.
"""

from dataclasses import replace
from typing import Final
from zlib import crc32

from cloud.market.desk.drafting import Draft, DraftRequest, draft
from cloud.market.desk.judging import paths_of
from cloud.market.desk.record import content_of
from cloud.market.desk.weighing import beside_of, follow_together, worth_of
from cloud.market.risk import var_cvar

_LEVEL: Final = 0.95
_MARGIN: Final = 0.05
"""A bid is weighed with its own draws: the CVaR of two draws of 2,000 days differs by some per
cent."""
_LEAST_SHARE: Final = 0.05
"""A smaller position is not worth the fees; a person decides."""
_ROUNDS: Final = 4
"""What is planned anew is no exact share of what was planned before."""


def capped(request: DraftRequest, most_cvar: float) -> tuple[DraftRequest, Draft]:
    """Plan a day and write its bids so that its energy keeps a limit of CVaR.

    Args:
        request: what is planned.
        most_cvar: greatest mean loss of the worst twentieth of days, in the market's currency.

    Returns:
        What was planned in the end, and its draft; where even a small part of the power breaks the
        limit, the draft of all of it, which the limit then blocks by name.

    Raises:
        NothingToBid: as `draft`.
    """
    first = made = draft(request)
    asked, share = request, 1.0
    for _ in range(_ROUNDS):
        loss = _cvar(asked, made)
        if loss <= most_cvar:
            return asked, made if share == 1.0 else _noted(made, share, most_cvar)
        share *= max(most_cvar, 0.0) * (1 - _MARGIN) / loss
        if share < _LEAST_SHARE:
            break
        asked = _with_share(request, share)
        made = draft(asked)
    return request, first


def _cvar(request: DraftRequest, made: Draft) -> float:
    """Return the CVaR of a draft's bid of energy; 0: it has none, or it cannot be weighed."""
    bid = next((one for one in made.bids if one.product == request.product.id), None)
    if bid is None:
        return 0.0
    place = f"{request.station} {request.day} {request.product.id}"
    prices = paths_of(bid, request.energy, crc32(place.encode()))
    if prices is None:
        return 0.0
    inputs = content_of(made, bid, request).inputs
    beside, worth = beside_of(inputs), worth_of(inputs)
    followed = follow_together(bid, prices, request.sold.battery, beside, worth)
    return var_cvar(followed.revenue, _LEVEL).cvar


def _with_share(request: DraftRequest, share: float) -> DraftRequest:
    battery = request.sold.battery
    less = replace(
        battery,
        charge_mw=battery.charge_mw * share,
        discharge_mw=battery.discharge_mw * share,
    )
    return replace(request, sold=replace(request.sold, battery=less))


def _noted(made: Draft, share: float, most_cvar: float) -> Draft:
    note = (
        f"planned with {share:.0%} of the power, so that its CVaR stays within the desk's limit of "
        f"{most_cvar:,.0f}"
    )
    return replace(made, notes=(*made.notes, note))
