"""The risk of a bid as its page keeps it: what each version was weighed at when it was checked."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cloud.market.bids import Bid, Judgement
from cloud.web import format as form
from cloud.web.language import Words
from cloud.web.visit import Visit

_WORTH_SAYING_MWH: Final = 0.005
"""Less than two decimals show is not told."""


def risk(
    visit: Visit, bid: Bid, papers: Mapping[int, Mapping[type[Any], Any]]
) -> list[dict[str, Any]]:
    """Figures and stressed days, a row each, with a cell for every version of a bid."""
    judged = [papers.get(version.number, {}).get(Judgement) for version in bid.versions]
    return [*_figures(visit.t, judged), *_cases(visit, judged)]


def _figures(t: Words, judged: Sequence[Judgement | None]) -> list[dict[str, Any]]:
    rows = (
        ("expected", t("Expected revenue")),
        ("left", t("of it energy left in store")),
        ("var", t("VaR 95 %, loss")),
        ("cvar", t("CVaR 95 %, loss")),
        ("worst", t("Worst day, loss")),
    )
    told = [one.figures if one is not None else {} for one in judged]
    return [
        {
            "name": name,
            "label": label,
            "case": False,
            "cells": [{"value": form.sum_(figures.get(name)), "missed": ""} for figures in told],
        }
        for name, label in rows
        if any(name in figures for figures in told)
    ]


def _cases(visit: Visit, judged: Sequence[Judgement | None]) -> list[dict[str, Any]]:
    told = [{} if one is None else {case.name: case for case in one.stressed} for one in judged]
    known = {name: case for some in told for name, case in some.items()}
    rows = []
    for name, case in known.items():
        cells = []
        for found in (some.get(name) for some in told):
            missed = 0.0 if found is None else found.missed_mwh
            cells.append(
                {
                    "value": form.sum_(None if found is None else found.revenue),
                    "missed": visit.t("{energy} MWh not followed", energy=form.number(missed))
                    if missed > _WORTH_SAYING_MWH
                    else "",
                }
            )
        label = case.zh if visit.language.startswith("zh") else case.en
        rows.append({"name": name, "label": label, "case": True, "cells": cells})
    return rows
