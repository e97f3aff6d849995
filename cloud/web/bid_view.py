"""A bid whole: versions side by side, each with its reasons, what changed, what it is made from."""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from cloud.fleet import Station
from cloud.market.bid import BidInterval, BidSet, Direction
from cloud.market.bids import (
    Approver,
    Bid,
    Cleared,
    Delivery,
    Judgement,
    State,
    Version,
    fingerprint,
)
from cloud.market.exchanges import load_market
from cloud.web import format as form
from cloud.web.desk_log import who_words
from cloud.web.desk_view import counting, span
from cloud.web.desk_words import PATH, blocked_words, product_name, state_words
from cloud.web.risk_view import risk
from cloud.web.settlement_view import settlement
from cloud.web.visit import Visit

_MINUTE_MS: Final = 60_000
_BY_HAND: Final = "set by hand"
"""So the desk's page begins the reason of a band that a person has set."""
_DRAFTING: Final = "drafting"
_SIGNED: Final = PATH.index(State.APPROVED)
_FORECAST: Final = re.compile(
    r"(?:(?P<product>[a-z0-9._-]+): )?(?P<profile>naive\.profile of )?"
    r"(?P<name>ensemble/(?P<number>\d+)|\S.*?)"
    r" known (?P<known>\d{4}-\S+)"
)
_PLANS: Final = re.compile(r"plans, HiGHS (?P<number>\S+)")
"""As `cloud.market.desk.record` writes them."""
_CURVES: Final = re.compile(r"(?:policy (?P<policy>\w+) on )?opportunity values, Markov-SDP")
"""As `cloud.market.desk.curving` names them."""
_SIGNS: Final = {Direction.CHARGE: "-", Direction.DOWN: "-"}


def whole(
    visit: Visit, station: Station, bid: Bid, papers: Mapping[int, Mapping[type[Any], Any]]
) -> dict[str, Any]:
    """What the page of a bid shows besides its life and its log."""
    version = counting(bid)
    return {
        "versions": [_version(visit, one, papers.get(one.number, {})) for one in bid.versions],
        "fallback": _fallback(visit, bid, papers),
        "rows": _rows(visit, station.zone, bid, papers),
        "risk": risk(visit, bid, papers),
        "notes": [
            reason.zh if visit.language.startswith("zh") else reason.en
            for reason in version.content.explanation
            if reason.start_ms is None
        ],
        "battery": _battery(visit, version.content.inputs.get("battery")),
        "forecasts": [
            _forecast(visit, station.zone, bid, one) for one in version.content.forecasts
        ],
        "models": [_model(visit, one) for one in version.content.models],
        "settled": settlement(visit, station.zone, papers),
    }


def _version(visit: Visit, one: Version, papers: Mapping[type[Any], Any]) -> dict[str, Any]:
    judged = papers.get(Judgement)
    mark = fingerprint(one.content.bid_set)
    return {
        "number": one.number,
        "fallback": one.fallback,
        "state": state_words(visit.t, one.state),
        "blocked": blocked_words(visit.t, one.blocked),
        "made_by": who_words(visit.t, one.made_by),
        "approved_by": who_words(visit.t, one.approved_by or form.NO_VALUE),
        "fingerprint": " ".join(mark[i : i + 4] for i in range(0, len(mark), 4)),
        "broken": []
        if judged is None
        else [words.text(visit.language) for words in (*judged.violations, *judged.breaches)],
    }


def _rows(
    visit: Visit, zone: ZoneInfo, bid: Bid, papers: Mapping[int, Mapping[type[Any], Any]]
) -> list[dict[str, Any]]:
    """Intervals in which a version offers something: what each does, and what came of it."""
    offers = [version.content.bid_set for version in bid.versions]
    reasons = [_reasons(visit, version, offers[0]) for version in bid.versions]
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
                "offers": [{"lines": lines, "changed": lines != told[0]} for lines in told],
                "why": _why(bid, [one.get(interval.start_ms, "") for one in reasons]),
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


def _forecast(visit: Visit, zone: ZoneInfo, bid: Bid, told: str) -> str:
    """A forecast by what it is, its version and until when it knew, in market time.

    The plan's own comes first; that of another market's price is named by its product.
    """
    found = _FORECAST.fullmatch(told)
    if found is None:
        return told
    name = found["name"]
    if found["number"]:
        name = visit.t("weighted ensemble, version {n}", n=found["number"])
    if found["profile"]:
        name = visit.t("mean of the same weekdays before, beside: {name}", name=name)
    if found["product"] == bid.product:
        product = load_market(bid.market).product(bid.product)
        of = product_name(visit.language, product)
        name = visit.t("price of {product}: {name}", product=of, name=name)
    try:
        known = dt.datetime.fromisoformat(found["known"]).astimezone(zone)
    except ValueError:  # a program may name its forecasts as it likes
        return told
    return visit.t("{version}, known {time}", version=name, time=f"{known:%Y-%m-%d %H:%M}")


def _model(visit: Visit, told: str) -> str:
    """What has turned a forecast into offers."""
    if found := _PLANS.fullmatch(told):
        return visit.t("optimised plan, HiGHS {n}", n=found["number"])
    if found := _CURVES.fullmatch(told):
        if found["policy"]:
            return visit.t("curves of policy {model} on opportunity values", model=found["policy"])
        return visit.t("curves of opportunity values (Markov-SDP)")
    return told


def _why(bid: Bid, told: list[str]) -> list[tuple[int, str]]:
    """Why each version offers what it does; once without a number where all say the same."""
    said = [(one.number, words) for one, words in zip(bid.versions, told, strict=True) if words]
    return [(0, told[0])] if len(set(told)) == 1 and said else said


def _reasons(visit: Visit, version: Version, first: BidSet) -> dict[int, str]:
    """Why a version offers what it does, by interval; what a person has set is said to be so."""
    chinese = visit.language.startswith("zh")
    drafted = {
        reason.start_ms: reason
        for reason in version.content.explanation
        if reason.start_ms is not None
    }
    found = {start: reason.zh if chinese else reason.en for start, reason in drafted.items()}
    for interval, was in zip(version.content.bid_set.intervals, first.intervals, strict=True):
        taken_out = was.segments and not interval.segments and not version.fallback
        if taken_out:  # an edit keeps the explanation of the draft
            found[interval.start_ms] = visit.t("set by hand")
        own = [one.why for one in interval.segments if one.why]
        reason = drafted.get(interval.start_ms)
        if own and (reason is None or reason.en not in own):
            by_hand = any(why.startswith(_BY_HAND) for why in own)
            found[interval.start_ms] = visit.t("set by hand") if by_hand else "; ".join(own)
    return found


def _fallback(visit: Visit, bid: Bid, papers: Mapping[int, Mapping[type[Any], Any]]) -> str:
    """When the fall-back goes, why it does not, or why there is none; empty: the bid went out."""
    t = visit.t
    if bid.is_safe or bid.withdrawn_ms is not None or counting(bid).state in PATH[_SIGNED:]:
        return ""
    spare = next((one for one in reversed(bid.versions) if one.fallback), None)
    if spare is None:
        return _without(visit, bid)
    if spare.blocked:
        return t("The fall-back does not go: it breaks a rule of the market or a limit.")
    judged = papers.get(spare.number, {}).get(Judgement)
    if judged is not None and judged.approver is Approver.HEAD_TRADER:
        return t("The fall-back does not go by itself: it needs a head of trading.")
    if visit.now_ms >= bid.gate_ms:
        return t("The fall-back did not go: it was not checked or sent in time.")
    before = visit.parts.services.config.market.fallback_min
    return t(
        "The fall-back goes by itself {minutes} min before the gate, unless something is signed.",
        minutes=f"{before:g}",
    )


def _without(visit: Visit, bid: Bid) -> str:
    """Why a bid has no fall-back: see `cloud.market.desk.asking.careful`."""
    if bid.created_by != _DRAFTING:
        return visit.t(
            "There is no fall-back: none was made. Unless it is signed in time it lapses."
        )
    return visit.t(
        "There is no fall-back: on the prices of the last days and half of the power nothing"
        " of this product would pay. Unless it is signed in time it lapses."
    )


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
