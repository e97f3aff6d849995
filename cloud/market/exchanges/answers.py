"""Reading what exchanges answer: acknowledgements and clearing, with doubles told apart."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloud.market.award import Award
from cloud.market.bid import Direction
from cloud.market.errors import BadDocument
from cloud.market.exchanges.formats import xml
from cloud.market.exchanges.formats.text import choice, decimal, utc_ms
from cloud.market.exchanges.outcomes import (
    Accepted,
    Outcome,
    PartlyAccepted,
    Pending,
    Refused,
    Rejected,
    Withdrawn,
)

_ACCEPTED_CODE = "A01"


@dataclass(frozen=True, slots=True)
class Clearing:
    """What a submission has got so far; `complete`: nothing is to come."""

    submission: str
    complete: bool
    awards: tuple[Award, ...]


def read_acknowledgement(body: bytes, content_type: str, key: str) -> Outcome:
    """Read what became of the submission sent under `key`.

    The same answer given twice is one answer.

    Raises:
        BadDocument: it cannot be read, is for another key, or says two different things.
    """
    if "xml" in content_type:
        return _from_xml(body, key)
    told = _json(body)
    answers = {_one(one, key) for one in (told if isinstance(told, list) else [told])}
    if len(answers) != 1:
        raise BadDocument(f"acknowledgement of {key}: {len(answers)} answers that differ")
    return answers.pop()


def _one(told: Any, key: str) -> Outcome:
    try:
        if told["key"] != key:
            raise BadDocument(f"an acknowledgement is for {told['key']}, not for {key}")
        name, at_ms = str(told["submission"]), utc_ms(str(told["at"]), "at")
        reasons = tuple(_refused(one) for one in told["reasons"])
        match told["status"]:
            case "accepted":
                return Accepted(name, at_ms)
            case "partial":
                return PartlyAccepted(name, at_ms, reasons)
            case "rejected":
                return Rejected(reasons, at_ms)
            case "pending":
                return Pending(name)
            case "withdrawn":
                return Withdrawn(name, at_ms)
            case other:
                raise BadDocument(f"acknowledgement of {key}: status {other!r} is not known")
    except (KeyError, TypeError) as error:
        raise BadDocument(f"acknowledgement of {key}: {error!r} is missing or wrong") from error


def _refused(one: Mapping[str, Any]) -> Refused:
    start = one["start"]
    return Refused(None if start is None else utc_ms(str(start), "start"), str(one["text"]))


def _from_xml(body: bytes, key: str) -> Outcome:
    root = xml.parse(body, xml.ACKNOWLEDGEMENT)

    def text(element: Any, *names: str) -> str:
        path = "/".join(f"{{{xml.ACKNOWLEDGEMENT}}}{name}" for name in names)
        return str(element.findtext(path) or "")

    named = text(root, "received_MarketDocument.mRID")
    if named != key:
        raise BadDocument(f"an acknowledgement is for {named}, not for {key}")
    at_ms = utc_ms(text(root, "createdDateTime"), "createdDateTime")
    if text(root, "Reason", "code") == _ACCEPTED_CODE:
        return Accepted(key, at_ms)
    series = root.iterfind(f"{{{xml.ACKNOWLEDGEMENT}}}Rejected_TimeSeries")
    reasons = [Refused(None, text(one, "Reason", "text")) for one in series]
    return Rejected(tuple(reasons) or (Refused(None, text(root, "Reason", "text")),), at_ms)


def read_clearing(body: bytes) -> Clearing:
    """Read what a submission has got; an award told twice is one award.

    Raises:
        BadDocument: it cannot be read, or an interval has two different awards.
    """
    told = _json(body)
    try:
        found: dict[tuple[str, int, Direction], Award] = {}
        for one in told["awards"]:
            award = _award(one)
            place = (award.product, award.start_ms, award.direction)
            if found.setdefault(place, award) != award:
                raise BadDocument(f"clearing: {place} is awarded twice, and differently")
        awards = tuple(sorted(found.values(), key=lambda one: (one.start_ms, one.product)))
        return Clearing(str(told["submission"]), bool(told["complete"]), awards)
    except (KeyError, TypeError) as error:
        raise BadDocument(f"clearing: {error!r} is missing or wrong") from error


def _award(one: Mapping[str, Any]) -> Award:
    return Award(
        product=str(one["product"]),
        start_ms=utc_ms(str(one["start"]), "start"),
        minutes=int(one["minutes"]),
        direction=choice(Direction, str(one["direction"]), "direction"),
        power_mw=decimal(str(one["power_mw"]), "power_mw"),
        price=decimal(str(one["price"]), "price"),
    )


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise BadDocument(f"no JSON: {error}") from error
