"""The alarm banner of every page: the four most urgent, how many there are, the newest aloud."""

from collections.abc import Mapping, Sequence
from typing import Any

from cloud.alarms.definitions import Definitions, load
from cloud.alarms.lists import BANNER, AlarmSeen, Counts, Filter, Lists, counts
from cloud.alarms.states import UNANSWERED, State
from cloud.web import alarm_view as view
from cloud.web import alarm_words as words
from cloud.web import format as form
from cloud.web.look import StationLook
from cloud.web.visit import Visit, digest

_SAID = frozenset({1, 2})
"""Priorities that are said aloud."""
_NEWEST_OF = 20


def lists_of(visit: Visit) -> Lists:
    """Lists of alarms by the definitions in force."""
    services = visit.parts.services
    return Lists(services.pool, services.vault, definitions_of(visit))


def definitions_of(visit: Visit) -> Definitions:
    """The definitions in force."""
    return load(visit.parts.services.config.alarms.definitions)


async def banner(
    visit: Visit, looks: Sequence[StationLook], counted: Counts | None = None
) -> dict[str, Any]:
    """What the banner shows now; what is shelved, suppressed or out of service is only counted.

    Args:
        visit: the reader.
        looks: all stations.
        counted: how many alarms there are, where the page has counted them already.
    """
    lists = lists_of(visit)
    if counted is None:
        counted = await counts(visit.parts.services.pool)
    highest = (await lists.find(limit=BANNER)).alarms if any(counted.open.values()) else ()
    newest = None
    if any(counted.unanswered[priority] for priority in _SAID):
        wanted = Filter(states=UNANSWERED, priorities=_SAID)
        urgent = (await lists.find(wanted, limit=_NEWEST_OF)).alarms
        newest = max(urgent, key=lambda alarm: alarm.announced_ms or 0, default=None)
    by_id = {look.station.id: look for look in looks}
    content = {
        "highest": [_shown(visit, by_id[alarm.station], alarm) for alarm in highest],
        "count": form.number(counted.active, 0),
        "unacknowledged": form.number(sum(counted.unanswered.values()), 0),
        "shelved": form.number(counted.silent.get(State.SHELVED, 0), 0),
        "newest": 0 if newest is None else newest.announced_ms or 0,
        "said": "" if newest is None else _said(visit, by_id[newest.station], newest),
        "tree": tree(counted),
    }
    return {**content, "digest": digest(content)}


def tree(counted: Counts) -> Mapping[str, int]:
    """The most urgent priority of each branch of the plant tree: station, and station/container."""
    found: dict[str, int] = {}
    for (station, scope), priority in counted.worst.items():
        found[station] = min(priority, found.get(station, priority))
        if scope:
            found[f"{station}/{scope}"] = priority
    return found


def _shown(visit: Visit, look: StationLook, alarm: AlarmSeen) -> dict[str, Any]:
    return {
        "priority": alarm.priority,
        "mark": words.mark(alarm.state),
        "text": alarm.text(visit.language),
        "time": form.clock(alarm.onset_ms, look.station.zone),
        "where": view.place(alarm, look.station, visit.language),
        "href": view.address(alarm.id),
    }


def _said(visit: Visit, look: StationLook, alarm: AlarmSeen) -> str:
    where = view.place(alarm, look.station, visit.language)
    priority = visit.t("Priority {p}", p=alarm.priority)
    return f"{priority}: {alarm.text(visit.language)}, {where}"
