"""The two loops as they run: the plant loop each second, the fast loop each 50 ms.

Both follow dispatch's own time: a wall clock that jumps is told and not believed at once, so a
schedule goes on through it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from contract.words import Words
from station.config import Role, StationConfig
from station.control.cycle import ControlCycle, CycleResult
from station.control.picture import FastPicture
from station.control.wishes import Instant
from station.dispatch.clock import ClockMemory, ClockSettings, read_clock
from station.dispatch.commands import Command
from station.fast_loop import FastLoop
from station.image import Image, ProcessImage
from station.protocols import FastReading
from station.status import CycleClock
from station.telemetry import seconds_until

log = logging.getLogger(__name__)

OnSecond = Callable[[Image, CycleResult], None]


class OnFailure(Protocol):
    """Told that plant cycles fail, or work again."""

    def __call__(self, *, active: bool) -> None:
        """Take the news."""


@dataclass(frozen=True)
class LoopPorts:
    """Whom the loops tell.

    Attributes:
        send: brings commands on their way.
        on_second: told once a second what was found and decided.
        on_failure: told when cycles begin to fail, and when they work again.
    """

    send: Callable[[Sequence[Command]], None]
    on_second: OnSecond
    on_failure: OnFailure


def steady_ms() -> int:
    """Return the steady clock, ms from any origin."""
    return time.monotonic_ns() // 1_000_000


class Loops:
    """Runs both loops over one control cycle.

    Attributes:
        clock: durations and missed seconds of the plant loop.
        fast: the fast loop.
        failures: plant cycles that raised.
        alive: the last plant cycle did what it should.
    """

    def __init__(
        self,
        config: StationConfig,
        control: ControlCycle,
        image: ProcessImage,
        ports: LoopPorts,
    ) -> None:
        """Prepare; `run_seconds` and `fast.run` do the work.

        Args:
            config: of the station.
            control: decides.
            image: collects what devices say.
            ports: whom the loops tell.
        """
        self._config = config
        self._control = control
        self._image = image
        self._send = ports.send
        self._on_second = ports.on_second
        self._on_failure = ports.on_failure
        self._meters = frozenset(m.tag for m in config.with_role(Role.METER))
        self._picture = FastPicture()
        self._clock_settings = ClockSettings()
        self._clock_memory = ClockMemory()
        self.clock = CycleClock()
        self.fast = FastLoop(config.fast_loop.period_s, self._fast_pass)
        self.failures = 0
        self.alive = True
        self._clock_words: Words | None = None

    def on_fast(self, reading: FastReading) -> None:
        """Take what a device said between the seconds; the meter's word is acted upon at once."""
        self._picture.update(reading, steady_ms())
        if reading.device in self._meters:
            self.fast.news()

    def take_clock_words(self) -> Words | None:
        """Return what has happened to the wall clock since the last call."""
        words, self._clock_words = self._clock_words, None
        return words

    async def run_seconds(self) -> None:
        """Make a cycle each second until cancelled."""
        last_second = 0
        while True:
            await asyncio.sleep(seconds_until(1.0, self._config.control.phase_s))
            now = self._now()
            second = now.wall_ms // 1000
            if second == last_second:
                continue
            if last_second and second > last_second + 1:
                self.clock.missed += second - last_second - 1
            last_second = second
            begun = time.perf_counter()
            self._guarded(now)
            self.clock.add((time.perf_counter() - begun) * 1000)

    def _guarded(self, now: Instant) -> None:
        """Make the cycle of a second; whatever goes wrong in it, the next one comes."""
        try:
            self._second(now)
        except Exception:
            self.failures += 1
            if self.alive:
                log.exception("event=cycle_failed")
                self._on_failure(active=True)
            self.alive = False
            self._send(self._control.stand_down(now))
            return
        if not self.alive:
            log.info("event=cycle_works_again failures=%d", self.failures)
            self._on_failure(active=False)
        self.alive = True

    def _second(self, now: Instant) -> None:
        image = self._image.freeze(now.wall_ms, now.steady_ms)
        protected = self._control.protect(image, now)
        self._send(protected.commands)
        result = self._control.plan_second(image, protected, now, self._picture)
        self._send(result.issued)
        self._on_second(image, result)

    def _fast_pass(self) -> None:
        step = self._control.act(self._picture, self._now())
        if step is not None and step.issued:
            self._send(step.issued)

    def _now(self) -> Instant:
        wall_ms, now_ms = time.time_ns() // 1_000_000, steady_ms()
        reading, self._clock_memory = read_clock(
            self._clock_settings, self._clock_memory, wall_ms, now_ms
        )
        told = reading.words()
        if told is not None:
            self._clock_words = told
            log.warning("event=clock_%s step_ms=%d", reading.moment, reading.step_ms)
        return self._control.instant(reading.time_ms, now_ms)
