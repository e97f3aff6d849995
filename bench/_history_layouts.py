"""What the devices of the benchmark's station report: 30 signals a converter, 40 a rack.

Both begin with the published layout of their kind and add what a talkative vendor sends besides:
more temperatures, energies, counters, valves and states. Analogue values come as a BMS or a
converter quantises them: 1 mV, 0.1 deg C, 0.1 A, 0.1 kW.
"""

from contract import layouts
from contract.layout import Column, Layout
from contract.signals import SIGNALS, Grade, Kind, Signal

CELLS = 125
"""Cells that one rack reports."""


def _own(name: str, unit: str, dtype: str, scale: float, kind: Kind = Kind.ANALOG) -> Column:
    """A column of a signal that only this benchmark knows."""
    words = name.replace("_", " ")
    return Column(Signal(name, unit, dtype, scale, kind, Grade.INTERNAL, words, words))


CONVERTER = layouts.register(
    Layout(
        "bench.converter",
        (
            *layouts.PCS.columns,
            Column(SIGNALS["energy_discharged_kwh"]),
            Column(SIGNALS["energy_charged_kwh"]),
            _own("dc_power_kw", "kW", "i4", 0.1),
            _own("igbt_temperature_a_c", "°C", "i2", 0.1),
            _own("igbt_temperature_b_c", "°C", "i2", 0.1),
            _own("igbt_temperature_c_c", "°C", "i2", 0.1),
            _own("cabinet_temperature_c", "°C", "i2", 0.1),
            _own("insulation_kohm", "kΩ", "i4", 1.0),
            _own("warning_word", "", "i4", 1.0, Kind.BITS),
            _own("fault_word", "", "i4", 1.0, Kind.BITS),
        ),
    )
)
RACK = layouts.register(
    Layout(
        "bench.rack",
        (
            *layouts.RACK.columns,
            Column(SIGNALS["resistance_positive_kohm"]),
            Column(SIGNALS["resistance_negative_kohm"]),
            Column(SIGNALS["coolant_supply_c"]),
            Column(SIGNALS["coolant_return_c"]),
            _own("coolant_pressure_bar", "bar", "i2", 0.01),
            _own("cell_voltage_spread_v", "V", "i2", 0.001),
            _own("cell_temperature_spread_c", "°C", "i2", 0.1),
            _own("charged_ah", "Ah", "i4", 0.1, Kind.COUNTER),
            _own("discharged_ah", "Ah", "i4", 0.1, Kind.COUNTER),
            _own("cycles", "", "i2", 1.0, Kind.COUNTER),
            _own("contactor_positive", "", "i1", 1.0, Kind.STATE),
            _own("contactor_negative", "", "i1", 1.0, Kind.STATE),
            _own("contactor_precharge", "", "i1", 1.0, Kind.STATE),
            _own("pump_running", "", "i1", 1.0, Kind.STATE),
            _own("fan_level", "", "i1", 1.0, Kind.STATE),
            _own("balancing_cell", "", "i2", 1.0, Kind.INDEX),
            _own("heartbeat", "", "i2", 1.0, Kind.COUNTER),
            _own("bus_errors", "", "i2", 1.0, Kind.COUNTER),
            _own("door_open", "", "i1", 1.0, Kind.STATE),
        ),
    )
)
RACK_CELLS = layouts.cells_layout(CELLS)
