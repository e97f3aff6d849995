"""What a bid came to as its page shows it: the exchange's word beside ours, and why they differ."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from cloud.market.bids import Settlement
from cloud.web import format as form
from cloud.web.desk_words import money_unit
from cloud.web.language import Words
from cloud.web.revenue_view import money
from cloud.web.visit import Visit

_SHOWN: Final = 96


def cost_words(t: Words, cost: Decimal | None) -> str:
    """What an imbalance cost; what it brought is said to be received."""
    if cost is None or cost >= 0:
        return money(cost)
    return t("{amount} received", amount=money(-cost))


def settlement(
    visit: Visit, zone: ZoneInfo, papers: Mapping[int, Mapping[type[Any], Any]]
) -> dict[str, Any] | None:
    """The settlement of a bid; None: it is not settled yet."""
    settled = next((some[Settlement] for some in papers.values() if Settlement in some), None)
    if settled is None:
        return None

    def clock(at_ms: int | None) -> str:
        return visit.t("the day") if at_ms is None else form.clock(at_ms, zone)[:5]

    return {
        "amount": money(settled.amount),
        "currency": money_unit(visit.language, settled.currency),
        "theirs_day": money(settled.theirs_day),
        "ours_day": money(settled.ours_day),
        "differs": settled.differs,
        "rest": None
        if settled.theirs_day is None
        else money(settled.theirs_day - settled.amount, signed=True),
        "agrees": settled.ours is not None and not settled.differences and not settled.differs,
        "why_not": settled.notes[-1].text(visit.language)
        if settled.ours is None and settled.notes
        else "",
        "standing": visit.t("final") if settled.final else visit.t("provisional"),
        "changes": [
            {
                "at": clock(one.start_ms),
                "item": f"{one.item} {one.detail}".strip(),
                "words": one.words.text(visit.language),
                "money": money(one.money, signed=True),
            }
            for one in settled.changes[:_SHOWN]
        ],
        "differences": [
            {
                "at": clock(one.start_ms),
                "item": f"{one.item} {one.detail}".strip(),
                "words": one.words.text(visit.language),
                "money": money(one.money, signed=True),
            }
            for one in settled.differences[:_SHOWN]
        ],
        "deviations": [
            {
                "at": clock(one.start_ms),
                "awarded": form.number(float(one.awarded_mwh), 3),
                "delivered": form.number(float(one.delivered_mwh), 3),
                "imbalance": form.number(float(one.imbalance_mwh), 3, signed=True),
                "price": money(one.price),
                "cost": cost_words(visit.t, one.cost),
                "words": one.words.text(visit.language),
            }
            for one in settled.deviations[:_SHOWN]
        ],
    }
