import numpy as np
import pytest

from simulator.physics.abuse import InternalShort
from simulator.plant import Plant
from tests.simulator.small import small_plant

HIDDEN = (0, 100)


def overcharged_plant() -> Plant:
    """A full cell whose sensor stands still in a rack that is charged at half a C."""
    plant = small_plant(cells_per_rack=416, racks_per_container=2, pcs_rated_kw=345, start_soc=0.7)
    plant.dangers.set_soc(*HIDDEN, 0.99)
    plant.dangers.stuck_v[HIDDEN] = 3.37
    return plant


def test_a_short_falls_by_the_same_factor_every_second():
    short = InternalShort(0, 0, final_ohm=0.01, ramp_s=200.0)

    ohms = []
    for age in (0, 100, 200, 900):
        short.age_s = age
        ohms.append(short.resistance_ohm())

    assert ohms == pytest.approx([1.0, 0.1, 0.01, 0.01])


def test_a_shorted_cell_loses_charge_and_what_it_loses_becomes_heat():
    plant = small_plant()
    before, soc = plant.stored_energy_j(), plant.cells.soc.copy()
    plant.dangers.abuse.shorts.append(InternalShort(1, 4, 0.1))

    for _ in range(600):
        plant.step()

    lost_ah = (soc - plant.cells.soc) * plant.cells.capacity_ah
    others = np.delete(lost_ah[1], 4)
    assert lost_ah[1, 4] - others.mean() == pytest.approx(33 * 600 / 3600, rel=0.05)
    e = plant.energy
    lost = e.cell_heat + e.wiring_loss + e.converter_loss + e.auxiliary
    residual = plant.stored_energy_j() - before + e.discharged - e.charged + lost
    assert abs(residual) < 1e-3 * e.cell_heat


def test_the_management_judges_what_the_sensor_says():
    plant = overcharged_plant()

    for _ in range(300):
        plant.step(1.0, [-345e3])

    assert plant.cell_voltage_v[HIDDEN] > 4.2
    assert plant.bms.alarms[0] == 0


def test_overcharge_gives_hydrogen_some_ten_minutes_before_runaway_and_energy_balances():
    plant = overcharged_plant()
    stored, heat = plant.stored_energy_j(), plant.thermal.stored_heat_j()
    seen: dict[str, int] = {}

    for second in range(2000):
        plant.bms.alarms[:] = 0
        plant.bms.closed[:] = True
        plant.step(1.0, [-345e3])
        for what, _, _ in plant.dangers.runaway.moments:
            seen.setdefault(what, second)
        plant.dangers.runaway.moments.clear()
        if plant.dangers.fires[0].smoke:
            seen.setdefault("smoke", second)
        if "cell_runaway" in seen:
            break

    assert seen["smoke"] - seen["valve_opens"] == pytest.approx(639, abs=60)
    assert seen["cell_runaway"] - seen["valve_opens"] == pytest.approx(769, rel=0.1)
    e = plant.energy
    lost = e.cell_heat + e.wiring_loss + e.converter_loss + e.auxiliary + e.collapsed
    residual = plant.stored_energy_j() - stored + e.discharged - e.charged + lost
    assert abs(residual) < 1e-4 * e.charged
    gained = plant.thermal.stored_heat_j() - heat
    expected = e.cell_heat + e.reaction_heat - e.coolant_heat - e.ambient_heat
    assert gained == pytest.approx(expected, rel=1e-6)


def test_an_overcharge_that_ends_in_time_cools_down():
    plant = overcharged_plant()

    for _ in range(900):
        plant.step(1.0, [-345e3 if plant.bms.closed.all() else 0.0])
    hottest = float(plant.thermal.temperature_c[HIDDEN])
    for _ in range(1200):
        plant.step()

    assert not plant.bms.closed[0]
    assert plant.thermal.temperature_c[HIDDEN] < hottest
    assert not plant.dangers.runaway.cells
