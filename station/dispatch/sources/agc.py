"""Automatic generation control: the dispatch centre's request, followed while it holds control.

When the link to the centre is lost, its last request is held for a time, since short breaks
are common and a jump would hurt the grid; then control is handed back to the station's own
plans. A request that is no number counts as a lost link.
"""

import math
from dataclasses import dataclass

from station.dispatch.proposal import Proposal, Source

_REQUESTER = "dispatch_centre"


@dataclass(frozen=True)
class AgcSettings:
    """How long a lost centre's last request is held, seconds.

    Dispatch centres repeat their requests every few seconds; half a minute bridges a restart
    of the telecontrol link without following a dead request for a whole market interval.
    """

    hold_s: float = 30.0


@dataclass(frozen=True)
class AgcInputs:
    """What the port of the dispatch centre says.

    Attributes:
        in_control: the centre has taken control, and the station lets it.
        alive: the link works.
        power_kw: what the centre asks for, None when it asks for nothing.
    """

    in_control: bool
    alive: bool
    power_kw: float | None


@dataclass(frozen=True)
class AgcMemory:
    """The last request and since when the centre is lost (steady ms, None: it is not).

    Attributes:
        power_kw: the last request. lost_since_ms: when the link was lost.
        handed_back: the hold time has passed; the centre has to come back first.
    """

    power_kw: float | None = None
    lost_since_ms: int | None = None
    handed_back: bool = False


def propose_agc(
    settings: AgcSettings, memory: AgcMemory, inputs: AgcInputs, now_ms: int
) -> tuple[Proposal | None, AgcMemory]:
    """Return the centre's request, held for a time when it is lost."""
    asked_kw = inputs.power_kw
    sound = inputs.alive and (asked_kw is None or math.isfinite(asked_kw))
    if sound:
        if not inputs.in_control or asked_kw is None:
            return None, AgcMemory()
        return Proposal.definite(Source.AGC, _REQUESTER, asked_kw), AgcMemory(asked_kw)
    if memory.power_kw is None:
        return None, memory
    since_ms = now_ms if memory.lost_since_ms is None else memory.lost_since_ms
    if memory.handed_back or now_ms - since_ms >= settings.hold_s * 1000:
        return None, AgcMemory(memory.power_kw, since_ms, handed_back=True)
    held = Proposal.definite(Source.AGC, _REQUESTER, memory.power_kw)
    return held, AgcMemory(memory.power_kw, since_ms)
