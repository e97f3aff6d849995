"""What protection says once a second: limits, findings, actions and the story of an incident."""

from dataclasses import dataclass

from contract.words import Words
from station.protection.levels import Level
from station.protection.limits import StationLimits


@dataclass(frozen=True)
class Finding:
    """One rule that is violated at one device, or latched since.

    Attributes:
        rule: id of the rule.
        level: the highest level reached or latched.
        device: tag of the device.
        container: the container it belongs to, empty for the whole station.
        value, limit: what was measured and what bounds it, in `unit`; NaN when not a number.
        unit: unit of both.
        since_ms: device time at which the value passed the limit.
        latched: a reset is needed to end it.
        standing: the cause is still there (or cannot be seen to be gone).
        words: the finding for people.
        cell: 1-based index of the cell concerned.
        code: event code under which it is told while it stands.
    """

    rule: str
    level: Level
    device: str
    container: str
    value: float
    limit: float
    unit: str
    since_ms: int
    latched: bool
    standing: bool
    words: Words
    cell: int | None = None
    code: str = ""


@dataclass(frozen=True)
class ProtectiveAction:
    """One command that protection wants to be sent now.

    Attributes:
        id: identity of this attempt.
        device, point, value: what to write where.
        cause: rule and device of the cause, e.g. ``hydrogen:C1-FIRE``.
        attempt: 1 for the first, counting up when the plant does not confirm.
    """

    id: str
    device: str
    point: str
    value: float
    cause: str
    attempt: int


@dataclass(frozen=True)
class Moment:
    """One sentence of the story, to be told once.

    Attributes:
        code: event code, ``protection.first_out`` and its like.
        device: the device it is about.
        at_ms: when, by the device's time where a device tells it.
        detail: the sentence.
        value, limit: figures, None when there are none.
        tag: what tells apart moments of one code and device.
    """

    code: str
    device: str
    at_ms: int
    detail: Words
    value: float | None = None
    limit: float | None = None
    tag: str = ""


@dataclass(frozen=True)
class Cause:
    """One trip of an incident, by the time of its device."""

    rule: str
    device: str
    at_ms: int
    words: Words


@dataclass(frozen=True)
class FirstOut:
    """Who was first in the running incident.

    Attributes:
        rule, device, at_ms: the first cause and its device time.
        words: the first cause for people.
        sequence: all causes so far, by device time.
        corrected: an earlier cause took the place of one told before.
    """

    rule: str
    device: str
    at_ms: int
    words: Words
    sequence: tuple[Cause, ...]
    corrected: bool = False


@dataclass(frozen=True)
class Verdict:
    """Everything protection decided in one cycle.

    Attributes:
        limits: what the station and its converters may do.
        level: the highest level of all findings.
        findings: what stands or is latched.
        actions: what to send now.
        moments: what to tell once.
        held: converters that must be neither started nor given power.
        first_out: the first cause of the running incident.
        local: the panel's switch gives control to people on site.
        emergency_stop: the button is pressed, or its trip not reset.
        control_known: who has control was heard since the start: True without a panel, else
            once the panel has spoken. Until then nothing may be started.
    """

    limits: StationLimits
    level: Level = Level.NORMAL
    findings: tuple[Finding, ...] = ()
    actions: tuple[ProtectiveAction, ...] = ()
    moments: tuple[Moment, ...] = ()
    held: frozenset[str] = frozenset()
    first_out: FirstOut | None = None
    local: bool = False
    emergency_stop: bool = False
    control_known: bool = True
