"""Register maps of chillers and insulation monitors."""

from simulator.modbus.image import Image, Registers, Span, Table
from simulator.modbus.server import Served
from simulator.plant import Plant

CHILLER_TIME = Span(Table.HOLDING, 0, 2, low_word_first=True)
CHILLER_SETPOINT = 5
CHILLER_COOLING = 12
CHILLER_LAYOUTS = (Served("chiller", (CHILLER_TIME,)),)
INSULATION_TIME = Span(Table.INPUT, 100, 102)
INSULATION_LAYOUTS = (Served("insulation", (INSULATION_TIME,)),)

_PUMP_KPA = 180.0
_INSULATION_WARNING_KOHM = 500.0
_INSULATION_ALARM_KOHM = 150.0
"""100 ohm per volt of a 1,500 V system, the usual alarm level of GB/T 34131 systems."""


def chiller_image(plant: Plant, container: int, tick: int) -> Image:
    """Holding registers of one chiller: words of 32 bit come low word first."""
    chiller = plant.chillers
    thermal = plant.thermal.parameters
    flowing = bool(chiller.flowing[container])
    r = Registers(13)
    r.u32(0, tick, low_word_first=True)
    r.u16(2, int(chiller.state(container)))
    r.s16(3, float(chiller.supply_c[container]) * 10)
    r.s16(4, float(chiller.return_c[container]) * 10)
    r.s16(5, float(chiller.setpoint_c[container]) * 10)
    flow = thermal.flow_l_per_min * plant.parameters.racks_per_container
    r.u16(6, flow * 10 if flowing else 0)
    r.u16(7, _PUMP_KPA * 10 if flowing else 0)
    r.s16(8, plant.ambient_c * 10)
    r.u32(9, float(chiller.power_w[container]), low_word_first=True)
    r.u16(11, chiller.alarms(container))
    r.u16(CHILLER_COOLING, int(chiller.enabled[container]))
    return Image(tick, (r.area(Table.HOLDING),))


def insulation_image(plant: Plant, container: int, tick: int) -> Image:
    """Input registers of one insulation monitor: IEEE floats in kilo-ohm."""
    insulation = plant.dangers.insulation[container]
    lowest = min(insulation.positive_kohm, insulation.negative_kohm)
    alarms = int(lowest < _INSULATION_WARNING_KOHM) | int(lowest < _INSULATION_ALARM_KOHM) << 1
    r = Registers(7, start=100)
    r.u32(100, tick)
    r.f32(102, insulation.positive_kohm)
    r.f32(104, insulation.negative_kohm)
    r.u16(106, alarms)
    return Image(tick, (r.area(Table.INPUT),))
