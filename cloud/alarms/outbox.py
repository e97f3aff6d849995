"""Who is to be told, and when: rows of the outbox, one for each alarm, channel and step."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from cloud.config_alarms import ChannelSection, NotificationsSection, QuietHours

_NEVER_QUIET: Final = 2
"""Alarms up to this priority are told at any hour."""
_FIRST_RETRY_S: Final = 5
_LONGEST_RETRY_S: Final = 900


@dataclass(frozen=True, slots=True)
class Announced:
    """An alarm that people can see since `announced_ms`; `respond_ms` is its time to respond."""

    alarm: int
    onset_ms: int
    announced_ms: int
    station: str
    priority: int
    class_: str
    respond_ms: int


@dataclass(frozen=True, slots=True)
class Row:
    """Tell a channel of an alarm at `due_ms`, if nobody has acknowledged it by then."""

    alarm: int
    onset_ms: int
    channel: str
    step: int
    due_ms: int


def plan(alarms: Sequence[Announced], section: NotificationsSection) -> list[Row]:
    """Return who is to be told of alarms, escalations included.

    Of each chain the first channel that takes the alarm is told at once; each next one that takes
    it a time to respond later. Quiet hours of a channel hold back priority 3 and 4.
    """
    return [row for alarm in alarms for chain in section.all_chains for row in _rows(alarm, chain)]


def _rows(alarm: Announced, chain: Sequence[ChannelSection]) -> Iterator[Row]:
    step = 0
    for channel in chain:
        if takes(channel, alarm):
            due_ms = alarm.announced_ms + step * alarm.respond_ms
            if channel.quiet is not None and alarm.priority > _NEVER_QUIET:
                due_ms = after_quiet(channel.quiet, due_ms)
            yield Row(alarm.alarm, alarm.onset_ms, channel.name, step, due_ms)
            step += 1


def takes(channel: ChannelSection, alarm: Announced) -> bool:
    """Whether a channel wants to know of an alarm."""
    return (
        alarm.priority in channel.priorities
        and (not channel.classes or alarm.class_ in channel.classes)
        and (not channel.stations or alarm.station in channel.stations)
    )


def after_quiet(quiet: QuietHours, at_ms: int) -> int:
    """Return `at_ms`, or the end of the quiet hours that it falls into."""
    zone = ZoneInfo(quiet.timezone)
    at = dt.datetime.fromtimestamp(at_ms / 1000, zone)
    begin, end = dt.time.fromisoformat(quiet.begin), dt.time.fromisoformat(quiet.end)
    if begin == end:
        return at_ms
    clock = at.time()
    over_midnight = begin > end
    inside = clock >= begin or clock < end if over_midnight else begin <= clock < end
    if not inside:
        return at_ms
    day = at.date() + dt.timedelta(days=1 if over_midnight and clock >= begin else 0)
    return round(dt.datetime.combine(day, end, tzinfo=zone).timestamp() * 1000)


def retry_ms(attempts: int) -> int:
    """How long to wait after so many failed attempts: 5 s, doubled each time, 15 min at most."""
    longest = _LONGEST_RETRY_S // _FIRST_RETRY_S
    return (
        min(_FIRST_RETRY_S * (1 << min(attempts - 1, longest.bit_length())), _LONGEST_RETRY_S)
        * 1000
    )
