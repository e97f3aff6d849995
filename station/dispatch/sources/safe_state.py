"""What the station does when nobody decides: hold, then fall to its safe power.

A new schedule may be on its way, so the last wish is held for a while. Then the power ramps to
the safe power and stays there until somebody decides again. A station that nobody has told
anything since its start drives nothing while it waits.
"""

from dataclasses import dataclass
from enum import StrEnum

from station.dispatch.proposal import Proposal, Source

_REQUESTER = "safe_state"


class SafeStage(StrEnum):
    """How far the station is on the way to its safe power."""

    LED = "led"
    WAITING = "waiting"
    HOLDING = "holding"
    FALLING = "falling"


@dataclass(frozen=True)
class SafeSettings:
    """When and how to fall to the safe power.

    Attributes:
        after_s: hold the last wish this long.
        power_kw: power to fall to, discharge positive.
        ramp_kw_per_s: how fast to get there.
    """

    after_s: float
    power_kw: float
    ramp_kw_per_s: float


@dataclass(frozen=True)
class SafeMemory:
    """What is remembered from step to step; times are steady milliseconds.

    Attributes:
        stage: how far it is. alone_since_ms: when the last decider fell silent.
        wish_kw: what was wished last, None when never.
        falling_kw: power on the ramp, None before it. at_ms: time of the last step.
    """

    stage: SafeStage = SafeStage.LED
    alone_since_ms: int | None = None
    wish_kw: float | None = None
    falling_kw: float | None = None
    at_ms: int = 0


@dataclass(frozen=True)
class SafeInputs:
    """What the safe state looks at.

    Attributes:
        wish_kw: what somebody asks for now; None when nobody does.
        base_kw: the power decided in the last step: the ramp begins there.
    """

    wish_kw: float | None
    base_kw: float


def propose_safe_state(
    settings: SafeSettings, memory: SafeMemory, inputs: SafeInputs, now_ms: int
) -> tuple[Proposal | None, SafeMemory]:
    """Return the held or falling power, None while somebody decides or nobody ever did."""
    if inputs.wish_kw is not None:
        return None, SafeMemory(SafeStage.LED, None, inputs.wish_kw, None, now_ms)
    since_ms = now_ms if memory.alone_since_ms is None else memory.alone_since_ms
    if now_ms - since_ms < settings.after_s * 1000:
        if memory.wish_kw is None:
            return None, SafeMemory(SafeStage.WAITING, since_ms, None, None, now_ms)
        held = SafeMemory(SafeStage.HOLDING, since_ms, memory.wish_kw, None, now_ms)
        return Proposal.definite(Source.SAFE_STATE, _REQUESTER, memory.wish_kw), held
    start_kw = inputs.base_kw if memory.falling_kw is None else memory.falling_kw
    elapsed_s = max(0.0, (now_ms - memory.at_ms) / 1000) if memory.at_ms else 0.0
    reach_kw = settings.ramp_kw_per_s * elapsed_s
    kw = start_kw + max(-reach_kw, min(reach_kw, settings.power_kw - start_kw))
    falling = SafeMemory(SafeStage.FALLING, since_ms, memory.wish_kw, kw, now_ms)
    return Proposal.definite(Source.SAFE_STATE, _REQUESTER, kw), falling
