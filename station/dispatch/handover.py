"""Smooth hand-over: when another source takes over, the power goes there without a jump.

At the change, the difference between the power in force and the new source's wish is noted and
worn off at the configured rate; the new source's own changes pass through undelayed meanwhile.
Limits are never slowed, and neither is frequency response, which rides on top. A limit that
takes over (peak, feed-in) is followed at once.
"""

from dataclasses import dataclass

from station.dispatch.decision import Decision
from station.dispatch.proposal import Source

_AT_ONCE = frozenset({Source.PROTECTION, Source.PEAK_LIMIT, Source.FEED_IN_LIMIT})
_DONE_KW = 1e-6


@dataclass(frozen=True)
class HandoverSettings:
    """How fast one source's power becomes another's, kW per second."""

    rate_kw_per_s: float


@dataclass(frozen=True)
class HandoverMemory:
    """Who decided last, the base in force, what is still to be worn off, and when.

    `source` is None before the first decision: then nothing is known to hand over.
    """

    source: Source | None = None
    base_kw: float = 0.0
    offset_kw: float = 0.0
    at_ms: int = 0


@dataclass(frozen=True)
class HandedOver:
    """The power to drive: `base_kw` plus the decision's shift; `ramping` while it moves over."""

    power_kw: float
    base_kw: float
    ramping: bool


def hand_over(
    settings: HandoverSettings, memory: HandoverMemory, decision: Decision, now_ms: int
) -> tuple[HandedOver, HandoverMemory]:
    """Return the power on the way from the old source to the new one.

    Args:
        settings: the rate.
        memory: of the last step.
        decision: of this step.
        now_ms: steady time.
    """
    offset_kw = memory.offset_kw
    elapsed_s = max(0.0, (now_ms - memory.at_ms) / 1000.0)
    if memory.source is None or decision.source in _AT_ONCE:
        offset_kw = 0.0
    elif memory.source is not decision.source and memory.source is not Source.NONE:
        offset_kw = memory.base_kw - decision.base_kw
    reach_kw = settings.rate_kw_per_s * elapsed_s
    offset_kw -= max(-reach_kw, min(reach_kw, offset_kw))
    shift_kw = decision.shift_kw
    low_kw = max(decision.low_kw, decision.low_kw - shift_kw)
    high_kw = min(decision.high_kw, decision.high_kw - shift_kw)
    base_kw = max(low_kw, min(high_kw, decision.base_kw + offset_kw))
    # What a limit has cut is not owed later.
    offset_kw = base_kw - decision.base_kw
    if abs(offset_kw) <= _DONE_KW:
        offset_kw, base_kw = 0.0, decision.base_kw
    power_kw = max(decision.low_kw, min(decision.high_kw, base_kw + shift_kw))
    after = HandoverMemory(decision.source, base_kw, offset_kw, now_ms)
    return HandedOver(power_kw, base_kw, ramping=bool(offset_kw)), after
