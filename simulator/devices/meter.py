"""Register map of the grid meter: integers with scale factors beside them, as SunSpec does it."""

import math

from simulator.modbus.image import Image, Registers, Span, Table
from simulator.modbus.server import Served
from simulator.physics.grid import NOMINAL_VOLTAGE_V
from simulator.physics.tables import SECONDS_PER_HOUR
from simulator.plant import Plant

DEVICE_TIME = Span(Table.HOLDING, 0, 2)
_SIZE = 22
LAYOUTS = (Served("meter", (Span(Table.HOLDING, 0, _SIZE),)),)
"""All registers: a client that reads only the fast ones has not had the meter's tick."""
_POWER_EXPONENT = 2
_VOLTAGE_EXPONENT = 1
_CURRENT_EXPONENT = -1
_FREQUENCY_EXPONENT = -3
_TENTH_KWH_J = 0.1e3 * SECONDS_PER_HOUR


def image(plant: Plant, tick: int) -> Image:
    """Holding registers of the meter at the connection point."""
    active, reactive = plant.grid_power_w, plant.grid_reactive_var
    voltages = plant.grid.line_voltages(NOMINAL_VOLTAGE_V)
    apparent = math.hypot(active, reactive)
    r = Registers(_SIZE)
    r.u32(0, tick)
    r.s32(2, active / 10**_POWER_EXPONENT)
    r.s32(4, reactive / 10**_POWER_EXPONENT)
    r.s16(6, _POWER_EXPONENT)
    for k, voltage in enumerate(voltages):
        r.u16(7 + k, voltage / 10**_VOLTAGE_EXPONENT)
        r.u16(11 + k, apparent / (math.sqrt(3) * voltage) / 10**_CURRENT_EXPONENT)
    r.s16(10, _VOLTAGE_EXPONENT)
    r.s16(14, _CURRENT_EXPONENT)
    r.u16(15, plant.grid.frequency_hz / 10**_FREQUENCY_EXPONENT)
    r.s16(16, _FREQUENCY_EXPONENT)
    r.s16(17, 1000 * (active / apparent if apparent else 1.0))
    r.u32(18, plant.energy.discharged / _TENTH_KWH_J)
    r.u32(20, plant.energy.charged / _TENTH_KWH_J)
    return Image(tick, (r.area(Table.HOLDING),))
