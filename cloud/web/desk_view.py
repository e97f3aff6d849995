"""The desk as its page shows it: gates of the day, the life and log of a bid, the position now."""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any, Final
from zoneinfo import ZoneInfo

from cloud.fleet import Station
from cloud.market import bids
from cloud.market.bid import BidSet, Direction
from cloud.market.bids import Bid, Judgement, Missed, Settlement, State, Step
from cloud.market.desk.gates import GateSeen
from cloud.market.exchanges import DayGate, Kind, load_market
from cloud.market.risk import greatest_power
from cloud.web import format as form
from cloud.web.desk_log import who_words, why_words
from cloud.web.desk_words import (
    PATH,
    blocked_words,
    empty_words,
    money_unit,
    product_name,
    state_words,
    waits_words,
)
from cloud.web.visit import Visit, digest

_MINUTE_MS: Final = 60_000
_MINUTES: Final = 60
_NEXT: Final = 8
_WATCH: Final = "watch"
"""Who calls people, in the log of bids."""
_CHECK: Final = "check"
_PAST: Final = 3
_LABELS: Final = 3
_LATE_SHARE: Final = 70.0
_TICK_H: Final = 4
_HOUR_MS: Final = 3_600_000

Papers = Mapping[str, tuple[Bid, Mapping[int, Mapping[type[Any], Any]]]]


def shown(gates: Sequence[GateSeen], now_ms: int) -> list[GateSeen]:
    """The gates that the table has room for: the next ones, and the last that have closed."""
    ahead = [one for one in gates if one.gate_ms > now_ms]
    days = [one for one in ahead if isinstance(one.product.gate, DayGate)]
    near = [one for one in ahead if one not in days][: max(_NEXT - len(days), 1)]
    past = [one for one in gates if one.gate_ms <= now_ms and one.bid is not None][-_PAST:]
    return [*sorted([*near, *days[:_NEXT]], key=lambda one: one.gate_ms), *reversed(past)]


def gates_view(  # noqa: PLR0917 - a view has so many sources
    visit: Visit,
    station: Station,
    seen: Sequence[GateSeen],
    papers: Papers,
    day: tuple[int, int],
    missed: Sequence[Missed] = (),
) -> dict[str, Any]:
    """Timeline and table of the gates around now, and which products nobody serves."""
    rows = [_gate(visit, station, one, papers) for one in seen]
    ahead = [row for row in rows if row["left_ms"]]
    return {
        "rows": rows,
        "station": station.id,
        "next": ahead[0] if ahead else None,
        "missed": [_unserved(visit, station, one) for one in missed],
        "marks": _marks(visit, station, seen, day),
        "ticks": _ticks(station, day),
        "now": _share(visit.now_ms, day),
        "clock": form.clock(visit.now_ms, station.zone)[:5],
        "url": f"/fragments/stations/{station.id}/gates",
        "digest": digest([rows, visit.now_ms // _MINUTE_MS, missed]),
    }


def life_view(
    visit: Visit, station: Station, bid: Bid, log: Sequence[Step], papers: Mapping[int, Any]
) -> dict[str, Any]:
    """The life of the version that counts, and the log of the whole bid, newest first."""
    version = counting(bid)
    times = {step.after: step.at_ms for step in log if step.version == version.number}
    steps = [
        {
            "words": state_words(visit.t, state),
            "cls": _step_class(version.state, state),
            "at": _moment(visit, station.zone, times.get(state)),
        }
        for state in PATH
    ]
    rows = [
        {
            "at": _moment(visit, station.zone, step.at_ms),
            "utc": dt.datetime.fromtimestamp(step.at_ms / 1e3, dt.UTC).isoformat(
                timespec="seconds"
            ),
            "words": _happened(visit, step),
            "version": step.version,
            "who": who_words(visit.t, step.who),
            "why": why_words(visit.t, step.why, papers.get(step.version, {}).get(Judgement)),
        }
        for step in reversed(log)
    ]
    settled = papers.get(version.number, {}).get(Settlement)
    return {
        "number": version.number,
        "state": version.state.value,
        "state_words": state_words(visit.t, version.state),
        "blocked": blocked_words(visit.t, version.blocked),
        "reference": version.reference,
        "steps": steps if version.state in PATH else [],
        "rows": rows,
        "amount": None if settled is None else form.number(float(settled.amount), 2),
        "currency": "" if settled is None else money_unit(visit.language, settled.currency),
        "url": f"/fragments/stations/{station.id}/bids/{bid.id}/life",
        "digest": digest([rows, version.state]),
    }


def counting(bid: Bid) -> bids.Version:
    """The version that stands or is on its way, else the newest that is no fall-back."""
    standing = bid.newest(*PATH[3:])
    if standing is not None:
        return standing
    return bid.draft or bid.fallback or bid.versions[-1]


def span(begin_ms: int, end_ms: int, zone: ZoneInfo) -> str:
    """A stretch of a day in market time: 18:00-18:15."""
    begin, end = (form.clock(at, zone)[:5] for at in (begin_ms, end_ms))
    return f"{begin}\N{EN DASH}{end}"


def volume(offers: BidSet) -> tuple[float, float]:
    """Energy that is bought and sold at most, MWh."""
    hours = Decimal(offers.interval_min) / _MINUTES
    bought, sold = (
        sum((one.power_mw(way) for one in offers.intervals), Decimal(0)) * hours
        for way in (Direction.CHARGE, Direction.DISCHARGE)
    )
    return float(bought), float(sold)


def _gate(visit: Visit, station: Station, one: GateSeen, papers: Papers) -> dict[str, Any]:
    ahead = one.gate_ms > visit.now_ms
    row: dict[str, Any] = {
        "name": product_name(visit.language, one.product),
        "for": _for(visit, station, one),
        "closes": _moment(visit, station.zone, one.gate_ms, seconds=False),
        "gate_ms": one.gate_ms,
        "left_ms": one.gate_ms if ahead else 0,
        "bid": "",
        "short": "",
        "volume": "",
        "state": "",
        "fallback": False,
        "words": visit.t("no bid yet"),
        "waits": waits_words(visit.t, None, "", None),
        "long": False,
    }
    found = papers.get(one.bid.id) if one.bid is not None else None
    if found is None:
        if one.look is None:
            return row
        unit = money_unit(visit.language, one.product.price_unit)
        return row | {"long": True} | empty_words(visit.t, one.look, unit)
    bid, told = found
    version = counting(bid)
    judged = told.get(version.number, {}).get(Judgement)
    bought, sold = volume(version.content.bid_set)
    power = float(greatest_power(version.content.bid_set))
    held = one.product.kind in {Kind.REGULATION, Kind.RESERVE}
    return row | {
        "bid": bid.id,
        "short": bid.id[:8],
        "volume": visit.t("{power} MW held", power=form.number(power))
        if held
        else f"{form.energy(bought)} / {form.energy(sold)}",
        "state": version.state.value,
        "fallback": version.fallback,
        "words": blocked_words(visit.t, version.blocked) or state_words(visit.t, version.state),
        "waits": waits_words(
            visit.t, version.state, version.blocked, judged.approver if judged else None
        ),
    }


def _unserved(visit: Visit, station: Station, one: Missed) -> str:
    """That the gates of a product close on nothing, and since when."""
    product = product_name(visit.language, load_market(one.market).product(one.product))
    since = _moment(visit, station.zone, one.since_ms, seconds=False)
    if one.gates == 1:
        return visit.t(
            "{product}: the gate of {time} has closed without a bid.", product=product, time=since
        )
    return visit.t(
        "{product}: {n} gates in a row have closed without a bid, the first at {time}.",
        product=product,
        n=one.gates,
        time=since,
    )


def _for(visit: Visit, station: Station, one: GateSeen) -> str:
    del visit
    day = form.day(one.begin_ms, station.zone)
    if isinstance(one.product.gate, DayGate):
        return day
    return span(one.begin_ms, one.end_ms, station.zone)


def _marks(
    visit: Visit, station: Station, seen: Sequence[GateSeen], day: tuple[int, int]
) -> list[dict[str, Any]]:
    """Gates of today on the time axis, one mark for a time; the next of each product is named."""
    named: set[str] = set()
    marks: list[dict[str, Any]] = []
    today = sorted((one for one in seen if day[0] <= one.gate_ms < day[1]), key=_gate_ms)
    rows = 0
    for gate_ms, group in groupby(today, _gate_ms):
        ahead = gate_ms > visit.now_ms
        at = _share(gate_ms, day)
        names = {one.product.id: product_name(visit.language, one.product) for one in group}
        fresh = [name for key, name in names.items() if key not in named]
        label = ""
        if ahead and fresh and rows < _LABELS:
            rows += 1
            named |= set(names)
            clock = form.clock(gate_ms, station.zone)[:5]
            more = visit.t("{name} and {n} more", name=fresh[0], n=len(fresh) - 1)
            label = f"{fresh[0] if len(fresh) == 1 else more} {clock}"
        marks.append(
            {
                "at": at,
                "label": label,
                "row": rows - 1,
                "end": at > _LATE_SHARE,
                "next": ahead and rows == 1 and bool(label),
            }
        )
    return marks


def _gate_ms(one: GateSeen) -> int:
    return one.gate_ms


def _ticks(station: Station, day: tuple[int, int]) -> list[dict[str, Any]]:
    every_ms = _TICK_H * _HOUR_MS
    return [
        {
            "at": _share(at, day),
            "label": form.clock(at, station.zone)[:5] if at < day[1] else "24:00",
        }
        for at in range(day[0], day[1] + 1, every_ms)
    ]


def _share(at_ms: int, day: tuple[int, int]) -> float:
    return 1 + 98 * (at_ms - day[0]) / (day[1] - day[0])


def _happened(visit: Visit, step: Step) -> str:
    """What a line of the log is about: the state that was reached, or that people were called."""
    if step.who == _WATCH and step.before is step.after:
        return visit.t("people are called")
    if step.who == _CHECK and step.before is step.after:
        return visit.t("held back by the check")
    return state_words(visit.t, step.after)


def _step_class(reached: State, state: State) -> str:
    if reached not in PATH:
        return ""
    place, here = PATH.index(state), PATH.index(reached)
    return "done" if place <= here else "now" if place == here + 1 else ""


def _moment(visit: Visit, zone: ZoneInfo, at_ms: int | None, *, seconds: bool = True) -> str:
    """Time of day; with its date where it is another day's."""
    if at_ms is None:
        return form.NO_VALUE
    clock = form.clock(at_ms, zone) if seconds else form.clock(at_ms, zone)[:5]
    if form.day(at_ms, zone) == form.day(visit.now_ms, zone):
        return clock
    return f"{form.day(at_ms, zone)[5:]} {clock[:5]}"
