"""What protection found, as conditions and events that people are told.

A finding is an alarm of its own level; when it goes a level further, the lower one ends and the
higher one begins. One that is latched after its cause has gone is told as waiting for a reset.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from station.alarms import Condition
from station.protection import Finding, Level, Moment, Verdict
from station.station_row import DEVICE

_POINTS = MappingProxyType(
    {
        "contactor-off": "open_contactor",
        "contactor-on": "close_contactor",
        "converter-off": "stop",
        "cooling-off": "cooling",
        "cooling-on": "cooling",
        "ventilation-off": "ventilation",
        "ventilation-on": "ventilation",
    }
)
"""The command behind a sentence about an action, by the sentence's tag."""
_SETTLES = MappingProxyType({"protection.confirmed": True, "protection.escalated": False})


def verdict_conditions(
    verdict: Verdict, at_ms: int, heard: Mapping[str, int] | None = None
) -> Iterator[Condition]:
    """Yield everything that protection holds at this moment.

    Args:
        verdict: of protection.
        at_ms: the moment.
        heard: when each device was heard first since the start, while others may still be on
            their way; protection holds their power at 0, and nobody is called of what began
            before a device's first word. None: all that stands by now is told.
    """
    for finding in verdict.findings:
        first_ms = math.inf if heard is None else heard.get(finding.device, math.inf)
        awaited = heard is not None and finding.device and finding.since_ms < first_ms
        if finding.level is not Level.NORMAL and (finding.latched or not awaited):
            yield _condition(finding)
    if verdict.local:
        yield Condition("control.local", DEVICE, at_ms)


def _condition(finding: Finding) -> Condition:
    waiting = finding.latched and not finding.standing
    code = "protection.latched" if waiting else finding.code
    return Condition(
        code,
        finding.device or DEVICE,
        finding.since_ms,
        finding.rule,
        finding.words,
        _finite(finding.value),
        _finite(finding.limit),
    )


def moment_conditions(moments: Iterable[Moment]) -> Iterator[Condition]:
    """Yield the sentences of an incident's story, each told once."""
    for moment in moments:
        yield Condition(
            *(moment.code, moment.device or DEVICE, moment.at_ms, moment.tag),
            *(moment.detail, moment.value, moment.limit),
        )


def confirmations(moments: Iterable[Moment]) -> Iterator[tuple[str, str, int, bool]]:
    """Yield (device, point, time, done) of every protective command whose effect is known."""
    for moment in moments:
        point = _POINTS.get(moment.tag)
        if point is not None and moment.code in _SETTLES:
            yield moment.device, point, moment.at_ms, _SETTLES[moment.code]


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None
