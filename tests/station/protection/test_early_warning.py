"""Early signs of thermal runaway: what warns, what does not, and how early."""

import numpy as np
import pytest

from station.protection import Level
from tests.station.protection.world import CELLS, World, finding

NOISE_K, NOISE_V = 0.08, 0.0008
"""Of the sensors of a BMS: one standard deviation."""


class Noisy(World):
    """A world whose cells are measured with noise and quantised, at a true course of their own."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rng = np.random.default_rng(3)
        self.true_c = {tag: np.full(CELLS, 25.0) for tag in self.cells}
        self.true_v = {tag: np.full(CELLS, 3.3) for tag in self.cells}

    def run(self, seconds: int = 1):
        for _ in range(seconds):
            for tag in self.cells:
                volt = self.true_v[tag] + NOISE_V * self.rng.standard_normal(CELLS)
                warm = self.true_c[tag] + NOISE_K * self.rng.standard_normal(CELLS)
                self.cells[tag] = (np.round(volt, 3), np.round(warm, 1))
                hottest = float(warm.max())
                self.rack(
                    tag,
                    cell_temperature_max_c=round(hottest, 1),
                    cell_voltage_min_v=round(float(volt.min()), 3),
                    cell_voltage_max_v=round(float(volt.max()), 3),
                )
            verdict = super().run(1)
        return verdict


def settled() -> Noisy:
    world = Noisy(containers=1)
    assert world.run(150).level is Level.NORMAL
    return world


def early(verdict):
    return finding(verdict, "runaway_early")


def test_noise_alone_shows_nothing():
    world = settled()

    worst = max(float(world.run(1) and world.state.early.rack_score.max()) for _ in range(300))

    assert worst == 0.0


def test_one_cell_that_warms_away_from_its_peers_warns_before_its_limit():
    world = settled()

    while (found := early(world.run(1))) is None:
        world.true_c["C1-R02"][2] += 0.1
        assert world.true_c["C1-R02"][2] < 40

    assert (found.device, found.cell, found.level) == ("C1-R02", 3, Level.DERATE)
    assert world.true_c["C1-R02"][2] < 33


def test_a_whole_rack_that_warms_is_no_sign():
    world = settled()

    for _ in range(120):
        for tag in world.true_c:
            world.true_c[tag] += 0.05
        verdict = world.run(1)

    assert early(verdict) is None


def test_one_cell_that_loses_voltage_in_the_plateau_warns():
    world = settled()
    world.true_v["C1-R03"][6] -= 0.16

    verdict = world.run(60)

    assert (early(verdict).device, early(verdict).cell) == ("C1-R03", 7)


def test_the_same_loss_near_the_end_of_the_range_is_a_matter_of_soc():
    world = Noisy(containers=1)
    for tag in world.true_v:
        world.true_v[tag] -= 0.2
    world.run(150)
    world.true_v["C1-R03"][6] -= 0.16

    assert early(world.run(60)) is None


def test_two_half_signs_warn_where_one_does_not():
    world = settled()
    world.true_c["C1-R02"][2] += 3.5
    alone = early(world.run(90))
    world.true_v["C1-R02"][2] -= 0.085

    both = early(world.run(90))

    assert alone is None
    assert both.device == "C1-R02"


def test_gas_alone_warns_long_before_its_limit():
    world = settled()
    world.boxes["C1"].hydrogen_ppm = 110.0

    verdict = world.run(60)

    assert early(verdict).device == "C1-FIRE"
    assert finding(verdict, "hydrogen").level is Level.WARN


def test_gas_joins_a_cell_that_shows_something_and_names_it():
    world = settled()
    world.true_c["C1-R02"][2] += 2.6
    world.boxes["C1"].hydrogen_ppm = 75.0

    verdict = world.run(90)

    assert (early(verdict).device, early(verdict).cell) == ("C1-R02", 3)


def test_a_warning_derates_and_ventilates_first_and_stops_when_it_stays_a_minute():
    world = settled()
    before = world.boxes["C1"].power_kw
    world.boxes["C1"].wished_kw = 1000.0
    world.true_v["C1-R03"][6] -= 0.16

    warned = world.run(45)
    derated_kw = world.boxes["C1"].power_kw
    stopped = world.run(75)

    assert before == 600.0
    assert warned.level is Level.DERATE
    assert world.boxes["C1"].ventilation == 1
    assert 0 < derated_kw < 700.0
    assert stopped.level is Level.STOP
    assert world.boxes["C1"].power_kw == 0
    assert len(world.closed("C1")) == 4


def test_a_sign_that_stays_though_the_power_is_gone_parts_its_rack():
    world = settled()
    world.true_c["C1-R03"][6] += 6.0

    verdict = world.run(300)

    assert finding(verdict, "runaway_standing").device == "C1-R03"
    assert world.closed("C1") == ["C1-R01", "C1-R02", "C1-R04"]
    assert world.boxes["C1"].running


def test_a_sign_that_goes_within_the_three_minutes_parts_nothing():
    world = settled()
    world.true_c["C1-R03"][6] += 6.0
    world.run(120)
    world.true_c["C1-R03"][6] -= 6.0

    verdict = world.run(300)

    assert finding(verdict, "runaway_standing") is None
    assert len(world.closed("C1")) == 4


def test_a_slow_fault_does_not_become_usual():
    world = settled()
    world.true_v["C1-R03"][6] -= 0.16
    world.run(60)

    verdict = world.run(900)

    assert early(verdict).device == "C1-R03"


def test_a_cell_whose_reading_is_lost_keeps_its_evidence():
    world = settled()
    world.true_v["C1-R03"][6] -= 0.16
    world.run(60)
    world.true_v["C1-R03"][6] = np.nan
    world.true_c["C1-R03"][6] = np.nan

    verdict = world.run(5)

    assert early(verdict).device == "C1-R03"


@pytest.mark.parametrize(
    ("k_per_s", "volt", "met"), [(1.2, -0.2, True), (1.2, 0.0, False), (0.5, -0.2, False)]
)
def test_the_runaway_criterion_needs_the_rate_and_a_second_sign(k_per_s, volt, met):
    world = World(containers=1)
    world.run(15)
    for _ in range(6):
        world.heat_cell("C1-R01", 1, kelvin=k_per_s, volt=volt)
        verdict = world.run(1)

    assert (finding(verdict, "runaway_signature") is not None) == met


def test_a_runaway_cell_that_leaves_the_range_of_its_sensors_stays_one():
    world = World(containers=1)
    world.run(15)
    for _ in range(2):
        world.heat_cell("C1-R01", 1, kelvin=2.0)
        world.run(1)
    world.heat_cell("C1-R01", 1, kelvin=20.0)
    world.run(1)
    world.heat_cell("C1-R01", 1, kelvin=np.nan, volt=np.nan)

    verdict = world.run(3)

    assert finding(verdict, "runaway_signature").level is Level.TRIP


def test_a_rise_is_taken_over_a_minute_and_names_the_cell():
    world = World(containers=1)
    world.run(30)
    for _ in range(60):
        world.heat_cell("C1-R04", 5, kelvin=0.05)
        verdict = world.run(1)

    found = finding(verdict, "temperature_rise")
    assert (found.device, found.cell) == ("C1-R04", 5)
    assert found.value == pytest.approx(3.0, abs=0.2)
