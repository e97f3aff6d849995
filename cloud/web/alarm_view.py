"""Alarms as pages show them: rows of lists, panels of stations and racks, what pages link to."""

import datetime as dt
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from cloud.alarms.definitions import BID_CODES, AlarmClass
from cloud.alarms.lists import AlarmPage, AlarmSeen
from cloud.alarms.states import State
from cloud.fleet import Station, Topology
from cloud.market.errors import MarketError
from cloud.market.exchanges import load_market
from cloud.web import alarm_words as words
from cloud.web import format as form
from cloud.web.desk_words import product_name
from cloud.web.look import StationLook
from cloud.web.visit import Visit, digest

PANEL_ROWS = 12
_AROUND_MS = 15 * 60_000
_RACK_SIGNALS = ("cell_temperature_max_c", "cell_voltage_max_v", "cell_voltage_min_v", "current_a")
_CONVERTER_SIGNALS = ("active_power_kw", "active_power_setpoint_kw")
_STATION_SIGNALS = ("delivered_power_kw", "scheduled_power_kw", "soc")


def address(number: int) -> str:
    """The alarm's own place on the alarm page."""
    return f"/alarms?alarm={number}"


def page_of(alarm: AlarmSeen, topology: Topology) -> str:
    """The page where the cause is seen: the rack's own, else the station's."""
    base = f"/stations/{quote(alarm.station)}"
    return f"{base}/racks/{quote(alarm.device)}" if alarm.device in topology.racks else base


def history_of(alarm: AlarmSeen, topology: Topology, now_ms: int) -> str:
    """The history of what the alarm is about, around the time it came."""
    if alarm.device in topology.racks:
        names = [f"{alarm.device}:{name}" for name in _RACK_SIGNALS]
    elif any(alarm.device == one.pcs for one in topology.containers):
        names = [f"{alarm.device}:{name}" for name in _CONVERTER_SIGNALS]
    else:
        names = [f"{topology.controller or 'STATION'}:{name}" for name in _STATION_SIGNALS]
    end_ms = max(min(alarm.onset_ms + _AROUND_MS, now_ms), alarm.onset_ms + 1)
    query = [("signal", name) for name in names]
    query += [("from", str(alarm.onset_ms - _AROUND_MS)), ("to", str(end_ms))]
    return f"/stations/{quote(alarm.station)}/history?{urlencode(query, safe=':')}"


def place(alarm: AlarmSeen, station: Station, language: str) -> str:
    """Station and device."""
    title, about = station.title(language), part(alarm.code, alarm.device, alarm.tag, language)
    return f"{title} · {about}" if about else title


def part(code: str, device: str, tag: str, language: str) -> str:
    """What of a station an alarm is about: the device, or of bids the product by its name."""
    market, _, product = tag.partition("/")
    if code not in BID_CODES or not product:
        return device
    try:
        return product_name(language, load_market(market).product(product))
    except MarketError:  # a profile that this version does not know any more
        return tag


def moment(at_ms: int, zone: ZoneInfo) -> str:
    """Time of day to the millisecond in market time."""
    return f"{form.clock(at_ms, zone)}.{at_ms % 1000:03d}"


def utc(at_ms: int) -> str:
    """A moment as exports write it: "2026-05-01T10:00:00.123Z"."""
    whole = dt.datetime.fromtimestamp(at_ms // 1000, dt.UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def tags(visit: Visit, alarm: AlarmSeen) -> list[tuple[str, bool]]:
    """What is special about an alarm; True for what the eye must find."""
    t = visit.t
    found = []
    if alarm.first_out:
        found.append((t("first-out"), True))
    if alarm.consequence_of is not None:
        found.append((t("consequence of {id}", id=alarm.consequence_of), False))
    if alarm.class_ is AlarmClass.SAFETY:
        found.append((t("safety"), False))
    return found


def by_whom(visit: Visit, alarm: AlarmSeen) -> str:
    """Who is behind the state, and why he put it aside."""
    if alarm.silenced is not None:
        who = visit.t("by {user}", user=alarm.silenced.actor)
        return f"{who}: {alarm.silenced.reason}" if alarm.silenced.reason else who
    answered = alarm.state in (State.ACKNOWLEDGED, State.LATCHED) and alarm.acknowledged_by
    return visit.t("by {user}", user=alarm.acknowledged_by) if answered else ""


def row(visit: Visit, look: StationLook, alarm: AlarmSeen) -> dict[str, Any]:
    """One alarm as a row of a list."""
    zone = look.station.zone
    value, unit = words.figure(alarm.code, alarm.tag, alarm.value)
    limit, limit_unit = words.figure(alarm.code, alarm.tag, alarm.limit)
    shelved = alarm.state is State.SHELVED
    return {
        "row": f"alarm-{alarm.id}",
        "id": str(alarm.id),
        "onset_ms": alarm.onset_ms,
        "priority": alarm.priority,
        "mark": words.mark(alarm.state),
        "time": moment(alarm.onset_ms, zone),
        "date": form.day(alarm.onset_ms, zone),
        "text": alarm.text(visit.language),
        "code": alarm.code,
        "tags": tags(visit, alarm),
        "station_title": look.station.title(visit.language),
        "device": part(alarm.code, alarm.device, alarm.tag, visit.language),
        "state": words.state_words(visit.t, alarm.state),
        "by": by_whom(visit, alarm),
        "value": value,
        "unit": unit,
        "limit": f"{limit} {limit_unit}".strip(),
        "safety": alarm.class_ is AlarmClass.SAFETY,
        "answered": alarm.state not in (State.UNACKNOWLEDGED, State.RETURNED),
        "consequence": alarm.consequence_of is not None,
        "ended_ms": alarm.returned_ms,
        "until_ms": alarm.shelved_until_ms if shelved else None,
    }


def panel(
    visit: Visit, look: StationLook, found: AlarmPage, device: str | None = None
) -> dict[str, Any]:
    """The alarms of one station, or of one device of it, for a panel."""
    rows = [
        {
            "priority": alarm.priority,
            "mark": words.mark(alarm.state),
            "text": alarm.text(visit.language),
            "where": place(alarm, look.station, visit.language),
            "time": form.clock(alarm.onset_ms, look.station.zone),
            "figure": " ".join(words.figure(alarm.code, alarm.tag, alarm.value)).strip(),
            "href": address(alarm.id),
        }
        for alarm in found.alarms[:PANEL_ROWS]
    ]
    query = f"?device={quote(device)}" if device else ""
    url = f"/fragments/stations/{quote(look.station.id)}/alarms{query}"
    more = found.total - len(rows)
    all_of = f"/alarms?{urlencode({'q': device or look.station.id})}"
    content = {"rows": rows, "more": more, "more_text": form.number(more, 0), "all": all_of}
    return {**content, "url": url, "digest": digest(content)}
