"""A bid whole: versions side by side, what changed between them, reasons, what it was made from."""

from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from cloud.fleet import Station
from cloud.market.bid import BidInterval, Direction
from cloud.market.bids import Bid, Cleared, Delivery, Judgement, Version, fingerprint
from cloud.web import format as form
from cloud.web.desk_log import who_words
from cloud.web.desk_view import counting, span
from cloud.web.desk_words import blocked_words, state_words
from cloud.web.settlement_view import settlement
from cloud.web.visit import Visit

_MINUTE_MS: Final = 60_000
_SIGNS: Final = {Direction.CHARGE: "-", Direction.DOWN: "-"}


def whole(
    visit: Visit, station: Station, bid: Bid, papers: Mapping[int, Mapping[type[Any], Any]]
) -> dict[str, Any]:
    """What the page of a bid shows besides its life and its log."""
    version = counting(bid)
    return {
        "versions": [_version(visit, one, papers.get(one.number, {})) for one in bid.versions],
        "rows": _rows(visit, station.zone, bid, papers),
        "notes": [
            reason.zh if visit.language.startswith("zh") else reason.en
            for reason in version.content.explanation
            if reason.start_ms is None
        ],
        "battery": _battery(visit, version.content.inputs.get("battery")),
        "forecasts": list(version.content.forecasts),
        "models": list(version.content.models),
        "settled": settlement(visit, station.zone, papers),
    }


def _version(visit: Visit, one: Version, papers: Mapping[type[Any], Any]) -> dict[str, Any]:
    judged = papers.get(Judgement)
    figures = judged.figures if judged is not None else {}
    mark = fingerprint(one.content.bid_set)
    return {
        "number": one.number,
        "fallback": one.fallback,
        "state": state_words(visit.t, one.state),
        "blocked": blocked_words(visit.t, one.blocked),
        "made_by": who_words(visit.t, one.made_by),
        "approved_by": who_words(visit.t, one.approved_by or form.NO_VALUE),
        "fingerprint": " ".join(mark[i : i + 4] for i in range(0, len(mark), 4)),
        "expected": form.sum_(figures.get("expected")),
        "left": form.sum_(figures.get("left")),
        "cvar": form.sum_(figures.get("cvar")),
        "broken": []
        if judged is None
        else [words.text(visit.language) for words in (*judged.violations, *judged.breaches)],
    }


def _rows(
    visit: Visit, zone: ZoneInfo, bid: Bid, papers: Mapping[int, Mapping[type[Any], Any]]
) -> list[dict[str, Any]]:
    """Intervals in which a version offers something: what each does, and what came of it."""
    offers = [version.content.bid_set for version in bid.versions]
    reasons = _reasons(visit, counting(bid))
    came = {kind: paper for some in papers.values() for kind, paper in some.items()}
    awards, energy = _awards(came), _energy(came)
    rows = []
    for index, interval in enumerate(offers[0].intervals):
        told = [_offer(one.intervals[index]) for one in offers]
        if not any(told):
            continue
        end_ms = interval.start_ms + offers[0].interval_min * _MINUTE_MS
        rows.append(
            {
                "span": span(interval.start_ms, end_ms, zone),
                "offers": [
                    {"lines": lines, "changed": not version.fallback and lines != told[0]}
                    for version, lines in zip(bid.versions, told, strict=True)
                ],
                "why": reasons.get(interval.start_ms, ""),
                "award": awards.get(interval.start_ms, ""),
                "energy": energy.get(interval.start_ms, ""),
            }
        )
    return rows


def _offer(interval: BidInterval) -> list[str]:
    return [
        f"{form.number(_signed(one.direction, float(one.power_mw)), 3)} "
        f"@ {form.NO_VALUE if one.price is None else form.number(float(one.price), 2)}"
        for one in interval.segments
    ]


def _signed(direction: Direction, power: float) -> float:
    return -power if direction in _SIGNS else power


def _reasons(visit: Visit, version: Version) -> dict[int, str]:
    chinese = visit.language.startswith("zh")
    return {
        reason.start_ms: reason.zh if chinese else reason.en
        for reason in version.content.explanation
        if reason.start_ms is not None
    }


def _awards(came: Mapping[type[Any], Any]) -> dict[int, str]:
    cleared = came.get(Cleared)
    if cleared is None:
        return {}
    return {
        one.start_ms: f"{form.number(_signed(one.direction, float(one.power_mw)), 3)} @ "
        f"{form.NO_VALUE if one.price is None else form.number(float(one.price), 2)}"
        for one in cleared.awards
        if one.power_mw
    }


def _energy(came: Mapping[type[Any], Any]) -> dict[int, str]:
    delivered = came.get(Delivery)
    if delivered is None:
        return {}
    return {one.start_ms: form.number(float(one.energy_mwh), 3) for one in delivered.measured}


def _battery(visit: Visit, given: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if given is None:
        return []
    t = visit.t
    soc = [form.percent(given.get(name)) for name in ("soc", "soc_min", "soc_max")]
    return [
        (t("Charge, at most"), f"{form.number(given.get('charge_mw'))} MW"),
        (t("Discharge, at most"), f"{form.number(given.get('discharge_mw'))} MW"),
        (t("Energy"), f"{form.number(given.get('energy_mwh'))} MWh"),
        (t("SOC at its beginning"), f"{soc[0]} %"),
        (t("SOC band"), f"{soc[1]} … {soc[2]} %"),
        (t("Wear per MWh discharged"), form.number(given.get("wear_per_mwh"), 2)),
    ]
