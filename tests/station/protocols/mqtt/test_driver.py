"""The MQTT driver with a real broker."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from contract import layouts
from contract.frame import Quality
from station.protocols import Bundle, DriverHost
from station.protocols.driver import DeviceCommand, DeviceSpec, DeviceStatus, Reading, Refused
from station.protocols.mqtt.driver import MqttDriver
from tests.station.pki import TestAuthority
from tests.station.protocols.mqtt.broker import running_broker, say, start_broker
from tests.waiting import wait_for


class Heard:
    """Everything that a driver published."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.states: list[DeviceStatus] = []

    def __call__(self, message: object) -> None:
        if isinstance(message, Reading):
            self.readings.append(message)
        elif isinstance(message, Bundle):
            self.readings += message.readings()
        elif isinstance(message, DeviceStatus):
            self.states.append(message)

    def smoke(self, device: str) -> list[tuple[int, Quality]]:
        column = layouts.ROOM.column("smoke_detected")
        return [
            (int(r.values[column][0]), Quality(int(r.quality[column])))
            for r in self.readings
            if r.device == device
        ]

    def connected(self, device: str) -> bool | None:
        told = [state.connected for state in self.states if state.device == device]
        return told[-1] if told else None


def spec(port: int, number: int = 1, **facts: str) -> DeviceSpec:
    return DeviceSpec(
        *(f"C{number}-GAS", "mqtt-room.toml", "127.0.0.1", port), topic=f"room/{number}", **facts
    )


def now(**facts: object) -> dict[str, object]:
    return {"ts": time.time(), **facts}


@contextlib.asynccontextmanager
async def driven(*specs: DeviceSpec) -> AsyncIterator[tuple[MqttDriver, Heard]]:
    driver, heard = MqttDriver(specs, {}), Heard()
    running = asyncio.create_task(driver.run(heard))
    try:
        yield driver, heard
    finally:
        await driver.close()
        await running


async def until_listening(driver: MqttDriver) -> None:
    await wait_for(lambda: all(b._connected_ms for b in driver.brokers), "the driver listens")


async def test_a_sensor_that_speaks_is_read_at_once_and_its_neighbour_is_not_touched():
    async with running_broker() as port, driven(spec(port), spec(port, 2)) as (driver, heard):
        await until_listening(driver)
        await say(port, "room/1/state", now(smoke="on", gas={"h2": 12}))
        await wait_for(lambda: heard.readings, "the reading")

        assert heard.smoke("C1-GAS") == [(1, Quality.GOOD)]
        assert heard.connected("C1-GAS")
        assert heard.connected("C2-GAS") is None


async def test_what_the_broker_kept_from_before_counts_when_the_sensor_dated_it():
    async with running_broker() as port:
        await say(port, "room/1/state", now(smoke=False), retain=True)
        await say(port, "room/2/state", {"smoke": True}, retain=True)
        async with driven(spec(port), spec(port, 2)) as (_, heard):
            await wait_for(lambda: heard.readings, "the kept message")

            assert {r.device for r in heard.readings} == {"C1-GAS"}


async def test_a_sensor_that_falls_silent_is_told_once_and_is_back_with_its_next_word(caplog):
    caplog.set_level(logging.INFO)
    async with running_broker() as port, driven(spec(port)) as (driver, heard):
        await until_listening(driver)
        await say(port, "room/1/state", now(smoke=False))
        await wait_for(lambda: heard.connected("C1-GAS"), "the sensor")
        (broker,) = driver.brokers
        for later_s in (30, 91, 92, 120):
            broker.tick(round((time.time() + later_s) * 1000), heard)

        assert heard.connected("C1-GAS") is False
        await say(port, "room/1/state", now(smoke=False))
        await wait_for(lambda: heard.connected("C1-GAS"), "the sensor back")

    told = [r.message for r in caplog.records if "device=C1-GAS" in r.message]
    assert ["event=unreachable" in told[0], "event=back" in told[1], len(told)] == [True, True, 2]


async def test_a_sensor_that_never_speaks_is_told_after_its_limit():
    async with running_broker() as port, driven(spec(port)) as (driver, heard):
        await until_listening(driver)
        (broker,) = driver.brokers

        broker.tick(broker._connected_ms + 80_000, heard)
        before = heard.connected("C1-GAS")
        broker.tick(broker._connected_ms + 91_000, heard)

        assert (before, heard.connected("C1-GAS")) == (None, False)


async def test_the_last_will_makes_a_sensor_unreachable_at_once():
    async with running_broker() as port, driven(spec(port)) as (driver, heard):
        await until_listening(driver)
        await say(port, "room/1/state", now(smoke=False))
        await wait_for(lambda: heard.connected("C1-GAS"), "the sensor")

        await say(port, "room/1/availability", "offline")
        await wait_for(lambda: heard.connected("C1-GAS") is False, "its last will")


async def test_a_broker_that_goes_takes_its_sensors_with_it_and_brings_them_back(caplog):
    caplog.set_level(logging.INFO)
    broker, port = await start_broker()
    async with driven(spec(port)) as (driver, heard):
        await until_listening(driver)
        await say(port, "room/1/state", now(smoke=False))
        await wait_for(lambda: heard.connected("C1-GAS"), "the sensor")

        await broker.shutdown()
        await wait_for(lambda: heard.connected("C1-GAS") is False, "the broker missed")
        broker, port = await start_broker(port)
        await wait_for(lambda: driver.brokers[0]._failures == 0, "the broker back")
        await say(port, "room/1/state", now(smoke=True))
        await wait_for(lambda: heard.connected("C1-GAS"), "the sensor back")
        await driver.close()
    await broker.shutdown()

    told = [r.message for r in caplog.records if r.message.startswith("broker=")]
    assert len(told) == 2


async def test_a_broker_with_passwords_and_tls_is_entered_by_files(tmp_path: Path):
    authority = TestAuthority()
    files = authority.server_files(tmp_path)
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    (tmp_path / "secret").write_text("s3cret", "utf-8")
    access = tmp_path / "broker.toml"
    access.write_text('user = "station"\npassword_file = "secret"\nca = "ca.pem"\n', "utf-8")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('user = "station"\nca = "ca.pem"\n', "utf-8")
    hashed = PasswordHash((Argon2Hasher(),)).hash("s3cret")
    (tmp_path / "passwords").write_text(f"station:{hashed}\n", "utf-8")

    async with running_broker(passwords=tmp_path / "passwords", tls=files) as port:
        specs = spec(port, access=str(access)), spec(port, 2, access=str(wrong))
        async with driven(*specs) as (driver, heard):
            right = driver.brokers[0]
            await wait_for(lambda: right._connected_ms, "the driver let in")
            await wait_for(lambda: heard.connected("C2-GAS") is False, "the other turned away")

            assert heard.connected("C1-GAS") is None


async def test_a_sensor_takes_no_commands():
    driver = MqttDriver([spec(1)], {})

    outcome = await driver.command(DeviceCommand("1", "C1-GAS", "start", 1.0, 0))

    assert isinstance(outcome, Refused)
    assert "takes no commands" in outcome.reason


async def test_the_driver_serves_in_its_own_process():
    heard = Heard()
    async with running_broker() as port:
        host = DriverHost("mqtt", [spec(port)], heard, heard)
        await host.start()
        try:
            async with asyncio.timeout(30):
                while not heard.readings:
                    await say(port, "room/1/state", now(smoke=True), retain=True)
        finally:
            await host.close()

        assert heard.smoke("C1-GAS")[0] == (1, Quality.GOOD)


@pytest.mark.parametrize("port", [1])
async def test_a_broker_that_is_not_there_is_told_with_its_reason(port):
    async with driven(spec(port)) as (_, heard):
        await wait_for(lambda: heard.states, "the failure")

    assert not heard.states[0].connected
    assert "the broker is out of reach" in heard.states[0].reason
