"""Bids that were planned together: one plan, one battery, so their money is looked at in sum."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cloud.market import bids
from cloud.market.bids import Bid, Judgement, State, Version
from cloud.market.exchanges import load_market
from cloud.web import format as form
from cloud.web.desk_view import Papers, counting
from cloud.web.desk_words import PATH, product_name, state_words
from cloud.web.visit import Visit

_SIGNED: Final = PATH[PATH.index(State.APPROVED) :]


async def planned_with(visit: Visit, bid: Bid) -> tuple[Sequence[Bid], Papers]:
    """Return the bids of a bid's plan, itself among them, with their checks; empty: it is alone."""
    services = visit.parts.services
    listed = await bids.listed(services.pool, bid.day, bid.day, station=bid.station)
    names = [
        one.id
        for one in listed
        if (one.market, one.begin_ms) == (bid.market, bid.begin_ms) and one.id != bid.id
    ]
    found = await bids.load_many(services.pool, services.vault, names)
    plan = _plan(bid)
    beside = [one for one in found if plan is not None and _plan(one) == plan]
    if not beside:
        return (), {}
    together = [bid, *beside]
    told = await bids.papers_of_many(
        services.pool, services.vault, [one.id for one in together], [Judgement]
    )
    return together, {one.id: (one, told[one.id]) for one in together}


def together_view(visit: Visit, together: Sequence[Bid], papers: Papers) -> dict[str, Any]:
    """The parts of a plan with their expected revenue and that of their fall-backs, and the sum."""
    rows = []
    sums: list[list[float | None]] = [[], []]
    for one in together:
        version = counting(one)
        spare = next((each for each in reversed(one.versions) if each.fallback), None)
        expected = [_expected(papers, one, each) for each in (version, spare)]
        for column, value in zip(sums, expected, strict=True):
            column.append(value)
        product = load_market(one.market).product(one.product)
        rows.append(
            {
                "id": one.id,
                "name": product_name(visit.language, product),
                "state": state_words(visit.t, version.state),
                "signed": version.state in _SIGNED,
                "expected": form.sum_(expected[0]),
                "spare": form.sum_(expected[1]),
            }
        )
    return {
        "rows": rows,
        "expected": _sum(sums[0], empty=None),
        "spare": _sum(sums[1], empty=0.0),
    }


def _plan(bid: Bid) -> object:
    """Return what names a plan: its intervals and powers, as its first version was made from."""
    plan = bid.versions[0].content.inputs.get("plan")
    return (plan["starts_ms"], plan["power_mw"]) if isinstance(plan, Mapping) else None


def _expected(papers: Papers, bid: Bid, version: Version | None) -> float | None:
    if version is None:
        return None
    judged = papers[bid.id][1].get(version.number, {}).get(Judgement)
    return None if judged is None else judged.figures.get("expected")


def _sum(values: Sequence[float | None], *, empty: float | None) -> str:
    """The sum of a column; what is not told counts as `empty`, and None leaves the sum open."""
    told = [empty if value is None else value for value in values]
    known = [value for value in told if value is not None]
    return form.sum_(sum(known) if len(known) == len(told) else None)
