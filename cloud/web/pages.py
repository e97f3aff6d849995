"""The pages, and the parts of them that renew themselves."""

import datetime as dt
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi.responses import Response

from cloud import fleet
from cloud.alarms.lists import Filter, counts
from cloud.api.image import live_answer
from cloud.api.schedules import soc_now
from cloud.errors import NotFound
from cloud.fleet import ROUND_TRIP_EFFICIENCY, Station
from cloud.web import alarm_view, command_view, fleet_view, history_view, order_view
from cloud.web import format as form
from cloud.web.alarm_banner import banner, lists_of
from cloud.web.frame_view import Crumb, frame
from cloud.web.look import StationLook, day_of, facts_of, look_at_all, pick
from cloud.web.visit import PageVisit, Visit
from contract.schedule import points_of_day

router = APIRouter(include_in_schema=False)

_ORDERS_SHOWN = 8
_INTERVAL_MIN = 15
_HOUR_MS = 3_600_000


@router.get("/")
async def fleet_page(visit: PageVisit) -> Response:
    """All stations at a glance."""
    looks = await look_at_all(visit.parts)
    counted = await counts(visit.parts.services.pool)
    crumbs = [Crumb(visit.t("Fleet"))]
    context = await frame(visit, looks, page="fleet", here="fleet", crumbs=crumbs, counted=counted)
    context["fleet"] = await fleet_view.view(visit, looks, counted.by_station)
    context["facts"] = _fleet_facts(visit, looks)
    return visit.render("fleet.html", context)


def _fleet_facts(visit: Visit, looks: list[StationLook]) -> dict[str, Any]:
    zone = looks[0].station.timezone if looks else "UTC"
    start_ms, end_ms = day_of(visit.now_ms, looks[0].station) if looks else (0, 0)
    return {
        "zone": zone,
        "day_start_ms": start_ms,
        "day_end_ms": end_ms,
        "stations": [
            {
                "id": look.station.id,
                "controller": look.topology.controller,
                "rated_kw": look.station.rated_power_kw,
            }
            for look in looks
        ],
    }


@router.get("/stations/{station}")
async def station_page(visit: PageVisit, station: str) -> Response:
    """What the station does, what it may do, and why not more."""
    looks = await look_at_all(visit.parts)
    look = pick(looks, station)
    context = await frame(
        visit,
        looks,
        page="station",
        here=f"station:{station}",
        crumbs=[_fleet_crumb(visit), Crumb(look.station.title(visit.language))],
    )
    context |= {
        "station": look.station,
        "topology": look.topology,
        "rated": form.megawatt(look.station.rated_power_kw),
        "minus_rated": form.megawatt(-look.station.rated_power_kw),
        "soc_band": _band(look.station),
        "alarms": await _alarms(visit, look),
        "orders": await _orders(visit, look.station),
        "history": history_view.of_station(look),
        "estimated": look.topology.controller in look.topology.estimated,
        "against_bms": history_view.against_bms(look, look.topology.controller or "STATION"),
        "facts": facts_of(visit, look) | {"cells": dict(look.topology.cells)},
        "live": live_answer(look.image),
    }
    return visit.render("station.html", context)


@router.get("/stations/{station}/racks/{rack}")
async def rack_page(visit: PageVisit, station: str, rack: str) -> Response:
    """Which cell differs from its neighbours, which rack from its peers."""
    looks = await look_at_all(visit.parts)
    look = pick(looks, station)
    container = look.topology.container_of(rack)
    if container is None or rack not in container.racks:
        raise NotFound(f"station {station!r} has no rack {rack!r}")
    context = await frame(
        visit,
        looks,
        page="rack",
        here=f"container:{station}:{container.id}",
        crumbs=[
            _fleet_crumb(visit),
            _station_crumb(visit, look.station),
            Crumb(form.tag(rack)),
        ],
    )
    facts = facts_of(visit, look)
    facts |= {
        "rack": rack,
        "racks": container.racks,
        "cells": look.topology.cell_count(rack) or 1,
    }
    context |= {
        "station": look.station,
        "container": container,
        "tag": rack,
        "alarms": await _alarms(visit, look, rack),
        "history": history_view.of_rack(look, rack),
        "estimated": rack in look.topology.estimated,
        "controller": look.topology.controller,
        "against_bms": history_view.against_bms(look, rack),
        "facts": facts,
        "live": live_answer(look.image),
    }
    return visit.render("rack.html", context)


@router.get("/stations/{station}/schedule")
async def schedule_page(
    visit: PageVisit, station: str, date: Annotated[str | None, Query()] = None
) -> Response:
    """Editing a day's schedule, from the table of powers to the station's receipt."""
    looks = await look_at_all(visit.parts)
    look = pick(looks, station)
    day = _day(date, visit.now_ms, look.station)
    context = await _station_frame(visit, looks, look, "schedule", visit.t("Schedule"))
    facts = await _schedule_facts(visit, look, day)
    context |= {
        "station": look.station,
        "date": day.isoformat(),
        "before": (day - dt.timedelta(days=1)).isoformat(),
        "after": (day + dt.timedelta(days=1)).isoformat(),
        "points": len(facts["power_kw"]),
        "rated": form.megawatt(look.station.rated_power_kw),
        "efficiency": form.number(ROUND_TRIP_EFFICIENCY * 100, 0),
        "soc_band": _band(look.station),
        "orders": await _orders(visit, look.station),
        "facts": facts,
    }
    return visit.render("schedule.html", context)


@router.get("/stations/{station}/history")
async def history_page(visit: PageVisit, station: str) -> Response:
    """Any signals over any range; which, the page reads from its own address."""
    looks = await look_at_all(visit.parts)
    look = pick(looks, station)
    context = await _station_frame(visit, looks, look, "history", visit.t("History"))
    context |= {
        "station": look.station,
        "history": history_view.view(visit),
        "facts": facts_of(visit, look) | {"usual": history_view.usual(look)},
        "live": live_answer(look.image),
    }
    return visit.render("history.html", context)


@router.get("/stations/{station}/health")
async def health_page(visit: PageVisit, station: str) -> Response:
    """How the racks age, what is foreseen of them, and which cells are the worst."""
    looks = await look_at_all(visit.parts)
    look = pick(looks, station)
    context = await _station_frame(visit, looks, look, "health", visit.t("Health and life"))
    context |= {
        "station": look.station,
        "topology": look.topology,
        "estimated": look.topology.controller in look.topology.estimated,
        "facts": facts_of(visit, look) | {"cells": dict(look.topology.cells)},
        "live": live_answer(look.image),
    }
    return visit.render("health.html", context)


@router.get("/stations/{station}/cells")
async def cells_page(visit: PageVisit, station: str) -> Response:
    """The cells of all racks on one map."""
    looks = await look_at_all(visit.parts)
    look = pick(looks, station)
    context = await _station_frame(visit, looks, look, "cells", visit.t("Cells"))
    context |= {
        "station": look.station,
        "estimated": look.topology.controller in look.topology.estimated,
        "facts": facts_of(visit, look) | {"cells": dict(look.topology.cells)},
        "live": live_answer(look.image),
    }
    return visit.render("cell_map.html", context)


@router.get("/stations/{station}/commands")
async def command_page(visit: PageVisit, station: str) -> Response:
    """Every command with its life; which, the page reads from its own address."""
    looks = await look_at_all(visit.parts)
    look = pick(looks, station)
    context = await _station_frame(visit, looks, look, "commands", visit.t("Commands"))
    choice = command_view.Choice.read(visit.request.query_params)
    context |= {
        "station": look.station,
        "filters": command_view.filters(visit, look.topology, choice),
        "tiles": await command_view.tiles(visit, look, choice),
        "commands": await command_view.table(visit, look, choice),
    }
    return visit.render("commands.html", context)


async def _schedule_facts(visit: Visit, look: StationLook, day: dt.date) -> dict[str, Any]:
    """What the editor starts from: the powers in force, where the day is, what is left of it."""
    station = look.station
    services = visit.parts.services
    ordered = await fleet.in_force(services.pool, services.vault, station, [day])
    interval = ordered[0].interval_min if ordered else _INTERVAL_MIN
    count = points_of_day(day, station.timezone, interval)
    powers = list(ordered[0].power_kw) if ordered else [0.0] * count
    midnight = dt.datetime.combine(day, dt.time(), tzinfo=station.zone)
    start_ms = round(midnight.timestamp() * 1e3)
    step_ms = interval * 60_000
    first, share = 0, 1.0
    if visit.now_ms > start_ms:
        first = min(count, (visit.now_ms - start_ms) // step_ms)
        share = 1 - (visit.now_ms - start_ms) % step_ms / step_ms
    empty = fleet.read(
        {"date": day.isoformat(), "interval_min": interval, "power_kw": powers}, station
    )
    now = fleet.Now(visit.now_ms, await soc_now(visit.parts, station.id))
    planned = await fleet.plan(services.pool, services.vault, station, empty, now)
    soc = planned.check.soc[planned.first_open] if first < count else None
    return facts_of(visit, look) | {
        "date": day.isoformat(),
        "interval_min": interval,
        "start_ms": start_ms,
        "power_kw": powers,
        "ordered": bool(ordered),
        "first_open": first,
        "first_share": share,
        "over": first >= count,
        "soc": soc,
        "efficiency": ROUND_TRIP_EFFICIENCY,
    }


@router.get("/fragments/banner")
async def banner_fragment(visit: PageVisit) -> Response:
    """The alarm banner."""
    looks = await look_at_all(visit.parts)
    return visit.fragment("fragments/banner.html", "banner", await banner(visit, looks))


@router.get("/fragments/fleet")
async def fleet_fragment(visit: PageVisit) -> Response:
    """Tiles and table of the fleet."""
    looks = await look_at_all(visit.parts)
    counted = await counts(visit.parts.services.pool)
    view = await fleet_view.view(visit, looks, counted.by_station)
    return visit.fragment("fragments/fleet.html", "fleet", view)


@router.get("/fragments/stations/{station}/alarms")
async def alarms_fragment(
    visit: PageVisit, station: str, device: Annotated[str | None, Query()] = None
) -> Response:
    """The alarms of one station or device."""
    looks = await look_at_all(visit.parts)
    look = pick(looks, station)
    view = await _alarms(visit, look, device)
    return visit.fragment("fragments/alarms.html", "alarms", view)


@router.get("/fragments/stations/{station}/orders")
async def orders_fragment(visit: PageVisit, station: str) -> Response:
    """The newest orders of one station."""
    found = await fleet.find(visit.parts.services.pool, station)
    return visit.fragment("fragments/orders.html", "orders", await _orders(visit, found))


@router.get("/fragments/stations/{station}/commands")
async def commands_fragment(visit: PageVisit, station: str) -> Response:
    """The newest commands of one station that fit the page's filters."""
    look = pick(await look_at_all(visit.parts), station)
    choice = command_view.Choice.read(visit.request.query_params)
    view = await command_view.table(visit, look, choice)
    return visit.fragment("fragments/commands.html", "commands", view)


async def _alarms(visit: Visit, look: StationLook, device: str | None = None) -> dict[str, Any]:
    wanted = Filter(station=look.station.id, text=device or "")
    found = await lists_of(visit).find(wanted, limit=alarm_view.PANEL_ROWS)
    return alarm_view.panel(visit, look, found, device)


async def _orders(visit: Visit, station: Station) -> dict[str, Any]:
    services = visit.parts.services
    orders = await fleet.list_orders(services.pool, services.vault, station.id, _ORDERS_SHOWN)
    return order_view.panel(visit, station, orders)


async def _station_frame(
    visit: Visit, looks: list[StationLook], look: StationLook, page: str, title: str
) -> dict[str, Any]:
    """The frame of a page that a station has in the navigation."""
    crumbs = [_fleet_crumb(visit), _station_crumb(visit, look.station), Crumb(title)]
    here = f"{page}:{look.station.id}"
    return await frame(visit, looks, page=page, here=here, crumbs=crumbs)


def _fleet_crumb(visit: Visit) -> Crumb:
    return Crumb(visit.t("Fleet"), "/")


def _station_crumb(visit: Visit, station: Station) -> Crumb:
    return Crumb(station.title(visit.language), f"/stations/{quote(station.id)}")


def _band(station: Station) -> str:
    low, high = (form.number(end * 100, 0) for end in (station.soc_min, station.soc_max))
    return f"{low}–{high}"


def _day(text: str | None, now_ms: int, station: Station) -> dt.date:
    """The day asked for; today where none or no date is."""
    today = dt.datetime.fromtimestamp(now_ms / 1e3, station.zone).date()
    try:
        return dt.date.fromisoformat(text) if text else today
    except ValueError:
        return today
