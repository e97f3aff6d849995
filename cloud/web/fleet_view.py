"""The fleet page's table and totals. A stale station is shown, hatched, and counted in no total."""

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

from cloud import fleet
from cloud.fleet import Station
from cloud.web import format as form
from cloud.web.look import StationLook, state_words
from cloud.web.visit import Visit, digest
from contract.schedule import Schedule

# Below this share of the rating a power counts as none, a deviation as none.
_IDLE_SHARE = 0.002
_TOLERANCE_SHARE = 0.02
_PRIORITIES = (1, 2, 3, 4)
_MINUTE_MS = 60_000

Alarms = Mapping[str, Mapping[int, int]]
"""Open alarms by station and priority."""


async def view(visit: Visit, looks: list[StationLook], alarms: Alarms) -> dict[str, Any]:
    """Tiles and rows of the fleet page."""
    rows = [await _row(visit, look, alarms.get(look.station.id, {})) for look in looks]
    fresh = [look for look in looks if look.linked(visit.now_ms)]
    content = {
        "rows": rows,
        "tiles": _tiles(visit, looks, fresh, alarms),
        "power_kw": _total(fresh, "delivered_power_kw"),
        "scheduled_kw": _total(fresh, "scheduled_power_kw"),
    }
    return {**content, "digest": digest(content)}


def _total(fresh: list[StationLook], signal: str) -> float | None:
    """Sum over the stations that have a value; None where none has."""
    known = [look.point(signal) for look in fresh]
    values = [value for value in known if value is not None]
    return math.fsum(values) if values else None


def _tiles(
    visit: Visit, looks: list[StationLook], fresh: list[StationLook], alarms: Alarms
) -> list[dict[str, str]]:
    t = visit.t
    power, planned = _total(fresh, "delivered_power_kw"), _total(fresh, "scheduled_power_kw")
    stored, capacity = _total(fresh, "stored_energy_kwh"), _total(fresh, "capacity_kwh")
    out, into = _total(fresh, "discharge_limit_kw"), _total(fresh, "charge_limit_kw")
    rated = math.fsum(look.station.rated_power_kw for look in fresh)
    off = None if power is None or planned is None else power - planned
    share = form.percent(stored / capacity) if stored is not None and capacity else form.NO_VALUE
    return [
        _tile(
            t("Power, {n} of {m} stations", n=len(fresh), m=len(looks)),
            *(form.megawatt(power), "MW", f"{t('schedule')} {form.megawatt(planned)}"),
            deviation="" if off is None else form.megawatt(off, signed=True),
        ),
        _tile(
            t("Stored energy"),
            *(form.megawatt_hours(stored), "MWh"),
            f"{t('of')} {form.megawatt_hours(capacity)} MWh · {share} %",
        ),
        _tile(t("Available discharge"), *(form.megawatt(out), "MW", _duration(t, stored, out))),
        _tile(
            t("Available charge"),
            *(form.megawatt(into), "MW"),
            f"{t('rated')} {form.megawatt(rated)} MW",
        ),
        _tile(
            t("Linked stations"),
            *(str(len(fresh)), ""),
            t("of {m} in all", m=len(looks)),
        ),
        _alarm_tile(visit, alarms),
    ]


def _tile(label: str, value: str, unit: str, detail: str, deviation: str = "") -> dict[str, str]:
    return {
        "label": label,
        "value": value,
        "unit": unit,
        "detail": detail,
        "deviation": deviation,
    }


def _duration(t: Any, energy_kwh: float | None, power_kw: float | None) -> str:
    if energy_kwh is None or not power_kw:
        return form.NO_VALUE
    return str(t("for {span}", span=form.span(energy_kwh / power_kw * 3600)))


def _alarm_tile(visit: Visit, alarms: Alarms) -> dict[str, str]:
    t = visit.t
    total = sum(number for own in alarms.values() for number in own.values())
    urgent = sum(own.get(priority, 0) for own in alarms.values() for priority in _PRIORITIES[:2])
    detail = t("{n} of priority 1 or 2", n=urgent) if total else t("none is active")
    return _tile(t("Active alarms"), form.number(total, 0), "", detail)


async def _row(visit: Visit, look: StationLook, own: Mapping[int, int]) -> dict[str, Any]:
    station = look.station
    power, planned = look.point("delivered_power_kw"), look.point("scheduled_power_kw")
    out, into = look.point("discharge_limit_kw"), look.point("charge_limit_kw")
    off = None if power is None or planned is None else power - planned
    linked = look.linked(visit.now_ms)
    soc = look.point("soc")
    state, mode = _state(visit, look, power)
    next_time, next_words = await _next_change(visit, station)
    return {
        "id": station.id,
        "title": station.title(visit.language),
        "rating": f"{form.megawatt(station.rated_power_kw)} MW / "
        f"{form.megawatt_hours(station.capacity_kwh)} MWh",
        "state": state,
        "mode": mode,
        "stale": not linked,
        "power": form.megawatt(power),
        "power_kw": power,
        "scheduled_kw": planned,
        "rated_kw": station.rated_power_kw,
        "limits_kw": (None if into is None else -into, out),
        "deviation": form.megawatt(off, signed=True) if linked else form.NO_VALUE,
        "off": linked and off is not None and abs(off) > _TOLERANCE_SHARE * station.rated_power_kw,
        "soc": soc,
        "soc_text": form.percent(soc),
        "band": (station.soc_min, station.soc_max),
        "available": f"{form.megawatt(out)} / {form.megawatt(into)}",
        "next_time": next_time,
        "next_words": next_words,
        "alarms": [(p, own[p]) for p in _PRIORITIES if own.get(p)],
        "age": form.span(look.age_s(visit.now_ms)),
    }


def _state(visit: Visit, look: StationLook, power: float | None) -> tuple[str, str]:
    t = visit.t
    if look.image is None:
        if look.station.enrolled_at is None:
            return t("Not enrolled yet"), t("waits for its controller")
        return t("No data yet"), t("enrolled")
    if not look.linked(visit.now_ms):
        return t("Link lost"), t("runs on its own schedule")
    mode = look.point("control_mode")
    words = state_words(visit.language)["control_mode"]
    named = words.get(str(int(mode)), "") if mode is not None else ""
    if power is None:
        return t("Power unknown"), named
    if abs(power) < _IDLE_SHARE * look.station.rated_power_kw:
        return t("Standing by"), named
    return (t("Discharging") if power > 0 else t("Charging")), named


async def _next_change(visit: Visit, station: Station) -> tuple[str, str]:
    """When the ordered power changes next, and to what."""
    today = dt.datetime.fromtimestamp(visit.now_ms / 1e3, station.zone).date()
    days = [today, today + dt.timedelta(days=1)]
    services = visit.parts.services
    schedules = await fleet.in_force(services.pool, services.vault, station, days)
    present: float | None = None
    for schedule in schedules:
        for begin_ms, power_kw in _points(schedule):
            if begin_ms <= visit.now_ms:
                present = power_kw
            elif power_kw != present:
                return form.clock(begin_ms, station.zone)[:5], _power_words(visit, power_kw)
    return form.NO_VALUE, (visit.t("no change ordered") if schedules else visit.t("no schedule"))


def _points(schedule: Schedule) -> list[tuple[int, float]]:
    step_ms = schedule.interval_min * _MINUTE_MS
    return [(schedule.start_ms + i * step_ms, p) for i, p in enumerate(schedule.power_kw)]


def _power_words(visit: Visit, power_kw: float) -> str:
    if power_kw == 0:
        return visit.t("stop, 0 MW")
    size = form.megawatt(abs(power_kw))
    if power_kw > 0:
        return visit.t("discharge, {mw} MW", mw=size)
    return visit.t("charge, {mw} MW", mw=size)
