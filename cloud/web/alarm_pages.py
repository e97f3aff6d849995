"""The pages of the alarms, and the parts of them that renew themselves."""

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from cloud import alarms
from cloud.alarms import course
from cloud.api.control import SHORTEST_REASON
from cloud.errors import NotFound
from cloud.web import alarm_detail, alarm_list, alarm_metrics, alarm_story
from cloud.web import alarm_words as words
from cloud.web.alarm_banner import definitions_of, lists_of
from cloud.web.alarm_list import Choice
from cloud.web.alarm_metrics import Asked, Found
from cloud.web.frame_view import Crumb, frame, zone_of
from cloud.web.look import StationLook, look_at_all, pick
from cloud.web.visit import PageVisit, Visit

router = APIRouter(include_in_schema=False)

_STEP_MS = 600_000
_DAY_MS = 86_400_000
_MONTH_MS = 30 * _DAY_MS
_MOST_BINS = 2_000
_SHELF_MINUTES = (30, 60, 240, 480)
_REASON_CHARS = 500
_NUISANCES = 20
_STANDING_SHOWN = 10
_MOST_DIGITS = 18


@dataclass(frozen=True)
class _Room:
    """What every alarm page reads from."""

    visit: Visit
    looks: dict[str, StationLook]
    definitions: alarms.Definitions

    @classmethod
    async def enter(cls, visit: Visit) -> "_Room":
        looks = await look_at_all(visit.parts)
        return cls(visit, {look.station.id: look for look in looks}, definitions_of(visit))

    @property
    def lists(self) -> alarms.Lists:
        return lists_of(self.visit)

    async def frame(
        self, last: str, *, here: str = "alarms", counted: alarms.Counts | None = None
    ) -> dict[str, Any]:
        crumbs = [Crumb(last)]
        if here != "alarms":
            crumbs.insert(0, Crumb(self.visit.t("Alarms"), "/alarms"))
        looks = list(self.looks.values())
        return await frame(
            self.visit, looks, page="alarms", here="alarms", crumbs=crumbs, counted=counted
        )

    async def table(self, choice: Choice, counted: alarms.Counts) -> dict[str, Any]:
        if choice.tab == alarm_list.HISTORY:
            services = self.visit.parts.services
            found: Any = await course.raised(
                services.pool,
                services.vault,
                self.definitions,
                text=choice.text,
                limit=alarm_list.PAGE_ROWS,
                offset=choice.offset,
            )
        else:
            wanted = alarms.Filter(states=choice.states, text=choice.text)
            found = await self.lists.find(wanted, limit=alarm_list.PAGE_ROWS, offset=choice.offset)
        return alarm_list.table(self.visit, self.looks, choice, found, counted)

    async def tiles(self, counted: alarms.Counts) -> dict[str, Any]:
        visit, pool = self.visit, self.visit.parts.services.pool
        now_ms = visit.now_ms
        zone = zone_of(list(self.looks.values()), "")
        midnight = dt.datetime.fromtimestamp(now_ms / 1e3, zone).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        start_ms = round(midnight.timestamp() * 1e3)
        given, config = (pool, self.definitions), visit.parts.services.config.alarms
        today = await course.rates(pool, start_ms, now_ms + 1, now_ms + 1 - start_ms)
        standing = await self.lists.standing(now_ms, limit=1)
        load_ = alarm_list.Load(
            flood=await alarms.flood_now(*given, now_ms, positions=config.positions),
            today=sum(today),
            standing=standing.total,
            chattering=len(await alarms.chattering(*given, start_ms, now_ms + 1)),
            month=await alarms.metrics(*given, now_ms - _MONTH_MS, now_ms + 1),
        )
        return alarm_list.tiles(visit, counted, load_, self.definitions)

    async def chosen(self, number: str) -> alarms.AlarmSeen | None:
        """The alarm of an address; None where it names none."""
        known = number.isascii() and number.isdecimal() and len(number) <= _MOST_DIGITS
        return await self.lists.one(int(number)) if known else None

    async def detail(self, alarm: alarms.AlarmSeen | None) -> dict[str, Any]:
        if alarm is None:
            return alarm_detail.empty()
        services = self.visit.parts.services
        rule = self.definitions.find(alarm.code, alarm.tag)
        incident = None
        if alarm.group_ms is not None:
            incident = await alarms.incident(
                services.pool,
                services.vault,
                alarm.station,
                alarm.scope,
                alarm.group_ms,
                definitions=self.definitions,
                most=2 * alarm_detail.GROUP_SHOWN,
            )
        return alarm_detail.detail(
            self.visit,
            self.looks[alarm.station],
            alarm,
            rule,
            alarm_detail.Past(await alarms.journal(services.pool, alarm.id), incident),
        )


Text = Annotated[str, Query(max_length=200)]


@router.get("/alarms")
async def alarm_page(
    visit: PageVisit, tab: Text = "", q: Text = "", page: Text = "", alarm: Text = ""
) -> Response:
    """What is wrong, what to do about it, and what has been put aside."""
    room = await _Room.enter(visit)
    choice = Choice.read(tab, q, page)
    counted = await alarms.counts(visit.parts.services.pool)
    table = await room.table(choice, counted)
    first = table["rows"][0]["id"] if table["rows"] else ""
    chosen = await room.chosen(alarm or first)
    context = await room.frame(visit.t("Alarms"), counted=counted)
    zone = context["zone"]
    context |= {
        "alarms": table,
        "tabs": alarm_list.tabs(visit),
        "acts": [
            one | {"may": alarm_detail.may(visit, one["key"])}
            for one in alarm_list.buttons(visit, choice)
        ],
        "services": alarm_list.services(visit),
        "tiles": await room.tiles(counted),
        "detail": await room.detail(chosen),
        "reason_chars": _REASON_CHARS,
        "order_reason_chars": SHORTEST_REASON,
        "shelf_times": [(n, words.minutes(n)) for n in _SHELF_MINUTES],
        "facts": {
            "zone": zone,
            "flood": room.definitions.flood.begins_over,
            "rate": "/fragments/alarm-rate",
            "chosen": "" if chosen is None else str(chosen.id),
        },
    }
    return visit.render("alarms.html", context)


@router.get("/fragments/alarms")
async def table_fragment(
    visit: PageVisit, tab: Text = "", q: Text = "", page: Text = ""
) -> Response:
    """One page of a list."""
    room = await _Room.enter(visit)
    counted = await alarms.counts(visit.parts.services.pool)
    table = await room.table(Choice.read(tab, q, page), counted)
    return visit.fragment("fragments/alarm_table.html", "alarms", table)


@router.get("/fragments/alarm-tiles")
async def tiles_fragment(visit: PageVisit) -> Response:
    """The tiles over the list."""
    room = await _Room.enter(visit)
    tiles = await room.tiles(await alarms.counts(visit.parts.services.pool))
    return visit.fragment("fragments/alarm_tiles.html", "tiles", tiles)


@router.get("/fragments/alarms/{alarm}")
async def detail_fragment(visit: PageVisit, alarm: int) -> Response:
    """The alarm that is chosen.

    Raises:
        NotFound: there is none of this number.
    """
    room = await _Room.enter(visit)
    found = await room.lists.one(alarm)
    if found is None:
        raise alarms.NoSuchAlarm(alarm)
    return visit.fragment("fragments/alarm_detail.html", "detail", await room.detail(found))


@router.get("/fragments/alarm-rate")
async def rate_fragment(visit: PageVisit) -> JSONResponse:
    """Alarms in each ten minutes of the last 24 h."""
    end_ms = -(-visit.now_ms // _STEP_MS) * _STEP_MS
    return JSONResponse(await _rates(visit, end_ms - _DAY_MS, end_ms, _STEP_MS))


async def _rates(visit: Visit, start_ms: int, end_ms: int, step_ms: int) -> dict[str, Any]:
    found = await course.rates(visit.parts.services.pool, start_ms, end_ms, step_ms)
    times = [start_ms + step_ms * i for i in range(len(found))]
    return {"times_ms": times, "counts": found, "step_ms": step_ms}


@router.get("/alarms/incidents/{station}/{begin_ms}")
async def incident_page(
    visit: PageVisit, station: str, begin_ms: int, scope: Text = ""
) -> Response:
    """An incident as one story, to read and to print.

    Raises:
        NotFound: no such station, or nothing happened there then.
    """
    room = await _Room.enter(visit)
    look = pick(list(room.looks.values()), station)
    services = visit.parts.services
    incident = await alarms.incident(
        services.pool, services.vault, station, scope, begin_ms, definitions=room.definitions
    )
    if not incident.parts:
        raise NotFound(f"no incident of {station!r} began at {begin_ms}")
    answers = await alarms.answers(services.pool, incident.parts)
    context = await room.frame(visit.t("Incident"), here="incident")
    context["story"] = alarm_story.page(visit, look, incident, answers)
    return visit.render("alarm_story.html", context)


@router.get("/alarms/metrics")
async def metrics_page(visit: PageVisit) -> Response:
    """How well the alarms serve their operators."""
    room = await _Room.enter(visit)
    zone = zone_of(list(room.looks.values()), "")
    asked = Asked.read(visit, zone, visit.request.query_params)
    given = visit.parts.services.pool, room.definitions, asked.start_ms, asked.end_ms
    found = Found(
        room.definitions,
        zone,
        await alarms.metrics(*given, positions=visit.parts.services.config.alarms.positions),
        (await room.lists.standing(visit.now_ms, limit=_STANDING_SHOWN)).alarms,
        await alarms.chattering(*given, limit=_NUISANCES),
        await alarms.fleeting(*given, limit=_NUISANCES),
    )
    context = await room.frame(visit.t("Metrics"), here="metrics")
    bins = asked.bins(_STEP_MS, _MOST_BINS)
    context |= {
        "metrics": alarm_metrics.page(visit, room.looks, asked, found),
        "facts": {
            "zone": str(zone),
            "flood": room.definitions.flood.begins_over,
            "rates": await _rates(visit, *bins),
        },
    }
    return visit.render("alarm_metrics.html", context)
