"""The fast lane against real sockets: its grid, its misses, and its peace with the poll."""

import math
import time
from itertools import pairwise

import pytest

from station.protocols.driver import DeviceSpec, FastReading
from station.protocols.errors import ProfileError
from station.protocols.host import DriverHost
from station.protocols.modbus import profile as profiles
from station.protocols.modbus.fast import lost_slots
from station.protocols.modbus.fast_plan import compile_fast
from station.protocols.profile_files import find
from tests.station.protocols.modbus_server import (
    CLOSE,
    HANG,
    Bank,
    ModbusServer,
    Request,
    follow_wall_clock,
)
from tests.station.protocols.test_modbus_driver import Record, running
from tests.waiting import wait_for

FAST_BLOCK = (0, 17)
"""Address and count of the request that the shipped meter profile makes on its fast lane."""


def meter_bank() -> Bank:
    bank = Bank(before_reply=follow_wall_clock(3, 0), size=4096)
    bank.write_u32(3, 2, 2**32 - 17250)  # -1725.0 kW in units of 100 W
    bank.write_u32(3, 4, 345)
    bank.write(3, 6, 2, 3500, 3501, 3502, 1, 100, 101, 102, 0xFFFF, 50012, 0xFFFD, 990)
    return bank


def meter_spec(port: int, profile: str = "meter.toml") -> DeviceSpec:
    return DeviceSpec("METER", profile, "127.0.0.1", port)


def is_fast(request: Request) -> bool:
    return (request.address, request.count) == FAST_BLOCK


async def test_power_and_frequency_arrive_in_their_units_many_times_a_tick():
    async with (
        ModbusServer({1: meter_bank()}) as server,
        running(meter_spec(server.port)) as (_, record),
    ):
        await wait_for(lambda: len(record.fast) >= 20, "twenty fast readings")
        await wait_for(lambda: record.readings, "a reading of the poll")

    reading = record.fast[0]
    assert (reading.device, reading.layout) == ("METER", "meter")
    assert reading.values == pytest.approx(
        {"active_power_kw": -1725.0, "reactive_power_kvar": 34.5, "frequency_hz": 50.012}
    )
    assert reading.time_ms % 1000 == 0
    assert abs(reading.received_ms - reading.time_ms) < 5000
    received = [fast.received_ms for fast in record.fast]
    assert received == sorted(received)


async def test_a_change_in_the_register_shows_in_the_next_slot_and_not_in_the_next_tick():
    bank = meter_bank()
    async with (
        ModbusServer({1: bank}) as server,
        running(meter_spec(server.port)) as (_, record),
    ):
        await wait_for(lambda: record.fast, "a fast reading")
        bank.write(3, 15, 49500)
        asked = sum(map(is_fast, server.requests))
        await wait_for(
            lambda: record.fast[-1].values["frequency_hz"] == pytest.approx(49.5), "the step"
        )
        first = next(i for i, f in enumerate(record.fast) if f.values["frequency_hz"] < 50)

    assert first <= asked + 1


async def test_what_the_meter_does_not_know_or_cannot_be_true_is_not_known():
    bank = meter_bank()
    bank.write_u32(3, 4, 0x8000_0000)
    bank.write(3, 15, 20000)  # 20 Hz: outside the plausible range of the profile
    async with (
        ModbusServer({1: bank}) as server,
        running(meter_spec(server.port)) as (_, record),
    ):
        await wait_for(lambda: record.fast, "a fast reading")

    values = record.fast[0].values
    assert values["active_power_kw"] == -1725.0
    assert math.isnan(values["reactive_power_kvar"])
    assert math.isnan(values["frequency_hz"])


@pytest.mark.parametrize(
    ("passed_slots", "lost"), [(4.1, 0), (5.0, 0), (5.4, 0), (5.6, 1), (6.4, 1), (6.6, 2)]
)
def test_an_answer_that_is_late_by_less_than_half_a_slot_costs_no_slot(passed_slots, lost):
    assert lost_slots(4, passed_slots * 0.05, 0.05) == lost


async def test_a_late_answer_uses_up_the_slots_it_slept_through_and_none_is_made_up_for():
    async with (
        ModbusServer({1: meter_bank()}) as server,
        running(meter_spec(server.port)) as (driver, record),
    ):
        lane = driver.fast_lanes[0]
        await wait_for(lambda: len(record.fast) >= 3, "fast readings")
        before = lane.missed
        server.behaviour = lambda request, reply: HANG if is_fast(request) else reply
        await wait_for(lambda: lane.connection.connected is False, "the answer given up")
        server.behaviour = None
        again = len(record.fast)
        await wait_for(lambda: len(record.fast) >= again + 3, "fast readings again")
        missed = lane.missed - before
        spent_ms = record.fast[again].received_ms - record.fast[again - 1].received_ms

    # Each slot is either read or missed: what was missed is the gap, to a slot at either end.
    assert missed == pytest.approx(spent_ms / 50 - 1, abs=2)
    assert sum(map(is_fast, server.requests)) <= lane.reads + 2


async def test_a_lost_fast_connection_comes_back_and_the_poll_never_notices():
    async with (
        ModbusServer({1: meter_bank()}) as server,
        running(meter_spec(server.port)) as (_, record),
    ):
        await wait_for(lambda: record.fast and record.connected("METER"), "both lanes")
        dropped = []

        def drop_once(request, reply):
            if is_fast(request) and not dropped:
                dropped.append(request)
                return CLOSE
            return reply

        server.behaviour = drop_once
        await wait_for(lambda: dropped, "the drop")
        again = len(record.fast)
        await wait_for(lambda: len(record.fast) >= again + 5, "fast readings again")
        ticks = len(record.readings)
        await wait_for(lambda: len(record.readings) >= ticks + 2, "two more ticks")

    assert [status.connected for status in record.statuses] == [True]
    steps = {later - earlier for earlier, later in pairwise(record.times("METER", "meter"))}
    assert steps <= {1000, 2000}


async def test_a_silent_fast_lane_leaves_the_poll_its_ticks():
    async with (
        ModbusServer({1: meter_bank()}) as server,
        running(meter_spec(server.port)) as (driver, record),
    ):
        await wait_for(lambda: record.connected("METER") and record.fast, "both lanes")
        server.behaviour = lambda request, reply: HANG if is_fast(request) else reply
        ticks = len(record.readings)
        await wait_for(lambda: len(record.readings) >= ticks + 3, "three more ticks")
        health = driver.fast_lanes[0].health()

    assert [status.connected for status in record.statuses] == [True]
    assert not health.connected
    assert health.missed > 0


async def test_a_lane_tells_how_it_keeps_its_grid():
    async with (
        ModbusServer({1: meter_bank()}) as server,
        running(meter_spec(server.port)) as (_, record),
    ):
        await wait_for(lambda: record.fast_health, "the lane's health")

    health = record.fast_health[-1]
    assert (health.device, health.connected) == ("METER", True)
    assert health.reads > 0
    assert 0 < health.latency_p50_ms <= health.latency_p99_ms
    assert health.late_p99_ms >= 0


async def test_the_wrong_device_gives_no_fast_readings(tmp_path):
    text = find("meter.toml").read_text("utf-8")
    path = tmp_path / "other.toml"
    expect = '[[expect]]\naddress = 30\ntype = "u16"\nequals = 7\nmeaning = "model"\n'
    path.write_text(text.replace("[fast]", expect + "[fast]"), "utf-8")
    async with (
        ModbusServer({1: meter_bank()}) as server,
        running(meter_spec(server.port, str(path))) as (driver, record),
    ):
        await wait_for(lambda: record.connected("METER") is False, "refusal")
        await wait_for(lambda: driver.fast_lanes[0].missed > 0, "the lane refuses, too")

    assert record.fast == []


async def test_fast_readings_pass_through_the_driver_process():
    fast: list[FastReading] = []
    record = Record()
    async with ModbusServer({1: meter_bank()}) as server:
        host = DriverHost("modbus", [meter_spec(server.port)], record, record, on_fast=fast.append)
        await host.start()
        try:
            await wait_for(lambda: fast and "METER" in host.fast_health, "fast readings")
        finally:
            await host.close()

    assert fast[0].values["frequency_hz"] == pytest.approx(50.012)
    assert time.time() * 1000 - fast[0].received_ms < 60_000


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ('signals = ["active_power_kw", "hertz"]', "frequency_hz"),
        ("signals = []", "signals"),
        ('signals = ["frequency_hz"]\nperiod_s = 0.01', "0.02"),
        ('signals = ["active_power_kw", "energy_far_kwh"]', "no layout"),
    ],
)
def test_a_wrong_fast_section_is_refused_with_its_remedy(tmp_path, section, words):
    path = _with_fast(tmp_path, section)

    with pytest.raises(ProfileError) as caught:
        compile_fast(str(path), profiles.load(str(path)))

    assert caught.value.key.startswith("fast")
    assert words in str(caught.value)


def test_signals_that_no_single_request_brings_are_refused(tmp_path):
    path = _with_fast(tmp_path, 'signals = ["frequency_hz", "power_factor"]')
    path.write_text(path.read_text("utf-8").replace("address = 17,", "address = 400,"), "utf-8")

    with pytest.raises(ProfileError, match="one request"):
        compile_fast(str(path), profiles.load(str(path)))


UNIT = '[[expect]]\naddress = {}\ntype = "u16"\nequals = "unit"\nmeaning = "unit id"\n'


async def test_a_gateway_that_routes_to_another_unit_meanwhile_gives_no_fast_readings(tmp_path):
    path = tmp_path / "meter.toml"
    text = find("meter.toml").read_text("utf-8")
    path.write_text(text.replace("[fast]", UNIT.format(30) + "[fast]"), "utf-8")
    bank = meter_bank()
    bank.write(3, 30, 1)
    async with (
        ModbusServer({1: bank}) as server,
        running(meter_spec(server.port, str(path))) as (driver, record),
    ):
        await wait_for(lambda: record.fast, "a fast reading")
        bank.write(3, 30, 2)
        asked = len(server.requests)
        lane = driver.fast_lanes[0]
        await wait_for(lambda: not lane.health().connected, "the lane's refusal")
        told = len(record.fast)
        await wait_for(lambda: len(server.requests) > asked + 3, "further questions")

    assert len(record.fast) == told


def test_a_unit_id_that_the_request_cannot_bring_is_refused(tmp_path):
    path = _with_fast(tmp_path, 'signals = ["frequency_hz"]')
    text = path.read_text("utf-8").replace("[fast]", UNIT.format(900) + "[fast]")
    path.write_text(text, "utf-8")

    with pytest.raises(ProfileError, match="unit id") as caught:
        compile_fast(str(path), profiles.load(str(path)))

    assert caught.value.key == "fast.signals"


def test_cells_are_not_for_the_fast_lane(tmp_path):
    text = find("bms-416.toml").read_text("utf-8")
    path = tmp_path / "bms.toml"
    path.write_text(text + '\n[fast]\nsignals = ["cell_voltage_v"]\n', "utf-8")

    with pytest.raises(ProfileError, match="array"):
        compile_fast(str(path), profiles.load(str(path)))


def test_a_clock_too_far_away_is_not_read_along(tmp_path):
    path = _with_fast(tmp_path, 'signals = ["frequency_hz"]')
    text = path.read_text("utf-8").replace("[time]\naddress = 0", "[time]\naddress = 900")
    path.write_text(text, "utf-8")

    plan = compile_fast(str(path), profiles.load(str(path)))

    assert plan is not None
    assert plan.clock is None
    assert (plan.block.address, plan.block.count) == (15, 2)


def _with_fast(tmp_path, section):
    head, _, tail = find("meter.toml").read_text("utf-8").partition("[fast]")
    _, _, layouts = tail.partition("[layouts.meter]")
    path = tmp_path / "meter.toml"
    path.write_text(f"{head}[fast]\n{section}\n[layouts.meter]{layouts}", "utf-8")
    return path
