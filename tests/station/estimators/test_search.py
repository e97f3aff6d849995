"""Hypotheses in portions that take turns: the same SOC as all of them at every moment."""

from dataclasses import replace

import numpy as np
import pytest

from cell_lab.parameter_files import parameters_of
from station.estimators import Samples, build_cell_model, cold_start, search, step
from tests.cell_lab.made import made_recording

RACKS, CELLS = 4, 3
RACK = np.repeat(np.arange(RACKS), CELLS)
CAPACITY_AH = np.full(RACKS * CELLS, 2.06, np.float32)


@pytest.fixture(scope="module")
def model():
    return build_cell_model(parameters_of("esc26650"))


@pytest.fixture(scope="module")
def recording(model):
    return made_recording(model, 1200, start_soc=0.98, mean_c_rate=0.4)


def one_portion_a_rack(monkeypatch):
    monkeypatch.setattr(search, "_PORTION_COLUMNS", 1)


def in_turns_only(monkeypatch):
    """Let one portion of one rack have its turn at a moment, and the others when they must."""
    one_portion_a_rack(monkeypatch)
    monkeypatch.setattr(search, "_MOST_COLUMNS", 1)


def samples_of(recording, row, racks=RACKS, cells=CELLS):
    cells = racks * cells
    return Samples(
        elapsed_s=np.ones(racks, np.float32),
        current_a=np.full(racks, recording.current_a[row], np.float32),
        current_good=np.ones(racks, bool),
        voltage_v=np.full(cells, recording.voltage_v[row], np.float32),
        temperature_c=np.full(cells, 25, np.float32),
        voltage_good=np.ones(cells, bool),
    )


def begun(model):
    return cold_start(model, RACK, RACKS, np.full(RACKS * CELLS, 0.78, np.float32))


def followed(model, recording, seconds, blind=()):
    state = begun(model)
    for row in range(seconds):
        samples = samples_of(recording, row)
        if row in blind:
            samples = replace(samples, current_good=np.zeros(RACKS, bool))
        state, estimate = step(model, state, samples, CAPACITY_AH)
    return state, estimate


def test_portions_that_all_have_their_turn_find_what_one_portion_finds(
    model, recording, monkeypatch
):
    _, together = followed(model, recording, 40)
    one_portion_a_rack(monkeypatch)
    state, apart = followed(model, recording, 40)

    assert len(state.search.portions) == RACKS
    np.testing.assert_array_equal(apart.soc, together.soc)
    np.testing.assert_array_equal(apart.half_width, together.half_width)


def test_portions_that_take_turns_find_the_same_soc(model, recording, monkeypatch):
    _, always = followed(model, recording, 1200)
    in_turns_only(monkeypatch)
    _, in_turns = followed(model, recording, 1200)

    assert in_turns.soc == pytest.approx(recording.soc[1199], abs=0.01)
    assert in_turns.soc == pytest.approx(always.soc, abs=0.005)


def test_nobody_waits_longer_than_a_step_of_the_current_may_be(model, recording, monkeypatch):
    in_turns_only(monkeypatch)
    racks = 60  # more than there are moments in the longest wait
    capacity_ah = np.full(racks, 2.06, np.float32)
    state = cold_start(model, np.arange(racks), racks, np.full(racks, 0.78, np.float32))
    longest_s, turns = 0.0, np.zeros(racks)
    for row in range(100):
        before_s = state.search.waited_s
        samples = samples_of(recording, row, racks, cells=1)
        state, _ = step(model, state, samples, capacity_ah)
        had = state.search.waited_s == 0
        turns += had
        longest_s = max(longest_s, float(np.max(before_s + 1, initial=0.0, where=had)))

    assert longest_s == 20.0
    assert turns.min() >= 4


def test_charge_that_passed_unseen_while_a_portion_waited_widens_it(model, recording, monkeypatch):
    in_turns_only(monkeypatch)

    def spread_after(blind):
        state, _ = followed(model, recording, 60, blind)
        return np.array([p.columns.soc_variance.mean() for p in state.search.portions])

    assert np.all(spread_after({40}) > spread_after(()))


def test_hypotheses_that_voltages_have_ruled_out_are_given_up(model, recording):
    state, estimate = followed(model, recording, 1200)

    (portion,) = state.search.portions
    assert len(portion.owner) < len(begun(model).search.portions[0].owner)
    assert set(portion.owner.tolist()) == set(range(RACKS * CELLS))
    assert estimate.soc == pytest.approx(recording.soc[1199], abs=0.01)


def test_a_search_of_some_cells_begins_about_what_is_known_of_them(model):
    cells = np.array([1, 5])
    soc, sd = np.float32([0.3, 0.7]), np.float32([0.02, 0.2])

    (portion,) = search.begin_search(model, RACK, RACKS, cells, soc, sd).portions

    weight = np.exp(portion.log_weight)
    for cell, expected, spread in zip(cells, soc, sd, strict=True):
        mine = portion.owner == cell
        found = portion.columns.soc[mine]
        share = weight[mine] / weight[mine].sum()
        mean = (found * share).sum()
        assert mean == pytest.approx(expected, abs=0.03)
        assert np.sqrt((share * (found - mean) ** 2).sum()) <= spread + 0.01


def test_a_rack_without_news_is_left_out_of_the_count(model, recording, monkeypatch):
    in_turns_only(monkeypatch)
    quiet = replace(
        samples_of(recording, 0),
        elapsed_s=np.float32([1, 1, 1, 0]),
        current_good=np.array([True, True, True, False]),
    )

    state, _ = step(model, begun(model), quiet, CAPACITY_AH)

    assert state.search.waited_s[3] == 0
    assert np.isfinite(state.search.waited_as).all()


def test_racks_that_have_found_their_soc_neither_wait_nor_take_a_turn(
    model, recording, monkeypatch
):
    in_turns_only(monkeypatch)
    state = begun(model)
    searching = RACK == RACKS - 1
    state = replace(state, searching=searching, search=search.left(state.search, searching))
    for row in range(3):
        state, _ = step(model, state, samples_of(recording, row), CAPACITY_AH)

        assert state.search.waited_s.tolist() == [0] * RACKS
