"""What must not wait: changes of state on their way up, commands on their way down."""

import asyncio
import math

import pytest
from open61850.server.control import IN_EXECUTION

from station.protocols.driver import Accepted, FastReading, TimedOut
from tests.station.protocols.iec61850_peer import ROOT, Converter
from tests.station.protocols.test_iec61850_driver import command, driving, quality
from tests.waiting import wait_for

FAULT = 4
RUNNING = 2


@pytest.fixture
def converter(tmp_path):
    converter = Converter(tmp_path).start()
    yield converter
    converter.stop()


def states(record) -> list[float]:
    return [fast.values["pcs_state"] for fast in record.fast]


async def test_a_trip_is_told_at_once_without_any_measurement(converter):
    async with driving(converter) as (_, record):
        await wait_for(lambda: converter.enabled, "reports enabled")
        converter.now_s += 1
        converter.set_state("ZINV1.GridModSt.stVal", FAULT)
        await wait_for(lambda: states(record)[-1:] == [FAULT], "the trip")
        stamp_ms = converter.now_s * 1000

    last = record.fast[-1]
    assert isinstance(last, FastReading)
    assert (last.device, last.layout, last.time_ms) == ("C1-PCS", "pcs", stamp_ms)
    assert set(last.values) == {"pcs_state", "breaker_closed", "remote_control", "pcs_alarms"}
    assert (last.values["breaker_closed"], last.values["remote_control"]) == (1.0, 1.0)
    assert record.readings == []


async def test_the_states_of_the_moment_are_told_when_the_link_stands(converter):
    converter.set_state("XCBR1.Loc.stVal", True)
    async with driving(converter) as (_, record):
        await wait_for(lambda: record.fast, "the states")

    assert record.fast[0].values["remote_control"] == 0.0


async def test_a_state_that_the_device_does_not_trust_is_not_known(converter):
    converter.model.set(f"{ROOT}/XCBR1.Pos.q[ST]", quality(1))
    async with driving(converter) as (_, record):
        await wait_for(lambda: record.fast, "the states")

    values = record.fast[0].values
    assert math.isnan(values["breaker_closed"])
    assert values["pcs_state"] == RUNNING


async def test_a_replay_tells_no_state_of_the_past_as_if_it_were_new(converter):
    async with driving(converter) as (_, record):
        await wait_for(lambda: converter.enabled, "reports enabled")
        converter.tick()
        await wait_for(lambda: record.readings, "a reading")
        converter.drop_clients()
        for state in (FAULT, FAULT, RUNNING):
            converter.tick(ZINV1_GridModSt_stVal=state)
        await wait_for(lambda: len(record.readings) == 4, "the replay", 20)

    assert set(states(record)) == {RUNNING}


async def test_a_stop_does_not_wait_for_a_set_point_in_execution(converter):
    converter.on_command("OutWSet", lambda command: IN_EXECUTION)
    async with driving(converter) as (driver, _):
        await wait_for(lambda: converter.enabled, "reports enabled")
        waiting = asyncio.create_task(
            driver.command(command("active_power_setpoint_kw", 5.0, within_s=60.0))
        )
        await wait_for(lambda: converter.commands, "the set-point at the device")

        stopped = await driver.command(command("stop"))

        assert isinstance(stopped, Accepted)
        assert not waiting.done()
        converter.drop_clients()
        outcome = await asyncio.wait_for(waiting, 20.0)

    assert isinstance(outcome, TimedOut)
    assert "link broke" in outcome.reason


async def test_a_second_set_point_of_one_object_waits_its_turn_or_is_not_sent(converter):
    converter.on_command("OutWSet", lambda command: IN_EXECUTION)
    async with driving(converter) as (driver, _):
        await wait_for(lambda: converter.enabled, "reports enabled")
        first = asyncio.create_task(
            driver.command(command("active_power_setpoint_kw", 5.0, within_s=60.0))
        )
        await wait_for(lambda: converter.commands, "the first at the device")

        second = await driver.command(command("active_power_setpoint_kw", 7.0, within_s=0.3))
        sent = list(converter.commands)
        converter.drop_clients()
        await asyncio.wait_for(first, 20.0)

    assert isinstance(second, TimedOut)
    assert "earlier command" in second.reason
    assert len(sent) == 1
