"""Alarms as pages show them: where, since when, by how much, and where to look."""

from typing import Any
from urllib.parse import quote

from cloud.alarms import Alarm
from cloud.alarms.moment import LINK_LOST
from cloud.fleet import Station, Topology
from cloud.web import format as form
from cloud.web.look import StationLook
from cloud.web.visit import Visit, digest


def address(alarm: Alarm, topology: Topology) -> str:
    """The page where the cause is seen: the rack's own, else the station's."""
    base = f"/stations/{quote(alarm.station)}"
    return f"{base}/racks/{quote(alarm.device)}" if alarm.device in topology.racks else base


def place(alarm: Alarm, station: Station, language: str) -> str:
    """Station and device."""
    title = station.title(language)
    return f"{title} · {alarm.device}" if alarm.device else title


def figure(alarm: Alarm) -> str:
    """The measured value and its limit, where the alarm has them."""
    if alarm.code == LINK_LOST or alarm.value is None:
        return ""
    value = form.number(alarm.value, 1)
    return value if alarm.limit is None else f"{value} / {form.number(alarm.limit, 1)}"


def panel(
    visit: Visit, look: StationLook, standing: list[Alarm], device: str | None = None
) -> dict[str, Any]:
    """The alarms of one station, or of one device of it, for a panel."""
    shown = [alarm for alarm in standing if device is None or alarm.device == device]
    rows = [
        {
            "priority": alarm.priority,
            "text": alarm.text(visit.language),
            "where": place(alarm, look.station, visit.language),
            "time": form.clock(alarm.since_ms, look.station.zone),
            "figure": figure(alarm),
            "href": address(alarm, look.topology),
        }
        for alarm in shown
    ]
    query = f"?device={quote(device)}" if device else ""
    url = f"/fragments/stations/{quote(look.station.id)}/alarms{query}"
    return {"rows": rows, "url": url, "digest": digest(rows)}


def _limit(alarm: Alarm, *, lost: bool) -> str:
    if alarm.limit is None:
        return ""
    return form.span(alarm.limit) if lost else form.number(alarm.limit, 1)


def table(visit: Visit, looks: list[StationLook], standing: list[Alarm]) -> dict[str, Any]:
    """Every standing alarm, for the alarm page."""
    by_id = {look.station.id: look for look in looks}
    rows = []
    for alarm in standing:
        look = by_id[alarm.station]
        lost = alarm.code == LINK_LOST
        rows.append(
            {
                "priority": alarm.priority,
                "time": form.clock(alarm.since_ms, look.station.zone),
                "date": form.day(alarm.since_ms, look.station.zone),
                "text": alarm.text(visit.language),
                "code": alarm.code,
                "station_title": look.station.title(visit.language),
                "device": alarm.device,
                "value": form.span(alarm.value) if lost else form.number(alarm.value, 1),
                "limit": _limit(alarm, lost=lost),
                "standing": form.span((visit.now_ms - alarm.since_ms) / 1e3),
                "href": address(alarm, look.topology),
            }
        )
    return {"rows": rows, "digest": digest(rows)}
