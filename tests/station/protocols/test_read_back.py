"""Commands that a device confirms and does not take: told by what it shows afterwards."""

import pytest

from station.protocols.driver import Accepted, DeviceSpec, Refused
from tests.station.protocols.modbus_server import Bank, ModbusServer
from tests.station.protocols.test_modbus_driver import command, running
from tests.waiting import wait_for

PROFILE = """
title = "Chiller that shows what it does"
[polling]
phase_s = 0.0
[layouts.chiller]
coolant_supply_c = { address = 3, type = "s16", scale = 0.1 }
[writes.coolant_setpoint_c]
address = 5
type = "s16"
scale = 0.1
low = 5
high = 30
step = 0.5
read_back = true
[writes.power_limit]
address = 6
type = "u16"
read_back = { address = 16, type = "u32", scale = 10, within_s = 0 }
[writes.start]
address = 7
type = "u16"
value = 1
read_back = { address = 17, equals = 3, within_s = 5 }
"""


@pytest.fixture
async def chiller(tmp_path):
    path = tmp_path / "chiller.toml"
    path.write_text(PROFILE)
    async with ModbusServer({1: Bank()}) as server:
        spec = DeviceSpec("CH", str(path), "127.0.0.1", server.port)
        async with running(spec) as (driver, record):
            await wait_for(lambda: record.connected("CH"), "connected")
            yield driver, server


async def test_a_device_that_shows_what_was_written_has_accepted_it(chiller):
    driver, server = chiller

    assert isinstance(await driver.command(command("CH", "coolant_setpoint_c", 18.3)), Accepted)
    assert server.banks[1].registers[3][5] == 185


async def test_a_device_that_confirms_a_write_and_ignores_it_has_refused_it(chiller):
    driver, server = chiller

    def ignore(request, reply):
        if request.function == 16:
            server.banks[1].write(3, 5, 250)
        return reply

    server.behaviour = ignore

    outcome = await driver.command(command("CH", "coolant_setpoint_c", 18.0))

    assert isinstance(outcome, Refused)
    assert "holding 5 shows 250 instead of 180" in outcome.reason
    assert "remote control" in outcome.reason


@pytest.mark.parametrize(("shown", "taken"), [(42, True), (43, False)])
async def test_another_register_may_show_the_value_in_its_own_scale(chiller, shown, taken):
    driver, server = chiller
    server.banks[1].write_u32(3, 16, shown)

    outcome = await driver.command(command("CH", "power_limit", 424))

    assert isinstance(outcome, Accepted) is taken
    if not taken:
        assert "holding 16 shows 430 instead of 424" in outcome.reason


async def test_a_verb_is_accepted_when_the_state_that_it_leads_to_is_shown(chiller):
    driver, server = chiller
    looks = []

    def run_up(request, reply):
        if request.function == 3 and request.address == 17:
            looks.append(request)
            server.banks[1].write(3, 17, min(len(looks), 3))
        return reply

    server.behaviour = run_up

    assert isinstance(await driver.command(command("CH", "start")), Accepted)
    assert len(looks) == 4
