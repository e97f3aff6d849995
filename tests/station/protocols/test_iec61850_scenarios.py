"""Virtual converters that misbehave as a scenario says, read by the real driver."""

import asyncio
import logging
import re
import time
from pathlib import Path
from typing import Self

import pytest

from contract.frame import Quality
from simulator.config import DATA
from simulator.record import Record as PlantRecord
from simulator.scenario import ScenarioPlayer
from simulator.scenario_file import Scenario
from simulator.servers import Devices
from station.protocols.driver import DeviceSpec
from station.protocols.iec61850.driver import Iec61850Driver
from tests.simulator.small import small_plant
from tests.station.protocols.test_iec61850_driver import Resuming, named, times
from tests.waiting import wait_for

ICD = DATA / "simulator" / "pcs.icd"
BEGINS_S, ENDS_S = 10, 20
POWER_W = 100e3
PATIENT_S = 20


class Played:
    """One converter of a small plant with one event, ticked by the test and read by a driver."""

    def __init__(self, **event: object) -> None:
        self.devices = Devices(small_plant(), PlantRecord(None), ICD)
        self.converter = self.devices.plant.converters[0]
        self.server = self.devices.pcs["C1-PCS"]
        played = {
            "at_s": BEGINS_S,
            "for_s": ENDS_S - BEGINS_S,
            "target": "C1-PCS",
            **event,
        }
        scenario = Scenario.model_validate({"name": "s", "description": "", "events": [played]})
        self._player = ScenarioPlayer(scenario, self.devices, Path("s.toml"))
        self.tick = int(time.time())
        self.powers: dict[int, int] = {}
        self.record = Resuming()

    async def __aenter__(self) -> Self:
        self.server.start("127.0.0.1", 0)
        spec = DeviceSpec("C1-PCS", "pcs.icd", "127.0.0.1", self.server.port, ied="C1PCS")
        self._driver = Iec61850Driver([spec], {})
        self._task = asyncio.create_task(self._driver.run(self.record))
        await self.enabled()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._driver.close()
        await self._task
        self.server.close()

    async def enabled(self) -> None:
        await wait_for(lambda: self.server._enabled, "reports enabled", PATIENT_S)

    async def play(self, elapsed_s: float) -> None:
        await self._player.play(elapsed_s)

    def publish(self) -> int:
        """Show one tick with a power of its own; return its time on the device's clock."""
        self.tick += 1
        self.converter.active_w = POWER_W + self.tick % 1000 * 100.0
        stamp = (self.tick + self.server.clock_offset_s) * 1000
        self.powers[stamp] = round(self.converter.active_w / 100)
        self.devices.publish(self.tick)
        return stamp

    async def read(self) -> tuple[int, Quality]:
        """Show a tick and return what became of its power."""
        stamp = self.publish()
        await wait_for(lambda: stamp in times(self.record), "the tick", PATIENT_S)
        reading = next(r for r in reversed(self.record.readings) if r.time_ms == stamp)
        return named(reading)["active_power_kw"]

    def no_wrong_value(self) -> bool:
        return all(
            value == self.powers[reading.time_ms] or quality >= Quality.INVALID
            for reading in self.record.readings
            for value, quality in [named(reading)["active_power_kw"]]
        )


def told(caplog, event: str) -> list[str]:
    return [r.getMessage() for r in caplog.records if f"event={event}" in r.getMessage()]


@pytest.mark.parametrize(
    ("event", "flag"),
    [
        ({"kind": "converter_quality", "value": 0}, Quality.QUESTIONABLE),
        ({"kind": "converter_quality", "value": 1}, Quality.INVALID),
        ({"kind": "converter_clock_jump", "value": 7200}, Quality.QUESTIONABLE),
        ({"kind": "converter_clock_jump", "value": -7200}, Quality.QUESTIONABLE),
    ],
)
async def test_what_the_device_marks_or_mistimes_is_flagged_until_it_is_over(event, flag, caplog):
    caplog.set_level(logging.INFO)
    async with Played(**event) as played:
        before = [await played.read() for _ in range(2)]
        await played.play(BEGINS_S)
        during = [await played.read() for _ in range(2)]
        await played.play(ENDS_S)
        after = [await played.read() for _ in range(2)]

    assert {quality for _, quality in before + after} == {Quality.GOOD}
    assert {quality for _, quality in during} == {flag}
    assert played.no_wrong_value()
    jumped = int(event["kind"] == "converter_clock_jump")
    assert (len(told(caplog, "clock_wrong")), len(told(caplog, "clock_right"))) == (jumped, jumped)


async def test_a_restart_with_another_configuration_is_doubted_until_it_is_undone(caplog):
    caplog.set_level(logging.INFO)
    async with Played(kind="converter_reconfigured") as played:
        before = await played.read()
        await played.play(BEGINS_S)
        await played.enabled()
        during = [await played.read() for _ in range(2)]
        await played.play(ENDS_S)
        await played.enabled()
        after = [await played.read() for _ in range(2)]

    assert before[1] is Quality.GOOD
    assert {quality for _, quality in during} == {Quality.QUESTIONABLE}
    assert {quality for _, quality in after} == {Quality.GOOD}
    assert played.no_wrong_value()
    assert len(told(caplog, "bound_anew")) == 2


async def test_a_buffer_too_small_for_a_break_loses_ticks_and_tells_no_wrong_one(caplog):
    async with Played(kind="converter_buffer", value=8000) as played:
        await played.play(BEGINS_S)
        await played.enabled()
        await played.read()
        played.server.stop()
        for _ in range(45):
            played.publish()
        played.server.resume()
        await played.enabled()
        assert (await played.read())[1] is Quality.GOOD

    lost = set(played.powers) - set(times(played.record))
    assert lost
    assert played.no_wrong_value()
    lines = told(caplog, "buffer_overflow")
    assert lines
    assert all(re.fullmatch(r"device=\S+ rcb=\S+ event=buffer_overflow", line) for line in lines)
    assert len(lines) == len(set(lines))
