"""Words of the market desk: states, what a bid waits for, names of products and money."""

from typing import Final

from cloud.market.bids import Approver, Look, State
from cloud.market.exchanges import Market, Product
from cloud.web.language import Words

PATH: Final = (
    *(State.DRAFTED, State.CHECKED, State.APPROVED, State.SUBMITTED, State.ACCEPTED),
    *(State.CLEARED, State.SCHEDULED, State.DELIVERED, State.SETTLED),
)
"""The life of a version that goes all the way."""


def state_words(t: Words, state: State) -> str:
    """Where a version of a bid is, in words."""
    return {
        State.DRAFTED: t("drafted"),
        State.CHECKED: t("checked"),
        State.APPROVED: t("signed"),
        State.SUBMITTED: t("handed over"),
        State.ACCEPTED: t("accepted by the exchange"),
        State.REJECTED: t("rejected by the exchange"),
        State.AMENDED: t("replaced at the exchange"),
        State.CLEARED: t("cleared by the market"),
        State.SCHEDULED: t("scheduled at the station"),
        State.DELIVERED: t("delivered at the meter"),
        State.SETTLED: t("settled"),
        State.WITHDRAWN: t("withdrawn"),
        State.LAPSED: t("lapsed"),
    }[state]


def blocked_words(t: Words, blocked: str) -> str:
    """What keeps a draft from going on; empty: nothing."""
    return {
        "rules": t("breaks a rule of the market"),
        "limits": t("breaks a limit of the desk"),
    }.get(blocked, "")


def waits_words(t: Words, state: State | None, blocked: str, approver: Approver | None) -> str:
    """For whom or what a bid waits."""
    if state is None:
        return t("the drafting, in time")
    if blocked:
        return t("trader: edit it") if blocked == "rules" else t("trader, or head of trading")
    if state is State.CHECKED:
        large = approver is Approver.HEAD_TRADER
        return t("head of trading: sign it") if large else t("trader: sign it")
    return {
        State.DRAFTED: t("the check"),
        State.APPROVED: t("the exchange"),
        State.SUBMITTED: t("the exchange"),
        State.ACCEPTED: t("the clearing"),
        State.CLEARED: t("the order to the station"),
        State.SCHEDULED: t("the delivery"),
        State.DELIVERED: t("the statement"),
    }.get(state, "\N{EN DASH}")


def empty_words(t: Words, look: Look, unit: str) -> dict[str, str]:
    """Why no bid stands at a gate that the drafting has looked at; `unit` is that of prices."""
    why = look.why.text(t.language)
    if look.late:
        return {"words": t("drafting takes too long"), "waits": why}
    if look.failed:
        return {
            "words": t("not drafted"),
            "waits": t("the drafting, which failed and tries again: {why}", why=why),
        }
    return {
        "words": t("nothing pays now"),
        "waits": t(
            "a better price ({unit}): {why}; new prices are weighed again", unit=unit, why=why
        )
        if why
        else t("nothing: another time pays better; new prices are weighed again"),
    }


def product_name(language: str, product: Product) -> str:
    """A product in the reader's language."""
    return product.name.get(_short(language), product.id)


def market_name(language: str, market: Market) -> str:
    """A market in the reader's language."""
    return market.name.get(_short(language), market.id)


def money_unit(language: str, unit: str) -> str:
    """A currency, or a price in it, as the reader writes it."""
    return unit.replace("CNY", "元") if _short(language) == "zh" else unit


def _short(language: str) -> str:
    return language.partition("-")[0]
