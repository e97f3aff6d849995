"""The IEC 61850 driver against open61850: reports, breaks, states, commands."""

import asyncio
import contextlib

import pytest
from open61850.data import BoolData
from open61850.mms.client import MmsClient
from open61850.mms.pdu import ObjectName
from open61850.server.control import IN_EXECUTION

from contract import layouts
from contract.frame import Quality
from station.protocols.driver import (
    Accepted,
    DeviceCommand,
    DeviceSpec,
    Reading,
    Refused,
    ResumePoint,
    TimedOut,
)
from station.protocols.iec61850.driver import Iec61850Driver
from tests.station.protocols.iec61850_peer import ROOT, Converter, deadline_ms, quality
from tests.station.protocols.test_modbus_driver import Record
from tests.waiting import wait_for


@pytest.fixture
def converter(tmp_path):
    converter = Converter(tmp_path).start()
    yield converter
    converter.stop()


class Resuming(Record):
    """A record that keeps resume points, too."""

    def __init__(self) -> None:
        super().__init__()
        self.resume: dict[str, str] = {}

    def __call__(self, publication) -> None:
        if isinstance(publication, ResumePoint):
            self.resume[publication.key] = publication.token
        super().__call__(publication)


def spec_of(converter: Converter) -> DeviceSpec:
    return DeviceSpec("C1-PCS", str(converter.icd), "127.0.0.1", converter.port, ied="C1PCS")


@contextlib.asynccontextmanager
async def driving(converter: Converter, resume: dict[str, str] | None = None):
    driver, record = Iec61850Driver([spec_of(converter)], resume or {}), Resuming()
    task = asyncio.create_task(driver.run(record))
    try:
        yield driver, record
    finally:
        await driver.close()
        await task


def named(reading: Reading) -> dict[str, tuple[int, Quality]]:
    layout = layouts.get(reading.layout)
    return {
        column.signal.name: (int(values[0]), Quality(found))
        for column, values, found in zip(
            layout.columns, reading.values, reading.quality, strict=True
        )
    }


def times(record: Record) -> list[int]:
    return record.times("C1-PCS", "pcs")


def command(point: str, value: float = 0.0, within_s: float = 20.0) -> DeviceCommand:
    return DeviceCommand("c1", "C1-PCS", point, value, deadline_ms(within_s))


async def test_a_report_becomes_one_reading_with_every_value_in_our_units(converter):
    async with driving(converter) as (_, record):
        await wait_for(lambda: converter.enabled, "reports enabled")
        stamp = converter.tick(GGIO1_Alm3_stVal=True)
        await wait_for(lambda: record.readings, "a reading")

    assert times(record) == [stamp]
    assert record.connected("C1-PCS") is True
    found = named(record.readings[0])
    assert {name: raw for name, (raw, _) in found.items()} == {
        "active_power_kw": 6000,
        "reactive_power_kvar": -500,
        "apparent_power_kva": 6021,
        "power_factor": 1997,
        "frequency_hz": 51012,
        "dc_voltage_v": 13171,
        "dc_current_a": 4660,
        "voltage_ab_v": 6911,
        "voltage_bc_v": 6912,
        "voltage_ca_v": 6913,
        "current_a_a": 5041,
        "current_b_a": 5042,
        "current_c_a": 5043,
        "heatsink_temperature_c": 425,
        "active_power_setpoint_kw": 6000,
        "reactive_power_setpoint_kvar": -500,
        "pcs_state": 2,
        "breaker_closed": 1,
        "remote_control": 1,
        "pcs_alarms": 0b100,
    }
    assert found["power_factor"][1] is Quality.QUESTIONABLE  # 1.997 is outside -1..1
    assert {q for name, (_, q) in found.items() if name != "power_factor"} == {Quality.GOOD}


async def test_each_tick_comes_once_and_in_order_over_several_breaks(converter):
    async with driving(converter) as (_, record):
        await wait_for(lambda: converter.enabled, "reports enabled")
        for _ in range(3):
            for _ in range(3):
                converter.tick()
            converter.drop_clients()
            for _ in range(4):
                converter.tick()
            await wait_for(lambda: converter.enabled, "reports enabled again", 20)
        last = converter.tick()
        await wait_for(lambda: last in times(record), "the last tick")

    assert times(record) == converter.published


async def test_a_new_driver_with_the_resume_points_of_the_old_loses_and_doubles_nothing(
    converter,
):
    async with driving(converter) as (_, first):
        await wait_for(lambda: converter.enabled, "reports enabled")
        for _ in range(5):
            converter.tick()
        await wait_for(lambda: len(times(first)) == 5, "five ticks")
    for _ in range(6):
        converter.tick()

    async with driving(converter, first.resume) as (_, second):
        await wait_for(lambda: converter.enabled, "reports enabled", 20)
        last = converter.tick()
        await wait_for(lambda: last in times(second), "the last tick")

    assert times(first) + times(second) == converter.published


async def test_a_foreign_resume_point_is_ignored(converter):
    key = f"C1-PCS/{ROOT}/LLN0.BR.brMeas"
    async with driving(converter, {key: "not hexadecimal", "other": "00"}) as (_, record):
        await wait_for(lambda: converter.enabled, "reports enabled")
        stamp = converter.tick()
        await wait_for(lambda: record.readings, "a reading")

    assert times(record) == [stamp]


async def test_what_a_report_leaves_out_keeps_its_last_value(converter):
    async with driving(converter) as (_, record):
        await wait_for(lambda: converter.enabled, "reports enabled")
        converter.tick()
        converter.tick(only=("MMXU1.TotW.mag.f",))
        await wait_for(lambda: len(record.readings) == 2, "two readings")

    first, second = (named(reading) for reading in record.readings)
    assert second["active_power_kw"][0] == first["active_power_kw"][0]
    assert second["frequency_hz"] == first["frequency_hz"]
    assert second["dc_voltage_v"][1] is Quality.GOOD


async def test_values_known_before_the_first_report_are_not_missing(converter):
    converter.tick()
    async with driving(converter) as (_, record):
        await wait_for(lambda: converter.enabled, "reports enabled")
        converter.tick(only=("MMXU1.TotW.mag.f",))
        await wait_for(lambda: record.readings, "a reading")

    assert Quality.MISSING not in record.readings[-1].quality.tolist()


@pytest.mark.parametrize(
    ("written", "expected", "value"),
    [
        (quality(1), Quality.INVALID, 0),
        (quality(2), Quality.INVALID, 0),
        (quality(3), Quality.QUESTIONABLE, 51012),
        (quality(0, test=True), Quality.QUESTIONABLE, 51012),
    ],
)
async def test_the_devices_quality_travels_with_its_value(converter, written, expected, value):
    converter.model.set(f"{ROOT}/MMXU1.Hz.q[MX]", written)
    async with driving(converter) as (_, record):
        await wait_for(lambda: converter.enabled, "reports enabled")
        converter.tick()
        await wait_for(lambda: record.readings, "a reading")

    assert named(record.readings[0])["frequency_hz"] == (value, expected)
    assert named(record.readings[0])["active_power_kw"][1] is Quality.GOOD


async def test_a_replay_tells_the_states_of_then_and_not_of_now(converter):
    async with driving(converter) as (_, record):
        await wait_for(lambda: converter.enabled, "reports enabled")
        converter.tick()
        await wait_for(lambda: record.readings, "a reading")
        converter.drop_clients()
        expected = [2]
        for state in (2, 4, 4, 0, 2):
            converter.tick(ZINV1_GridModSt_stVal=state)
            expected.append(state)
        await wait_for(lambda: len(record.readings) == 6, "the replay", 20)

    assert [named(r)["pcs_state"][0] for r in record.readings] == expected


async def test_a_breaker_between_its_ends_has_no_valid_position(converter):
    async with driving(converter) as (_, record):
        await wait_for(lambda: converter.enabled, "reports enabled")
        for position in (0, 1, 2, 3):
            converter.tick(XCBR1_Pos_stVal=position)
            await wait_for(lambda: len(record.readings) == position + 1, "its reading")  # noqa: B023

    assert [named(r)["breaker_closed"] for r in record.readings] == [
        (0, Quality.INVALID),
        (0, Quality.GOOD),
        (1, Quality.GOOD),
        (0, Quality.INVALID),
    ]


async def test_a_command_is_selected_operated_and_accepted_after_its_termination(converter):
    async with driving(converter) as (driver, _):
        await wait_for(lambda: converter.enabled, "reports enabled")

        for point, value in (
            ("active_power_setpoint_kw", -862.5),
            ("reactive_power_setpoint_kvar", 100.0),
            ("start", 0.0),
            ("stop", 0.0),
        ):
            assert isinstance(await driver.command(command(point, value)), Accepted)

    assert [point for point, _ in converter.commands] == [
        "OutWSet", "OutVarSet", "DERStr", "DERStop",
    ]  # fmt: skip
    assert converter.commands[0][1].members[0].value == -862_500.0


async def test_a_refused_command_says_why_and_where(converter):
    async with driving(converter) as (driver, _):
        assert isinstance(await driver.command(command("start")), Refused)
        await wait_for(lambda: converter.enabled, "reports enabled")

        converter.check_command("OutWSet", 10)
        outcome = await driver.command(command("active_power_setpoint_kw", 5.0))
        assert isinstance(outcome, Refused)
        assert "select refused: blocked by interlocking" in outcome.reason

        converter.check_command("OutWSet", None)
        converter.on_command("OutWSet", lambda command: 17)
        outcome = await driver.command(command("active_power_setpoint_kw", 5.0))
        assert isinstance(outcome, Refused)
        assert "abortion by trip" in outcome.reason

        for point, value, why in (
            ("active_power_setpoint_kw", 1e9, "-10000..10000"),
            ("active_power_setpoint_kw", float("nan"), "allowed range"),
            ("frobnicate", 0.0, "start"),
        ):
            outcome = await driver.command(command(point, value))
            assert isinstance(outcome, Refused)
            assert why in outcome.reason

        converter.on_command("OutWSet", lambda command: None)
        good = await driver.command(command("active_power_setpoint_kw", 5.0))
        assert isinstance(good, Accepted)


async def test_a_command_whose_end_never_comes_times_out_and_readings_go_on(converter):
    converter.on_command("OutWSet", lambda command: IN_EXECUTION)
    async with driving(converter) as (driver, record):
        await wait_for(lambda: converter.enabled, "reports enabled")

        waiting = asyncio.create_task(
            driver.command(command("active_power_setpoint_kw", 5.0, within_s=3.0))
        )
        await wait_for(lambda: converter.commands, "the command at the device")
        stamp = converter.tick()
        await wait_for(lambda: stamp in times(record), "a reading meanwhile")
        outcome = await waiting

    assert isinstance(outcome, TimedOut)
    assert "termination" in outcome.reason


async def test_a_report_block_taken_by_another_client_is_left_to_it(converter):
    other = MmsClient.connect("127.0.0.1", converter.port)
    other.write(ObjectName("LLN0$BR$brMeas$RptEna", ROOT), BoolData(True))
    assert converter.server.reports is not None
    unbuffered = converter.server.reports.controls[ROOT, "LLN0$RP$urMeas01"]
    async with driving(converter) as (_, record):
        await wait_for(lambda: unbuffered.enabled, "the unbuffered block enabled")
        stamp = converter.tick()
        await wait_for(lambda: record.readings, "a reading")
    other.close()

    assert times(record) == [stamp]


async def test_a_device_that_goes_away_is_reported_and_found_again(converter):
    async with driving(converter) as (_, record):
        await wait_for(lambda: converter.enabled, "reports enabled")
        first = converter.tick()
        await wait_for(lambda: first in times(record), "a reading")
        port = converter.port
        converter.server.stop()
        await wait_for(lambda: record.connected("C1-PCS") is False, "loss reported")
        converter.server.port = port
        converter.server.start()
        second = converter.tick()
        await wait_for(lambda: second in times(record), "a reading again", 30)

    assert [s.connected for s in record.statuses] == [True, False, True]
