"""What surrounds every page: the rail with the plant tree, the bar, the alarm banner."""

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from cloud.alarms import Alarm
from cloud.web import format as form
from cloud.web.alarm_view import address, place
from cloud.web.look import StationLook, standing_alarms
from cloud.web.visit import Visit, digest

_BANNER_ALARMS = 4


@dataclass(frozen=True)
class Crumb:
    """One step of the way from the fleet to this page."""

    label: str
    href: str = ""


async def frame(
    visit: Visit, looks: list[StationLook], *, page: str, here: str, crumbs: list[Crumb]
) -> dict[str, Any]:
    """The context of the page's frame.

    Args:
        visit: the reader.
        looks: all stations.
        page: name of the page's kind.
        here: key of the rail's entry that is this page.
        crumbs: the way to here.
    """
    zone = zone_of(looks, here)
    standing = await standing_alarms(visit.parts, looks, visit.now_ms)
    return {
        "page": page,
        "here": here,
        "crumbs": crumbs,
        "zone": str(zone),
        "clock": form.clock(visit.now_ms, zone),
        "date": form.day(visit.now_ms, zone),
        "offset": form.offset(visit.now_ms, zone),
        "rail": [
            {
                "id": look.station.id,
                "title": look.station.title(visit.language),
                "containers": [one for one in look.topology.containers if one.racks],
            }
            for look in looks
        ],
        "banner": banner(visit, looks, standing),
    }


def banner(visit: Visit, looks: list[StationLook], standing: list[Alarm]) -> dict[str, Any]:
    """The four most urgent alarms and how many stand."""
    by_id = {look.station.id: look for look in looks}
    highest = []
    for alarm in standing[:_BANNER_ALARMS]:
        station = by_id[alarm.station].station
        highest.append(
            {
                "priority": alarm.priority,
                "text": alarm.text(visit.language),
                "time": form.clock(alarm.since_ms, station.zone),
                "where": place(alarm, station, visit.language),
                "href": address(alarm, by_id[alarm.station].topology),
            }
        )
    worst = highest[0] if highest else None
    view = {
        "highest": highest,
        "count": len(standing),
        "worst": worst["priority"] if worst else "",
        "said": f"{worst['text']}, {worst['where']}" if worst else "",
    }
    return {**view, "digest": digest(view)}


def zone_of(looks: list[StationLook], here: str) -> ZoneInfo:
    """Market time of the page: the station's, else that of the fleet's first station."""
    parts = here.split(":")
    for look in looks:
        if len(parts) > 1 and look.station.id == parts[1]:
            return look.station.zone
    return looks[0].station.zone if looks else ZoneInfo("UTC")
