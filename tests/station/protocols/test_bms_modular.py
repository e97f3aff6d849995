"""A battery management system with cells in modules, other units and several racks a unit id."""

import time

import pytest

from contract import layouts
from contract.frame import Quality
from station.protocols.driver import Accepted, DeviceSpec, Refused
from tests.station.protocols.modbus_server import Bank, ModbusServer
from tests.station.protocols.test_modbus_driver import command, running
from tests.station.protocols.test_sunspec_models import values_of
from tests.waiting import wait_for

FAULTY, FITTED_NOT = 0xFFFE, 0xFFFF


def racks(*numbers: int) -> Bank:
    """Return registers of these racks, written from the map's own words."""

    def tick(bank: Bank, request: object) -> None:
        bank.write_u32(3, 60000, int(time.time()), low_first=True)

    bank = Bank(before_reply=tick)
    bank.write(3, 60002, 1516)
    for rack in numbers:
        base = 1000 * (rack - 1)
        for address, value in ((100, 768_400 + rack), (102, 125_500), (104, 96_432),
                               (120, 1 << 8), (122, 1 << 16 | 1 << 2), (124, 1234)):  # fmt: skip
            bank.write_u32(3, base + address, value & 0xFFFF_FFFF, low_first=True)
        bank.write(3, base + 106, 5230, 9950, 3350, 3200, 3275, 0, 239, 3081, 2982, 3031)
        bank.write(3, base + 116, 3000, 2800, 0x0300 | 17)
        for module in range(15):
            voltages = [3200 + module + cell for cell in range(16)]
            temperatures = [2981 + 10 * sensor for sensor in range(4)]
            record = [0xAAAA, *voltages, *temperatures, 0xBBBB, 0xBBBB, 0xBBBB]
            bank.write(3, base + 200 + 24 * module, *record)
    return bank


def two_racks() -> Bank:
    """Return racks 1 and 3, the third with faulty sensors."""
    bank = racks(1, 3)
    bank.write(3, 2201, FAULTY)
    bank.write(3, 2217, FITTED_NOT)
    return bank


@pytest.fixture
async def plant():
    async with ModbusServer({7: two_racks()}) as server:
        specs = [
            DeviceSpec(f"R{n}", f"bms-modular.toml#{n}", "127.0.0.1", server.port, 7)
            for n in (1, 3)
        ]
        async with running(*specs) as (driver, record):
            await wait_for(
                lambda: all(
                    record.times(f"R{n}", layout)
                    for n in (1, 3)
                    for layout in ("rack", "rack.cells/240")
                ),
                "both racks",
            )
            yield server, driver, record


async def test_racks_of_one_unit_are_read_with_their_cells_in_order(plant):
    _, _, record = plant

    by_key = {(r.device, r.layout): r for r in record.readings}
    rack = values_of(by_key["R1", "rack"])
    assert rack["voltage_v"] == [768.4]
    assert (rack["current_a"], rack["power_kw"]) == ([-125.5], [-96.4])
    assert (rack["soc"], rack["soh"]) == ([0.523], [0.995])
    assert (rack["cell_voltage_max_index"], rack["cell_voltage_min_index"]) == ([1], [240])
    assert rack["cell_temperature_max_c"] == [35.0]
    assert (rack["rack_state"], rack["contactor_closed"]) == ([2], [1])
    assert (rack["rack_warnings"], rack["rack_alarms"]) == ([1 << 6], [1 << 13 | 1 << 2])
    cells = values_of(by_key["R1", "rack.cells/240"])
    assert cells["cell_voltage_v"] == [
        (3200 + module + cell) / 1000 for module in range(15) for cell in range(16)
    ]
    of_a_module = [25.0 + sensor for sensor in range(4) for _ in range(4)]
    assert cells["cell_temperature_c"] == pytest.approx(of_a_module * 15, abs=0.051)


async def test_a_faulty_sensor_makes_its_cells_invalid_and_no_other(plant):
    _, _, record = plant

    reading = next(r for r in record.readings if (r.device, r.layout) == ("R3", "rack.cells/240"))
    layout = layouts.get("rack.cells/240")
    for signal, invalid in (("cell_voltage_v", {0}), ("cell_temperature_c", {0, 1, 2, 3})):
        start, stop = layout.offset(signal)
        flags = reading.quality[start:stop]
        assert {i for i, q in enumerate(flags) if q == Quality.INVALID} == invalid
        assert {int(q) for q in flags} == {Quality.GOOD, Quality.INVALID}


async def test_commands_reach_the_rack_they_are_for_and_must_show_themselves(plant):
    server, driver, _ = plant

    closed = await driver.command(command("R3", "close_contactor"))
    opened = await driver.command(command("R1", "heartbeat", 5))

    assert isinstance(closed, Accepted)
    assert isinstance(opened, Accepted)
    assert [(r.address, r.values) for r in server.requests if r.function == 16] == [
        (2010, (1,)), (11, (5,)),
    ]  # fmt: skip


async def test_a_contactor_that_stays_closed_has_not_been_opened(plant, monkeypatch):
    _, driver, _ = plant
    write = driver._by_device["R1"][1].profile.writes["open_contactor"]
    monkeypatch.setitem(write.read_back.__dict__, "within_s", 0.0)

    outcome = await driver.command(command("R1", "open_contactor"))

    assert isinstance(outcome, Refused)
    assert "holding 118 shows 3 instead of 0" in outcome.reason
