"""What pages show of a station: its facts, its newest image, and how it is built."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from cloud import fleet
from cloud.access import Action, Resource, authorize
from cloud.api.context import Desk
from cloud.errors import NotFound
from cloud.fleet import Station, Topology, link_lost, stale_after_ms
from cloud.live import LiveImage
from cloud.web.visit import Visit
from contract.layouts import ESTIMATE, ESTIMATE_LIMIT, ESTIMATE_STATION
from contract.signals import SIGNALS, Kind
from contract.words import Words

ESTIMATED_SIGNALS = sorted(
    column.signal.name
    for layout in (ESTIMATE, ESTIMATE_STATION, ESTIMATE_LIMIT)
    for column in layout.columns
)
"""What the station itself makes of a device; a page ages it apart from what the device says."""


@dataclass(frozen=True)
class StationLook:
    """A station as it is seen at one moment."""

    station: Station
    topology: Topology
    image: LiveImage | None

    def point(self, signal: str) -> float | None:
        """A value of the station's controller."""
        if self.image is None or self.topology.controller is None:
            return None
        return self.image.points.get(f"{self.topology.controller}:{signal}")

    def age_s(self, now_ms: int) -> float | None:
        """Age of the newest sample in seconds; None before the first."""
        return None if self.image is None else max(0.0, (now_ms - self.image.at_ms) / 1e3)

    def linked(self, now_ms: int) -> bool:
        """Whether news arrive."""
        return self.image is not None and not link_lost(self.image.received_ms, now_ms)


async def look_at_all(parts: Desk) -> list[StationLook]:
    """See every station now, by name.

    What a station is built of is read from all that it has ever sent, so that its pages stay whole
    while it is cut off.
    """
    pool = parts.services.pool
    devices = await fleet.devices(pool)
    looks = []
    for station in await fleet.list_all(pool):
        image = await parts.services.live.latest(station.id)
        known = devices.get(station.id, set()) | (set(image.frames) if image else set())
        looks.append(StationLook(station, fleet.from_devices(known), image))
    return looks


def pick(looks: list[StationLook], station: str) -> StationLook:
    """The look at one station.

    Raises:
        NotFound: there is no such station.
    """
    for one in looks:
        if one.station.id == station:
            return one
    raise NotFound(Words(f"no station has the id {station!r}", f"没有编号为 {station!r} 的电站"))


def facts_of(visit: Visit, look: StationLook) -> dict[str, Any]:
    """What page modules need to know of a station."""
    station, topology = look.station, look.topology
    start_ms, end_ms = day_of(visit.now_ms, station)
    may_send = authorize(
        visit.session.user, Action.SEND_ORDER, Resource("station", station.id)
    ).allowed
    return {
        "station": station.id,
        "zone": station.timezone,
        "controller": topology.controller or "STATION",
        "meter": topology.meter,
        "rated_kw": station.rated_power_kw,
        "capacity_kwh": station.capacity_kwh,
        "soc_min": station.soc_min,
        "soc_max": station.soc_max,
        "containers": [{"id": one.id, "racks": one.racks} for one in topology.containers],
        "day_start_ms": start_ms,
        "day_end_ms": end_ms,
        "stale_after_ms": stale_after_ms(""),
        "estimates": ESTIMATED_SIGNALS,
        "estimated": topology.estimated,
        "link_limit_ms": fleet.LINK_LIMIT_MS,
        "may_send": may_send,
        "states": state_words(visit.language),
    }


def state_words(language: str) -> dict[str, dict[str, str]]:
    """Words of the values of every state signal, and of the bits of every bit field."""
    chinese = language.startswith("zh")
    return {
        name: {str(number): zh if chinese else en for number, en, zh in signal.states}
        for name, signal in SIGNALS.items()
        if signal.kind in (Kind.STATE, Kind.BITS)
    }


def day_of(at_ms: int, station: Station) -> tuple[int, int]:
    """Begin and end of the market day that holds a time, epoch milliseconds."""
    today = dt.datetime.fromtimestamp(at_ms / 1e3, station.zone).date()
    ends = [
        dt.datetime.combine(day, dt.time(), tzinfo=station.zone)
        for day in (today, today + dt.timedelta(days=1))
    ]
    return round(ends[0].timestamp() * 1e3), round(ends[1].timestamp() * 1e3)
