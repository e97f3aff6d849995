import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.physics.bus import solve_bus

racks = st.integers(1, 8)


@given(
    emf=st.lists(st.floats(1100, 1500), min_size=1, max_size=8),
    ohm=st.floats(0.05, 0.5),
    power=st.floats(-2e6, 2e6),
)
def test_the_racks_together_carry_the_power_at_one_voltage(emf, ohm, power):
    sources = np.array([emf])
    resistance = np.full_like(sources, ohm)

    bus = solve_bus(sources, resistance, np.ones_like(sources, dtype=bool), np.array([power]))

    assert bus.voltage_v[0] * bus.current_a.sum() == pytest.approx(bus.power_w[0], abs=1.0)
    assert bus.power_w[0] <= power + 1e-6
    assert np.allclose(sources - bus.current_a * resistance, bus.voltage_v[0])


def test_an_open_rack_carries_nothing_and_the_others_take_its_share():
    sources = np.full((1, 3), 1370.0)
    closed = np.array([[True, False, True]])

    bus = solve_bus(sources, np.full((1, 3), 0.2), closed, np.array([300e3]))

    assert bus.current_a[0, 1] == 0
    assert bus.current_a[0, 0] == pytest.approx(bus.current_a[0, 2])
    assert bus.power_w[0] == 300e3


def test_a_bus_without_racks_is_dead():
    bus = solve_bus(
        np.full((1, 2), 1370.0), np.full((1, 2), 0.2), np.zeros((1, 2), bool), np.array([1e5])
    )

    assert bus.voltage_v[0] == 0
    assert bus.power_w[0] == 0
