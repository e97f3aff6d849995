"""Register map of a converter that speaks SunSpec: models 1 (common) and 103 (three phases).

SunSpec Device Information Model Specification: the marker at holding 40000, then the models one
after another, each with id and length, then the end mark. Not implemented is 0xFFFF (unsigned),
0x8000 (signed) and 0 (accumulators). DC current is unsigned there: a converter that charges
cannot tell it.
"""

import math

from simulator.modbus.image import Image, Registers, Span, Table
from simulator.physics.converter import (
    ALARM_DC_OVERVOLTAGE,
    ALARM_HEATSINK,
    ALARM_TRIP,
    Converter,
    PcsState,
)
from simulator.plant import Plant

BASE = 40000
NO_TIME = Span(Table.HOLDING, 0, 0)
"""Neither model has a clock."""
_MARKER = b"SunS"
_COMMON, _COMMON_LENGTH = 1, 66
_INVERTER, _INVERTER_LENGTH = 103, 50
_COMMON_AT = BASE + 2
_INVERTER_AT = _COMMON_AT + 2 + _COMMON_LENGTH
_END_AT = _INVERTER_AT + 2 + _INVERTER_LENGTH
_MAKER, _MODEL, _VERSION, _SERIAL, _UNIT = 2, 18, 42, 50, 66
"""Offsets of the texts and of the unit id in model 1."""
_TENTHS, _HUNDREDTHS, _HUNDREDS = -1, -2, 2
_STATES = {
    PcsState.OFF: 1,
    PcsState.STANDBY: 8,
    PcsState.RUNNING: 4,
    PcsState.DERATED: 5,
    PcsState.FAULT: 7,
    PcsState.MAINTENANCE: 1,
}
"""Codes of St in model 103: off, standby, MPPT (which is running), throttled, fault."""
_EVENTS = {ALARM_DC_OVERVOLTAGE: 1 << 1, ALARM_HEATSINK: 1 << 7, ALARM_TRIP: 1 << 6}
"""Bits of Evt1: DC over voltage, over temperature, manual shutdown."""


def image(plant: Plant, container: int, tick: int) -> Image:
    """Holding registers of one container's converter, as SunSpec tells it."""
    r = Registers(_END_AT + 2 - BASE, BASE)
    _text(r, BASE, _MARKER)
    _common(r, container)
    _inverter(r, plant, container)
    r.u16(_END_AT + 1, 0)
    return Image(tick, (r.area(Table.HOLDING),))


def _common(r: Registers, container: int) -> None:
    r.u16(_COMMON_AT, _COMMON)
    r.u16(_COMMON_AT + 1, _COMMON_LENGTH)
    for offset, length, text in (
        (_MAKER, 32, "Stationmaster"),
        (_MODEL, 32, "Virtual converter"),
        (_VERSION, 16, "1"),
        (_SERIAL, 32, f"C{container + 1}-PCS"),
    ):
        _text(r, _COMMON_AT + offset, text.encode().ljust(length, b"\0"))
    r.u16(_COMMON_AT + _UNIT, 1)


def _inverter(r: Registers, plant: Plant, container: int) -> None:
    converter, at = plant.converters[container], _INVERTER_AT
    p, q = converter.active_w, converter.reactive_var
    s = math.hypot(p, q)
    voltages = plant.grid.line_voltages(converter.parameters.ac_voltage_v)
    currents = [s / (math.sqrt(3) * voltage) for voltage in voltages]
    r.u16(at, _INVERTER)
    r.u16(at + 1, _INVERTER_LENGTH)
    for k, current in enumerate((sum(currents), *currents)):
        r.u16(at + 2 + k, current * 10)
    r.s16(at + 6, _TENTHS)
    for k, voltage in enumerate(voltages):
        r.u16(at + 7 + k, voltage * 10)
    r.s16(at + 13, _TENTHS)
    _with_factor(r, at + 14, p / 100, _HUNDREDS)
    r.u16(at + 16, plant.grid.frequency_hz * 100)
    r.s16(at + 17, _HUNDREDTHS)
    _with_factor(r, at + 18, s / 100, _HUNDREDS)
    _with_factor(r, at + 20, q / 100, _HUNDREDS)
    _with_factor(r, at + 22, 1000 * (p / s if s else 1.0), _TENTHS)
    r.u32(at + 24, 0)
    r.s16(at + 26, 0)
    dc_v, dc_a = float(plant.bus_voltage_v[container]), float(plant.bus_current_a[container])
    r.u16(at + 27, dc_a * 10)
    r.s16(at + 28, _TENTHS)
    r.u16(at + 29, dc_v * 10)
    r.s16(at + 30, _TENTHS)
    _with_factor(r, at + 31, dc_v * dc_a / 100, _HUNDREDS)
    _status(r, at, converter)


def _status(r: Registers, at: int, converter: Converter) -> None:
    for offset in (33, 35, 36):
        r.s16(at + offset, math.nan)  # only the heat sink has a sensor
    r.s16(at + 34, converter.heatsink_c * 10)
    r.s16(at + 37, _TENTHS)
    r.u16(at + 38, _STATES[converter.state])
    events = sum(bit for alarm, bit in _EVENTS.items() if converter.alarms & alarm)
    r.u32(at + 40, events)
    for offset in range(42, 52, 2):
        r.u32(at + offset, 0)


def _with_factor(r: Registers, address: int, value: float, power: int) -> None:
    r.s16(address, value)
    r.s16(address + 1, power)


def _text(r: Registers, address: int, text: bytes) -> None:
    for k in range(0, len(text), 2):
        r.u16(address + k // 2, text[k] << 8 | text[k + 1])
