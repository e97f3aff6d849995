"""From a table of powers to an order: what is known now, the check, the signature.

The projection begins with the newest SOC. For a day in the future it first runs through what is
already ordered between now and that day; a stretch without schedule counts as standing still.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloud.db import Pool
from cloud.errors import Refused
from cloud.fleet import orders
from cloud.fleet.orders import OrderSeen
from cloud.fleet.schedule_check import Bounds, ScheduleCheck, check, fingerprint, soc_step
from cloud.fleet.stations import Station
from cloud.keys import KeyStore
from cloud.vault.vault import Vault
from contract.errors import ScheduleError
from contract.orders import OrderKind
from contract.schedule import Schedule

_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
# A schedule may be ordered for today and these many days ahead.
_DAYS_AHEAD = 8


class ScheduleRefused(Refused):
    """A schedule cannot be sent as it is; nothing has been sent."""

    code = "schedule_refused"
    status = 422


@dataclass(frozen=True)
class Now:
    """What a projection starts from: the time, and the newest SOC (None when unknown or old)."""

    at_ms: int
    soc: float | None


@dataclass(frozen=True)
class Planned:
    """A checked schedule: what would be signed, and what the check says about it."""

    schedule: Schedule
    check: ScheduleCheck
    first_open: int
    fingerprint: str


def read(payload: Mapping[str, Any], station: Station) -> Schedule:
    """The schedule in `payload`; the station's time zone where it names none.

    Raises:
        ScheduleRefused: not a schedule, or in another time zone than the station's.
    """
    named = dict(payload)
    named.setdefault("timezone", station.timezone)
    try:
        schedule = Schedule.from_payload(named)
    except ScheduleError as error:
        raise ScheduleRefused(str(error)) from error
    if schedule.timezone != station.timezone:
        raise ScheduleRefused(
            f"the schedule is in {schedule.timezone}, the station's market time is "
            f"{station.timezone}; write it in the station's"
        )
    return schedule


async def plan(pool: Pool, vault: Vault, station: Station, schedule: Schedule, now: Now) -> Planned:
    """Check `schedule` against the station's limits as they are known now."""
    interval_ms = schedule.interval_min * _MINUTE_MS
    soc, first, share = now.soc, 0, 1.0
    if now.at_ms >= schedule.end_ms:
        soc, first = None, len(schedule.power_kw)
    elif now.at_ms > schedule.start_ms:
        first, into_ms = divmod(now.at_ms - schedule.start_ms, interval_ms)
        share = 1 - into_ms / interval_ms
    elif soc is not None:
        ordered = await _ordered_between(pool, vault, station, now.at_ms, schedule.start_ms)
        soc = _soc_at(station, ordered, now.at_ms, schedule.start_ms, soc)
    checked = check(
        schedule.power_kw,
        schedule.interval_min / 60,
        bounds(station),
        soc=soc,
        first=int(first),
        first_share=share,
    )
    date = schedule.date.isoformat()
    return Planned(schedule, checked, int(first), fingerprint(station.id, date, schedule.power_kw))


async def send(
    pool: Pool,
    vault: Vault,
    keys: KeyStore,
    station: Station,
    planned: Planned,
    *,
    now_ms: int,
    sender: str,
) -> OrderSeen:
    """Sign and store the schedule as an order of the day it is for.

    Raises:
        ScheduleRefused: the check blocks it, the day is over, or too far ahead.
    """
    schedule = planned.schedule
    if now_ms >= schedule.end_ms:
        raise ScheduleRefused(f"{schedule.date} is over; choose today or a later day")
    if schedule.start_ms > now_ms + _DAYS_AHEAD * 24 * _HOUR_MS:
        raise ScheduleRefused(
            f"{schedule.date} is too far ahead; a schedule may be sent {_DAYS_AHEAD} days ahead"
        )
    if planned.check.blocked:
        finding = next(f for f in planned.check.findings if f.blocks)
        raise ScheduleRefused(
            f"power_kw[{finding.first}] = {schedule.power_kw[finding.first]:g} kW breaks the "
            f"rating of {finding.limit:g} kW ({finding.count} points in all)"
        )
    return await orders.issue(
        pool,
        vault,
        keys,
        station=station.id,
        kind=OrderKind.SCHEDULE,
        payload=schedule.to_payload(),
        now_ms=now_ms,
        expires_ms=schedule.end_ms,
        created_by=sender,
    )


def bounds(station: Station) -> Bounds:
    """What schedules of this station are checked against."""
    return Bounds(station.rated_power_kw, station.capacity_kwh, station.soc_min, station.soc_max)


async def in_force(
    pool: Pool, vault: Vault, station: Station, dates: Sequence[dt.date]
) -> list[Schedule]:
    """The schedules that the station works by on these days, where there are any."""
    found = []
    for date in dates:
        order = await orders.schedule_in_force(pool, vault, station.id, date)
        if order is not None:
            found.append(Schedule.from_payload(order.payload))
    return found


async def _ordered_between(
    pool: Pool, vault: Vault, station: Station, from_ms: int, until_ms: int
) -> list[Schedule]:
    """The schedules of the days from a time on, up to the day that begins at `until_ms`."""
    today = dt.datetime.fromtimestamp(from_ms / 1e3, station.zone).date()
    last = dt.datetime.fromtimestamp(until_ms / 1e3, station.zone).date()
    days = [today + dt.timedelta(days=d) for d in range((last - today).days)]
    return await in_force(pool, vault, station, days)


def _soc_at(
    station: Station, ordered: Sequence[Schedule], from_ms: int, until_ms: int, soc: float
) -> float:
    for schedule in ordered:
        interval_ms = schedule.interval_min * _MINUTE_MS
        for index, power_kw in enumerate(schedule.power_kw):
            begin = schedule.start_ms + index * interval_ms
            ahead_ms = min(begin + interval_ms, until_ms) - max(begin, from_ms)
            if ahead_ms > 0:
                soc = soc_step(soc, power_kw, ahead_ms / _HOUR_MS, station.capacity_kwh)
    return min(max(soc, station.soc_min), station.soc_max)
