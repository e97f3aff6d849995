"""The running site: the plant follows the wall clock in small steps and is shown.

Every device is published at each whole second; after the steps between, the meter and the
converters that changed state are. A late wake-up is made good: the plant is stepped through all
the time that passed, and only the newest second is published. Device time never goes back.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from simulator.config import SimulatorConfig
from simulator.plant import Plant
from simulator.record import Record
from simulator.scenario import Happening, ScenarioPlayer
from simulator.scenario_file import load_scenario, scenario_file
from simulator.servers import Devices
from simulator.watch import Watch

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
        self._per_s = config.steps_per_s if config.speed == 1 else 1
        scenario = load_scenario(config.scenario, base)
        parameters = config.plant_parameters(scenario.start)
        self.plant = Plant(parameters, start_epoch_s=self._start_tick)
        self.record = Record(config.record)
        self.devices = Devices(self.plant, self.record, config.icd, sunspec=config.plant.sunspec)
        self._player = ScenarioPlayer(scenario, self.devices, scenario_file(config.scenario, base))
        self._watch = Watch(self.plant, self.record)
        self._waits_for = config.scenario_start_file
        self._scenario_from_s: float = self._start_tick

    async def run(self, stop: asyncio.Event, on_ready: Callable[[dict[str, int]], None]) -> None:
        """Serve until `stop` is set; `on_ready` gets the ports once all servers listen."""
        done = self._start_tick * self._per_s
        self.devices.publish(self._start_tick)
        try:
            ports = await self.devices.start(self._config.ports.host, self._config.ports.base)
            on_ready(ports)
            while not await _stopped(stop, (done + 1) / self._per_s - time.time()):
                due = int(time.time() * self._per_s)
                if due > done:
                    await self._catch_up(done, due)
                    done = due
        finally:
            await self.devices.stop()
            self.record.close()

    async def _catch_up(self, done: int, due: int) -> None:
        """Step from count `done` to count `due`, by not more than to each whole second."""
        per_s = self._per_s
        newest = due // per_s
        if newest - done // per_s > 1:
            _log.warning("event=late_tick seconds=%d", newest - done // per_s)
        done = max(done, (newest - _LONGEST_CATCH_UP_S) * per_s)
        while done < due:
            reached = min((done // per_s + 1) * per_s, due)
            begun = await self._play(reached / per_s)
            self.devices.carry_out()
            self._step((reached - done) / per_s)
            done = reached
            tick, part = divmod(done, per_s)
            if part == 0 and self.record.kept:
                self.record.truth(tick, self.plant.measured())
            if part == 0 and tick == newest:
                for _ in self.devices.publishing(tick):
                    await asyncio.sleep(0)
            elif done == due:
                self.devices.refresh(round(done * 1000 / per_s))
            self._watch.look(tick, begun)

    async def _play(self, now_s: float) -> list[Happening]:
        """Play the scenario, whose clock begins with the file that it waits for."""
        if self._waits_for is not None:
            if not self._waits_for.exists():
                return []
            self._waits_for, self._scenario_from_s = None, now_s
        return await self._player.play(now_s - self._scenario_from_s)

    def _step(self, seconds: float) -> None:
        """Advance by seconds of device time."""
        if self._config.speed == 1:
            self.plant.step(seconds)
            return
        for _ in range(round(seconds * self._config.speed)):
            self.plant.step(1.0)


async def _stopped(stop: asyncio.Event, wait_s: float) -> bool:
    """Wait until `stop` is set or the time is over; True when it is set."""
    try:
        await asyncio.wait_for(stop.wait(), timeout=max(wait_s, 0.001))
    except TimeoutError:
        return False
    return True
