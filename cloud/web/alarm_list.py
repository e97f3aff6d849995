"""The list of alarms: its tabs, its filter and pages, its tiles, the buttons of each tab."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from cloud.alarms.course import Past, PastPage
from cloud.alarms.definitions import Definitions
from cloud.alarms.lists import AlarmPage, Counts
from cloud.alarms.metrics import FloodNow, Metrics
from cloud.alarms.states import OPEN, State
from cloud.web import alarm_view as view
from cloud.web import alarm_words as words
from cloud.web import format as form
from cloud.web.look import StationLook
from cloud.web.visit import Visit, digest

PAGE_ROWS = 100
HISTORY = "history"
_STATES = {
    "active": OPEN,
    "shelved": frozenset({State.SHELVED}),
    "suppressed": frozenset({State.SUPPRESSED}),
    "out_of_service": frozenset({State.OUT_OF_SERVICE}),
}
_MOST_FILTER = 80
_MOST_PAGES = 1_000
# ISA-18.2 / EEMUA 191: about 150 alarms a day are very likely to be acceptable for one operator;
# fewer than five standing alarms; no chattering ones.
DAY_ACCEPTABLE = 150
STANDING_AIM = 5


@dataclass(frozen=True)
class Choice:
    """What the reader looks at: the tab, the words looked for, the page from 1 on."""

    tab: str = "active"
    text: str = ""
    page: int = 1

    @classmethod
    def read(cls, tab: str, text: str, page: str) -> "Choice":
        """Take over an address; what it does not know is the usual."""
        known = tab if tab in _STATES or tab == HISTORY else "active"
        is_number = page.isascii() and page.isdecimal() and len(page) <= len(str(_MOST_PAGES))
        number = int(page) if is_number else 1
        return cls(known, text.strip()[:_MOST_FILTER], max(1, min(number, _MOST_PAGES)))

    @property
    def states(self) -> frozenset[State]:
        """Which states the tab shows."""
        return _STATES.get(self.tab, OPEN)

    @property
    def offset(self) -> int:
        """Rows of the pages before."""
        return (self.page - 1) * PAGE_ROWS

    def query(self) -> str:
        """The choice as an address has it."""
        given = {"tab": self.tab, "q": self.text, "page": str(self.page) if self.page > 1 else ""}
        return urlencode({name: value for name, value in given.items() if value})


def tabs(visit: Visit) -> list[dict[str, str]]:
    """The lists that there are."""
    t = visit.t
    labels = {
        "active": t("Active"),
        "shelved": t("Shelved"),
        "suppressed": t("Suppressed"),
        "out_of_service": t("Out of service"),
        HISTORY: t("History"),
    }
    return [
        {"key": key, "label": label, "href": f"/alarms?tab={key}"} for key, label in labels.items()
    ]


def buttons(visit: Visit, choice: Choice) -> list[dict[str, Any]]:
    """What can be done to the chosen alarms of a tab."""
    t = visit.t

    def button(key: str, label: str, shortcut: str = "", *, counted: bool = True) -> dict[str, Any]:
        return {"key": key, "label": label, "shortcut": shortcut, "counted": counted}

    return {
        "active": [
            button("acknowledge", t("Acknowledge"), "a"),
            button("acknowledge-visible", t("Acknowledge all visible"), counted=False),
            button("shelve", t("Shelve…"), "s"),
        ],
        "shelved": [button("unshelve", t("Unshelve"))],
        "out_of_service": [button("in-service", t("Back in service…"))],
    }.get(choice.tab, [])


def services(visit: Visit) -> list[tuple[str, str, str, str]]:
    """The dialogs that take alarms out of service and put them back: key, title, note, button."""
    t = visit.t
    return [
        (
            "out-of-service",
            t("Take alarm out of service"),
            t(
                "The alarm is not raised to anybody until a person puts it back: for repair or"
                " rebuilding of its device. Everybody sees it in its own list, with who took it"
                " out and why."
            ),
            t("Take out of service"),
        ),
        (
            "in-service",
            t("Put alarm back in service"),
            t("Where its condition stands, it is raised anew."),
            t("Put back"),
        ),
    ]


def table(
    visit: Visit,
    looks: dict[str, StationLook],
    choice: Choice,
    found: AlarmPage | PastPage,
    counts: Counts,
) -> dict[str, Any]:
    """One page of a list."""
    if isinstance(found, AlarmPage):
        rows = [view.row(visit, looks[alarm.station], alarm) for alarm in found.alarms]
    else:
        rows = [_past(visit, looks[one.station], one) for one in found.rows]
    content = {
        "tab": choice.tab,
        "filter": choice.text,
        "page": choice.page,
        "pages": max(1, -(-found.total // PAGE_ROWS)),
        "start": choice.offset,
        "total": found.total,
        "rows": rows,
        "counts": _counts(counts),
        "none": _none(visit, choice),
    }
    url = f"/fragments/alarms?{choice.query()}"
    # How long an alarm stands ticks in the browser: it is no news that renews the list.
    named = digest(content)
    for row in rows:
        _times(row, visit.now_ms)
    return {**content, "url": url, "digest": named}


def _times(row: dict[str, Any], now_ms: int) -> None:
    until_ms = row.get("until_ms")
    if until_ms is not None:
        row["until"] = words.left(until_ms, now_ms)
    ended_ms = row["ended_ms"] if row["ended_ms"] is not None else now_ms
    row["standing"] = form.span((ended_ms - row["onset_ms"]) / 1e3)


def _counts(counts: Counts) -> dict[str, int]:
    silent = {key: counts.silent.get(State(key), 0) for key in _STATES if key != "active"}
    return {"active": counts.active, **silent}


def _none(visit: Visit, choice: Choice) -> str:
    t = visit.t
    if choice.text:
        return t("No alarm fits the filter.")
    return {
        "active": t("No alarm is active."),
        "shelved": t("No alarm is shelved."),
        "suppressed": t("No alarm is suppressed."),
        "out_of_service": t("No alarm is out of service."),
        HISTORY: t("No alarm has been raised yet."),
    }[choice.tab]


def _past(visit: Visit, look: StationLook, one: Past) -> dict[str, Any]:
    t, zone = visit.t, look.station.zone
    answered = ""
    if one.acknowledged_ms is not None:
        answered = view.moment(one.acknowledged_ms, zone)
    return {
        "row": f"past-{one.alarm}-{one.onset_ms}",
        "id": str(one.alarm),
        "onset_ms": one.onset_ms,
        "priority": one.priority,
        "mark": "ack" if one.acknowledged_ms is not None else "rtn" if one.returned_ms else "",
        "time": view.moment(one.onset_ms, zone),
        "date": form.day(one.onset_ms, zone),
        "text": one.text(visit.language),
        "code": one.code,
        "station_title": look.station.title(visit.language),
        "device": one.device,
        "returned": "" if one.returned_ms is None else view.moment(one.returned_ms, zone),
        "ended_ms": one.returned_ms,
        "answered": answered or t("not acknowledged"),
        "by": t("by {user}", user=one.acknowledged_by) if one.acknowledged_by else "",
    }


@dataclass(frozen=True)
class Load:
    """How busy the alarms keep people.

    Attributes:
        flood: alarms of the last ten minutes.
        today: alarms since midnight.
        standing: alarms that have stood for too long.
        chattering: alarms that have chattered today.
        month: figures of the last 30 days.
    """

    flood: FloodNow
    today: int
    standing: int
    chattering: int
    month: Metrics


def tiles(visit: Visit, counts: Counts, load: Load, definitions: Definitions) -> dict[str, Any]:
    """The six tiles over the list: what is, and what it should be."""
    t = visit.t
    waiting = sum(counts.unanswered.values())
    hours = form.number(definitions.standing.over_h, 0)
    urgent_first = [share(load.month, [3, 4]), share(load.month, [2]), share(load.month, [1])]
    shares = " / ".join(form.number(None if s is None else s * 100, 0) for s in urgent_first)
    rows = [
        tile(
            t("Rate, last {n} min", n=load.flood.within_s // 60),
            *(form.number(load.flood.count, 0), t("flood over {n}", n=load.flood.begins_over)),
            off=load.flood.flooded,
            key="rate",
        ),
        tile(
            t("Today"),
            *(form.number(load.today, 0), t("acceptable up to {n}", n=DAY_ACCEPTABLE)),
            off=load.today > DAY_ACCEPTABLE,
        ),
        tile(
            t("Unacknowledged"),
            *(form.number(waiting, 0), t("{n} active", n=form.number(counts.active, 0))),
            key="waiting",
        ),
        tile(
            t("Standing over {h} h", h=hours),
            *(form.number(load.standing, 0), t("aim: under {n}", n=STANDING_AIM)),
            off=load.standing >= STANDING_AIM,
        ),
        tile(
            t("Chattering today"),
            *(form.number(load.chattering, 0), t("aim: {aim}", aim=0)),
            off=load.chattering > 0,
        ),
        tile(t("Low / medium / high, 30 d"), shares, t("aim: {aim}", aim="80 / 15 / 5"), unit="%"),
    ]
    return {"rows": rows, "url": "/fragments/alarm-tiles", "digest": digest(rows)}


def share(metrics: Metrics, priorities: list[int]) -> float | None:
    """Which share of the alarms had one of these priorities; None where there was no alarm."""
    if not metrics.alarms:
        return None
    return sum(metrics.split[priority] for priority in priorities) / metrics.alarms


def tile(
    label: str, value: str, detail: str, *, unit: str = "", off: bool = False, key: str = ""
) -> dict[str, Any]:
    """One tile: a value and what it should be; `off`: it is not as it should."""
    facts = {"label": label, "value": value, "detail": detail}
    return facts | {"unit": unit, "off": off, "key": key}
