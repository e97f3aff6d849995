"""The story of an incident: its first-out, what followed, what protection and people did."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from cloud.alarms.story import Answer, Incident, Part, StoryEvent
from cloud.web import alarm_view as view
from cloud.web import alarm_words as words
from cloud.web import format as form
from cloud.web.alarm_banner import definitions_of
from cloud.web.look import StationLook
from cloud.web.visit import Visit
from contract.events import Severity

_SAME_MS = 1000
_ACTION, _CONFIRMED = "protection.action", "protection.confirmed"


def address(incident: Incident) -> str:
    """The page of an incident."""
    query = urlencode({"scope": incident.scope})
    return f"/alarms/incidents/{quote(incident.station)}/{incident.begin_ms}?{query}"


def is_group(incident: Incident) -> bool:
    """Whether there is a story: alarms together, or a protection that has acted."""
    acted = any(event.code in (_ACTION, _CONFIRMED) for event in incident.events)
    return acted or len(incident.parts) > 1


def title(visit: Visit, look: StationLook, incident: Incident) -> str:
    """Where it happened."""
    where = incident.scope or look.station.title(visit.language)
    return visit.t("Trip group {place}, first-out order", place=where)


def page(
    visit: Visit, look: StationLook, incident: Incident, answers: Sequence[Answer]
) -> dict[str, Any]:
    """The story as a page of its own."""
    t, zone = visit.t, look.station.zone
    told = lines(visit, look, incident, answers=answers)
    first = next((one for one in told if one["first"]), None)
    begin_ms = min((part.onset_ms for part in incident.parts), default=incident.begin_ms)
    last_ms = max((one["at_ms"] for one in told), default=incident.begin_ms)
    actions = sum(event.code == _ACTION for event in incident.events)
    confirmed = sum(event.code == _CONFIRMED for event in incident.events)
    notes = [
        t("Everything that the devices and the controller of this place told, by their clocks.")
    ]
    if incident.cut:
        notes.append(t("More happened than is shown here."))
    if incident.damaged:
        notes.append(
            t("{n} events are damaged in the store and left out.", n=len(incident.damaged))
        )
    return {
        "title": title(visit, look, incident),
        "where": look.station.title(visit.language),
        "first": "" if first is None else f"{first['text']}, {first['device']}",
        "begin": f"{form.day(begin_ms, zone)} {view.moment(begin_ms, zone)}",
        "end": t("still open")
        if incident.stands
        else f"{form.day(last_ms, zone)} {view.moment(last_ms, zone)}",
        "count": form.number(len(incident.parts), 0),
        "actions": t("{n}, {m} of them confirmed", n=actions, m=confirmed) if actions else "",
        "lines": told,
        "note": " ".join(notes),
        "links": [
            (f"/stations/{quote(incident.station)}", t("Show the station")),
            (f"/alarms?{urlencode({'q': incident.scope or incident.station})}", t("Alarms")),
        ],
    }


def lines(
    visit: Visit,
    look: StationLook,
    incident: Incident,
    *,
    own: int | None = None,
    answers: Sequence[Answer] = (),
) -> list[dict[str, Any]]:
    """What was told around an incident and what people answered, in order of time.

    Args:
        visit: the reader.
        look: the station.
        incident: it.
        own: number of the alarm beside which it is shown.
        answers: what people did to its alarms.
    """
    parts = {(part.device, part.code, part.tag, part.onset_ms): part for part in incident.parts}
    told = []
    for event in incident.events:
        name = event.device, event.code, event.tag, event.at_ms
        line = _event(visit, event, parts.get(name), own) | _stamp(look, incident, event.at_ms)
        told.append(line)
    told += [_answer(visit, one) | _stamp(look, incident, one.line.at_ms) for one in answers]
    return merged(sorted(told, key=lambda line: line["at_ms"]))


def merged(told: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines that say the same again within a second are one, with how often it was said.

    What a story marks (the first-out, the alarm beside it) is never swallowed.
    """
    kept: list[dict[str, Any]] = []
    again: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in told:
        says = tuple(repr(line[key]) for key in ("text", "device", "tags", "detail", "priority"))
        before = again.get(says)
        marked = line["first"] or line["own"]
        if before is not None and not marked and line["at_ms"] - before["at_ms"] <= _SAME_MS:
            before["times"] += 1
            continue
        again[says] = line | {"times": 1}
        kept.append(again[says])
    for line in kept:
        if line["times"] > 1:
            line["tags"] = [*line["tags"], (f"\N{MULTIPLICATION SIGN} {line['times']}", False)]
    return kept


def _event(visit: Visit, event: StoryEvent, part: Part | None, own: int | None) -> dict[str, Any]:
    t = visit.t
    part = part if event.active else None
    text = plain(event.text_zh if visit.language.startswith("zh") else event.text_en)
    informs = event.severity == Severity.INFORMATION
    tags = []
    if part is not None and part.first_out:
        tags.append((t("first-out"), True))
    if part is not None and part.cause is not None:
        tags.append((t("consequence of {id}", id=part.cause), False))
    if not informs and not event.active:
        tags.append((t("returned"), False))
    value, unit = words.figure(event.code, event.tag, event.value)
    limit, limit_unit = words.figure(event.code, event.tag, event.limit)
    rule = definitions_of(visit).find(event.code, event.tag, event.severity)
    return {
        "text": text[:1].upper() + text[1:],
        "tags": tags,
        "detail": "",
        "device": event.device,
        "priority": None if informs or not event.active else rule.priority,
        "mark": "",
        "value": f"{value} {unit}".strip(),
        "limit": f"{limit} {limit_unit}".strip(),
        "first": part is not None and part.first_out,
        "own": own is not None and part is not None and part.alarm == own,
    }


def plain(text: str) -> str:
    """An event's text without what says nothing: a prefix told twice, the sign of a zero."""
    text = re.sub(r"(?<!\w)(\w+[:：]\s*)\1+", r"\1", text)
    return re.sub(r"(?<![\w.])[-\N{MINUS SIGN}](?=0(?:\.0+)?(?![\d.]))", "", text)


def _answer(visit: Visit, one: Answer) -> dict[str, Any]:
    t, line = visit.t, one.line
    what = words.change_words(t, line.change)
    who = t("by {user}", user=line.actor)
    return {
        "text": what,
        "tags": [],
        "detail": " · ".join(part for part in (one.part.code, who, line.reason) if part),
        "device": one.part.device,
        "priority": None,
        "mark": "",
        "value": "",
        "limit": "",
        "first": False,
        "own": False,
    }


def _stamp(look: StationLook, incident: Incident, at_ms: int) -> dict[str, Any]:
    after_s = (at_ms - incident.first_ms) / 1000
    return {
        "at_ms": at_ms,
        "time": view.moment(at_ms, look.station.zone),
        "utc": view.utc(at_ms),
        "offset": f"{form.number(after_s, 3, signed=True)} s",
    }
