"""Register map of a container's battery management: one Modbus unit per rack."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulator.devices.sensors import RackReadings
from simulator.modbus.image import INVALID_S16, Image, Span, Table
from simulator.modbus.rows import RegisterRows, row_areas
from simulator.modbus.server import Served
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
_MEASURED = range(3, 27)
"""Registers of the summary that measurements fill."""
_INVALID_MV = -1
"""0xFFFF as a signed word."""
_HOTTEST_DC = 0x7FFF
"""Stands for the temperature of a failed sensor where the coldest is looked for."""


def layouts(cells: int) -> tuple[Served, ...]:
    """The layouts a rack serves: its summary, and its cells."""
    voltages = Span(Table.INPUT, CELL_VOLTAGES, CELL_VOLTAGES + cells)
    temperatures = Span(Table.INPUT, CELL_TEMPERATURES, CELL_TEMPERATURES + cells)
    return (
        Served("rack", (DEVICE_TIME,)),
        Served(f"rack.cells/{cells}", (voltages, temperatures)),
    )


def images(
    plant: Plant,
    readings: RackReadings,
    *,
    states: NDArray[np.int64],
    tick: int,
    beat: int,
    written: NDArray[np.int64],
    blank: Sequence[int] = (),
) -> list[Image]:
    """Build the images of all racks.

    Args:
        plant: the plant.
        readings: this tick's sensor readings.
        states: operating state of each rack, (racks,).
        tick: device time, epoch seconds.
        beat: heartbeat counter.
        written: holding registers of each rack, (racks, 2): last command, heartbeat of the EMS.
        blank: racks that show the marker of "no value" in place of whatever they measure.
    """
    cell_mv, cell_dc = readings.cell_mv, readings.cell_dc
    summaries = _summaries(plant, readings, (tick, beat), states)
    if blank:
        rows, cell_mv, cell_dc = list(blank), cell_mv.copy(), cell_dc.copy()
        cell_mv[rows], cell_dc[rows] = _INVALID_MV, INVALID_S16
        summaries.blank(rows, _MEASURED)
    parts = zip(
        summaries.areas(Table.INPUT),
        row_areas(Table.INPUT, CELL_VOLTAGES, cell_mv),
        row_areas(Table.INPUT, CELL_TEMPERATURES, cell_dc),
        row_areas(Table.HOLDING, COMMAND, written.astype(np.uint16)),
        strict=True,
    )
    return [Image(tick, areas) for areas in parts]


def _summaries(
    plant: Plant, readings: RackReadings, head: tuple[int, int], states: NDArray[np.int64]
) -> RegisterRows:
    bms = plant.bms
    racks, cells = readings.cell_mv.shape
    tick, beat = head
    r = RegisterRows(racks, _SUMMARY)
    r.u32(0, tick)
    r.u16(2, beat)
    r.u16(3, states)
    r.u16(4, readings.voltage_v * 10)
    r.s16(5, readings.current_a * 10)
    r.s32_low_first(6, readings.power_kw * 10)
    r.u16(8, readings.soc * 1000)
    r.u16(9, _STATE_OF_HEALTH * 1000)
    _cells(r, readings)
    r.u16(20, bms.charge_limit_a * 10)
    r.u16(21, bms.discharge_limit_a * 10)
    r.u16(22, np.where(bms.feedback_closed, _CLOSED_BITS, 0))
    r.u32(23, bms.warnings)
    r.u32(25, bms.alarms)
    r.u16(27, cells)
    r.u16(28, plant.parameters.capacity_ah)
    r.u16(29, np.arange(racks) % plant.parameters.racks_per_container + 1)
    return r


def _cells(r: RegisterRows, readings: RackReadings) -> None:
    """Extremes and means; cell numbers start at 1; failed temperature sensors are left out."""
    mv = readings.cell_mv
    r.u16(10, mv.max(axis=1))
    r.u16(11, mv.argmax(axis=1) + 1)
    r.u16(12, mv.min(axis=1))
    r.u16(13, mv.argmin(axis=1) + 1)
    r.u16(14, mv.mean(axis=1))
    hottest, coldest, mean_dc = readings.cell_dc, readings.cell_dc, readings.cell_dc.mean(axis=1)
    if hottest.min() == INVALID_S16:
        valid = hottest != INVALID_S16
        coldest = np.where(valid, coldest, np.int16(_HOTTEST_DC))
        count = valid.sum(axis=1)
        total = np.where(valid, hottest, 0).sum(axis=1)
        mean_dc = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    r.s16(15, hottest.max(axis=1))
    r.u16(16, hottest.argmax(axis=1) + 1)
    r.s16(17, coldest.min(axis=1))
    r.u16(18, coldest.argmin(axis=1) + 1)
    r.s16(19, mean_dc)
