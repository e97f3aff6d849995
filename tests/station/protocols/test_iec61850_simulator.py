"""The IEC 61850 driver against the simulator's converter, a server made of libiec61850."""

import asyncio
import contextlib
import time

import pytest

from simulator.iec61850.server import PcsServer, PcsValues
from simulator.physics.converter import Denial, Point
from station.protocols.driver import Accepted, DeviceCommand, DeviceSpec, Refused
from station.protocols.iec61850.driver import Iec61850Driver
from tests.station.protocols.iec61850_peer import ANALOG, ICD, deadline_ms
from tests.station.protocols.test_iec61850_driver import Resuming, named, times
from tests.waiting import wait_for


class Converter:
    """The simulator's server with ticks made by the test."""

    def __init__(self) -> None:
        self.accepted: list[tuple[Point, float]] = []
        self.denial: Denial | None = None
        self.server = PcsServer(
            "C1-PCS",
            ICD,
            "C1PCS",
            1_725_000.0,
            ask=lambda point, value: self.denial,
            accept=lambda point, value: self.accepted.append((point, value)),
            deny=lambda point, value, denial: None,
            on_served=lambda tick: None,
        )
        self.server.start("127.0.0.1", 0)
        self.now_s = int(time.time())
        self.published: list[int] = []

    def tick(self, state: int = 2) -> int:
        self.now_s += 1
        analogue = {
            name.rpartition(".mag")[0].removesuffix(".cVal"): value
            for name, value in ANALOG.items()
            if ".mag" in name
        }
        analogue |= {"DRCC1.OutWSet": 1000.0, "DRCC1.OutVarSet": 0.0}
        analogue["MMXU1.TotW"] = 1000.0 * (self.now_s % 1000)
        boolean = {f"GGIO1.Alm{n}": n == 8 and state == 4 for n in range(1, 9)}
        boolean |= {"XCBR1.Loc": False, "CALH1.GrAlm": state == 4}
        values = PcsValues(analogue, boolean, {"ZINV1.GridModSt": state}, state != 4)
        self.server.publish(self.now_s, values)
        self.published.append(self.now_s * 1000)
        return self.published[-1]


@pytest.fixture
def converter():
    converter = Converter()
    yield converter
    converter.server.close()


@contextlib.asynccontextmanager
async def driving(converter: Converter, resume: dict[str, str] | None = None):
    spec = DeviceSpec("C1-PCS", str(ICD), "127.0.0.1", converter.server.port, ied="C1PCS")
    driver, record = Iec61850Driver([spec], resume or {}), Resuming()
    task = asyncio.create_task(driver.run(record))
    try:
        yield driver, record
    finally:
        await driver.close()
        await task


async def connected(converter: Converter, record: Resuming) -> None:
    """Tick until readings of the newest tick arrive."""
    await wait_for(lambda: converter.server._enabled, "reports enabled")
    stamp = converter.tick()
    await wait_for(lambda: stamp in times(record), "a reading")


async def test_each_tick_makes_one_reading_with_its_own_states(converter):
    async with driving(converter) as (_, record):
        await connected(converter, record)
        for state in (2, 4, 4, 1, 2):
            converter.tick(state)
        await wait_for(lambda: len(record.readings) == 6, "six readings")

    assert times(record) == converter.published
    found = [named(reading) for reading in record.readings]
    assert [f["pcs_state"][0] for f in found] == [2, 2, 4, 4, 1, 2]
    assert [f["pcs_alarms"][0] for f in found] == [0, 0, 128, 128, 0, 0]
    assert [f["breaker_closed"][0] for f in found] == [1, 1, 0, 0, 1, 1]
    assert [f["active_power_kw"][0] for f in found] == [
        10 * (stamp // 1000 % 1000) for stamp in times(record)
    ]


async def test_a_break_of_the_link_loses_no_tick(converter):
    async with driving(converter) as (_, record):
        await connected(converter, record)
        for _ in range(2):
            converter.server.stop()
            for _ in range(5):
                converter.tick()
            converter.server.resume()
            await wait_for(lambda: times(record) == converter.published, "the replay", 20)
            await connected(converter, record)

    assert times(record) == converter.published


async def test_a_new_process_continues_where_the_old_one_stopped(converter):
    async with driving(converter) as (_, first):
        await connected(converter, first)
        converter.tick()
        await wait_for(lambda: len(first.readings) == 2, "two readings")
    for _ in range(5):
        converter.tick()

    async with driving(converter, first.resume) as (_, second):
        await connected(converter, second)

    assert times(first) + times(second) == converter.published


async def test_a_first_process_takes_what_the_device_has_kept(converter):
    async with driving(converter) as (_, first):
        await connected(converter, first)
    for _ in range(3):
        converter.tick()

    async with driving(converter) as (_, second):
        await connected(converter, second)

    assert set(times(second)) >= set(converter.published[1:])


async def test_a_device_that_forgot_the_entry_doubles_nothing(converter):
    async with driving(converter) as (_, first):
        await connected(converter, first)
    key = "C1-PCS/C1PCSPCS1/LLN0.BR.brMeas"
    newest = first.resume[key].partition("@")[2]
    for _ in range(3):
        converter.tick()

    async with driving(converter, {key: f"{'ab' * 8}@{newest}"}) as (_, second):
        await connected(converter, second)

    assert times(first) + times(second) == converter.published


async def test_commands_are_accepted_or_refused_with_the_devices_cause(converter):
    async with driving(converter) as (driver, record):
        await connected(converter, record)

        async def command(point: str, value: float = 0.0):
            return await driver.command(DeviceCommand("c", "C1-PCS", point, value, deadline_ms(20)))

        assert isinstance(await command("active_power_setpoint_kw", -862.5), Accepted)
        assert isinstance(await command("stop"), Accepted)
        converter.denial = Denial.TRIPPED
        refused = await command("start")
        assert isinstance(refused, Refused)
        assert "blocked by process" in refused.reason
        converter.denial = None
        for _ in range(20):
            assert isinstance(await command("active_power_setpoint_kw", 1.0), Accepted)

    assert converter.accepted[0] == (Point.ACTIVE_POWER, -862_500.0)
    assert converter.accepted[1][0] == Point.STOP
