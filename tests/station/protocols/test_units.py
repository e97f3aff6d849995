import pytest

from contract.signals import SIGNALS
from station.protocols.units import UNITS, UnitMismatch, conversion


@pytest.mark.parametrize(
    ("given", "own", "value", "expected"),
    [
        ("mV", "V", 3312, 3.312),
        ("K", "°C", 298.15, 25.0),
        ("degF", "°C", 77, 25.0),
        ("°F", "°C", -40, -40.0),
        ("W", "kW", -1500, -1.5),
        ("MW", "kW", 1.25, 1250.0),
        ("%", "", 52.3, 0.523),
        ("bar", "kPa", 1.8, 180.0),
        ("psi", "kPa", 1, 6.894757),
        ("m3/h", "l/min", 6, 100.0),
        ("ohm", "kΩ", 250_000, 250.0),
        ("MJ", "kWh", 3.6, 1.0),
        ("Wh", "kWh", 1000, 1.0),
        ("mHz", "Hz", 49_980, 49.98),
    ],
)
def test_a_devices_unit_becomes_the_signals(given, own, value, expected):
    factor, shift = conversion(given, own)

    assert value * factor + shift == pytest.approx(expected)


@pytest.mark.parametrize(("given", "own"), [("kW", "kvar"), ("V", "°C"), ("volt", "V")])
def test_a_unit_of_another_quantity_is_refused_with_those_that_would_do(given, own):
    with pytest.raises(UnitMismatch, match=own):
        conversion(given, own)


def test_every_unit_that_a_device_tells_is_known_to_convert_to_itself():
    for name in ("cell_voltage_v", "coolant_flow_lpm", "resistance_positive_kohm", "hydrogen_ppm",
                 "energy_charged_kwh", "apparent_power_kva", "soc"):  # fmt: skip
        assert conversion(SIGNALS[name].unit, SIGNALS[name].unit) == (1.0, 0.0)
        assert SIGNALS[name].unit in UNITS
