"""How wide an interval is: what the station sees of its own errors counts."""

from dataclasses import replace

import numpy as np
import pytest

from cell_lab.parameter_files import parameters_of
from station.estimators import Samples, build_cell_model, cold_start, step
from station.estimators.cell_parameters import IntervalGroup
from station.estimators.soc_filter import OCV_ERROR, Innovation, start
from station.estimators.trust import groups_of, half_width, learn, nothing_learnt
from tests.cell_lab.made import made_recording

NOBODY = np.zeros(1, bool)
AT_25 = np.full(1, 25, np.float32)


@pytest.fixture(scope="module")
def model():
    return build_cell_model(parameters_of("esc26650"))


def cell(model, soc=0.5, soc_sd=0.01):
    return start(model, np.zeros(1, int), 1, np.float32([soc]), np.float32([soc_sd]))


def corrected(by, resolved):
    none = np.zeros(1, np.float32)
    return Innovation(none, none + 1, np.float32([by]), np.float32([resolved]))


def width(model, trust, settled):
    return float(half_width(model, trust, settled, AT_25, NOBODY)[0])


def test_a_correction_beyond_the_interval_widens_it(model):
    settled = cell(model)
    before = nothing_learnt(1)

    after = learn(model, before, settled, corrected(0.3, 0.01**2 * 1.1), AT_25, NOBODY)

    assert width(model, after, settled) > width(model, before, settled)


def test_corrections_within_the_interval_bring_its_width_back_and_no_further(model):
    settled = cell(model)
    first = nothing_learnt(1)
    wide = learn(model, first, settled, corrected(0.3, 0.01**2 * 1.1), AT_25, NOBODY)
    trust = wide

    for _ in range(20):
        trust = learn(model, trust, settled, corrected(0.001, 0.01**2 * 1.1), AT_25, NOBODY)

    assert width(model, trust, settled) < width(model, wide, settled)
    assert width(model, trust, settled) == pytest.approx(width(model, first, settled))


def test_a_small_part_of_what_is_unknown_says_nothing_yet(model):
    settled = cell(model)

    trust = learn(model, nothing_learnt(1), settled, corrected(0.3, 0.01**2 * 0.2), AT_25, NOBODY)

    assert trust.log_width[0] == 0
    assert trust.correction[0] == pytest.approx(0.3)


def test_a_table_that_is_found_wrong_widens_the_interval(model):
    model = replace(model, interval_floor=0.0)
    settled = cell(model)
    wrong = settled.mean.copy()
    wrong[OCV_ERROR] = 4 * model.noise.ocv_v

    narrow = width(model, nothing_learnt(1), settled)

    assert width(model, nothing_learnt(1), replace(settled, mean=wrong)) == pytest.approx(
        4 * narrow, rel=1e-3
    )


def test_no_interval_is_narrower_than_what_no_voltage_resolves(model):
    sure = cell(model, soc_sd=1e-5)

    assert width(model, nothing_learnt(1), sure) == pytest.approx(model.interval_floor, rel=0.01)
    assert model.interval_floor > 0


def test_an_end_of_the_curve_anchors_a_cell_for_good(model):
    seen = replace(cell(model, soc=0.98, soc_sd=0.003), seen_s=np.full(1, 300, np.float32))
    nothing = corrected(0.0, 0.0)

    at_end = learn(model, nothing_learnt(1), seen, nothing, AT_25, NOBODY)
    later = learn(model, at_end, cell(model, soc=0.5), nothing, AT_25, NOBODY)

    assert groups_of(nothing_learnt(1), NOBODY)[0] == IntervalGroup.LOCATED
    assert groups_of(nothing_learnt(1), ~NOBODY)[0] == IntervalGroup.SEARCHING
    assert groups_of(later, NOBODY)[0] == IntervalGroup.ANCHORED


@pytest.mark.parametrize(("make", "doubts"), [("esc26650", False), ("lg_hg2", True)])
def test_parameters_of_another_chemistry_are_noticed(model, make, doubts):
    recording = made_recording(model, 5400, 0.97, 0.2)
    used = build_cell_model(parameters_of(make))
    capacity_ah = np.full(1, model.capacity_ah, np.float32)
    state = cold_start(used, np.zeros(1, int), 1, np.float32([0.8]))
    doubted_s = 0

    for row in range(len(recording.soc)):
        samples = Samples(
            elapsed_s=np.ones(1, np.float32),
            current_a=np.float32([recording.current_a[row]]),
            current_good=np.ones(1, bool),
            voltage_v=np.float32([recording.voltage_v[row]]),
            temperature_c=AT_25,
            voltage_good=np.ones(1, bool),
        )
        state, estimate = step(used, state, samples, capacity_ah)
        doubted_s += int(estimate.doubtful[0])

    assert (doubted_s > 300) is doubts
