import numpy as np
import pytest

from simulator.errors import ConfigError
from simulator.physics.tables import load_cell
from tests.simulator.small import CELL_FILE


def test_the_open_circuit_voltage_rises_with_soc_over_the_whole_range():
    tables = load_cell(CELL_FILE)

    voltage, _, _ = tables.open_circuit(np.linspace(0, 1, 200), np.full(200, 25.0))

    assert np.all(np.diff(voltage) > 0)
    assert 3.28 < voltage[100] < 3.32


def test_the_resistance_is_that_of_a_large_cell_and_rises_in_the_cold():
    tables = load_cell(CELL_FILE)
    soc = np.full(3, 0.5)

    charge, discharge = tables.resistance(soc, np.array([-10.0, 25.0, 45.0]))

    assert charge[1] == pytest.approx(0.0447670 * 3 / 280, rel=0.01)
    assert discharge[1] == pytest.approx(0.0478277 * 3 / 280, rel=0.01)
    assert charge[0] > 1.5 * charge[1] > 1.5 * charge[2]


def test_stored_energy_is_the_integral_of_the_voltage():
    tables = load_cell(CELL_FILE)
    fine = np.linspace(0, 1, 20_001)
    voltage, _, entropy = tables.open_circuit(fine, np.full(fine.size, 25.0))
    enthalpy = voltage - (25.0 + 273.15) * entropy

    stored = tables.stored_vh(np.array([0.0, 1.0]))

    assert stored[0] == 0
    assert stored[1] == pytest.approx(float(np.trapezoid(enthalpy, fine)), rel=1e-4)


def test_a_cell_file_without_a_key_is_refused_by_name(tmp_path):
    path = tmp_path / "cell.toml"
    path.write_text(CELL_FILE.read_text().replace("mass_kg", "weight"))

    with pytest.raises(ConfigError, match="mass_kg"):
        load_cell(path)
