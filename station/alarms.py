"""Conditions worth telling people, and the events of their coming and going.

A condition is looked up in the picture every cycle; an event is told once when it appears and
once when it is gone, with the device's own time. Bits of alarm words become one condition
each, in the words of the signal catalogue.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from contract.events import Event, make
from contract.layouts import CHILLER, FIRE, INSULATION, PCS, RACK
from contract.limits import LimitReason
from contract.words import Words
from station.cause_words import cause_words
from station.image import Image, PointRow, Table, is_estimate
from station.protection import Bound
from station.station_row import DEVICE

Key = tuple[str, str, str]
"""Event code, device, and what tells apart several conditions of one code."""

_PCS_TRIP_BIT = 7
_BIT_WORDS = (
    (PCS, "pcs_alarms", "pcs.alarm"),
    (RACK, "rack_alarms", "rack.alarm"),
    (RACK, "rack_warnings", "rack.warning"),
    (CHILLER, "chiller_alarms", "chiller.alarm"),
    (INSULATION, "insulation_alarms", "insulation.alarm"),
)
_FIRE_STATES = {1: "fire.prealarm", 2: "fire.alarm", 3: "fire.fault"}
_LAYOUT_ZH = {
    "pcs": "变流器",
    "rack": "电池簇",
    "rack.cells": "单体",
    "meter": "电表",
    "chiller": "液冷机组",
    "insulation": "绝缘监测",
    "fire": "消防主机",
    "panel": "控制柜",
    "room": "舱内传感器",
    "ventilation": "通风",
}
_MAX_DETAIL = 300
_MAX_TAG = 64
CLOCK_SKEW_MS = 10_000
JUST_ARRIVED_MS = 3000
OFF_DELAY_MS = 5000
"""ISA-18.2 off-delay: what comes and goes every other second is one alarm, not many."""

_NOT_LIMITING = (LimitReason.NONE, LimitReason.PCS_RATING)


@dataclass(frozen=True)
class Condition:
    """Something that is so at the moment."""

    code: str
    device: str
    at_ms: int
    tag: str = ""
    detail: Words | None = None
    value: float | None = None
    limit: float | None = None

    @property
    def key(self) -> Key:
        """What makes it the same condition in the next cycle."""
        return self.code, self.device, self.tag


def plain(text: str) -> Words:
    """Return a technical text that reads the same in both languages, printable and short."""
    cleaned = "".join(c if c.isprintable() else " " for c in text)[:_MAX_DETAIL] or "-"
    return Words(cleaned, cleaned)


def plain_words(words: Words) -> Words:
    """Return words of two languages, printable and short."""
    return Words(plain(words.en).en, plain(words.zh).zh)


def device_conditions(image: Image, disconnected: Mapping[str, str]) -> Iterator[Condition]:
    """Yield what devices say of themselves, and which are silent.

    Args:
        image: the picture.
        disconnected: reason by tag of devices whose connection is gone.
    """
    for tag, reason in disconnected.items():
        yield Condition("device.lost", tag, image.at_ms, detail=plain_words(cause_words(reason)))
    for row in image:
        tag, layout = row.sample.device, row.sample.layout
        if is_estimate(layout):
            continue
        yield from _clock(row, image.at_ms)
        if row.stale:
            if tag not in disconnected:
                zh = _LAYOUT_ZH.get(layout.partition("/")[0], layout)
                detail = Words(f"{layout}, {row.age_s:.0f} s old", f"{zh}，{row.age_s:.0f} 秒前")
                yield Condition("device.stale", tag, image.at_ms, layout, detail, row.age_s)
            continue
        if layout == FIRE.name and (code := _FIRE_STATES.get(row.integer("fire_state") or 0)):
            yield Condition(code, tag, row.sample.time_ms)
        if layout == RACK.name and row.integer("contactor_closed") == 0:
            yield Condition("rack.isolated", tag, row.sample.time_ms)
    yield from _empty(image, disconnected)
    for layout_of, signal, code in _BIT_WORDS:
        yield from _bits(image.table(layout_of), signal, code)


def _empty(image: Image, disconnected: Mapping[str, str]) -> Iterator[Condition]:
    """Yield the devices that answer in time and have no value to tell: one condition each."""
    found: dict[str, list[PointRow]] = {}
    for row in image:
        if row.empty_s and not row.stale and not is_estimate(row.layout.name):
            found.setdefault(row.sample.device, []).append(row)
    for tag, rows in found.items():
        if tag in disconnected:
            continue
        longest_s = max(row.empty_s for row in rows)
        layouts = sorted(row.sample.layout for row in rows)
        zh = "、".join(_LAYOUT_ZH.get(name.partition("/")[0], name) for name in layouts)
        detail = Words(
            f"{', '.join(layouts)}, no valid value for {longest_s:.0f} s",
            f"{zh}，已有 {longest_s:.0f} 秒无有效值",
        )
        yield Condition("device.stale", tag, image.at_ms, "no_value", detail, longest_s)


def _clock(row: PointRow, now_ms: int) -> Iterator[Condition]:
    """Yield a device whose clock is not ours: its samples would be dated wrongly."""
    skew_ms = row.sample.time_ms - row.sample.received_ms
    if abs(skew_ms) > CLOCK_SKEW_MS and now_ms - row.sample.received_ms < JUST_ARRIVED_MS:
        value = round(skew_ms / 1000, 1)
        yield Condition("clock.unsynchronised", row.sample.device, now_ms, value=value)


def _bits(table: Table, signal: str, code: str) -> Iterator[Condition]:
    """Yield the bits that are set in a word of alarms, of all devices that are heard."""
    words = table.fresh(signal)
    told = np.flatnonzero(np.nan_to_num(words)).tolist()
    if not told:
        return
    tags, states = list(table.place), table.layout.signal(signal).states
    for at in told:
        word, time_ms = int(words[at]), int(table.time_ms[at])
        for bit, en, zh in states:
            if word >> bit & 1:
                trip = code == "pcs.alarm" and bit == _PCS_TRIP_BIT
                named = "pcs.trip" if trip else code
                yield Condition(named, tags[at], time_ms, f"{signal}.{bit}", Words(en, zh))


def limit_condition(direction: str, bound: Bound, at_ms: int) -> Iterator[Condition]:
    """Yield the limit that binds in one direction, unless it is just the rated power.

    A change of the reason is a new condition; another rack with the same reason is not, since
    racks at the same bound take turns at being the tightest.
    """
    if bound.reason in _NOT_LIMITING:
        return
    where_en = where_zh = ""
    if bound.device:
        where_en = f" ({bound.device}{f', cell {bound.cell}' if bound.cell else ''})"
        where_zh = f"（{bound.device}{f'，{bound.cell} 号单体' if bound.cell else ''}）"
    if bound.missing:
        signals = ", ".join(bound.missing)
        where_en, where_zh = f" ({bound.device}: {signals})", f"（{bound.device}：{signals}）"
    words = bound.reason.words
    detail = Words(words.en + where_en, words.zh + where_zh)
    value = round(bound.kw, 1)
    yield Condition(f"limit.{direction}", DEVICE, at_ms, bound.reason.name, detail, value)


class AlarmBook:
    """Remembers which conditions hold and tells their edges."""

    def __init__(
        self,
        station: str,
        new_id: Callable[[], str] | None = None,
        off_delay_ms: int = OFF_DELAY_MS,
    ) -> None:
        """Start with nothing active.

        Args:
            station: id of the station.
            new_id: source of event ids.
            off_delay_ms: a condition is gone when it was absent for so long.
        """
        self._station = station
        self._new_id = new_id or (lambda: str(uuid.uuid4()))
        self._active: dict[Key, Condition] = {}
        self._passing: list[tuple[int, Condition]] = []
        self._seen_ms: dict[Key, int] = {}
        self._off_delay_ms = off_delay_ms

    @property
    def active(self) -> frozenset[str]:
        """The codes of all conditions that hold."""
        return frozenset(condition.code for condition in self._active.values())

    def raise_for(self, condition: Condition, until_ms: int) -> None:
        """Let a thing that happened (an order refused, say) be active until a time."""
        self._passing.append((until_ms, condition))

    def update(self, conditions: Iterable[Condition], now_ms: int) -> list[Event]:
        """Compare with the last cycle; return the events of what came and went."""
        self._passing = [(until, c) for until, c in self._passing if until > now_ms]
        current = {c.key: c for c in conditions}
        current |= {c.key: c for _, c in self._passing}
        events = [
            self._event(condition, active=True, at_ms=condition.at_ms)
            for key, condition in current.items()
            if key not in self._active
        ]
        self._seen_ms |= dict.fromkeys(current, now_ms)
        gone = [k for k in self._active if now_ms - self._seen_ms[k] >= self._off_delay_ms]
        events += [
            self._event(self._active[key], active=False, at_ms=self._seen_ms.pop(key))
            for key in gone
        ]
        for key in gone:
            del self._active[key]
        self._active = current | self._active
        return events

    def note(
        self, code: str, at_ms: int, detail: Words | None = None, device: str = DEVICE
    ) -> Event:
        """Return an event that is no alarm and does not clear."""
        return self.tell(Condition(code, device, at_ms, detail=detail))

    def tell(self, condition: Condition, *, active: bool = True) -> Event:
        """Return the event of something that happened once, or of its end."""
        return self._event(condition, active=active, at_ms=condition.at_ms)

    def _event(self, condition: Condition, *, active: bool, at_ms: int) -> Event:
        return make(
            condition.code,
            id=self._new_id(),
            station=self._station,
            device=condition.device,
            active=active,
            at_ms=at_ms,
            value=condition.value,
            limit=condition.limit,
            detail=condition.detail,
            tag=condition.tag[:_MAX_TAG],
        )
