"""The alarm that is chosen: what it means, what to do, what has become of it, its incident."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from cloud.access import Action, Resource, authorize
from cloud.alarms.definitions import Definition
from cloud.alarms.lists import AlarmSeen
from cloud.alarms.states import State
from cloud.alarms.story import Incident, Line
from cloud.web import alarm_story as stories
from cloud.web import alarm_view as view
from cloud.web import alarm_words as words
from cloud.web import format as form
from cloud.web.look import StationLook
from cloud.web.visit import Visit, digest
from contract.control import STATION

GROUP_SHOWN = 8
_JOURNAL_SHOWN = 30
_STATION_RESET = "station-reset"
_AT_THE_STATION = frozenset(
    {
        "protection.latched",
        "protection.trip",
        "protection.stop",
        "protection.escalated",
    }
)
"""Alarms about what the protection of a station holds until it is reset there. An emergency stop is
not among them: whoever resets it must see that nobody is in danger."""


@dataclass(frozen=True)
class Past:
    """An alarm's journal, newest first, and its incident; None where it belongs to none."""

    journal: Sequence[Line]
    incident: Incident | None


def empty() -> dict[str, Any]:
    """No alarm is chosen."""
    return {"id": "", "digest": ""}


def detail(
    visit: Visit,
    look: StationLook,
    alarm: AlarmSeen,
    rule: Definition,
    past: Past,
) -> dict[str, Any]:
    """The panels beside the list.

    Args:
        visit: the reader.
        look: the alarm's station.
        alarm: it.
        rule: what its definition says.
        past: what has become of it, and what happened together with it.
    """
    t, zone = visit.t, look.station.zone
    row = view.row(visit, look, alarm)
    content = row | {
        "where": view.place(alarm, look.station, visit.language),
        "limits": words.limits(t, rule, alarm.tag, alarm.limit),
        "cause": rule.cause.text(visit.language),
        "consequence": rule.consequence.text(visit.language),
        "actions": [step.text(visit.language) for step in rule.action],
        "respond": words.minutes(rule.respond_min),
        "due_ms": alarm.respond_by_ms,
        "why": _why(visit, alarm, zone),
        "acts": acts(visit, alarm),
        "station": alarm.station,
        "target": reset_target(look, alarm),
        "links": _links(visit, look, alarm),
        "story": _group(visit, look, alarm, past.incident),
        "journal": [_line(visit, zone, one) for one in past.journal[:_JOURNAL_SHOWN]],
    }
    return {**content, "url": f"/fragments/alarms/{alarm.id}", "digest": digest(content)}


_ASKED = {
    "acknowledge": Action.ANSWER_ALARM,
    "acknowledge-visible": Action.ANSWER_ALARM,
    "reset": Action.ANSWER_ALARM,
    "shelve": Action.SHELVE_ALARM,
    "unshelve": Action.SHELVE_ALARM,
    "out-of-service": Action.TAKE_ALARM_OUT,
    "in-service": Action.TAKE_ALARM_OUT,
    _STATION_RESET: Action.SEND_ORDER,
}


def may(visit: Visit, act: str, station: str | None = None) -> bool:
    """Whether the reader's role permits an act."""
    return authorize(visit.session.user, _ASKED[act], Resource("station", station)).allowed


def acts(visit: Visit, alarm: AlarmSeen) -> list[tuple[str, str, bool]]:
    """What can be done to an alarm in its state, and whether the reader may do it.

    Shelving is offered for safety alarms too: its dialog says why it is refused.
    """
    t = visit.t
    answer = ("acknowledge", t("Acknowledge"))
    shelve, take_out = ("shelve", t("Shelve…")), ("out-of-service", t("Out of service…"))
    offered = {
        State.NORMAL: [],
        State.UNACKNOWLEDGED: [answer, shelve, take_out],
        State.RETURNED: [answer, shelve, take_out],
        State.ACKNOWLEDGED: [shelve, take_out],
        State.LATCHED: [("reset", t("Reset")), shelve, take_out],
        State.SHELVED: [("unshelve", t("Unshelve")), take_out],
        State.SUPPRESSED: [take_out],
        State.OUT_OF_SERVICE: [("in-service", t("Back in service…"))],
    }[alarm.state]
    if offered and alarm.code in _AT_THE_STATION:
        offered.insert(1, (_STATION_RESET, t("Reset at the station…")))
    return [(key, label, may(visit, key, alarm.station)) for key, label in offered]


def reset_target(look: StationLook, alarm: AlarmSeen) -> str:
    """What the station is asked to reset: the alarm's device, or all where it concerns all."""
    whole = ("", look.topology.controller, look.topology.panel)
    return STATION if alarm.device in whole else alarm.device


def _why(visit: Visit, alarm: AlarmSeen, zone: ZoneInfo) -> str:
    t = visit.t
    if alarm.state is State.SUPPRESSED:
        return t("It only follows from another alarm that stands: its definition says so.")
    if alarm.state is State.LATCHED:
        if alarm.code in _AT_THE_STATION:
            return t(
                "Its cause is gone; it stays until a person resets it. “Reset” ends the alarm only;"
                " “Reset at the station…” orders the station to release its protection."
            )
        return t(
            "Its cause is gone; it stays until a person resets it. This ends the alarm only: what"
            " the station's protection still holds has an alarm of its own, with “Reset at the"
            " station…”."
        )
    if alarm.silenced is None:
        return ""
    until = alarm.shelved_until_ms if alarm.state is State.SHELVED else None
    back = t("comes back {time}", time=form.clock(until, zone)) if until else ""
    return " · ".join(part for part in (alarm.silenced.reason, back) if part)


def _links(visit: Visit, look: StationLook, alarm: AlarmSeen) -> list[tuple[str, str]]:
    t = visit.t
    rack = alarm.device in look.topology.racks
    return [
        (view.page_of(alarm, look.topology), t("Show the rack") if rack else t("Show the station")),
        (view.history_of(alarm, look.topology, visit.now_ms), t("History around it")),
    ]


def _group(
    visit: Visit, look: StationLook, alarm: AlarmSeen, incident: Incident | None
) -> dict[str, Any] | None:
    """The incident as a short list, as far as it fits beside the list."""
    if incident is None or not stories.is_group(incident):
        return None
    lines = stories.lines(visit, look, incident, own=alarm.id)
    return {
        "title": stories.title(visit, look, incident),
        "lines": lines[:GROUP_SHOWN],
        "more": incident.cut or len(lines) > GROUP_SHOWN,
        "href": stories.address(incident),
    }


def _line(visit: Visit, zone: ZoneInfo, line: Line) -> dict[str, str]:
    """A row of the alarm's journal."""
    parts = [visit.t("by {user}", user=line.actor)] if line.actor else []
    if line.until_ms:
        parts.append(visit.t("until {time}", time=form.clock(line.until_ms, zone)))
    if line.reason:
        parts.append(line.reason)
    return {
        "time": view.moment(line.at_ms, zone),
        "utc": view.utc(line.at_ms),
        "text": words.change_words(visit.t, line.change),
        "detail": " · ".join([form.day(line.at_ms, zone), *parts]),
    }
