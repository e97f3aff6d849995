"""The metrics page: how well the alarms serve their operators, against the aims of ISA-18.2."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from cloud.alarms.definitions import Definitions
from cloud.alarms.lists import AlarmSeen
from cloud.alarms.metrics import Frequent, Metrics
from cloud.alarms.nuisances import Nuisance
from cloud.web import alarm_list as lists
from cloud.web import alarm_view as view
from cloud.web import format as form
from cloud.web.look import StationLook
from cloud.web.visit import Visit

PRESETS = {"day": 1, "week": 7, "month": 30}
_USUAL = "week"
_LONGEST_DAYS = 366
_DAY_MS = 86_400_000
_HOURS_A_DAY = 24
# ISA-18.2: about 6 alarms an hour are very likely to be acceptable, 12 are the most that can be
# handled; under 1 % of the time in flood; one alarm should not make more than about 1 %, the ten
# most frequent not more than 5 % of all.
HOUR_ACCEPTABLE = 6
FLOOD_AIM = 0.01
TOP_ONE_AIM = 0.01
TOP_TEN_AIM = 0.05
_ANSWER_AIM = 0.9
_NUISANCES_SHOWN = 20


@dataclass(frozen=True)
class Asked:
    """A range of whole days or one that ends now; `wrong` says why another is shown than asked."""

    preset: str
    start_ms: int
    end_ms: int
    wrong: str = ""

    @classmethod
    def read(cls, visit: Visit, zone: ZoneInfo, query: Mapping[str, str]) -> "Asked":
        """Take over an address: `range`, or first and last day `from` and `to`."""
        now_ms = visit.now_ms
        preset = query.get("range", _USUAL)
        usual = preset if preset in PRESETS else _USUAL
        shown = cls(usual, now_ms - PRESETS[usual] * _DAY_MS, now_ms)
        if "from" not in query and "to" not in query:
            return shown
        try:
            first = dt.date.fromisoformat(query.get("from", ""))
            last = dt.date.fromisoformat(query.get("to", ""))
        except ValueError:
            return cls(*_of(shown), visit.t("Write both days as year-month-day."))
        days = (last - first).days + 1
        if days < 1:
            return cls(*_of(shown), visit.t("The last day is before the first; exchange them."))
        if days > _LONGEST_DAYS:
            return cls(*_of(shown), visit.t("Ask for at most {n} days.", n=_LONGEST_DAYS))
        start_ms = _midnight_ms(first, zone)
        end_ms = min(_midnight_ms(last + dt.timedelta(days=1), zone), now_ms)
        if start_ms >= end_ms:
            return cls(*_of(shown), visit.t("These days have not begun."))
        return cls("", start_ms, end_ms)

    def bins(self, step_ms: int, most: int) -> tuple[int, int, int]:
        """Begin, end and length of the chart's steps: whole multiples of `step_ms`."""
        span = self.end_ms - self.start_ms
        length = step_ms * max(1, -(-span // (step_ms * most)))
        start = self.start_ms // length * length
        return start, -(-self.end_ms // length) * length, length


def _of(asked: Asked) -> tuple[str, int, int]:
    return asked.preset, asked.start_ms, asked.end_ms


def _midnight_ms(day: dt.date, zone: ZoneInfo) -> int:
    return round(dt.datetime.combine(day, dt.time(), tzinfo=zone).timestamp() * 1000)


@dataclass(frozen=True)
class Found:
    """What the page shows, by which definitions and in whose market time."""

    definitions: Definitions
    zone: ZoneInfo
    metrics: Metrics
    standing: Sequence[AlarmSeen]
    chattering: Sequence[Nuisance]
    fleeting: Sequence[Nuisance]


def page(
    visit: Visit,
    looks: Mapping[str, StationLook],
    asked: Asked,
    found: Found,
) -> dict[str, Any]:
    """All figures of the page."""
    definitions, zone = found.definitions, found.zone
    t, figures = visit.t, found.metrics
    top = [_top(visit, looks, definitions, one) for one in figures.top]
    presets = [("day", "24 h"), ("week", "7 d"), ("month", "30 d")]
    return {
        "range": f"{_when(asked.start_ms, zone)} – {_when(asked.end_ms, zone)}",
        "presets": presets,
        "preset": asked.preset,
        "from_day": _day(asked.start_ms, zone),
        "to_day": _day(asked.end_ms - 1, zone),
        "wrong": asked.wrong,
        "tiles": _tiles(visit, found, definitions),
        "top": top,
        "top_most": max([one["part"] for one in top], default=1.0),
        "top_aim": TOP_ONE_AIM,
        "top_aim_text": form.number(TOP_ONE_AIM * 100, 0),
        "top_note": t(
            "together {share} % of all, aim: under {aim} %",
            share=form.percent(figures.top_share),
            aim=form.number(TOP_TEN_AIM * 100, 0),
        )
        if top
        else "",
        "split": _split(t, figures),
        "standing": [_standing(visit, looks[one.station], one) for one in found.standing],
        "chattering": _nuisances(visit, looks, definitions, found),
        "chatter_note": t(
            "{n} times in {span}, or gone within {short}",
            n=definitions.chattering.count,
            span=form.span(definitions.chattering.within_s),
            short=form.span(definitions.fleeting.under_s),
        ),
    }


def _when(at_ms: int, zone: ZoneInfo) -> str:
    return f"{form.day(at_ms, zone)} {form.clock(at_ms, zone)[:5]}"


def _day(at_ms: int, zone: ZoneInfo) -> str:
    return dt.datetime.fromtimestamp(at_ms / 1e3, zone).date().isoformat()


def _tiles(visit: Visit, found: Found, definitions: Definitions) -> list[dict[str, Any]]:
    t, figures = visit.t, found.metrics
    answered = figures.answered
    within = answered.within_respond_time
    return [
        lists.tile(
            t("Alarms in this range"),
            form.number(figures.alarms, 0),
            t("{n} a day", n=form.number(figures.per_hour * _HOURS_A_DAY, 1)),
        ),
        lists.tile(
            t("Per operator hour"),
            form.number(figures.per_operator_hour, 1),
            t("acceptable up to {n}", n=HOUR_ACCEPTABLE),
            off=figures.per_operator_hour > HOUR_ACCEPTABLE,
        ),
        lists.tile(
            t("Most in 10 minutes"),
            form.number(figures.most_per_10_min, 0),
            t("flood over {n}", n=definitions.flood.begins_over),
            off=figures.most_per_10_min > definitions.flood.begins_over,
        ),
        lists.tile(
            t("Time in flood"),
            form.percent(figures.flood_share),
            t("{n} floods, aim: under {aim} %", n=len(figures.floods), aim=int(FLOOD_AIM * 100)),
            unit="%",
            off=figures.flood_share >= FLOOD_AIM,
        ),
        lists.tile(
            t("Time to acknowledge"),
            form.span(answered.median_s),
            t("9 of 10 within {span}", span=form.span(answered.p90_s))
            if answered.count
            else t("none acknowledged yet"),
        ),
        lists.tile(
            t("Answered in time"),
            form.percent(within),
            t("of {n} acknowledged", n=form.number(answered.count, 0)),
            unit="%",
            off=within is not None and within < _ANSWER_AIM,
        ),
    ]


def _top(
    visit: Visit, looks: Mapping[str, StationLook], definitions: Definitions, one: Frequent
) -> dict[str, Any]:
    return _named(visit, looks, definitions, one) | {
        "count": form.number(one.count, 0),
        "share": form.percent(one.share),
        "part": one.share,
    }


def _named(
    visit: Visit,
    looks: Mapping[str, StationLook],
    definitions: Definitions,
    one: Frequent | Nuisance,
) -> dict[str, Any]:
    text = definitions.find(one.code, one.tag).words().text(visit.language)
    return {
        "text": text[:1].upper() + text[1:],
        "code": f"{one.code} {one.tag}".strip(),
        "href": view.address(one.alarm),
        "station_title": looks[one.station].station.title(visit.language),
        "device": view.part(one.code, one.device, one.tag, visit.language),
    }


def _split(t: Any, figures: Metrics) -> list[dict[str, Any]]:
    """Our priorities 3 and 4 together are the low priority of ISA-18.2; names as in the legend."""
    low = f"{t('Medium')}, {t('Low')}"
    groups = [((1,), t("Critical")), ((2,), t("High")), ((3, 4), low)]
    rows = []
    for priorities, name in groups:
        part = lists.share(figures, list(priorities))
        aim = figures.target[priorities[0]]
        rows.append(
            {
                "priorities": priorities,
                "name": name,
                "count": form.number(sum(figures.split[p] for p in priorities), 0),
                "share": form.percent(part),
                "part": part,
                "aim": form.number(aim * 100, 0),
                "aim_part": aim,
            }
        )
    return rows


def _standing(visit: Visit, look: StationLook, alarm: AlarmSeen) -> dict[str, Any]:
    standing = form.span((visit.now_ms - alarm.onset_ms) / 1e3)
    row = view.row(visit, look, alarm)
    return row | {"href": view.address(alarm.id), "standing": standing}


def _nuisances(
    visit: Visit, looks: Mapping[str, StationLook], definitions: Definitions, found: Found
) -> list[dict[str, Any]]:
    short = {one.alarm: one.count for one in found.fleeting}
    bursts = {one.alarm: one.count for one in found.chattering}
    known = {one.alarm: one for one in [*found.chattering, *found.fleeting]}
    rows = [
        _named(visit, looks, definitions, one)
        | {
            "count": form.number(bursts.get(alarm, 0), 0),
            "fleeting": form.number(short.get(alarm, 0), 0),
            "newest": f"{_when(one.newest_ms, looks[one.station].station.zone)}",
        }
        for alarm, one in known.items()
    ]
    return rows[:_NUISANCES_SHOWN]
