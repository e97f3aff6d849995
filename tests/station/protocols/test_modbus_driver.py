"""The Modbus driver against real sockets: ticks, silent neighbours, restarts, commands."""

import asyncio
import contextlib
import struct
import time
from collections import Counter
from dataclasses import dataclass, replace
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


def command(device: str, point: str, value: float = 0.0, *, within_s: float = 20.0):
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
                reply[:4] + b"\0\3" + reply[6:7] + b"\x90\4" if r.function == 16 else reply
            )
            outcome = await driver.command(command("CHL", "coolant_setpoint_c", 22.0))
            assert isinstance(outcome, Refused)
            assert "server device failure" in outcome.reason

            server.behaviour = lambda r, reply: HANG if r.function == 16 else reply
            outcome = await driver.command(command("CHL", "coolant_setpoint_c", 22.0))
            assert isinstance(outcome, TimedOut)


@dataclass(frozen=True)
class Sample:
    """A sample device: registers as docs/protocols.md maps them, and what they mean.

    Attributes:
        clock: function and address of its time, and whether its low word comes first.
        registers: function, address and values.
        values: of all signals of its layout, in their own units.
    """

    profile: str
    clock: tuple[int, int, bool]
    registers: tuple[tuple[int, int, tuple[int, ...]], ...]
    values: dict[str, float]

    def __str__(self) -> str:
        return self.profile


def s16(value: int) -> int:
    return value & 0xFFFF


def f32(value: float) -> tuple[int, ...]:
    return struct.unpack(">HH", struct.pack(">f", value))


SAMPLES = (
    Sample(
        "chiller.toml",
        (3, 0, True),
        (
            (3, 2, (1, s16(-184), 231, 205, 9001, 1502, s16(-52))),
            (3, 9, (0x11F0, 1)),  # 70128 W, low word first
            (3, 11, (0b100101,)),
        ),
        {
            "chiller_state": 1,
            "coolant_supply_c": -18.4,
            "coolant_return_c": 23.1,
            "coolant_setpoint_c": 20.5,
            "coolant_flow_lpm": 900.1,
            "coolant_pressure_kpa": 150.2,
            "ambient_c": -5.2,
            "auxiliary_power_kw": 70.13,
            "chiller_alarms": 0b100101,
        },
    ),
    Sample(
        "insulation.toml",
        (4, 100, False),
        ((4, 102, (*f32(1500.0), *f32(82_001.0), 0b101)),),
        {
            "resistance_positive_kohm": 1500,
            "resistance_negative_kohm": 82_001,
            "insulation_alarms": 0b101,
        },
    ),
    Sample("ventilation.toml", (3, 0, False), ((3, 2, (2,)),), {"ventilation_state": 2}),
    Sample(
        "fire.toml",
        (4, 0, False),
        ((4, 2, (12, 340, 2)), (2, 0, (1, 0, 1))),
        {
            "hydrogen_ppm": 12,
            "carbon_monoxide_ppm": 340,
            "fire_state": 2,
            "smoke_detected": 1,
            "heat_detected": 0,
            "fire_alarms": 0b10100,
        },
    ),
    Sample(
        "panel.toml",
        (4, 0, False),
        ((2, 0, (1, 0, 1)),),
        {"emergency_stop": 1, "remote_control": 0, "reset_pressed": 1},
    ),
    Sample(
        "meter.toml",
        (3, 0, False),
        (
            (3, 2, (0xFFFF, 0x10000 - 17250, 0, 345, 2)),  # x 100 W, var
            (3, 7, (3500, 3501, 3502, 1, 100, 101, 102, s16(-1), 50012, s16(-3), s16(-990))),
            (3, 18, (1, 2, 0, 77)),
        ),
        {
            "active_power_kw": -1725.0,
            "reactive_power_kvar": 34.5,
            "voltage_ab_v": 35_000,
            "voltage_bc_v": 35_010,
            "voltage_ca_v": 35_020,
            "current_a_a": 10.0,
            "current_b_a": 10.1,
            "current_c_a": 10.2,
            "frequency_hz": 50.012,
            "power_factor": -0.99,
            "energy_discharged_kwh": 6553.8,
            "energy_charged_kwh": 7.7,
        },
    ),
)


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
async def test_each_sample_device_is_read_as_its_map_says(sample):
    function, address, low_first = sample.clock
    bank = Bank(size=4096)
    bank.before_reply = follow_wall_clock(function, address, low_first=low_first)
    for table, at, values in sample.registers:
        bank.write(table, at, *values)
    async with ModbusServer({1: bank}) as server:
        spec = DeviceSpec("D", sample.profile, "127.0.0.1", server.port)
        async with running(spec) as (_, record):
            await wait_for(lambda: record.readings, "a reading")

    reading = record.readings[0]
    columns = layouts.get(reading.layout).columns
    found = {
        column.signal.name: float(values[0]) * column.signal.scale
        for column, values in zip(columns, reading.values, strict=True)
    }
    assert found == pytest.approx(sample.values, abs=1e-9)
    assert set(reading.quality.tolist()) == {Quality.GOOD}
