from dataclasses import replace

import pytest

from cell_lab.anomaly import healthy as healthy_module
from cell_lab.anomaly.false_alarms import FalseAlarms, count_false_alarms, upper_rate
from cell_lab.anomaly.healthy import LARGE_CELLS, HealthyRacks, watch_healthy
from cell_lab.errors import KeptCountError
from launcher.anomaly import DETECTOR
from station.estimators.anomaly import Detector, load_detector


def test_the_bound_of_a_rate_is_that_of_poissons_law():
    assert upper_rate(0, 1.0) == pytest.approx(2.9957, abs=1e-3)
    assert upper_rate(3, 2.0) == pytest.approx(7.7537 / 2, abs=1e-3)


@pytest.mark.parametrize(("warnings", "hours"), [(0, 2190), (1, 3470), (2, 4600), (3, 5670)])
def test_a_budget_of_twelve_a_year_takes_more_hours_with_each_warning(warnings, hours):
    assert FalseAlarms(1.01 * hours, warnings, 0, 0).at_most_per_rack_year < 12
    assert FalseAlarms(0.99 * hours, warnings, 0, 0).at_most_per_rack_year > 12


def test_an_eighth_of_healthy_hours_are_of_large_racks_and_a_fourth_of_the_runs_of_recordings():
    runs = HealthyRacks().planned(5_700)

    large = sum(run.rack_hours for run in runs if run.cells == LARGE_CELLS)
    assert large / sum(run.rack_hours for run in runs) == pytest.approx(0.13, abs=0.02)
    assert {run.recorded for run in runs if run.cells == LARGE_CELLS} == {True, False}
    assert sum(run.recorded for run in runs) / len(runs) == pytest.approx(0.25, abs=0.03)
    assert len({run.spread for run in runs}) == len(runs)


def test_a_run_has_the_same_racks_each_time_and_other_ones_than_the_next():
    own = HealthyRacks()
    first, again, next_ = (own.racks(own.run(number)).advance() for number in (0, 0, 2))

    assert (first.voltage_v == again.voltage_v).all()
    assert not (first.voltage_v == next_.voltage_v).any()


class ShortRuns(HealthyRacks):
    """Days that are over after a few blocks."""

    def racks(self, run):
        """Return the racks of a run with their days cut short."""
        racks = super().racks(run)
        racks.blocks = 20
        return racks


def test_a_count_goes_on_where_it_stopped_and_refuses_another_detector(tmp_path, monkeypatch):
    counted = []

    def counting(detector, racks, settle_s, tell):
        counted.append(racks.cells)
        return count_false_alarms(detector, racks, settle_s, tell)

    monkeypatch.setattr(healthy_module, "HealthyRacks", ShortRuns)
    monkeypatch.setattr(healthy_module, "count_false_alarms", counting)
    monkeypatch.setattr(healthy_module, "LARGE_CELLS", 16)
    monkeypatch.setattr(healthy_module, "SMALL_CELLS", 16)
    monkeypatch.setattr(healthy_module, "_STACKS", 1)
    monkeypatch.setattr(healthy_module, "SETTLE_S", 160.0)
    detector = load_detector(DETECTOR)

    whole = watch_healthy(detector, 80, tmp_path)
    (tmp_path / "run-0001.json").unlink()
    again = watch_healthy(detector, 80, tmp_path)

    assert again == whole
    assert counted == [16, 16, 16]
    assert whole.rack_hours == pytest.approx(3 * 2 * 10 * 16 / 3600, rel=0.01)
    card = detector.card.model_copy(update={"version": 99})
    with pytest.raises(KeptCountError, match="another detector"):
        watch_healthy(replace(Detector(card, detector.distance)), 80, tmp_path)
