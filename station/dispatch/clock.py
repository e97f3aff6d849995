"""Schedules follow the wall clock, but not its jumps.

A wall clock may be stepped by hours (a wrong setting, a restarted time server), and a station
that believed it at once would drive another hour's power. So dispatch follows its own time:
the steady (monotonic) clock plus an offset learned from the wall clock. Small differences are
followed, as a time server slews the clock. A larger one is a step: it is told at once, dispatch
goes on by the steady clock, and the new time is taken only when it has been stable for a while.
A clock that steps back meanwhile has changed nothing.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from contract.words import Words


class ClockMoment(StrEnum):
    """What has just happened to the clock."""

    STEPPED = "stepped"
    RETURNED = "returned"
    TAKEN = "taken"


@dataclass(frozen=True)
class ClockSettings:
    """When a difference is a step, and when the new time is believed.

    Attributes:
        step_ms: differences from here on are steps; time servers slew below half a second
            (the default limit of chrony and ntpd is within 0.13 to 1 s).
        stable_s: the new time must have run evenly this long.
    """

    step_ms: int = 500
    stable_s: float = 60.0


@dataclass(frozen=True)
class ClockMemory:
    """Wall clock less steady clock, in ms.

    Attributes:
        offset_ms: the one that is followed, None before the first reading.
        other_ms: the one of a step that is not believed yet, None without a step.
        since_ms: steady time since when the other has been stable.
    """

    offset_ms: int | None = None
    other_ms: int | None = None
    since_ms: int = 0


@dataclass(frozen=True)
class ClockReading:
    """The time that dispatch follows.

    Attributes:
        time_ms: epoch ms. by_steady: it does not follow the wall clock now.
        moment: what has just happened, None when nothing has.
        step_ms: by how much the wall clock is ahead of `time_ms` in a step, else 0.
    """

    time_ms: int
    by_steady: bool = False
    moment: ClockMoment | None = None
    step_ms: int = 0

    def words(self) -> Words | None:
        """Tell the moment, None when nothing happened."""
        seconds = self.step_ms / 1000
        match self.moment:
            case ClockMoment.STEPPED:
                return Words(
                    f"wall clock stepped by {seconds:+.1f} s; dispatch keeps its own time",
                    f"系统时钟跳变 {seconds:+.1f} s，调度保持原时间",
                )
            case ClockMoment.RETURNED:
                return Words("wall clock has stepped back", "系统时钟已恢复")
            case ClockMoment.TAKEN:
                return Words(
                    f"new time taken over: {seconds:+.1f} s", f"已采用新时间：{seconds:+.1f} s"
                )
            case None:
                return None


def read_clock(
    settings: ClockSettings, memory: ClockMemory, wall_ms: int, steady_ms: int
) -> tuple[ClockReading, ClockMemory]:
    """Return the time to follow.

    Args:
        settings: what a step is.
        memory: of the last reading.
        wall_ms: wall clock, epoch ms.
        steady_ms: monotonic clock, ms from any origin.
    """
    offset_ms = wall_ms - steady_ms
    followed_ms = memory.offset_ms
    if followed_ms is None:
        return ClockReading(wall_ms), ClockMemory(offset_ms)
    ahead_ms = offset_ms - followed_ms
    if abs(ahead_ms) < settings.step_ms:
        moment = None if memory.other_ms is None else ClockMoment.RETURNED
        return ClockReading(wall_ms, moment=moment), ClockMemory(offset_ms)
    own_ms = steady_ms + followed_ms
    if memory.other_ms is None:
        stepped = ClockReading(own_ms, True, ClockMoment.STEPPED, ahead_ms)
        return stepped, ClockMemory(followed_ms, offset_ms, steady_ms)
    if abs(offset_ms - memory.other_ms) >= settings.step_ms:
        # It has stepped again: the wait for an even course begins anew.
        return ClockReading(own_ms, True, ClockMoment.STEPPED, ahead_ms), replace(
            memory, other_ms=offset_ms, since_ms=steady_ms
        )
    if steady_ms - memory.since_ms < settings.stable_s * 1000:
        # Compared with the last reading, so that a clock being slewed counts as even.
        return ClockReading(own_ms, True, None, ahead_ms), replace(memory, other_ms=offset_ms)
    return ClockReading(wall_ms, False, ClockMoment.TAKEN, ahead_ms), ClockMemory(offset_ms)
