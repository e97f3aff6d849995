"""What a line asks next: whatever must be done first, and nobody waits for ever.

Each errand (one rhythm of one device) has its own grid on the wall clock, because devices tick
on whole seconds: asked at the same place of each period, every tick is read once, and a delay
does not accumulate. Of all that is due the earliest deadline goes first, a deadline being the
end of the errand's own period: so quick rhythms go before slow ones, and slow ones that have
waited long before quick ones.

A device that did not answer is doubtful. To ask it may cost a time-out, so it is asked only when
nothing else is due so soon; when no such gap comes, it is asked all the same, once in a while.

Times are passed in: seconds of the wall clock. When that is set back, all errands begin anew at
once: what was planned by the old time would wait until the clock has come there again.
"""

import heapq
import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

LATEST_START = 0.8
"""Share of the period after which a delayed errand rather waits for the next tick."""
PATIENCE_S = 1.5
"""So long a doubtful device waits for a gap; twice as long where something is always due."""
BETWEEN_FORCED_S = 1.0
"""Between two doubtful devices that are asked without a gap."""
_CLOCK_WAS_SET_S = 60.0
"""A clock that leaps forward by more was set: no errand missed the periods between."""
_SET_BACK_S = 1.0
"""A clock that goes back by less is left alone: no errand waits longer than that for it."""
_LONGEST_WAIT_S = 1.0
"""A clock that is set back is noticed after so long."""


@dataclass(eq=False)
class Errand(Generic[T]):
    """Something to be asked again and again.

    Attributes:
        what: whom and what to ask.
        period_s: one asking each.
        phase_s: so long after the tick of its period.
        offset_s: where its periods begin on the wall clock; spreads slow errands.
        timeout_s: what an asking in vain costs.
        doubtful: whether it did not answer last.
        spared: whether it was given up early for the sake of its neighbours: it is asked again
            as soon as none of them is due.
        rest_until_s: not to be asked before.
        cycle: number of the period that it is asked for.
        due_s: when it is to be asked.
        missed: periods for which it was not asked.
    """

    what: T
    period_s: float
    phase_s: float
    offset_s: float
    timeout_s: float
    doubtful: bool = False
    spared: bool = False
    rest_until_s: float = 0.0
    cycle: int = field(default=-1, init=False)
    due_s: float = field(default=0.0, init=False)
    asked_s: float = field(default=0.0, init=False)
    missed: int = field(default=0, init=False)

    @property
    def tick_s(self) -> float:
        """When its period began."""
        return self.cycle * self.period_s + self.offset_s

    @property
    def end_s(self) -> float:
        """When its period ends."""
        return self.tick_s + self.period_s

    @property
    def from_s(self) -> float:
        """When it may be asked."""
        return max(self.due_s, self.rest_until_s)

    def begin(self, now_s: float) -> None:
        """Take the period of the moment, or the next when this one is nearly over."""
        self.cycle = math.floor((now_s - self.offset_s) / self.period_s) - 1
        self.next_period(now_s)

    def begin_anew(self, now_s: float) -> None:
        """Forget all times of a clock that has been set back since."""
        self.rest_until_s = self.asked_s = 0.0
        self.begin(now_s)

    def next_period(self, now_s: float) -> None:
        """Take the next period that can still be asked for; count those that cannot."""
        current, into = divmod(now_s - self.offset_s, self.period_s)
        reachable = int(current) + (into > LATEST_START * self.period_s)
        if (reachable - self.cycle) * self.period_s > _CLOCK_WAS_SET_S + self.period_s:
            self.cycle = reachable - 1
        following = max(self.cycle + 1, reachable)
        self.missed += following - self.cycle - 1
        self.cycle = following
        self.due_s = self.tick_s + self.phase_s

    def catch_up(self, now_s: float) -> None:
        """Take the period of the moment for one that is over before it could be asked for."""
        behind = math.floor((now_s - self.tick_s) / self.period_s)
        if behind > 0:
            self.missed += behind if behind * self.period_s < _CLOCK_WAS_SET_S else 0
            self.cycle += behind


class Agenda(Generic[T]):
    """All errands of a line."""

    def __init__(self, errands: Iterable[Errand[T]], now_s: float) -> None:
        """Plan all of them from this moment on."""
        self._order = itertools.count()
        self._waiting: list[tuple[float, int, Errand[T]]] = []
        self._ready: list[tuple[float, float, int, Errand[T]]] = []
        self._doubtful: list[Errand[T]] = []
        self._under_way: set[Errand[T]] = set()
        self._forced_s = -math.inf
        self._latest_s = now_s
        for errand in errands:
            errand.begin(now_s)
            self._wait(errand)

    def take(self, now_s: float) -> Errand[T] | None:
        """Return what to ask now, if anything; it is given back with `done`."""
        self._sort_out(now_s)
        errand = self._doubtful_one(now_s) if self._doubtful else None
        while errand is None and self._ready:
            errand = heapq.heappop(self._ready)[3]
            if errand.doubtful:
                self._doubtful.append(errand)
                errand = None
        if errand is not None:
            errand.catch_up(now_s)
            errand.asked_s = now_s
            self._under_way.add(errand)
        return errand

    def done(self, errand: Errand[T], now_s: float, again_s: float | None = None) -> None:
        """Give an errand back; it is asked again after `again_s`, if its period lasts so long."""
        self._notice_set_back(now_s)
        self._under_way.discard(errand)
        if again_s is not None and now_s + again_s < errand.end_s:
            errand.due_s = now_s + again_s
        else:
            errand.next_period(now_s)
        self._wait(errand)

    def wait_s(self, now_s: float) -> float:
        """Return how long there is nothing to ask, as far as is known; at most a second."""
        self._sort_out(now_s)
        if self._ready:
            return 0.0
        forced_s = self._forced_s + BETWEEN_FORCED_S
        until_s = [
            one.from_s
            if one.spared or one.from_s > now_s
            else max(one.from_s + PATIENCE_S, forced_s)
            for one in self._doubtful
        ]
        if self._waiting:
            until_s.append(self._waiting[0][0])
        return min(max(0.0, min(until_s, default=math.inf) - now_s), _LONGEST_WAIT_S)

    def _wait(self, errand: Errand[T]) -> None:
        if errand.doubtful:
            self._doubtful.append(errand)
        else:
            heapq.heappush(self._waiting, (errand.from_s, next(self._order), errand))

    def _sort_out(self, now_s: float) -> None:
        """Move what has become due, doubtful or sound again to where it belongs."""
        self._notice_set_back(now_s)
        if self._doubtful:
            for errand in [e for e in self._doubtful if not e.doubtful]:
                self._doubtful.remove(errand)
                self._wait(errand)
        while self._waiting and self._waiting[0][0] <= now_s:
            errand = heapq.heappop(self._waiting)[2]
            if errand.doubtful:
                self._doubtful.append(errand)
                continue
            deadline_s = errand.due_s + errand.period_s
            heapq.heappush(self._ready, (deadline_s, errand.asked_s, next(self._order), errand))

    def _notice_set_back(self, now_s: float) -> None:
        """Let everything begin anew when the clock was set back."""
        if now_s >= self._latest_s - _SET_BACK_S:
            self._latest_s = max(self._latest_s, now_s)
            return
        self._latest_s, self._forced_s = now_s, -math.inf
        errands = [*(e for *_, e in self._waiting), *(e for *_, e in self._ready), *self._doubtful]
        for places in (self._waiting, self._ready, self._doubtful):
            places.clear()
        for errand in errands:
            errand.begin_anew(now_s)
            self._wait(errand)
        for errand in self._under_way:
            errand.begin_anew(now_s)

    def _doubtful_one(self, now_s: float) -> Errand[T] | None:
        """Return the doubtful one that has waited longest, if it may be asked now."""
        willing = [errand for errand in self._doubtful if errand.from_s <= now_s]
        if not willing:
            return None
        errand = min(willing, key=lambda one: (not one.spared, one.asked_s))
        at_once = errand.spared and not self._ready
        if not at_once and self._gap_s(now_s) < errand.timeout_s:
            patience_s = 2 * PATIENCE_S if self._ready else PATIENCE_S
            impatient = now_s - errand.from_s >= patience_s
            if not impatient or now_s - self._forced_s < BETWEEN_FORCED_S:
                return None
            self._forced_s = now_s
        self._doubtful.remove(errand)
        return errand

    def _gap_s(self, now_s: float) -> float:
        """Return how long nothing is due that is not doubtful."""
        if self._ready:
            return 0.0
        return self._waiting[0][0] - now_s if self._waiting else math.inf
