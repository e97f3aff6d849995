"""What surrounds every page: the rail with the plant tree, the bar, the alarm banner."""

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from cloud.access import Action, Resource, authorize
from cloud.alarms.lists import Counts
from cloud.web import format as form
from cloud.web.alarm_banner import banner
from cloud.web.look import StationLook
from cloud.web.visit import Visit


@dataclass(frozen=True)
class Crumb:
    """One step of the way from the fleet to this page."""

    label: str
    href: str = ""


async def frame(
    visit: Visit,
    looks: list[StationLook],
    *,
    page: str,
    here: str,
    crumbs: list[Crumb],
    counted: Counts | None = None,
) -> dict[str, Any]:
    """The context of the page's frame.

    Args:
        visit: the reader.
        looks: all stations.
        page: name of the page's kind.
        here: key of the rail's entry that is this page.
        crumbs: the way to here.
        counted: how many alarms there are, where the page has counted them already.
    """
    zone = zone_of(looks, here)
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
        "banner": await banner(visit, looks, counted),
        "may_trade": may_read_market(visit),
    }


def may_read_market(visit: Visit) -> bool:
    """Whether the reader sees the pages of the market desk."""
    return authorize(visit.session.user, Action.READ_MARKET, Resource("market")).allowed


def zone_of(looks: list[StationLook], here: str) -> ZoneInfo:
    """Market time of the page: the station's, else that of the fleet's first station."""
    parts = here.split(":")
    for look in looks:
        if len(parts) > 1 and look.station.id == parts[1]:
            return look.station.zone
    return looks[0].station.zone if looks else ZoneInfo("UTC")
