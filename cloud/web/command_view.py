"""Commands as the page shows them: who asked for what, which limit bit, and what became of it."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from starlette.datastructures import QueryParams

from cloud import commands
from cloud.alarms import Cursor
from cloud.commands import Asked, PastCommand, Statistics
from cloud.commands.statistics import Delay
from cloud.errors import BadQuery
from cloud.fleet import Station, Topology
from cloud.web import format as form
from cloud.web.language import Words
from cloud.web.look import StationLook
from cloud.web.visit import Visit, digest
from contract.commands import SOURCES, CommandState
from contract.limits import LIMIT_WORDS
from contract.signals import SIGNALS

_SHOWN: Final = 100
_AHEAD_MS: Final = 60_000
"""A station's clock may be ahead of ours by so much without its newest commands being missed."""
_SPANS_MS: Final = {
    "hour": 3_600_000,
    "day": 86_400_000,
    "week": 7 * 86_400_000,
    "month": 30 * 86_400_000,
}
_USUAL_SPAN: Final = "day"
_NAME_CHARS: Final = 64
_SHORT_ID: Final = 8
_SECOND_MS: Final = 1_000
_MINUTE_MS: Final = 60_000
_LIMITS: Final = {words.en: words for words in LIMIT_WORDS.values()}


@dataclass(frozen=True)
class Choice:
    """What the reader asks for; anything else in the address counts as not asked."""

    span: str = _USUAL_SPAN
    device: str = ""
    state: CommandState | None = None
    source: str = ""
    before: Cursor | None = None

    @classmethod
    def read(cls, query: QueryParams) -> "Choice":
        """Read a page's address."""
        span, state, source = (query.get(key, "") for key in ("range", "state", "source"))
        device = query.get("device", "").strip()[:_NAME_CHARS]
        try:
            before = Cursor.parse(query["before"]) if query.get("before") else None
        except BadQuery:
            before = None
        return cls(
            span if span in _SPANS_MS else _USUAL_SPAN,
            device if device.isprintable() else "",
            CommandState(state) if state in set(CommandState) else None,
            source if source in SOURCES else "",
            before,
        )

    def query(self, before: Cursor | None = None) -> str:
        """The address that asks the same, from `before` on."""
        asked = {
            "range": self.span,
            "device": self.device,
            "state": self.state or "",
            "source": self.source,
            "before": "" if before is None else str(before),
        }
        return urlencode({key: value for key, value in asked.items() if value})

    def of(self, station: str, now_ms: int) -> Asked:
        """The question to the ledger."""
        return Asked(
            station,
            now_ms - _SPANS_MS[self.span],
            now_ms + _AHEAD_MS,
            self.device or None,
            self.source or None,
            self.state,
        )


def filters(visit: Visit, topology: Topology, choice: Choice) -> dict[str, Any]:
    """The controls above the table, in the order shown."""
    t = visit.t
    return {
        "range": choice.span,
        "device": choice.device,
        "state": choice.state or "",
        "source": choice.source,
        "spans": [("hour", "1 h"), ("day", "24 h"), ("week", "7 d"), ("month", "30 d")],
        "states": [(state.value, _state_words(t, state)) for state in CommandState],
        "sources": [(name, w.text(visit.language)) for name, w in SOURCES.items()],
        "devices": [device for c in topology.containers for device in (c.pcs, *c.racks) if device],
    }


async def table(visit: Visit, look: StationLook, choice: Choice) -> dict[str, Any]:
    """One page of the table."""
    services, station = visit.parts.services, look.station
    page = await commands.past_commands(
        services.pool,
        services.vault,
        choice.of(station.id, visit.now_ms),
        limit=_SHOWN,
        before=choice.before,
    )
    rows = [_row(visit, station, command) for command in page.commands]
    base = f"stations/{quote(station.id)}/commands"
    older = None if page.following is None else f"/{base}?{choice.query(page.following)}"
    return {
        "rows": rows,
        "older": older,
        "newest": f"/{base}?{choice.query()}" if choice.before else None,
        "url": None if choice.before else f"/fragments/{base}?{choice.query()}",
        "digest": digest([rows, older]),
    }


async def tiles(visit: Visit, look: StationLook, choice: Choice) -> list[dict[str, str]]:
    """How well the commands of the range were carried out."""
    asked = choice.of(look.station.id, visit.now_ms)
    found = await commands.statistics(visit.parts.services.pool, asked)
    t, states = visit.t, found.states
    failed, unknown = states.get(CommandState.FAILED, 0), states.get(CommandState.UNKNOWN, 0)
    acceptance, delivery = _delay(found.acceptance, "ms"), _delay(found.delivery, "s")
    whole = t("issued in this range") if found.complete else t("the newest ones, there are more")
    return [
        _tile(t("Commands"), form.number(found.total, 0), "", whole),
        _tile(
            t("Not delivered"),
            form.percent(found.not_delivered),
            "%",
            t("{n} failed, {m} unknown", n=failed, m=unknown),
        ),
        _tile(
            t("Delivered"),
            form.number(states.get(CommandState.DELIVERED, 0), 0),
            "",
            t("{n} superseded before", n=form.number(states.get(CommandState.SUPERSEDED, 0), 0)),
        ),
        _tile(
            t("Issue to acceptance"), *acceptance[:2], t("99 of 100: {time}", time=acceptance[2])
        ),
        _tile(t("Acceptance to delivery"), *delivery[:2], t("99 of 100: {time}", time=delivery[2])),
        _tile(t("Asked by"), *_first_source(visit, found)),
    ]


def _tile(label: str, value: str, unit: str, detail: str) -> dict[str, str]:
    return {"label": label, "value": value, "unit": unit, "detail": detail}


def _delay(delay: Delay | None, unit: str) -> tuple[str, str, str]:
    """Return median, its unit and the slowest of 99 in 100 with the same unit."""
    if delay is None:
        return form.NO_VALUE, "", form.NO_VALUE
    scale, digits = (1, 0) if unit == "ms" else (_SECOND_MS, 1)
    median, slow = (form.number(ms / scale, digits) for ms in (delay.p50_ms, delay.p99_ms))
    return median, unit, f"{slow} {unit}"


def _first_source(visit: Visit, found: Statistics) -> tuple[str, str, str]:
    """Return the share of the source that asked most, and its name."""
    if not found.total:
        return form.NO_VALUE, "", ""
    name, count = next(iter(found.sources.items()))
    return form.percent(count / found.total), "%", _source_words(visit, name)


def _row(visit: Visit, station: Station, command: PastCommand) -> dict[str, Any]:
    said, t = command.content, visit.t
    value, unit = _figure(command.point, None if said is None else said.value)
    issued = dt.datetime.fromtimestamp(command.issued_ms / 1e3, dt.UTC)
    short = said is not None and len(said.requester) > 2 * _SHORT_ID
    requester = "" if said is None else said.requester
    return {
        "id": command.id,
        "state": command.state.value,
        "time": form.clock(command.issued_ms, station.zone) + f".{command.issued_ms % 1000:03}",
        "date": form.day(command.issued_ms, station.zone),
        "utc": issued.isoformat(timespec="milliseconds"),
        "device": command.device,
        "point": _point_words(t, command.point, visit.language),
        "value": value,
        "unit": unit,
        "source": _source_words(visit, command.source),
        "requester": requester[:_SHORT_ID] if short else requester,
        "requester_whole": requester,
        "bound_by": _limit_words(said.bound_by if said else "", visit.language),
        "life": _life(t, command),
        "why": _why(visit, command),
    }


def _figure(point: str, value: float | None) -> tuple[str, str]:
    """Return a value and its unit; of a switch, whose value is 1, neither."""
    signal = SIGNALS.get(point)
    if signal is None:
        return ("" if value == 1 else form.number(value, 0)), ""
    return form.number(value, 1), signal.unit


def _point_words(t: Words, point: str, language: str) -> str:
    words = {
        "start": t("start"),
        "stop": t("stop"),
        "open_contactor": t("open the contactor"),
        "close_contactor": t("close the contactor"),
        "ventilation": t("switch the ventilation"),
        "cooling": t("switch the cooling"),
    }
    signal = SIGNALS.get(point)
    if signal is None:
        return words.get(point, point)
    return signal.label_zh if language.startswith("zh") else signal.label_en


def _life(t: Words, command: PastCommand) -> list[dict[str, str]]:
    """The steps of a command: a word, how long after the step before, how it looks."""
    state = command.state
    steps = [{"cls": "done", "words": t("issued"), "after": ""}]
    accepted_ms = command.accepted_ms
    if accepted_ms:
        after = _after(accepted_ms - command.issued_ms)
        steps.append({"cls": "done", "words": t("accepted"), "after": after})
    if state is CommandState.UNKNOWN:
        steps.append({"cls": "stopped", "words": _state_words(t, state), "after": ""})
    elif state.rank == CommandState.DELIVERED.rank:
        after = _after(command.settled_ms - (accepted_ms or command.issued_ms))
        cls = "bad" if state is CommandState.FAILED else "done"
        steps.append({"cls": cls, "words": _state_words(t, state), "after": after})
    else:
        steps.append({"cls": "now", "words": t("under way"), "after": ""})
    return steps


def _after(ms: int) -> str:
    """A delay in the unit that suits it: "+12 ms", "+2.1 s", "+6 min 12 s"."""
    if abs(ms) < _SECOND_MS:
        return f"{form.number(ms, 0, signed=True)} ms"
    if abs(ms) < _MINUTE_MS:
        return f"{form.number(ms / _SECOND_MS, 1, signed=True)} s"
    return f"+{form.span(ms / _SECOND_MS)}"


def _why(visit: Visit, command: PastCommand) -> str:
    """Why it went wrong: the likely cause, then the device's own words."""
    said = command.content
    if said is None:
        return visit.t("damaged in the store")
    cause = said.cause_zh if visit.language.startswith("zh") else said.cause_en
    if command.state is CommandState.UNKNOWN:
        return visit.t("the station was restarted before it knew")
    return " · ".join(part for part in (cause, said.reason) if part)


def _limit_words(text: str, language: str) -> str:
    known = _LIMITS.get(text)
    return known.text(language) if known else text


def _source_words(visit: Visit, source: str) -> str:
    known = SOURCES.get(source)
    return known.text(visit.language) if known else source


def _state_words(t: Words, state: CommandState) -> str:
    return {
        CommandState.ISSUED: t("issued"),
        CommandState.ACCEPTED: t("accepted"),
        CommandState.DELIVERED: t("delivered"),
        CommandState.FAILED: t("failed"),
        CommandState.SUPERSEDED: t("superseded"),
        CommandState.UNKNOWN: t("unknown"),
    }[state]
