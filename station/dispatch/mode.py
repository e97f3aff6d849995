"""Who decides about the power: a schedule, a person, or nobody.

Order of precedence: a manual set-point until it expires or is released; else the schedule of
the moment with the regulation signal on top. With neither, the station holds its last target
for the configured time (a new schedule may be on its way), then ramps to its safe power and
stays there until it is told otherwise. A lost cloud changes nothing as long as the last
schedule lasts.
"""

from dataclasses import dataclass, replace

from station.dispatch.control_mode import ControlMode
from station.dispatch.regulation import RegulationSignal
from station.dispatch.schedule import ScheduleBook
from station.dispatch.sources.manual import ManualSetpoint

__all__ = [
    "ControlMode",
    "ManualSetpoint",
    "ModeState",
    "SafeState",
    "Target",
    "Wishes",
    "decide_target",
]


@dataclass(frozen=True)
class SafeState:
    """What to fall to; see ``SafeStateConfig``."""

    after_s: float
    power_kw: float
    ramp_kw_per_s: float


@dataclass(frozen=True)
class Target:
    """What the station should do at the meter, before limits.

    Attributes:
        kw: power, discharge positive.
        scheduled_kw: the schedule's part of it, None without one.
        mode: who decides.
        requester: the order behind it, or ``safe_state``.
        follows_meter: the meter must show it; otherwise it is the converters' power.
        drives: set-points are to be sent at all.
    """

    kw: float
    scheduled_kw: float | None
    mode: ControlMode
    requester: str
    follows_meter: bool
    drives: bool = True


@dataclass(frozen=True)
class ModeState:
    """What must be remembered from one cycle to the next."""

    last: Target | None = None
    last_ms: int = 0
    alone_since_ms: int | None = None


@dataclass(frozen=True)
class Wishes:
    """Everything that may ask for power."""

    schedules: ScheduleBook
    manual: ManualSetpoint | None
    regulation: RegulationSignal | None
    safe: SafeState


def decide_target(
    state: ModeState, wishes: Wishes, now_ms: int, effect_ms: int
) -> tuple[Target, ModeState]:
    """Return the target of this cycle.

    Args:
        state: memory of the last cycle.
        wishes: who asks for what.
        now_ms: time of the cycle.
        effect_ms: when the set-points of this cycle will be seen at the meter; schedule and
            regulation are read for that moment.
    """
    asked = _asked(wishes, now_ms, effect_ms)
    if asked is not None:
        return asked, ModeState(asked, now_ms, None)
    alone_since = now_ms if state.alone_since_ms is None else state.alone_since_ms
    waited_s = (now_ms - alone_since) / 1000
    if waited_s < wishes.safe.after_s:
        target = _held(state.last)
    else:
        target = _towards_safe(state, wishes.safe, now_ms)
    return target, ModeState(target, now_ms, alone_since)


def _asked(wishes: Wishes, now_ms: int, effect_ms: int) -> Target | None:
    manual = wishes.manual
    if manual is not None and now_ms < manual.until_ms:
        return Target(manual.power_kw, None, ControlMode.MANUAL, manual.order_id, True)
    scheduled = wishes.schedules.power_at(effect_ms)
    if scheduled is None:
        return None
    extra = wishes.regulation.power_at(effect_ms) if wishes.regulation is not None else 0.0
    return Target(
        scheduled.kw + extra, scheduled.kw, ControlMode.SCHEDULE, scheduled.order_id, True
    )


def _held(last: Target | None) -> Target:
    if last is None:
        return Target(0.0, None, ControlMode.IDLE, "none", False, drives=False)
    return replace(last, scheduled_kw=None)


def _towards_safe(state: ModeState, safe: SafeState, now_ms: int) -> Target:
    start_kw = state.last.kw if state.last is not None else 0.0
    elapsed_s = max(0.0, (now_ms - state.last_ms) / 1000) if state.last_ms else 1.0
    step = safe.ramp_kw_per_s * elapsed_s
    kw = start_kw + max(-step, min(step, safe.power_kw - start_kw))
    return Target(kw, None, ControlMode.SAFE_STATE, "safe_state", False)
