"""Poll classes, several connections and dead devices, against real sockets."""

import logging
from dataclasses import replace
from itertools import pairwise

import pytest

from contract.frame import Quality
from station.protocols.driver import Accepted
from station.protocols.profile_files import find
from tests.station.protocols.modbus_server import CLOSE, HANG, ModbusServer
from tests.station.protocols.test_modbus_driver import (
    CELLS,
    command,
    rack_bank,
    rack_spec,
    running,
)
from tests.waiting import wait_for

SLOW_CELLS = '\n[polling.classes]\n"rack.cells/{cells}" = "slow"\n'


def written(tmp_path, polling="", end=SLOW_CELLS):
    path = tmp_path / "bms.toml"
    text = find("bms-416.toml").read_text("utf-8").replace("[polling]", "[polling]\n" + polling)
    path.write_text(text + end, "utf-8")
    return str(path)


async def test_summaries_come_each_second_and_cells_in_seconds_of_their_own(tmp_path):
    profile = written(tmp_path, "slow_s = 2")
    specs = [replace(rack_spec(0, unit), profile=profile) for unit in (1, 2)]
    async with ModbusServer({unit: rack_bank(unit) for unit in (1, 2)}) as server:
        specs = [replace(spec, port=server.port) for spec in specs]
        async with running(*specs) as (_, record):
            await wait_for(
                lambda: min(len(record.times(f"R0{unit}", CELLS)) for unit in (1, 2)) >= 4,
                "four readings of cells",
            )

    for device in ("R01", "R02"):
        ticks = record.times(device, "rack")
        assert ticks == list(range(ticks[0], ticks[0] + 1000 * len(ticks), 1000))
        cells = record.times(device, CELLS)
        assert len(ticks) > len(cells)
        assert {later - earlier for earlier, later in pairwise(cells[1:])} <= {2000, 4000}
    seconds = [record.times(device, CELLS)[-1] // 1000 % 2 for device in ("R01", "R02")]
    assert sorted(seconds) == [0, 1]
    reading = next(r for r in record.readings if r.layout == CELLS)
    assert reading.values[0].tolist() == list(range(3000, 3416))
    assert reading.quality[0] == Quality.GOOD


async def test_cells_that_a_device_refuses_take_nothing_from_its_summary(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    bank = rack_bank()
    bank.size = 1400
    async with ModbusServer({1: bank}) as server:
        spec = replace(rack_spec(server.port), profile=written(tmp_path, "slow_s = 4"))
        async with running(spec) as (_, record):
            await wait_for(lambda: record.connected("R01") is False, "the refusal told")
            start = len(record.times("R01", "rack"))
            await wait_for(
                lambda: len(record.times("R01", "rack")) >= start + 2, "two more summaries"
            )
            bank.size = 65536
            await wait_for(lambda: record.connected("R01"), "recovery told")

    assert "illegal data address" in next(s.reason for s in record.statuses if not s.connected)
    assert {missed.layout for missed in record.missed} == {CELLS}
    assert [s.connected for s in record.statuses] == [True, False, True]
    events = [r.getMessage() for r in caplog.records if "device=R01" in r.getMessage()]
    assert [text.split(" event=")[1].split()[0] for text in events] == ["unreachable", "back"]


async def test_a_device_is_asked_for_as_much_at_once_as_it_allows(tmp_path):
    held, most = [], []

    def hold_back(request, reply):
        """Answer cells only when four questions for them have come."""
        if request.address < 1000:
            return reply
        held.append(reply)
        most.append(len(held))
        if len(held) < 4:
            return HANG
        replies = b"".join(held)
        held.clear()
        return replies

    async with ModbusServer({1: rack_bank()}) as server:
        server.behaviour = hold_back
        spec = replace(rack_spec(server.port), profile=written(tmp_path, "in_flight = 4", ""))
        async with running(spec) as (_, record):
            await wait_for(lambda: record.times("R01", CELLS), "cells")

    cells = next(r for r in record.readings if r.layout == CELLS)
    assert cells.values[0].tolist() == list(range(3000, 3416))
    assert max(most) == 4


async def test_over_a_second_connection_neighbours_are_read_while_one_is_silent(tmp_path):
    profile = written(tmp_path, "connections = 2")
    units = range(1, 5)
    async with ModbusServer({unit: rack_bank(unit) for unit in units}) as server:
        specs = [replace(rack_spec(server.port, unit), profile=profile) for unit in units]
        async with running(*specs) as (driver, record):
            await wait_for(lambda: all(record.connected(s.device) for s in specs), "all racks")
            standing = [c.connected for c in driver.lines[0].connections]
            server.behaviour = lambda r, reply: HANG if r.unit == 1 else reply
            await wait_for(lambda: record.connected("R01") is False, "the silent one told")
            outcome = await driver.command(command("R03", "open_contactor"))
            server.behaviour = None
            await wait_for(lambda: record.connected("R01"), "back")

    assert standing == [True, True]
    assert isinstance(outcome, Accepted)
    for spec in specs[1:]:
        assert [s.connected for s in record.statuses if s.device == spec.device] == [True]


async def test_a_server_that_takes_one_connection_serves_all_racks_over_it(tmp_path, caplog):
    profile = written(tmp_path, "connections = 2")
    async with ModbusServer({1: rack_bank(), 2: rack_bank(2)}) as server:
        specs = [replace(rack_spec(server.port, unit), profile=profile) for unit in (1, 2)]
        async with running(*specs) as (driver, record):
            await wait_for(lambda: record.connected("R02"), "racks")
            lost = driver.lines[0].connections[1]
            lost.close()
            lost.port = 1  # nobody listens there: the server has no second place
            start = len(record.times("R01", "rack"))
            await wait_for(
                lambda: "event=fewer_connections" in caplog.text, "the missing connection told"
            )
            await wait_for(lambda: len(record.times("R01", "rack")) > start + 1, "more ticks")

    assert caplog.text.count("event=fewer_connections") == 1
    assert all(s.connected for s in record.statuses)


@pytest.mark.parametrize("way", [HANG, CLOSE], ids=["silent", "closing"])
async def test_a_dead_server_delays_no_other_line_and_is_told_once(way, caplog):
    caplog.set_level(logging.INFO)
    sound = await ModbusServer({1: rack_bank()}).start()
    dead = await ModbusServer({1: rack_bank()}).start()
    specs = [rack_spec(sound.port), replace(rack_spec(dead.port), device="DEAD")]
    async with running(*specs) as (_, record):
        await wait_for(lambda: record.connected("R01") and record.connected("DEAD"), "both")
        dead.behaviour = lambda request, reply: way
        await wait_for(lambda: record.connected("DEAD") is False, "the loss")
        start = len(record.times("R01", CELLS))
        await wait_for(lambda: len(record.times("R01", CELLS)) >= start + 3, "three more ticks")
        dead.behaviour = None
        await wait_for(lambda: record.connected("DEAD"), "its return")
    await sound.stop()
    await dead.stop()

    assert [s.connected for s in record.statuses if s.device == "R01"] == [True]
    assert [s.connected for s in record.statuses if s.device == "DEAD"] == [True, False, True]
    events = [r.getMessage() for r in caplog.records if "device=DEAD" in r.getMessage()]
    assert [text.split(" event=")[1].split()[0] for text in events] == ["unreachable", "back"]


async def test_a_silent_rack_is_asked_only_after_all_that_answer():
    units = range(1, 6)
    async with (
        ModbusServer({unit: rack_bank(unit) for unit in units}) as server,
        running(*(rack_spec(server.port, unit) for unit in units)) as (_, record),
    ):
        await wait_for(lambda: record.connected("R05"), "the line")
        server.behaviour = lambda r, reply: HANG if r.unit == 2 else reply
        await wait_for(lambda: record.connected("R02") is False, "the silent one told")
        begin = len(server.requests)
        await wait_for(
            lambda: sum(r.unit == 2 for r in server.requests[begin:]) >= 2, "two more questions"
        )
        server.behaviour = None
        await wait_for(lambda: record.connected("R02"), "back")

    asked = [r.unit for r in server.requests[begin:]]
    at = [number for number, unit in enumerate(asked) if unit == 2][:2]
    assert set(asked[at[0] + 1 : at[1]]) >= {1, 3, 4, 5}


async def test_a_rack_that_is_slow_for_once_keeps_its_tick_and_lets_its_neighbours_go_first():
    units = range(1, 6)
    async with (
        ModbusServer({unit: rack_bank(unit) for unit in units}) as server,
        running(*(rack_spec(server.port, unit) for unit in units)) as (_, record),
    ):
        await wait_for(
            lambda: all(len(record.times(f"R0{unit}", CELLS)) >= 2 for unit in units), "ticks"
        )
        ignored = []

        def ignore_once(request, reply):
            if request.unit == 1 and request.address == 0 and not ignored:
                ignored.append(len(server.requests))
                return HANG
            return reply

        server.behaviour = ignore_once
        await wait_for(lambda: ignored, "the silence")
        ticks = len(record.times("R01", CELLS))
        await wait_for(lambda: len(record.times("R01", CELLS)) >= ticks + 2, "two more ticks")

    assert [s.connected for s in record.statuses if s.device == "R01"] == [True]
    assert record.missed == []
    after = [r.unit for r in server.requests[ignored[0] :]]
    assert set(after[: after.index(1)]) == {2, 3, 4, 5}
