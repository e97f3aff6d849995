"""The log of a bid in the reader's language: what programs say is translated, people are quoted."""

import re

from cloud.market.bids import Judgement
from cloud.web.language import Words


def who_words(t: Words, who: str) -> str:
    """Who has moved a bid: a person by name, a program by what it does."""
    return {
        "drafting": t("the drafting"),
        "check": t("the check"),
        "watch": t("the watch of deadlines"),
        "exchange": t("the exchange"),
        "meter": t("the meter"),
        "desk": t("the desk"),
        "rule:fall-back": t("the rule of the fall-back"),
    }.get(who, who)


def why_words(t: Words, why: str, judged: Judgement | None = None) -> str:
    """Why a bid was moved, in words.

    Args:
        t: the reader's language.
        why: as it stands in the log.
        judged: what the check has said of the version, in both languages.
    """
    if judged is not None and why:
        broken = (*judged.violations, *judged.breaches)
        if why == "; ".join(one.en for one in broken):
            return "; ".join(one.text(t.language) for one in broken)
    said = _fixed(t).get(why)
    if said is not None:
        return said
    for pattern, words in _patterns(t):
        found = re.fullmatch(pattern, why)
        if found:
            return words.format(**found.groupdict())
    return why


def _fixed(t: Words) -> dict[str, str]:
    """Sentences of the life of bids (`cloud.market.bids`), each with its words."""
    return {
        "keeps the market's rules and the desk's limits": t("keeps rules and limits"),
        "drafted in time": t("drafted in time"),
        "the drafting takes too long; the fall-back is drafted alone": t(
            "the drafting takes too long; the fall-back is drafted alone"
        ),
        "the gate closed": t("the gate closed"),
        "the gate closed; it was not needed": t("the gate closed; it was not needed"),
        "the gate closed before it was handed over": t("the gate closed before it was handed over"),
        "the gate closed, nothing was approved; there is no fall-back": t(
            "the gate closed, nothing was signed; there is no fall-back"
        ),
        "the gate closed, nothing was approved; the fall-back breaks a rule or a limit": t(
            "the gate closed, nothing was signed; the fall-back breaks a rule or a limit"
        ),
        "the gate closed, nothing was approved; the fall-back goes only when a head of trading"
        " approves it": t(
            "the gate closed, nothing was signed; the fall-back goes only when a head of trading"
            " signs it"
        ),
        "the gate closed, nothing was approved; the fall-back was not checked or sent in time": t(
            "the gate closed, nothing was signed; the fall-back was not checked or sent in time"
        ),
        "within what the desk lets a rule approve": t("within what a rule may approve"),
        "its plan stays as it is": t("its plan stays as it is"),
        "withdrawn at the exchange": t("withdrawn at the exchange"),
        "the exchange says that it was withdrawn there": t("withdrawn at the exchange"),
        "the gate closed before the exchange had it; it says that it never came": t(
            "the gate closed before the exchange had it"
        ),
    }


def _patterns(t: Words) -> tuple[tuple[str, str], ...]:
    return (
        (r"the fall-back of version (?P<n>\d+)", t("the fall-back of version {n}")),
        (r"replaced by version (?P<n>\d+)", t("replaced by version {n}")),
        (r"version (?P<n>\d+) stands in its place", t("replaced by version {n}")),
        (r"handed over under (?P<key>\S+)", t("handed over under {key}")),
        (r"stands as (?P<name>[^;]+)", t("stands as {name}")),
        (
            r"(?P<n>\d+) of (?P<all>\d+) intervals have an award",
            t("{n} of {all} intervals cleared"),
        ),
        (
            r"the exchange gives no answer \((?P<why>.*)\); it is asked again",
            t("the exchange gives no answer ({why}); it is asked again"),
        ),
        (r"orders (?P<ids>.+)", t("orders {ids}")),
        (r"(?P<energy>\S+) MWh net at the meter", t("{energy} MWh net at the meter")),
        (
            r"(?P<n>\d+) minutes? before the gate nothing is approved; people are called",
            t("{n} min before the gate nothing is signed; people are called"),
        ),
        (
            r"(?P<n>\d+) seconds? before the gate nothing is approved; people are called",
            t("{n} s before the gate nothing is signed; people are called"),
        ),
        (
            r"(?P<n>\d+) minutes? before the gate nothing else is approved",
            t("{n} min before the gate nothing else is signed"),
        ),
        (
            r"(?P<n>\d+) seconds? before the gate nothing else is approved",
            t("{n} s before the gate nothing else is signed"),
        ),
        (
            r"not approved in time; the fall-back, version (?P<n>\d+), goes",
            t("not signed in time; the fall-back, version {n}, goes"),
        ),
    )
