"""The two loops as they run: the plant loop each second, the fast loop each 50 ms.

Both follow dispatch's own time: a wall clock that jumps is told and not believed at once, so a
schedule goes on through it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

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


class Loops:
    """Runs both loops over one control cycle.

    Attributes:
        clock: durations and missed seconds of the plant loop.
        fast: the fast loop.
        failures: plant cycles that raised.
    """

    def __init__(
        self,
        config: StationConfig,
        control: ControlCycle,
        image: ProcessImage,
        send: Callable[[Sequence[Command]], None],
        on_second: OnSecond,
    ) -> None:
        """Prepare; `run_seconds` and `fast.run` do the work.

        Args:
            config: of the station.
            control: decides.
            image: collects what devices say.
            send: brings commands on their way.
            on_second: told once a second what was found and decided.
        """
        self._config = config
        self._control = control
        self._image = image
        self._send = send
        self._on_second = on_second
        self._meters = frozenset(m.tag for m in config.with_role(Role.METER))
        self._picture = FastPicture()
        self._clock_settings = ClockSettings()
        self._clock_memory = ClockMemory()
        self.clock = CycleClock()
        self.fast = FastLoop(config.fast_loop.period_s, self._fast_pass)
        self.failures = 0
        self._clock_words: Words | None = None

    def on_fast(self, reading: FastReading) -> None:
        """Take what a device said between the seconds; the meter's word is acted upon at once."""
        self._picture.update(reading)
        if reading.device in self._meters:
            self.fast.news()
        elif "pcs_state" in reading.values:
            self.fast.at_once()

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
            try:
                self._second(now)
            except Exception:
                self.failures += 1
                if self.failures == 1:
                    log.exception("event=cycle_failed")
            self.clock.add((time.perf_counter() - begun) * 1000)

    def _second(self, now: Instant) -> None:
        image = self._image.freeze(now.wall_ms)
        result = self._control.run(image, now, self._picture)
        self._send(result.issued)
        self._on_second(image, result)

    def _fast_pass(self) -> None:
        step = self._control.act(self._picture, self._now())
        if step is not None and step.issued:
            self._send(step.issued)

    def _now(self) -> Instant:
        wall_ms, steady_ms = time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000
        reading, self._clock_memory = read_clock(
            self._clock_settings, self._clock_memory, wall_ms, steady_ms
        )
        told = reading.words()
        if told is not None:
            self._clock_words = told
            log.warning("event=clock_%s step_ms=%d", reading.moment, reading.step_ms)
        return self._control.instant(reading.time_ms, steady_ms)
