"""Runaway against the published figures it is built from, and its energy."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from simulator.dangers import CellHeating
from simulator.physics.abuse import InternalShort
from simulator.plant import Plant
from tests.simulator.small import small_plant

PACK = 52
HEATED = (0, 25)


def heated_plant(soc: float) -> Plant:
    """One pack without coolant, as in the published tests, with one cell heated."""
    plant = small_plant(racks_per_container=1, cells_per_rack=PACK, start_soc=soc)
    plant.chillers.enabled[0] = False
    plant.dangers.heatings.append(CellHeating(*HEATED, 900.0))
    return plant


def run(plant: Plant, seconds: int, after_step: Callable[[int], None] = lambda _: None) -> dict:
    """Step and return when each thing happened to each cell first."""
    seen: dict[tuple[str, int], int] = {}
    for second in range(seconds):
        plant.step()
        for what, _, cell in plant.dangers.runaway.moments:
            seen[what, cell] = second
            if what == "cell_runaway":
                plant.dangers.heatings.clear()
        plant.dangers.runaway.moments.clear()
        after_step(second)
    return seen


class Published(NamedTuple):
    """Zeng 2026, heated 22 Ah prismatic LFP cells."""

    soc: float
    vent_c: float
    until_runaway_s: float
    voltage_falls_s: float
    rate_k_per_s: float
    peak_c: float


@pytest.mark.parametrize(
    "published",
    [
        Published(0.25, 145, 250, 78, 1.8, 230),
        Published(0.50, 139, 179, 35, 12.0, 250),
        Published(0.75, 147, 47, 23, 17.6, 283),
        Published(1.00, 145, 21, 4, 24.9, 349),
    ],
)
def test_a_heated_cell_runs_away_as_published(published):
    plant = heated_plant(published.soc)
    temperature, voltage = [plant.thermal.temperature_c[HEATED]], []

    def note(_second: int) -> None:
        temperature.append(plant.thermal.temperature_c[HEATED])
        voltage.append(plant.cell_voltage_v[HEATED])

    seen = run(plant, 1300, note)

    vents, runs = seen["cell_vents", 25], seen["cell_runaway", 25]
    falls = next(k for k, v in enumerate(voltage) if v < voltage[vents] * 0.97)
    assert temperature[vents] == pytest.approx(published.vent_c, abs=2)
    assert runs - vents == pytest.approx(published.until_runaway_s, rel=0.06)
    assert runs - falls == pytest.approx(published.voltage_falls_s, abs=4)
    assert np.diff(temperature).max() == pytest.approx(published.rate_k_per_s, rel=0.3)
    assert max(temperature) == pytest.approx(published.peak_c, abs=12)
    assert voltage[-1] == 0


def test_an_empty_cell_vents_and_does_not_run_away():
    plant = heated_plant(0.0)

    seen = run(plant, 1300)

    assert ("cell_vents", 25) in seen
    assert not [what for what, _ in seen if what == "cell_runaway"]


def test_full_cells_take_their_neighbours_after_six_minutes_and_then_every_eight():
    plant = heated_plant(1.0)

    seen = run(plant, 3600)

    times = [seen["cell_runaway", cell] for cell in (25, 26, 27, 28, 29)]
    hops_min = np.diff(times) / 60
    assert hops_min[0] == pytest.approx(6.0, rel=0.1)
    assert hops_min[1:].mean() == pytest.approx(8.4, rel=0.1)


def test_cells_of_low_charge_do_not_spread():
    plant = heated_plant(0.25)

    seen = run(plant, 3600)

    assert [cell for what, cell in seen if what == "cell_runaway"] == [25]


def test_runaway_stops_at_the_wall_of_the_pack():
    plant = small_plant(racks_per_container=1, cells_per_rack=2 * PACK, start_soc=1.0)
    plant.dangers.heatings.append(CellHeating(0, PACK - 1, 900.0))

    seen = run(plant, 3000)

    burnt = {cell for what, cell in seen if what == "cell_runaway"}
    assert {PACK - 1, PACK - 2} <= burnt
    assert max(burnt) == PACK - 1


def test_energy_and_heat_balance_through_a_runaway_under_current():
    plant = small_plant(cells_per_rack=416, racks_per_container=2, pcs_rated_kw=345, start_soc=0.8)
    plant.dangers.abuse.shorts.append(InternalShort(1, 130, 0.006, 120.0))
    stored, heat = plant.stored_energy_j(), plant.thermal.stored_heat_j()

    for second in range(2400):
        plant.bms.alarms[:] = 0
        plant.bms.closed[:] = True
        plant.step(1.0, [200e3 if second % 600 < 300 else -250e3])

    e = plant.energy
    lost = e.cell_heat + e.wiring_loss + e.converter_loss + e.auxiliary + e.collapsed
    residual = plant.stored_energy_j() - stored + e.discharged - e.charged + lost
    assert len(plant.dangers.runaway.cells) > 1
    assert e.collapsed > 1e6
    assert abs(residual) < 1e-4 * (e.discharged + e.charged)
    gained = plant.thermal.stored_heat_j() - heat
    expected = e.cell_heat + e.reaction_heat - e.coolant_heat - e.ambient_heat
    assert gained == pytest.approx(expected, rel=1e-6)


def test_the_gas_of_a_burning_cell_is_seen_and_ventilation_clears_it():
    closed, ventilated = heated_plant(0.5), heated_plant(0.5)
    ventilated.dangers.air.ventilated[0] = True

    run(closed, 1350)
    run(ventilated, 1350)

    panels = [plant.dangers.fires[0] for plant in (closed, ventilated)]
    assert panels[0].hydrogen_ppm > 2000
    assert panels[0].carbon_monoxide_ppm > 200
    assert panels[1].hydrogen_ppm < 0.3 * panels[0].hydrogen_ppm
