"""One line: a server, the units behind it, and the rhythm in which they are asked.

Cycles are aligned to the wall clock's whole seconds plus a phase, because devices tick on
whole seconds: asked early in the second, each tick is read exactly once, and a delay does not
accumulate. Healthy units come first. A silent one costs at most one time-out a cycle and is
asked ever more rarely, so its neighbours never wait for it; a server that answers nobody
loses its connection and is called again with jittered pauses.
"""

import asyncio
import logging
import random
import time
from collections.abc import Sequence

from station.protocols.driver import Publish
from station.protocols.errors import DeviceUnreachable, ProtocolError
from station.protocols.modbus.client import Connection
from station.protocols.modbus.unit import Poll, Unit

log = logging.getLogger(__name__)

_PAUSES_S = (0.2, 10.0)
_AGAIN_S = 0.1
"""A device whose tick is late is asked again after this rest."""
_LATEST_START = 0.8
"""Share of the period after which a delayed cycle rather waits for the next tick."""
_SILENT_SERVER = 3
"""So many units silent in a row, and the rest of them is not asked in this cycle."""
_FRUITLESS_CONNECTIONS = 2
"""So many connections in a row without one answer, and the server counts as gone."""


class Line:
    """All units behind one server, asked in turn over one connection.

    Attributes:
        slow_cycles: cycles that did not end before the next tick.
        missed_cycles: ticks for which there was no cycle because earlier ones ran long.
    """

    def __init__(self, host: str, port: int, units: Sequence[Unit]) -> None:
        """Prepare; `run` serves."""
        self.connection = Connection(host, port)
        self.units = list(units)
        self.slow_cycles = 0
        self.missed_cycles = 0
        self._period_s = min(unit.profile.polling.period_s for unit in units)
        self._phase_s = max(unit.profile.polling.phase_s for unit in units)
        self._timeout_s = max(unit.profile.polling.timeout_s for unit in units)
        self._jitter = random.Random()  # noqa: S311 - spreads load, guards nothing
        self._slow = False

    async def run(self, publish: Publish) -> None:
        """Serve the units until cancelled."""
        cycle = int(time.time() / self._period_s) - 1
        pause_s = _PAUSES_S[0]
        fruitless = 0
        while True:
            try:
                await self.connection.connect(self._timeout_s)
            except DeviceUnreachable as error:
                for unit in self.units:
                    unit.health.failed(str(error), publish, at_once=True)
                await asyncio.sleep(self._jitter.uniform(pause_s / 2, pause_s))
                pause_s = min(pause_s * 2, _PAUSES_S[1])
                continue
            for unit in self.units:
                unit.forget_identity()
                unit.health.ask_soon()
            fruitless += 1
            while self.connection.connected:
                cycle = await self._next_cycle(cycle)
                if await self._cycle(cycle, publish):
                    pause_s, fruitless = _PAUSES_S[0], 0
            if fruitless >= _FRUITLESS_CONNECTIONS:
                self._all_failed(publish)
            await asyncio.sleep(self._jitter.uniform(0, pause_s))

    async def _next_cycle(self, last: int) -> int:
        """Wait for the next tick that can still be read, and return its number."""
        now_s = time.time()
        current, into = divmod(now_s, self._period_s)
        reachable = int(current) + (into > _LATEST_START * self._period_s)
        if abs(reachable - last) > 60 / self._period_s:
            last = reachable - 1  # the wall clock was set: begin anew
        cycle = max(last + 1, reachable)
        self.missed_cycles += cycle - last - 1
        await asyncio.sleep(max(0.0, cycle * self._period_s + self._phase_s - now_s))
        return cycle

    async def _cycle(self, cycle: int, publish: Publish) -> bool:
        """Ask every unit that is due; return whether any answered."""
        end_s = (cycle + 1) * self._period_s
        cycle_ms = round(cycle * self._period_s * 1000)
        answered, silent = 0, 0
        late: list[Unit] = []
        due = self._due(cycle)
        for unit in due:
            if not self.connection.connected or (not answered and silent >= _SILENT_SERVER):
                break
            if unit.health.failures and answered and silent:
                continue  # one question a cycle to those that were silent before
            poll = await self._ask(unit, cycle_ms, publish)
            silent += poll is None
            answered += poll is not None
            if poll is Poll.NOTHING:
                late.append(unit)
        await self._ask_late(late, cycle_ms, end_s, publish)
        if due and not answered and self.connection.connected:
            self._all_failed(publish)
            self.connection.close()
        self._note_duration(cycle, end_s)
        return answered > 0

    def _all_failed(self, publish: Publish) -> None:
        for unit in self.units:
            reason = "the server answers none of its units"
            unit.health.failed(reason, publish, at_once=True)

    def _due(self, cycle: int) -> list[Unit]:
        """Return the units whose period begins: healthy ones first, then the longest unasked."""
        due = [
            unit
            for unit in self.units
            if cycle % max(1, round(unit.profile.polling.period_s / self._period_s)) == 0
            and unit.health.worth_asking
        ]
        return sorted(due, key=lambda unit: (unit.health.failures > 0, unit.asked_s))

    async def _ask_late(
        self, units: list[Unit], cycle_ms: int, end_s: float, publish: Publish
    ) -> None:
        """Ask units again whose tick was not there yet, until the next tick is near."""
        while units and self.connection.connected and time.time() + _AGAIN_S < end_s:
            await asyncio.sleep(_AGAIN_S)
            units = [
                unit for unit in units if await self._ask(unit, cycle_ms, publish) is Poll.NOTHING
            ]

    async def _ask(self, unit: Unit, cycle_ms: int, publish: Publish) -> Poll | None:
        """Poll one unit and note how it is; None when it failed."""
        unit.asked_s = time.monotonic()
        try:
            poll = await unit.poll(self.connection, cycle_ms, publish)
        except ProtocolError as error:
            unit.health.failed(str(error), publish)
            return None
        if poll is Poll.STALLED:
            unit.health.failed("the device's clock stands still", publish)
        if poll is Poll.NEWS:
            if unit.health.connected is False:
                for neighbour in self.units:
                    neighbour.health.ask_soon()
            unit.health.answered(publish)
        return poll

    def _note_duration(self, cycle: int, end_s: float) -> None:
        slow = time.time() > end_s
        self.slow_cycles += slow
        if slow != self._slow:
            where = f"{self.connection.host}:{self.connection.port}"
            event = "slow" if slow else "in_time"
            log.log(
                logging.WARNING if slow else logging.INFO,
                "line=%s event=%s cycle=%d slow_cycles=%d", where, event, cycle, self.slow_cycles,
            )  # fmt: skip
        self._slow = slow
