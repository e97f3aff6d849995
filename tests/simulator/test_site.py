import asyncio
import sqlite3
from contextlib import closing

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.pdu import ExceptionResponse

from simulator.errors import ConfigError
from simulator.modbus.server import Refusal
from simulator.physics.bms import CELL_OVERTEMPERATURE
from tests.simulator.small import Running, event, running_site
from tests.waiting import wait_for

CELLS = 150


@pytest.fixture
async def running(tmp_path):
    async with running_site(tmp_path, cells=CELLS) as made:
        yield made


async def client_of(running: Running, tag: str) -> AsyncModbusTcpClient:
    client = AsyncModbusTcpClient("127.0.0.1", port=running.ports[tag], timeout=20, retries=0)
    assert await client.connect()
    return client


def signed(register: int) -> int:
    return register - 0x10000 if register & 0x8000 else register


def word(registers: list[int], at: int, *, low_first: bool = False) -> int:
    high, low = registers[at : at + 2] if not low_first else reversed(registers[at : at + 2])
    raw = high << 16 | low
    return raw - (1 << 32) if raw & 0x80000000 else raw


def served(running: Running, layout: str) -> set[tuple[str, int]]:
    with closing(sqlite3.connect(running.record)) as database:
        rows = database.execute("SELECT device, tick FROM served WHERE layout = ?", (layout,))
        return set(rows.fetchall())


async def next_tick(running: Running) -> None:
    """Wait until a tick is shown whole that is not being shown already."""
    tick = running.site.devices._writes.tick
    await wait_for(lambda: running.site.devices.tick > tick, "the next tick")


def is_of_now(running: Running, tick: int, before: int) -> bool:
    """Whether a device showed the newest tick; `before` it was asked, that was the newest.

    A device shows the next tick a little before the last one of them does.
    """
    return before <= tick <= running.site.devices.tick + 1


async def set_power(running: Running, power_w: float) -> None:
    """Two ticks: one to reach the power and one to show it settled."""
    running.site.plant.converters[0].active_setpoint_w = power_w
    await next_tick(running)
    await next_tick(running)


async def test_a_rack_shows_its_discharge_in_agreed_registers(running):
    await set_power(running, 60e3)
    client = await client_of(running, "C1-BMS")

    before = running.site.devices.tick
    r = (await client.read_input_registers(0, count=40, device_id=2)).registers
    client.close()

    assert is_of_now(running, word(r, 0), before)
    assert r[3] == 3
    voltage_v, current_a, power_kw = r[4] / 10, signed(r[5]) / 10, word(r, 6, low_first=True) / 10
    assert 450 < voltage_v < 510
    assert 55 < current_a < 70
    assert power_kw == pytest.approx(voltage_v * current_a / 1e3, abs=0.2)
    assert 450 <= r[8] <= 550
    assert r[12] <= r[14] <= r[10]
    assert 1 <= r[11] <= CELLS
    assert signed(r[17]) <= signed(r[19]) <= signed(r[15])
    assert r[20] == r[21] == 1680
    assert (r[22], r[27], r[28], r[29]) == (0b011, CELLS, 280, 2)
    assert r[30:] == [0xFFFF] * 10


async def test_cell_extremes_are_those_of_the_cell_blocks_of_the_same_tick(running):
    client = await client_of(running, "C1-BMS")

    summary = (await client.read_input_registers(0, count=40, device_id=1)).registers
    await next_tick(running)
    cells: list[int] = []
    for start, count in ((1000, 125), (1125, 25), (2000, 125), (2125, 25)):
        answer = await client.read_input_registers(start, count=count, device_id=1)
        cells += answer.registers
    client.close()

    voltages, temperatures = cells[:CELLS], [signed(t) for t in cells[CELLS:]]
    assert (max(voltages), min(voltages)) == (summary[10], summary[12])
    assert voltages[summary[11] - 1] == summary[10]
    assert (max(temperatures), min(temperatures)) == (signed(summary[15]), signed(summary[17]))


async def test_the_meter_is_the_converters_less_the_auxiliaries(running):
    await set_power(running, -50e3)
    client = await client_of(running, "METER")

    r = (await client.read_holding_registers(0, count=22)).registers
    client.close()

    power_w = word(r, 2) * 10.0 ** signed(r[6])
    assert power_w == pytest.approx(running.site.plant.grid_power_w, abs=50)
    assert power_w < -50e3
    assert r[7] * 10.0 ** signed(r[10]) == pytest.approx(35e3, rel=0.03)
    assert r[15] * 10.0 ** signed(r[16]) == pytest.approx(50, abs=0.2)
    assert signed(r[17]) == pytest.approx(-1000, abs=2)


async def test_auxiliary_devices_answer_in_their_own_forms(running):
    tick = running.site.devices.tick
    chiller = await client_of(running, "C1-CHL")
    monitor = await client_of(running, "C1-IMD")
    fire = await client_of(running, "FIRE")

    c = (await chiller.read_holding_registers(0, count=12)).registers
    m = await monitor.read_input_registers(100, count=7)
    f = (await fire.read_input_registers(0, count=5)).registers
    bits = (await fire.read_discrete_inputs(0, count=3)).bits

    assert is_of_now(running, word(c, 0, low_first=True), tick)
    assert c[2] == 1
    assert 15 < signed(c[3]) / 10 < 30
    assert 1000 < word(c, 9, low_first=True) < 30_000
    resistance = monitor.convert_from_registers(m.registers[2:4], monitor.DATATYPE.FLOAT32)
    assert resistance == pytest.approx(2200)
    assert (f[2], f[4]) == (0, 0)
    assert bits[:3] == [False, False, False]
    for client in (chiller, monitor, fire):
        client.close()


async def test_a_contactor_opens_and_closes_on_command(running):
    client = await client_of(running, "C1-BMS")

    await client.write_register(0, 2, device_id=1)
    await next_tick(running)
    opened = (await client.read_input_registers(0, count=40, device_id=1)).registers
    await client.write_registers(0, [1, 77], device_id=1)
    await next_tick(running)
    closed = (await client.read_input_registers(0, count=40, device_id=1)).registers
    wrong = await client.write_register(0, 9, device_id=1)
    client.close()

    assert (opened[3], opened[22]) == (5, 0)
    assert closed[3] != 5
    assert closed[22] == 0b011
    assert isinstance(wrong, ExceptionResponse)
    assert wrong.exception_code == Refusal.ILLEGAL_VALUE


async def test_the_meter_moves_between_two_ticks(running):
    client = await client_of(running, "METER")
    running.site.plant.converters[0].active_setpoint_w = 60e3
    seen: dict[int, set[int]] = {}

    async def moved() -> bool:
        r = (await client.read_holding_registers(0, count=17)).registers
        seen.setdefault(word(r, 0), set()).add(word(r, 2))
        return any(len(powers) > 1 for powers in seen.values())

    end = asyncio.get_running_loop().time() + 30
    while not await moved():
        assert asyncio.get_running_loop().time() < end, seen
    client.close()


async def test_a_reading_of_the_fast_registers_alone_is_no_served_meter(running):
    client = await client_of(running, "METER")
    await client.read_holding_registers(0, count=17)
    await next_tick(running)
    tick = word((await client.read_holding_registers(0, count=22)).registers, 0)
    await next_tick(running)
    await client.read_holding_registers(0, count=17)
    client.close()

    await wait_for(lambda: served(running, "meter"), "the record to be written")

    assert served(running, "meter") == {("METER", tick)}


async def test_the_panel_the_containers_fire_panel_and_ventilation_answer(tmp_path):
    pressed = event(at_s=1, kind="panel_local") + event(at_s=1, kind="emergency_stop")
    async with running_site(tmp_path, pressed) as running:
        panel, fire = await client_of(running, "PANEL"), await client_of(running, "C1-FIRE")
        fan = await client_of(running, "C1-VENT")
        await wait_for(lambda: running.site.plant.panel.emergency_stop, "the emergency stop")
        assert not (await fan.write_register(3, 1)).isError()
        wrong = await fan.write_register(3, 2)
        await next_tick(running)

        before = running.site.devices.tick
        shown = (await panel.read_discrete_inputs(0, count=3)).bits[:3]
        tick = word((await panel.read_input_registers(0, count=2)).registers, 0)
        is_newest = is_of_now(running, tick, before)
        ventilation = (await fan.read_holding_registers(0, count=4)).registers
        gas = (await fire.read_input_registers(2, count=3)).registers
        for client in (panel, fire, fan):
            client.close()

    assert shown == [True, False, False]
    assert is_newest
    assert ventilation[2:] == [1, 1]
    assert wrong.exception_code == Refusal.ILLEGAL_VALUE
    assert gas == [0, 2, 0]


async def test_cooling_is_switched_off_and_on(running):
    client = await client_of(running, "C1-CHL")

    assert not (await client.write_register(12, 0)).isError()
    await next_tick(running)
    off = (await client.read_holding_registers(0, count=13)).registers
    assert (await client.write_register(12, 7)).isError()
    assert not (await client.write_register(12, 1)).isError()
    await next_tick(running)
    on = (await client.read_holding_registers(0, count=13)).registers
    client.close()

    assert (off[2], off[6], off[7], off[12]) == (0, 0, 0, 0)
    assert (on[2], on[12]) == (1, 1)
    assert on[6] > 0


async def test_the_record_knows_when_a_management_tripped_and_what_happened(tmp_path):
    events = event(at_s=1, kind="cell_heat", target="C1-R02/7", value=1e5)
    async with running_site(tmp_path, events) as running:
        bms = running.site.plant.bms
        closed_at = [running.site.devices.tick]

        def opened() -> bool:
            if bms.closed[1]:
                closed_at.append(running.site.devices.tick)
            return not bms.closed[1]

        await wait_for(opened, "the rack to open")
        at = running.site.devices.tick

        def rows(query: str) -> list[tuple[object, ...]]:
            with closing(sqlite3.connect(running.record)) as database:
                return database.execute(query).fetchall()

        await wait_for(lambda: rows("SELECT * FROM bms_trips"), "the trip in the record")
        trips = rows("SELECT tick, at_ms, device, alarms FROM bms_trips")
        moments = rows("SELECT what, target, value FROM moments ORDER BY at_ms")

    assert [row[2] for row in trips] == ["C1-R02"]
    assert trips[0][3] & CELL_OVERTEMPERATURE
    assert closed_at[-1] <= trips[0][0] <= at + 1
    assert abs(trips[0][1] / 1000 - trips[0][0]) < 30
    assert moments[0] == ("cell_heat", "C1-R02/7", 1e5)


async def test_the_coolant_set_point_is_kept_in_its_range(running):
    client = await client_of(running, "C1-CHL")

    assert not (await client.write_register(5, 225)).isError()
    assert (await client.write_register(5, 500)).isError()
    assert (await client.write_register(3, 225)).isError()
    client.close()

    assert running.site.plant.chillers.setpoint_c[0] == 22.5


async def test_the_record_counts_what_was_read_out_and_nothing_else(running):
    client = await client_of(running, "C1-BMS")
    first = await client.read_input_registers(0, count=40, device_id=1)
    for start, count in ((1000, 125), (1125, 25), (2000, 125), (2125, 25)):
        await client.read_input_registers(start, count=count, device_id=1)
    await client.read_input_registers(1000, count=125, device_id=2)
    client.close()
    tick = word(first.registers, 0)

    await wait_for(lambda: served(running, "rack"), "the record to be written")

    assert served(running, "rack") == {("C1-R01", tick)}
    assert served(running, f"rack.cells/{CELLS}") == {("C1-R01", tick)}
    assert served(running, "meter") == set()


async def test_the_record_knows_the_truth_of_every_tick_and_every_command(running):
    client = await client_of(running, "C1-BMS")
    await client.write_register(0, 9, device_id=2)
    client.close()
    await next_tick(running)
    await next_tick(running)

    def rows(query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(running.record)) as database:
            return database.execute(query).fetchall()

    await wait_for(lambda: len(rows("SELECT tick FROM truth")) > 1, "the truth to be written")
    ticks = [row[0] for row in rows("SELECT tick FROM truth ORDER BY tick")]
    assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))
    assert rows("SELECT device, point, value, result FROM commands") == [
        ("C1-R02", "contactor", 9.0, "refused: illegal_value")
    ]


async def test_scenario_events_begin_and_end(tmp_path):
    events = "".join(
        [
            event(at_s=1, kind="device_silent", target="C1-R02", for_s=5),
            event(at_s=1, kind="device_down", target="METER", for_s=5),
            event(at_s=1, kind="device_down", target="C1-PCS", for_s=5),
            event(at_s=1, kind="insulation_fault", target="C1", for_s=5, value=90),
            event(at_s=1, kind="sensor_failed", target="C1-R01/7"),
            event(at_s=1, kind="uplink_cut", target="uplink", for_s=60),
        ]
    )
    async with running_site(tmp_path, events) as running:
        devices = running.site.devices
        insulation = running.site.plant.dangers.insulation
        await wait_for(lambda: insulation[0].positive_kohm == 90, "the insulation fault")
        assert devices.units["C1-R02"].silent
        client = AsyncModbusTcpClient("127.0.0.1", port=running.ports["METER"], timeout=1)
        assert not await client.connect()
        client.close()
        await wait_for(lambda: not devices.units["C1-R02"].silent, "the rack to answer again")

        meter = await client_of(running, "METER")
        rack = await client_of(running, "C1-BMS")
        temperature = (await rack.read_input_registers(2006, count=1, device_id=1)).registers[0]
        meter.close()
        rack.close()

    assert temperature == 0x8000
    assert running.site.plant.dangers.insulation[0].positive_kohm > 2000


async def test_two_signs_of_fire_trip_every_converter(tmp_path):
    gas = event(at_s=1, kind="gas_release", target="FIRE", value=5000, for_s=60)
    async with running_site(tmp_path, gas) as running:
        converter = running.site.plant.converters[0]
        await wait_for(lambda: not converter.connected, "the emergency stop")
        client = await client_of(running, "FIRE")
        await next_tick(running)
        state = (await client.read_input_registers(4, count=1)).registers[0]
        client.close()

    assert state == 2


@pytest.mark.parametrize("target", ["C9-PCS", "C1-R03/1", "C1-R01/151", "C1-R01/x"])
async def test_a_scenario_for_another_plant_is_refused_before_it_starts(tmp_path, target):
    kind = "cell_heat" if "/" in target else "pcs_trip"

    with pytest.raises(ConfigError, match=r"events\.0\.target"):
        async with running_site(tmp_path, event(at_s=1, kind=kind, target=target)):
            pass


async def test_a_scenario_that_waits_begins_with_its_file(tmp_path):
    begin = tmp_path / "begin"
    scenario = event(kind="pcs_trip", target="C1-PCS", at_s=0.0)
    async with running_site(tmp_path, scenario, begins_with=begin) as running:
        converter = running.site.plant.converters[0]
        await next_tick(running)
        await next_tick(running)
        before = converter.alarms

        begin.touch()

        await wait_for(lambda: converter.alarms, "the trip")
        assert before == 0
