"""Worn cells are charged and discharged more slowly."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.estimators.by_rack import ByRack
from station.estimators.errors import HealthCurveError
from station.estimators.health_limit import health_current_limit, load_health_curves

HOUSE = Path(__file__).parents[3] / "data" / "battery" / "health-derating.toml"
CURVES = load_health_curves(HOUSE)
NEW = np.zeros(4, int)


def limit_of(soh, resistance=1.0, soh_width=0.0, resistance_width=0.0, rack=NEW):
    each = [np.broadcast_to(np.float32(x), rack.shape) for x in (soh, soh_width)]
    ohm = [np.broadcast_to(np.float32(x), rack.shape) for x in (resistance, resistance_width)]
    return health_current_limit(CURVES, ByRack.of(rack), tuple(each), tuple(ohm))


def test_new_cells_are_not_slowed_down_even_when_hardly_measured():
    found = limit_of(1.0, soh_width=0.05)

    assert found.charge[0] == 1
    assert found.charge_cell[0] == 0


def test_cells_that_nobody_has_measured_are_not_slowed_down_for_what_they_might_be():
    found = limit_of([1.0, 0.93, 1.0, 1.05], [1.0, 1.1, 1.3, 0.9], 0.066, 0.33)

    assert found.charge[0] == found.discharge[0] == 1


def test_what_is_sure_counts_by_the_cautious_side_of_its_interval_and_what_is_not_by_the_other():
    sure = limit_of(1.0, 1.6, resistance_width=0.1)
    unsure = limit_of(1.0, 1.6, resistance_width=0.3)

    assert sure.charge[0] < limit_of(1.0, 1.6).charge[0] < unsure.charge[0] < 1


def test_the_most_worn_cell_of_a_rack_sets_its_limit_and_is_named():
    found = limit_of([0.95, 0.75, 0.9, 0.85, 1.0], rack=np.array([0, 0, 0, 1, 1]))

    assert found.charge[0] == pytest.approx(0.625)
    assert found.charge_cell.tolist() == [2, 1]
    assert found.charge[0] < found.charge[1] < 1


def test_resistance_alone_slows_down():
    assert limit_of(1.0, resistance=2.0).charge[0] == pytest.approx(0.6)


def test_what_is_not_known_holds_nothing_back():
    found = limit_of(np.nan, resistance=np.nan)

    assert found.charge[0] == found.discharge[0] == 1


@given(st.floats(0.3, 1.1), st.floats(0, 0.3), st.floats(0.5, 4), st.floats(0, 1))
def test_a_worn_cell_is_never_allowed_more_than_a_less_worn_one(soh, less, ohm, more):
    before, after = limit_of(soh, ohm), limit_of(soh - less, ohm + more)

    assert after.charge[0] <= before.charge[0]
    assert after.discharge[0] <= before.discharge[0]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("share = [0.30", "share = [1.30"), "share"),
        (("soh = [0.60, 0.70, 0.80, 0.90", "soh = [0.60, 0.70, 0.80, 0.75"), "rising"),
        (("[discharge]", "[dischrge]"), "dischrge|discharge"),
        (("share = [0.30, 0.50", "share = [0.60, 0.50"), "must not grow"),
    ],
)
def test_wrong_curves_are_refused_by_what_is_wrong(tmp_path, change, told):
    path = tmp_path / "curves.toml"
    path.write_text(HOUSE.read_text("utf-8").replace(*change, 1), "utf-8")

    with pytest.raises(HealthCurveError, match=told):
        load_health_curves(path)


def test_missing_curves_are_told_with_what_to_do(tmp_path):
    with pytest.raises(HealthCurveError, match=r"health-derating\.toml"):
        load_health_curves(tmp_path / "none.toml")
