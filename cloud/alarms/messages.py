"""What a notification says: one message for all alarms that are due on a channel. Pure."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from cloud.alarms.definitions import Definition

_MOST_LINES: Final = 10
_PRIORITY: Final = {
    "en": {1: "critical", 2: "high", 3: "medium", 4: "low"},
    "zh": {1: "紧急", 2: "高", 3: "中", 4: "低"},
}
_STEP: Final = {"en": "escalation {n}", "zh": "第 {n} 级升级"}


@dataclass(frozen=True)
class Due:
    """An alarm that somebody is to be told of.

    Attributes:
        alarm: its number.
        station_en, station_zh, zone: of its station.
        device: where, or of bids the product as market/product; empty: the station itself.
        rule: what its definition says.
        priority: 1 to 4.
        onset_ms: when by the device's clock.
        returned: whether its condition is over already.
        text_en, text_zh, value, limit: what it said.
        step: 0 for the first who are told, counting up as nobody answers.
    """

    alarm: int
    station_en: str
    station_zh: str
    zone: str
    device: str
    rule: Definition
    priority: int
    onset_ms: int
    returned: bool
    text_en: str
    text_zh: str
    value: float | None
    limit: float | None
    step: int = 0


@dataclass(frozen=True)
class Message:
    """Title and body of one message."""

    title: str
    body: str


def compose(alarms: Sequence[Due], language: str, console_url: str | None = None) -> Message:
    """Write one message about alarms: the most urgent first, ten at most, then how many more."""
    ordered = sorted(alarms, key=lambda due: (due.priority, due.onset_ms))
    first = ordered[0]
    chinese = language == "zh"
    head = f"[{first.priority} {_PRIORITY[language][first.priority]}] {_where(first, chinese)}"
    title = f"{head} {_text(first, chinese)}"
    if len(ordered) > 1:
        count = f"{len(ordered)} 条告警，最紧急：" if chinese else f"{len(ordered)} alarms, first: "
        title = count + title
    lines = [line for due in ordered[:_MOST_LINES] for line in _lines(due, language)]
    if len(ordered) > _MOST_LINES:
        more = len(ordered) - _MOST_LINES
        lines.append(f"另有 {more} 条" if chinese else f"and {more} more")
    if console_url:
        lines.append(f"{console_url.rstrip('/')}/alarms")
    return Message(title, "\n".join(lines))


def _where(due: Due, chinese: bool) -> str:  # noqa: FBT001 - which of two texts
    station = due.station_zh if chinese and due.station_zh else due.station_en
    return f"{station} {due.device}" if due.device else station


def _text(due: Due, chinese: bool) -> str:  # noqa: FBT001 - as above
    text = due.text_zh if chinese else due.text_en
    return text[:1].upper() + text[1:]


def _lines(due: Due, language: str) -> list[str]:
    chinese = language == "zh"
    at = dt.datetime.fromtimestamp(due.onset_ms / 1000, ZoneInfo(due.zone))
    head = [f"{due.priority} {_PRIORITY[language][due.priority]}"]
    if due.step:
        head.append(_STEP[language].format(n=due.step))
    if due.returned:
        head.append("已恢复" if chinese else "returned")
    figures = ""
    if due.value is not None:
        limit = "" if due.limit is None else f" / {due.limit:g}"
        figures = f" ({due.value:g}{limit})"
    action = due.rule.action[0]
    respond = (
        f"请在 {due.rule.respond_min} 分钟内处理：{action.zh}"
        if chinese
        else f"within {due.rule.respond_min} min: {action.en}"
    )
    when = f"{at:%Y-%m-%d %H:%M:%S} UTC{at:%z}"
    separator = "，" if chinese else ", "
    return [
        f"{when} [{separator.join(head)}] {_where(due, chinese)}",
        f"  {_text(due, chinese)}{figures}",
        f"  {respond}",
    ]
