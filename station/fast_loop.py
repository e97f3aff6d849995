"""Runs the fast loop: a pass whenever the meter speaks, and by the timer when it does not."""

import asyncio
import logging
import time
from collections.abc import Callable

from station.fast_clock import Cadence

log = logging.getLogger(__name__)

SETTLES_S = 30.0
"""So long the processes of drivers and estimators may take to start on the same cores: on two that
had other work to do the estimators were up after fourteen seconds."""


class FastLoop:
    """Calls one action at its rhythm, survives whatever goes wrong in it.

    Attributes:
        cadence: passes, jitter, missed deadlines.
        failures: passes that raised.
    """

    def __init__(self, period_s: float, act: Callable[[], None]) -> None:
        """Prepare; `run` keeps the rhythm.

        Args:
            period_s: time from one pass to the next.
            act: the pass.
        """
        self.cadence = Cadence(period_s, SETTLES_S)
        self.failures = 0
        self._act = act
        self._by_news = False
        self._works = True
        self._least_s = period_s / 2

    def news(self) -> None:
        """The meter has spoken: make a pass now, unless one was made just before."""
        if self.cadence.wait_s(time.monotonic(), by_news=False) > self._least_s:
            return
        self._by_news = True
        self._pass()

    async def run(self) -> None:
        """Make passes until cancelled."""
        while True:
            wait_s = self.cadence.wait_s(time.monotonic(), by_news=self._by_news)
            if wait_s > 0:
                await asyncio.sleep(wait_s)
                continue
            self._by_news = False
            self._pass()

    def _pass(self) -> None:
        began_s = time.monotonic()
        try:
            self._act()
        except Exception:
            self.failures += 1
            if self._works:
                log.exception("event=fast_pass_failed")
            self._works = False
        else:
            if not self._works:
                log.info("event=fast_pass_works_again failures=%d", self.failures)
            self._works = True
        self.cadence.note(began_s, time.monotonic())

    def report(self) -> dict[str, float | int | None]:
        """Return the figures for the status file."""
        cadence = self.cadence
        return {
            "period_ms": cadence.period_s * 1000,
            "passes": cadence.passes,
            "missed": cadence.missed,
            "missed_pct": round(cadence.missed_pct, 4),
            "failures": self.failures,
            "jitter_p50_ms": _rounded(cadence.jitter.quantile_ms(0.50)),
            "jitter_p99_ms": _rounded(cadence.jitter.quantile_ms(0.99)),
            "jitter_max_ms": round(cadence.jitter.longest_ms, 2),
            "pass_p99_ms": _rounded(cadence.duration.quantile_ms(0.99)),
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
