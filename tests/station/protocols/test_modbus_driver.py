"""The Modbus driver against real sockets: ticks, silent neighbours, restarts, commands."""

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from contract import layouts
from contract.frame import Quality
from station.protocols.bundle import Bundle
from station.protocols.driver import (
    Accepted,
    DeviceCommand,
    DeviceSpec,
    DeviceStatus,
    FastHealth,
    FastReading,
    MissedReading,
    Reading,
    Refused,
    TimedOut,
)
from station.protocols.modbus.driver import ModbusDriver
from station.protocols.profile_files import find
from tests.station.protocols.modbus_server import HANG, Bank, ModbusServer, follow_wall_clock
from tests.waiting import wait_for

CELLS = "rack.cells/416"


def rack_bank(unit: int = 1) -> Bank:
    bank = Bank(before_reply=follow_wall_clock(4, 0))
    bank.write(4, 3, 3, 12345, 0x10000 - 250)  # discharging, 1234.5 V, -25.0 A
    bank.write_u32(4, 6, 2**32 - 309, low_first=True)  # -30.9 kW
    bank.write(4, 8, 523, 1000, 3400, 17, 3300, 401, 3350, 251, 5, 239, 9, 245, 1400, 2800, 3)
    bank.write(4, 27, 416, 280, unit)
    bank.write(4, 30, *[0xFFFF] * 10)
    bank.write(4, 1000, *range(3000, 3416))
    bank.write(4, 2000, *range(100, 515), 0x8000)
    return bank


class Record:
    """What a driver published."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.statuses: list[DeviceStatus] = []
        self.fast: list[FastReading] = []
        self.fast_health: list[FastHealth] = []
        self.missed: list[MissedReading] = []

    def __call__(self, publication) -> None:
        match publication:
            case Reading():
                self.readings.append(publication)
            case Bundle():
                self.readings += publication.readings()
            case DeviceStatus():
                self.statuses.append(publication)
            case FastReading():
                self.fast.append(publication)
            case FastHealth():
                self.fast_health.append(publication)
            case MissedReading():
                self.missed.append(publication)

    def times(self, device: str, layout: str) -> list[int]:
        return [r.time_ms for r in self.readings if (r.device, r.layout) == (device, layout)]

    def connected(self, device: str) -> bool | None:
        found = [s.connected for s in self.statuses if s.device == device]
        return found[-1] if found else None


@contextlib.asynccontextmanager
async def running(*specs: DeviceSpec):
    driver, record = ModbusDriver(specs, {}), Record()
    task = asyncio.create_task(driver.run(record))
    try:
        yield driver, record
    finally:
        await driver.close()
        await task


def rack_spec(port: int, unit: int = 1) -> DeviceSpec:
    return DeviceSpec(f"R{unit:02}", "bms-416.toml", "127.0.0.1", port, unit)


def command(device: str, point: str, value: float = 0.0, *, within_s: float = 2.0):
    return DeviceCommand("c1", device, point, value, int((time.time() + within_s) * 1000))


async def test_every_tick_of_every_rack_is_read_exactly_once_in_both_layouts():
    async with (
        ModbusServer({unit: rack_bank(unit) for unit in range(1, 11)}) as server,
        running(*(rack_spec(server.port, unit) for unit in range(1, 11))) as (_, record),
    ):
        await wait_for(lambda: len(record.times("R10", CELLS)) >= 4, "four ticks of each rack")

    for unit in range(1, 11):
        for layout in ("rack", CELLS):
            times = record.times(f"R{unit:02}", layout)
            assert times == list(range(times[0], times[0] + 1000 * len(times), 1000))


async def test_a_rack_arrives_with_values_quality_and_device_time():
    async with (
        ModbusServer({1: rack_bank()}) as server,
        running(rack_spec(server.port)) as (_, record),
    ):
        await wait_for(lambda: record.times("R01", CELLS), "a reading")

    rack = next(r for r in record.readings if r.layout == "rack")
    layout = layouts.get("rack")
    value = {c.signal.name: int(v[0]) for c, v in zip(layout.columns, rack.values, strict=True)}
    assert value["voltage_v"] == 12345
    assert value["current_a"] == -250
    assert value["power_kw"] == -309
    assert value["soc"] == 5230
    assert value["cell_voltage_max_index"] == 17
    assert value["contactor_closed"] == 1
    assert set(rack.quality.tolist()) == {Quality.GOOD}
    assert rack.time_ms % 1000 == 0
    assert abs(rack.received_ms - rack.time_ms) < 5000
    cells = next(r for r in record.readings if r.layout == CELLS)
    assert cells.values[0].tolist() == list(range(3000, 3416))
    assert cells.values[1].tolist() == [*range(100, 515), 0]
    assert cells.quality.tolist() == [Quality.GOOD] * 831 + [Quality.INVALID]


def without_picture(folder: Path) -> str:
    """The rack's profile for a device that keeps no picture of the moment its time was read."""
    text = find("bms-416.toml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("holds_s")]
    assert len(lines) + 1 == len(text.splitlines())
    file = folder / "bms.toml"
    file.write_text("\n".join(lines))
    return str(file)


async def test_a_tick_in_the_middle_of_a_reading_mixes_no_cells_of_two_ticks(tmp_path):
    bank, tick = Bank(), [1_700_000_000]

    def hook(bank, request):
        if request.address == 1250 and tick[0] == 1_700_000_000:
            tick[0] += 1
        bank.write_u32(4, 0, tick[0])
        bank.write(4, 27, 416, 280, 1)
        bank.write(4, 1000, *[3000 + tick[0] % 2] * 416)

    bank.before_reply = hook
    async with (
        ModbusServer({1: bank}) as server,
        running(replace(rack_spec(server.port), profile=without_picture(tmp_path))) as (_, record),
    ):
        await wait_for(lambda: record.times("R01", CELLS), "cells")

    cells = next(r for r in record.readings if r.layout == CELLS)
    assert set(cells.values[0].tolist()) == {3001}
    assert cells.time_ms == 1_700_000_001_000
    assert record.times("R01", "rack")[:2] == [1_700_000_000_000, 1_700_000_001_000]
    told = [(m.device, m.layout, m.time_ms, m.kind) for m in record.missed]
    assert told == [("R01", CELLS, 1_700_000_000_000, "torn")]


async def test_a_wrong_device_clock_makes_values_questionable():
    bank = rack_bank()
    bank.before_reply = lambda bank, _: bank.write_u32(4, 0, int(time.time()) - 3600)
    async with (
        ModbusServer({1: bank}) as server,
        running(rack_spec(server.port)) as (_, record),
    ):
        await wait_for(lambda: record.readings, "a reading")

    assert set(record.readings[0].quality.tolist()) == {Quality.QUESTIONABLE}


async def test_silent_units_do_not_take_ticks_from_their_neighbours():
    async with (
        ModbusServer({unit: rack_bank(unit) for unit in range(1, 6)}) as server,
        running(*(rack_spec(server.port, unit) for unit in range(1, 6))) as (_, record),
    ):
        await wait_for(lambda: record.times("R05", CELLS), "a first reading")
        server.behaviour = lambda request, reply: HANG if request.unit in {2, 3} else reply
        await wait_for(
            lambda: record.connected("R02") is False and record.connected("R03") is False,
            "both silent racks reported",
        )
        start = len(record.times("R05", CELLS))
        await wait_for(lambda: len(record.times("R05", CELLS)) >= start + 3, "three more ticks")
        server.behaviour = None
        await wait_for(lambda: record.connected("R02") and record.connected("R03"), "both back")

    for device in ("R01", "R04", "R05"):
        steps = Counter(np.diff(record.times(device, CELLS)[start:]).tolist())
        assert steps.keys() <= {1000, 2000}
        assert steps[1000] >= 1
        assert [s.connected for s in record.statuses if s.device == device] == [True]
    assert [s.connected for s in record.statuses if s.device == "R02"] == [True, False, True]


async def test_a_server_that_stops_is_reported_and_read_again_after_its_restart():
    server = await ModbusServer({1: rack_bank()}).start()
    async with running(rack_spec(server.port)) as (_, record):
        await wait_for(lambda: record.readings, "a reading")
        await server.stop()
        await wait_for(lambda: record.connected("R01") is False, "loss reported")
        before = len(record.readings)
        await server.start(server.port)
        await wait_for(lambda: len(record.readings) > before, "readings again")
        await wait_for(lambda: record.connected("R01") is True, "recovery reported")
    await server.stop()

    assert [s.connected for s in record.statuses] == [True, False, True]


async def test_a_frozen_server_is_reported_and_read_again_when_it_wakes():
    async with (
        ModbusServer({1: rack_bank(), 2: rack_bank(2)}) as server,
        running(rack_spec(server.port), rack_spec(server.port, 2)) as (_, record),
    ):
        await wait_for(lambda: record.connected("R02"), "a reading")
        server.behaviour = lambda request, reply: HANG
        await wait_for(
            lambda: record.connected("R01") is False and record.connected("R02") is False, "loss"
        )
        server.behaviour = None
        await wait_for(lambda: record.connected("R01") and record.connected("R02"), "recovery")


async def test_a_clock_that_stands_still_is_reported_and_its_sample_comes_once(tmp_path):
    text = find("bms-416.toml").read_text("utf-8")
    impatient = tmp_path / "impatient.toml"
    impatient.write_text(text.replace("timeout_s", "stalled_after = 1\ntimeout_s"), "utf-8")
    bank = rack_bank()
    bank.before_reply = None
    bank.write_u32(4, 0, int(time.time()))
    async with (
        ModbusServer({1: bank}) as server,
        running(DeviceSpec("R01", str(impatient), "127.0.0.1", server.port)) as (_, record),
    ):
        await wait_for(lambda: record.connected("R01") is False, "stand-still reported")

    assert "stands still" in record.statuses[-1].reason
    assert len(record.times("R01", "rack")) == 1


async def test_a_device_of_another_kind_is_refused_with_its_difference():
    bank = rack_bank()
    bank.write(4, 27, 400)
    async with (
        ModbusServer({1: bank}) as server,
        running(rack_spec(server.port)) as (_, record),
    ):
        await wait_for(lambda: record.connected("R01") is False, "refusal")

    assert "number of cells" in record.statuses[-1].reason
    assert "400" in record.statuses[-1].reason
    assert record.readings == []


async def test_commands_are_accepted_refused_or_time_out_and_say_why():
    bank = Bank(before_reply=follow_wall_clock(3, 0, low_first=True))
    bank.write(3, 2, 1, 180, 230, 200, 900, 1500, 250)
    async with ModbusServer({1: bank}) as server:
        spec = DeviceSpec("CHL", "chiller.toml", "127.0.0.1", server.port)
        async with running(spec) as (driver, record):
            refused = await driver.command(command("CHL", "coolant_setpoint_c", 20.0))
            assert isinstance(refused, Refused)
            assert "not connected" in refused.reason
            await wait_for(lambda: record.connected("CHL"), "connection")

            done = await driver.command(command("CHL", "coolant_setpoint_c", 21.5))
            assert isinstance(done, Accepted)
            assert bank.registers[3][5] == 215
            for point, value, why in (
                ("coolant_setpoint_c", 99.0, "10..30"),
                ("coolant_setpoint_c", float("nan"), "no number"),
                ("frobnicate", 1.0, "coolant_setpoint_c"),
            ):
                outcome = await driver.command(command("CHL", point, value))
                assert isinstance(outcome, Refused)
                assert why in outcome.reason
            assert isinstance(await driver.command(command("X", "start")), Refused)

            server.behaviour = lambda r, reply: (
                reply[:7] + bytes([0x90, 4]) if r.function == 16 else reply
            )
            server.behaviour = lambda r, reply: (
                reply[:4] + b"\0\3" + reply[6:7] + b"\x90\4" if r.function == 16 else reply
            )
            outcome = await driver.command(command("CHL", "coolant_setpoint_c", 22.0))
            assert isinstance(outcome, Refused)
            assert "server device failure" in outcome.reason

            server.behaviour = lambda r, reply: HANG if r.function == 16 else reply
            outcome = await driver.command(command("CHL", "coolant_setpoint_c", 22.0))
            assert isinstance(outcome, TimedOut)


@pytest.mark.parametrize(
    "profile",
    [
        "chiller.toml",
        "insulation.toml",
        "fire.toml",
        "meter.toml",
        "panel.toml",
        "ventilation.toml",
    ],
)
async def test_each_sample_device_is_read_by_its_profile(profile):
    bank = Bank(size=4096)
    function, address, low_first = {
        "chiller.toml": (3, 0, True),
        "insulation.toml": (4, 100, False),
        "fire.toml": (4, 0, False),
        "meter.toml": (3, 0, False),
        "panel.toml": (4, 0, False),
        "ventilation.toml": (3, 0, False),
    }[profile]
    bank.before_reply = follow_wall_clock(function, address, low_first=low_first)
    bank.write(2, 0, 1, 0, 1)  # smoke and panel fault
    if profile == "meter.toml":
        bank.write_u32(3, 2, 2**32 - 17250)  # -1725.0 kW in units of 100 W
        bank.write(3, 6, 2, 3500, 3501, 3502, 1, 100, 101, 102, 0xFFFF, 50012, 0xFFFD, 990)
    async with ModbusServer({1: bank}) as server:
        spec = DeviceSpec("D", profile, "127.0.0.1", server.port)
        async with running(spec) as (_, record):
            await wait_for(lambda: record.readings, "a reading")

    reading = record.readings[0]
    layout = layouts.get(reading.layout)
    value = {c.signal.name: int(v[0]) for c, v in zip(layout.columns, reading.values, strict=True)}
    assert set(reading.quality.tolist()) <= {Quality.GOOD, Quality.QUESTIONABLE}
    if profile == "fire.toml":
        assert (value["smoke_detected"], value["heat_detected"]) == (1, 0)
        assert value["fire_alarms"] == 0b10100
    if profile == "panel.toml":
        assert value == {"emergency_stop": 1, "remote_control": 0, "reset_pressed": 1}
    if profile == "meter.toml":
        assert value["active_power_kw"] == -17250
        assert [value[f"voltage_{p}_v"] for p in ("ab", "bc", "ca")] == [35000, 35010, 35020]
        assert value["current_a_a"] == 100
        assert value["frequency_hz"] == 50012
        assert value["power_factor"] == 990
