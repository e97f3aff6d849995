"""The running site: the plant moves at every whole second of the wall clock and is shown then.

A late wake-up is made good: the plant is stepped for every second that passed, and the newest
is published. Device time never goes back.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from simulator.config import SimulatorConfig, load_scenario
from simulator.plant import Plant
from simulator.record import Record
from simulator.scenario import ScenarioPlayer
from simulator.servers import Devices

_log = logging.getLogger(__name__)

_LONGEST_CATCH_UP_S = 60
"""After a longer sleep of the machine the plant does not try to live through the gap."""


class Site:
    """A plant, its devices, its scenario and its record."""

    def __init__(self, config: SimulatorConfig, base: Path) -> None:
        """Build everything; nothing listens yet.

        Args:
            config: what to simulate.
            base: the folder that a scenario's path is relative to.

        Raises:
            SimulatorError: configuration or data are wrong.
        """
        self._config = config
        self._start_tick = int(time.time())
        self.plant = Plant(config.plant_parameters(), start_epoch_s=self._start_tick)
        self.record = Record(config.record)
        self.devices = Devices(self.plant, self.record, config.icd)
        scenario = load_scenario(config.scenario, base)
        self._player = ScenarioPlayer(scenario, self.devices, base / config.scenario)

    async def run(self, stop: asyncio.Event, on_ready: Callable[[dict[str, int]], None]) -> None:
        """Serve until `stop` is set; `on_ready` gets the ports once all servers listen."""
        tick = self._start_tick
        self.devices.publish(tick, 1.0)
        try:
            ports = await self.devices.start(self._config.ports.host, self._config.ports.base)
            on_ready(ports)
            while not await _stopped(stop, tick + 1 - time.time()):
                now = int(time.time())
                if now > tick:
                    await self._advance(now, min(now - tick, _LONGEST_CATCH_UP_S))
                    tick = now
        finally:
            await self.devices.stop()
            self.record.close()

    async def _advance(self, tick: int, seconds: int) -> None:
        if seconds > 1:
            _log.warning("event=late_tick seconds=%d", seconds)
        await self._player.play(tick - self._start_tick)
        self.devices.carry_out()
        steps = seconds * self._config.speed
        for _ in range(steps):
            self.plant.step(1.0)
        self.devices.publish(tick, float(steps))
        self.record.truth(tick, self.plant.measured())


async def _stopped(stop: asyncio.Event, wait_s: float) -> bool:
    """Wait until `stop` is set or the time is over; True when it is set."""
    try:
        await asyncio.wait_for(stop.wait(), timeout=max(wait_s, 0.001))
    except TimeoutError:
        return False
    return True
