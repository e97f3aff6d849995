"""Trainings of bidding policies as the page shows them: which one may bid, and the verdicts."""

from typing import Any, Final
from zoneinfo import ZoneInfo

from cloud.market.bidding.policy_training.gate import CONFIDENCE
from cloud.market.exchanges import load_market
from cloud.market.retraining import FallsBack, Fault, Lacks, MayBid, State, Training
from cloud.web import format as form
from cloud.web.desk_words import market_name
from cloud.web.language import Words
from cloud.web.visit import Visit

_SHORT_HASH: Final = 12
_MILLION: Final = 1e6
_MINUTES: Final = len("00:00")


def view(
    visit: Visit,
    place: tuple[str, str],
    may: MayBid | FallsBack,
    past: list[Training],
    every_days: float | None,
) -> dict[str, Any]:
    """The policy of one station in one market."""
    market = load_market(place[1])
    zone = ZoneInfo(market.calendar.zone)
    failed = next(iter(past), None)
    return {
        "station": place[0],
        "market": market_name(visit.language, market),
        "every": None if every_days is None else form.number(every_days, 0),
        "standing": standing_words(visit.t, may, zone),
        "rows": [_row(visit.t, one, zone) for one in past],
        "errors": [
            text
            for text in (
                may.error if isinstance(may, FallsBack) else "",
                failed.error if failed is not None else "",
            )
            if text
        ],
    }


def standing_words(t: Words, may: MayBid | FallsBack, zone: ZoneInfo) -> str:
    """Which policy may bid, or why none may, in words."""
    match may:
        case MayBid(training):
            model = (training.model or "")[:_SHORT_HASH]
            since = _moment(training.ended_ms, zone)
            return t(
                "Policy {model} of {since} has passed the gate and may bid.",
                model=model,
                since=since,
            )
        case FallsBack(Lacks.FILES):
            return t(
                "The files of the policy that passed the gate are missing or altered: it does not"
                " bid, and bids are drafted without it."
            )
        case FallsBack(Lacks.WITHDRAWN, training) if training is not None:
            model = (training.model or "")[:_SHORT_HASH]
            return t(
                "Policy {model} was withdrawn on {since}: in later weeks it surely earned less than"
                " opportunity values. Bids are drafted without it.",
                model=model,
                since=_moment(training.withdrawn_ms, zone),
            )
        case FallsBack():
            return t("No policy has passed the gate: bids are drafted without one.")
    raise AssertionError(may)


def verdict_words(t: Words, one: Training) -> str:
    """What became of a training, in words."""
    if one.state is State.RUNNING:
        return t("in training, {share} % done", share=_share(one.share))
    if one.withdrawn_ms is not None:
        return t("passed the gate, withdrawn later")
    if one.state is State.PROMOTED:
        return t("passed the gate")
    if one.fault is not None:
        return _fault_words(t)[one.fault]
    if one.verdict is not None and one.verdict.sure < CONFIDENCE:
        sure, asked = _share(one.verdict.sure), _share(CONFIDENCE)
        return t("kept out: sure to {sure} %, {asked} % are asked", sure=sure, asked=asked)
    return t("kept out: its worst days cost more")


def _fault_words(t: Words) -> dict[Fault, str]:
    return {
        Fault.EXTRA: t("failed: the libraries that train are not installed"),
        Fault.HISTORY: t("failed: less than three years of prices are stored"),
        Fault.PRICES: t("failed: prices, market or battery cannot be used"),
        Fault.ENDED: t("given up: its process died again and again"),
        Fault.OTHER: t("given up: another training was asked for"),
        Fault.MISTAKE: t("failed: a mistake of the program, told in its log"),
    }


def _row(t: Words, one: Training, zone: ZoneInfo) -> dict[str, Any]:
    verdict = one.verdict
    return {
        "state": one.state.value,
        "begun": _moment(one.begun_ms, zone),
        "by": t("schedule") if one.asked_by == "schedule" else one.asked_by,
        "first": _date(one.first_day),
        "unseen": _date(one.unseen_from),
        "practice": f"{one.wish.seeds} × {one.wish.steps / _MILLION:g} M",
        "short": any(note.startswith("short history") for note in one.notes),
        "words": verdict_words(t, one),
        "gain": form.number(verdict.gain if verdict else None, 0, signed=True),
        "sure": "–" if verdict is None else _share(verdict.sure),
        "cvar": form.number(verdict.cvar_policy if verdict else None, 2),
        "cvar_value": form.number(verdict.cvar_value if verdict else None, 2),
        "model": (one.model or "")[:_SHORT_HASH],
    }


def _date(day: Any) -> str:
    return "–" if day is None else form.date(day.isoformat())


def _moment(at_ms: int | None, zone: ZoneInfo) -> str:
    if at_ms is None:
        return "–"
    return f"{form.day(at_ms, zone)} {form.clock(at_ms, zone)[:_MINUTES]}"


def _share(share: float) -> str:
    """Per cent without decimals: the gate's resamples say no more."""
    return form.number(100 * share, 0)
