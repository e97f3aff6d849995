"""Whether a device answers: told to the station on each change, logged once each way."""

import logging
import math
import random
import re
import time
from typing import Any

from station.clock import now_ms
from station.protocols.driver import DeviceStatus, FastHealth, Publish

log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 3.0
_DOUBLINGS = 5
_DETAIL = re.compile(r"^unit \d+ \w+ [\d.]+: |\d+")
"""What differs between two faults of one kind: what was asked, times, counts, ports."""
_SILENCE = re.compile("no answer|answers none")
"""Silence is one kind, whether the device's line or its neighbours tell of it."""


def fast_report(health: FastHealth) -> dict[str, Any]:
    """Return what the status file says of one fast lane; null for what is not known."""
    return {
        "connected": health.connected,
        "reads": health.reads,
        "missed": health.missed,
        "latency_p50_ms": _known(health.latency_p50_ms),
        "latency_p99_ms": _known(health.latency_p99_ms),
        "late_p99_ms": _known(health.late_p99_ms),
    }


def _known(value_ms: float) -> float | None:
    return round(value_ms, 2) if math.isfinite(value_ms) else None


class Health:
    """The state of one device, and when a silent one is worth another question.

    Attributes:
        connected: whether it answered last; None before the first attempt.
        failures: attempts in a row that failed.
    """

    def __init__(self, device: str, jitter: random.Random | None = None) -> None:
        """Start without knowing anything."""
        self.device = device
        self.connected: bool | None = None
        self.failures = 0
        self._lost_ms = 0
        self._kind = ""
        self._logged: set[str] = set()
        self._retry_at_s = 0.0
        self._jitter = jitter or random.Random()  # noqa: S311 - spreads load, guards nothing

    @property
    def worth_asking(self) -> bool:
        """Whether the pause after the last failure is over."""
        return time.monotonic() >= self._retry_at_s

    @property
    def rest_s(self) -> float:
        """How much of that pause is left."""
        return max(0.0, self._retry_at_s - time.monotonic())

    def answered(self, publish: Publish) -> None:
        """Note an answer."""
        self.failures = 0
        self._retry_at_s = 0.0
        if self.connected is not True:
            if self.connected is False:
                log.info("device=%s event=back", self.device)
            self.connected = True
            publish(DeviceStatus(self.device, connected=True, reason="answers", since_ms=now_ms()))

    def failed(self, reason: str, publish: Publish, *, at_once: bool = False) -> None:
        """Note a failure and draw the pause before the next question.

        A single failure of a device that answers is forgiven: it is asked again without a
        pause, and told to the station only when that fails too, or `at_once`.
        """
        self.failures += 1
        if self.failures == 1 and self.connected and not at_once:
            return
        pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(self.failures, _DOUBLINGS))
        self._retry_at_s = time.monotonic() + self._jitter.uniform(pause_s / 2, pause_s)
        if self.connected is not False:
            self.connected, self._lost_ms, self._kind = False, now_ms(), ""
            self._logged.clear()
        self._tell_cause(reason, publish)

    def _tell_cause(self, reason: str, publish: Publish) -> None:
        """Tell why the device is lost when that changes in kind; each kind is logged once a loss.

        A port that opens again to the wrong device is another fault than the cable before.
        """
        kind = _kind_of(reason)
        if kind == self._kind:
            return
        self._kind = kind
        if kind not in self._logged:
            self._logged.add(kind)
            log.warning("device=%s event=unreachable reason=%r", self.device, reason)
        status = DeviceStatus(self.device, connected=False, reason=reason, since_ms=self._lost_ms)
        publish(status)

    def ask_soon(self) -> None:
        """Drop the pause: a neighbour behind the same server has come back."""
        self._retry_at_s = 0.0


def _kind_of(reason: str) -> str:
    """Return what two causes of one kind have in common."""
    return "silence" if _SILENCE.search(reason) else _DETAIL.sub("", reason)
