"""A device that holds its picture while it is read, against the simulator's own servers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simulator.devices import bms
from simulator.modbus.image import Area, Image, Registers, Table, array_area
from simulator.modbus.server import ModbusServer, Unit
from tests.station.protocols.test_modbus_driver import CELLS, rack_spec, running
from tests.waiting import wait_for

FIRST = 1_700_000_000


@dataclass(frozen=True)
class Passing(Image):
    """An image during whose reading the device ticks on."""

    tick_on: Callable[[], None] = lambda: None

    def find(self, table: Table, start: int, count: int) -> bytes | None:
        if start == bms.CELL_VOLTAGES:
            self.tick_on()
        return super().find(table, start, count)


def areas(tick: int, millivolts: int) -> tuple[Area, ...]:
    summary = Registers(40)
    summary.u32(0, tick)
    summary.u16(27, 416)
    summary.u16(29, 1)
    return (
        summary.area(Table.INPUT),
        array_area(Table.INPUT, bms.CELL_VOLTAGES, np.full(416, millivolts)),
        array_area(Table.INPUT, bms.CELL_TEMPERATURES, np.full(416, 250)),
    )


async def test_a_picture_that_the_device_holds_is_taken_though_its_clock_has_moved_on():
    served: set[tuple[str, int]] = set()
    newest = Image(FIRST + 1, areas(FIRST + 1, 3301))
    unit = Unit("R01", newest, bms.DEVICE_TIME, bms.layouts(416))
    server = ModbusServer("BMS", {1: unit}, lambda _, layout, tick: served.add((layout, tick)))
    first = Passing(FIRST, areas(FIRST, 3300), lambda: server.publish([(1, newest)]))
    server.publish([(1, first)])
    await server.start("127.0.0.1", 0)

    try:
        async with running(rack_spec(server.port)) as (_, record):
            await wait_for(lambda: (CELLS, FIRST + 1) in served, "both ticks")
            await wait_for(lambda: len(record.times("R01", CELLS)) >= 2, "both readings")
    finally:
        await server.stop()

    assert record.times("R01", CELLS) == [FIRST * 1000, (FIRST + 1) * 1000]
    cells = [r.values[0].tolist() for r in record.readings if r.layout == CELLS]
    assert cells == [[3300] * 416, [3301] * 416]
    assert record.missed == []


async def test_a_reading_that_gets_no_answer_is_told_with_its_device_time_and_reason():
    unit = Unit("R01", Image(0, ()), bms.DEVICE_TIME, bms.layouts(416))

    def fall_silent() -> None:
        unit.silent = True

    server = ModbusServer("BMS", {1: unit}, lambda *_: None)
    server.publish([(1, Passing(FIRST, areas(FIRST, 3300), fall_silent))])
    await server.start("127.0.0.1", 0)

    try:
        async with running(rack_spec(server.port)) as (_, record):
            await wait_for(lambda: record.missed, "what was missed")
    finally:
        await server.stop()

    missed = record.missed[0]
    assert (missed.device, missed.layout, missed.time_ms) == ("R01", CELLS, FIRST * 1000)
    assert missed.kind == "no_answer"
    assert "unit 1" in missed.reason
