"""The fast lane of one device: few signals, many times a second, on a grid of deadlines.

A fast lane has a connection of its own, so that it neither waits for the normal poll nor
delays it. Slots of the grid lie on the monotonic clock; one question is asked in each, in its
first half. An answer that comes later than that uses up the slots that it slept through; they are
counted as missed, and nothing is asked twice to make up for them.
"""

import asyncio
import logging
import math
import random
import time
from collections import deque

import numpy as np

from station.clock import now_ms
from station.processes import end
from station.protocols.driver import FastHealth, FastReading, Publish
from station.protocols.errors import ProtocolError
from station.protocols.modbus.client import Connection
from station.protocols.modbus.decode import Registers, gather
from station.protocols.modbus.fast_plan import FastPlan
from station.protocols.modbus.group import see_unit
from station.protocols.modbus.unit import Unit

log = logging.getLogger(__name__)

_PAUSES_S = (0.1, 3.0)
_REPORT_S = 2.0
_MEMORY_S = 60.0
_LATEST = 0.5
"""A question may begin so far into its slot: what it brings is still of this slot, and the answer
has as long again before the slot of the next one is half over."""


class FastLane:
    """Reads one device's fast signals until cancelled.

    Attributes:
        connection: the lane's own.
        reads: readings handed over.
        missed: slots without a reading, those without a connection included.
    """

    def __init__(self, unit: Unit, plan: FastPlan) -> None:
        """Prepare; `run` serves."""
        self.unit = unit
        self.connection = Connection(unit.spec.host, unit.spec.port)
        self.reads = 0
        self.missed = 0
        self._plan = plan
        self._answers = False
        self._told: bool | None = None
        samples = round(_MEMORY_S / plan.period_s)
        self._latency_s: deque[float] = deque(maxlen=samples)
        self._late_s: deque[float] = deque(maxlen=samples)
        self._jitter = random.Random()  # noqa: S311 - spreads load, guards nothing
        self._origin_s = 0.0
        self._slot = 0
        self._pause_s = _PAUSES_S[0]

    async def run(self, publish: Publish) -> None:
        """Serve until cancelled, reconnecting with jittered pauses."""
        self._origin_s = time.monotonic()
        self._slot = 0
        report = asyncio.create_task(self._report(publish))
        try:
            while True:
                try:
                    await self.connection.connect(self.unit.profile.polling.timeout_s)
                    await self.unit.verify(self.connection)
                    await self._serve(publish)
                except ProtocolError as error:
                    self._lost(str(error))
                self.connection.close()
                await asyncio.sleep(self._jitter.uniform(self._pause_s / 2, self._pause_s))
                self._pause_s = min(self._pause_s * 2, _PAUSES_S[1])
        finally:
            self.connection.close()
            await end([report])

    async def _serve(self, publish: Publish) -> None:
        """Ask once in each slot, as long as the device answers.

        Raises:
            ProtocolError: it does not, or not what was asked.
        """
        while True:
            begin_s = await self._next_slot()
            asked_s = time.monotonic()
            registers = await self._ask()
            answered_s = time.monotonic()
            self._late_s.append(asked_s - begin_s)
            self._latency_s.append(answered_s - asked_s)
            received_ms = now_ms()
            self.reads += 1
            self._back()
            publish(
                FastReading(
                    device=self.unit.spec.device,
                    layout=self._plan.layout.name,
                    time_ms=self._plan.time_ms(registers) or received_ms,
                    received_ms=received_ms,
                    values=self._plan.values(registers),
                )
            )

    async def _ask(self) -> Registers:
        """Return the answer of the unit that was asked; of another it is a missed slot."""
        block = self._plan.block
        timeout_s = self.unit.profile.polling.timeout_s
        try:
            registers = await self.connection.read(
                self.unit.spec.unit, block.space, block.address, block.count, timeout_s
            )
            for place, index in self._plan.identity:
                found = gather(registers, index, place.type, place.byte_order)
                see_unit(self.unit.profile, place, self.unit.spec.unit, int(found[0]))
        except ProtocolError:
            self.missed += 1
            raise
        return registers

    async def _next_slot(self) -> float:
        """Wait for the next slot that can still be asked in; return when it begins, or began."""
        self._skip_begun()
        self._slot += 1
        begin_s = self._origin_s + self._slot * self._plan.period_s
        await asyncio.sleep(max(0.0, begin_s - time.monotonic()))
        return begin_s

    def _skip_begun(self) -> None:
        """Count the slots whose first half has passed without a question as missed."""
        lost = lost_slots(self._slot, time.monotonic() - self._origin_s, self._plan.period_s)
        self.missed += lost
        self._slot += lost

    def _lost(self, reason: str) -> None:
        if self._told is not False:
            log.warning("device=%s event=fast_lane_lost reason=%r", self.unit.spec.device, reason)
            self._told = False
        self._answers = False

    def _back(self) -> None:
        if self._told is False:
            log.info("device=%s event=fast_lane_back", self.unit.spec.device)
        self._told = self._answers = True
        self._pause_s = _PAUSES_S[0]

    def health(self) -> FastHealth:
        """Return the figures of the moment."""
        p50, p99 = _quantiles_ms(self._latency_s)
        return FastHealth(
            device=self.unit.spec.device,
            connected=self._answers,
            reads=self.reads,
            missed=self.missed,
            latency_p50_ms=p50,
            latency_p99_ms=p99,
            late_p99_ms=_quantiles_ms(self._late_s)[1],
        )

    async def _report(self, publish: Publish) -> None:
        while True:
            await asyncio.sleep(_REPORT_S)
            if not self._answers:
                self._skip_begun()
            publish(self.health())


def lost_slots(slot: int, passed_s: float, period_s: float) -> int:
    """Return how many slots after this one can no longer be asked in.

    Args:
        slot: the last one that was asked in; slot 0 begins with the grid.
        passed_s: since the grid began.
        period_s: from slot to slot.
    """
    return max(0, math.floor(passed_s / period_s - _LATEST) - slot)


def _quantiles_ms(durations_s: deque[float]) -> tuple[float, float]:
    """Return median and 99th percentile in milliseconds, NaN of nothing."""
    if not durations_s:
        return math.nan, math.nan
    p50, p99 = np.quantile(np.fromiter(durations_s, np.float64), (0.5, 0.99))
    return float(p50) * 1000, float(p99) * 1000
