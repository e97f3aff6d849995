"""Register map of a container's battery management: one Modbus unit per rack."""

import numpy as np

from simulator.devices.sensors import RackReadings
from simulator.modbus.image import INVALID_S16, Area, Image, Registers, Table, array_area
from simulator.modbus.server import Served, Span
from simulator.plant import Plant

DEVICE_TIME = Span(Table.INPUT, 0, 2)
CELL_VOLTAGES = 1000
CELL_TEMPERATURES = 2000
COMMAND = 0
HEARTBEAT = 1
COMMAND_CLOSE = 1
COMMAND_OPEN = 2
_SUMMARY = 40
_STATE_OF_HEALTH = 1.0
_CLOSED_BITS = 0b011


def layouts(cells: int) -> tuple[Served, ...]:
    """The layouts a rack serves: its summary, and its cells."""
    voltages = Span(Table.INPUT, CELL_VOLTAGES, CELL_VOLTAGES + cells)
    temperatures = Span(Table.INPUT, CELL_TEMPERATURES, CELL_TEMPERATURES + cells)
    return (
        Served("rack", (DEVICE_TIME,)),
        Served(f"rack.cells/{cells}", (voltages, temperatures)),
    )


def image(
    plant: Plant,
    readings: RackReadings,
    rack: int,
    *,
    state: int,
    tick: int,
    beat: int,
    written: tuple[int, int],
) -> Image:
    """Build the image of one rack.

    Args:
        plant: the plant.
        readings: this tick's sensor readings.
        rack: index over the whole plant.
        state: the rack's operating state.
        tick: device time, epoch seconds.
        beat: heartbeat counter.
        written: holding registers: last command, heartbeat of the EMS.
    """
    holding = array_area(Table.HOLDING, COMMAND, np.array(written))
    return Image(
        tick,
        (
            _summary(plant, readings, rack, (tick, beat, state)),
            array_area(Table.INPUT, CELL_VOLTAGES, readings.cell_mv[rack]),
            array_area(Table.INPUT, CELL_TEMPERATURES, readings.cell_dc[rack]),
            holding,
        ),
    )


def _summary(plant: Plant, readings: RackReadings, rack: int, head: tuple[int, int, int]) -> Area:
    bms = plant.bms
    tick, beat, state = head
    r = Registers(_SUMMARY)
    r.u32(0, tick)
    r.u16(2, beat)
    r.u16(3, state)
    r.u16(4, readings.voltage_v[rack] * 10)
    r.s16(5, readings.current_a[rack] * 10)
    r.s32(6, readings.power_kw[rack] * 10, low_word_first=True)
    r.u16(8, readings.soc[rack] * 1000)
    r.u16(9, _STATE_OF_HEALTH * 1000)
    _cells(r, readings, rack)
    r.u16(20, bms.charge_limit_a[rack] * 10)
    r.u16(21, bms.discharge_limit_a[rack] * 10)
    r.u16(22, _CLOSED_BITS if bms.feedback_closed[rack] else 0)
    r.u32(23, int(bms.warnings[rack]))
    r.u32(25, int(bms.alarms[rack]))
    r.u16(27, readings.cell_mv.shape[1])
    r.u16(28, plant.parameters.capacity_ah)
    r.s16(29, 0)
    return r.area(Table.INPUT)


def _cells(r: Registers, readings: RackReadings, rack: int) -> None:
    """Extremes and means; cell numbers start at 1; failed temperature sensors are left out."""
    mv = readings.cell_mv[rack]
    r.u16(10, int(mv.max()))
    r.u16(11, int(mv.argmax()) + 1)
    r.u16(12, int(mv.min()))
    r.u16(13, int(mv.argmin()) + 1)
    r.u16(14, float(mv.mean()))
    dc = readings.cell_dc[rack]
    valid = dc != INVALID_S16
    hottest = np.where(valid, dc, INVALID_S16)
    coldest = np.where(valid, dc, -INVALID_S16)
    r.s16(15, int(hottest.max()))
    r.u16(16, int(hottest.argmax()) + 1)
    r.s16(17, int(coldest.min()))
    r.u16(18, int(coldest.argmin()) + 1)
    r.s16(19, float(dc[valid].mean()) if valid.any() else float("nan"))
