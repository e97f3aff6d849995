"""SOC of many cells: what the filter must know, and what it must not claim to know."""

from dataclasses import replace

import numpy as np
import pytest

from cell_lab.parameter_files import parameters_of
from station.estimators import Samples, build_cell_model, cold_start, known_start, step
from station.estimators.cell_parameters import Core, Counting
from tests.cell_lab.made import made_recording


@pytest.fixture(scope="module")
def model():
    return build_cell_model(parameters_of("esc26650"))


def samples_of(recording, row, cells=1):
    return Samples(
        elapsed_s=np.ones(1, np.float32),
        current_a=np.full(1, recording.current_a[row], np.float32),
        current_good=np.ones(1, bool),
        voltage_v=np.full(cells, recording.voltage_v[row], np.float32),
        temperature_c=np.full(cells, 25.0, np.float32),
        voltage_good=np.ones(cells, bool),
    )


def follow(model, state, recording, *, rows=None, change=lambda samples, row: samples):
    """Return the states' SOC and standard deviation over a recording, and the last state."""
    soc, sd = [], []
    cells = len(state.rack)
    capacity = np.full(cells, model.capacity_ah, np.float32)
    for row in rows if rows is not None else range(len(recording.soc)):
        samples = change(samples_of(recording, row, cells), row)
        state, estimate = step(model, state, samples, capacity)
        soc.append(estimate.soc)
        sd.append(estimate.soc_sd)
    return np.array(soc), np.array(sd), state


def one_rack(cells):
    return np.zeros(cells, int)


def test_a_cell_that_is_told_a_fifth_too_little_is_found_within_ten_minutes(model):
    recording = made_recording(model, 3600, start_soc=0.98, mean_c_rate=0.4)

    soc, _, _ = follow(model, cold_start(model, one_rack(1), 1, np.float32([0.78])), recording)

    error = soc[600:, 0] - recording.soc[600:]
    assert np.abs(error).max() < 0.005


def test_an_offset_of_the_current_sensor_does_not_run_away(model):
    recording = made_recording(model, 4 * 3600, start_soc=0.98, mean_c_rate=0.22)
    offset_a = -0.005 * model.capacity_ah

    soc, _, _ = follow(
        model,
        cold_start(model, one_rack(1), 1, np.float32([0.9])),
        recording,
        change=lambda samples, row: replace(samples, current_a=samples.current_a + offset_a),
    )

    counted_off = 0.005 * 4
    assert abs(soc[-1, 0] - recording.soc[-1]) < counted_off * 0.6


def test_a_rest_tells_the_offset_of_the_current_sensor(model):
    recording = made_recording(model, 1200, start_soc=0.6, mean_c_rate=0.0)
    offset_a = -0.005 * model.capacity_ah
    at_rest = replace(recording, current_a=np.full(1200, offset_a))
    state = known_start(model, one_rack(1), 1, np.float32([recording.soc[0]]), 0.01)

    _, _, state = follow(model, state, at_rest, rows=range(60))

    assert state.settled.mean[1, 0] == pytest.approx(-0.005, rel=0.15)
    assert state.settled.mean[0, 0] == pytest.approx(recording.soc[0], abs=0.01)


def test_a_slow_charge_is_no_rest(model):
    recording = made_recording(model, 600, start_soc=0.6, mean_c_rate=0.0)
    slow = replace(recording, current_a=np.full(600, -0.02 * model.capacity_ah))
    state = known_start(model, one_rack(1), 1, np.float32([0.6]), 0.01)

    def blind(samples, row):
        return replace(samples, voltage_good=np.zeros(1, bool))

    _, _, state = follow(model, state, slow, change=blind)

    assert state.settled.mean[1, 0] == 0
    assert state.settled.rest_s[0] == 0


def test_a_cell_that_works_hard_is_warmer_inside(model):
    warm = replace(model, core=Core(k_per_w=1.0, lag_s=60.0))
    recording = made_recording(model, 900, start_soc=0.9, mean_c_rate=1.0)
    state = known_start(warm, one_rack(1), 1, np.float32([0.9]), 0.01)

    _, _, worked = follow(warm, state, recording)
    _, _, cold = follow(model, state, recording)

    assert 0.02 < worked.settled.core_k[0] < 5
    assert cold.settled.core_k[0] == 0


def test_charge_counts_by_the_capacity_in_use_and_by_what_charging_loses(model):
    counted = replace(model, counting=Counting(capacity=0.98, charge=0.99))
    recording = made_recording(model, 1800, start_soc=0.5, mean_c_rate=0.0)
    state = known_start(counted, one_rack(1), 1, np.float32([0.5]), 0.001)

    def blind(samples, row):
        return replace(samples, voltage_good=np.zeros(1, bool))

    charge = replace(recording, current_a=np.full(1800, -0.2 * model.capacity_ah))
    up, _, _ = follow(counted, state, charge, change=blind)
    down, _, _ = follow(counted, state, replace(charge, current_a=-charge.current_a), change=blind)

    assert up[-1, 0] == pytest.approx(0.5 + 0.1 * 0.99 / 0.98, abs=1e-3)
    assert down[-1, 0] == pytest.approx(0.5 - 0.1 / 0.98, abs=1e-3)


def test_a_frozen_voltage_is_not_believed(model):
    recording = made_recording(model, 2700, start_soc=0.95, mean_c_rate=0.5)
    stuck = recording.voltage_v.copy()
    stuck[900:] = stuck[900]
    frozen = replace(recording, voltage_v=stuck)
    state = known_start(model, one_rack(1), 1, np.float32([0.95]), 0.01)

    soc, sd, _ = follow(model, state, frozen)

    assert np.abs(soc[:, 0] - recording.soc).max() < 0.01
    assert sd[-1, 0] > sd[900, 0]


def test_without_current_for_an_hour_the_estimate_says_how_little_it_knows(model):
    state = known_start(model, one_rack(3), 1, np.float32([0.5, 0.6, 0.7]), 0.005)
    recording = made_recording(model, 60, start_soc=0.6, mean_c_rate=0.0)

    def after_an_hour(samples, row):
        blind = replace(samples, voltage_good=np.zeros(3, bool))
        return replace(blind, elapsed_s=np.full(1, 3600.0, np.float32))

    soc, sd, _ = follow(model, state, recording, rows=[0], change=after_an_hour)

    assert soc[0] == pytest.approx([0.5, 0.6, 0.7], abs=1e-3)
    assert (sd[0] > 0.3).all()


def test_a_short_gap_goes_on_with_the_current_of_the_minutes_before(model):
    recording = made_recording(model, 1200, start_soc=0.9, mean_c_rate=0.0)
    steady = replace(recording, current_a=np.full(1200, model.capacity_ah))
    state = known_start(model, one_rack(1), 1, np.float32([0.9]), 0.005)

    def blind(samples, row):
        samples = replace(samples, voltage_good=np.zeros(1, bool))
        return replace(samples, elapsed_s=np.full(1, 120.0 if row == 1199 else 1.0, np.float32))

    soc, sd, _ = follow(model, state, steady, change=blind)

    assert soc[-1, 0] == pytest.approx(
        0.9 - (1199 + 120) / 3600 / model.counting.capacity, abs=0.002
    )
    assert sd[-1, 0] > sd[-2, 0]


@pytest.mark.parametrize("seconds", [600, 3000])
def test_many_bad_seconds_come_to_the_same_as_one_gap(model, seconds):
    recording = made_recording(model, 1200, start_soc=0.9, mean_c_rate=0.0)
    steady = replace(recording, current_a=np.full(1200, model.capacity_ah))
    state = known_start(model, one_rack(1), 1, np.float32([0.9]), 0.005)

    def blind(samples, row):
        return replace(samples, voltage_good=np.zeros(1, bool))

    def bad(samples, row):
        return replace(blind(samples, row), current_good=np.zeros(1, bool))

    def after_a_gap(samples, row):
        return replace(blind(samples, row), elapsed_s=np.full(1, seconds + 1, np.float32))

    _, _, before = follow(model, state, steady, rows=[600] * 1500, change=blind)
    _, _, through = follow(model, before, steady, rows=[600] * seconds, change=bad)
    by_seconds, sd_by_seconds, _ = follow(model, through, steady, rows=[601], change=blind)
    by_gap, sd_by_gap, _ = follow(model, before, steady, rows=[601], change=after_a_gap)

    drawn = (1500 + min(seconds + 1, 900)) / 3600 / model.counting.capacity
    assert by_gap[0, 0] == pytest.approx(0.9 - drawn, abs=3e-3)
    assert by_seconds[0, 0] == pytest.approx(0.9 - drawn, abs=3e-3)
    assert sd_by_seconds[0, 0] == pytest.approx(sd_by_gap[0, 0], rel=0.02)


def test_numbers_that_are_none_stop_nothing(model):
    recording = made_recording(model, 300, start_soc=0.8, mean_c_rate=0.3)
    none = np.float32(np.nan)

    def spoilt(samples, row):
        voltage, temperature = samples.voltage_v.copy(), samples.temperature_c.copy()
        voltage[0] = temperature[0] = none
        current = np.full(1, none) if row % 50 == 7 else samples.current_a
        return replace(samples, voltage_v=voltage, temperature_c=temperature, current_a=current)

    soc, sd, _ = follow(
        model,
        cold_start(model, one_rack(2), 1, np.float32([0.8, np.nan])),
        recording,
        change=spoilt,
    )

    assert np.isfinite(soc).all()
    assert np.isfinite(sd).all()
    assert sd[-1, 0] > sd[-1, 1]


def test_a_cell_of_which_nothing_was_told_may_stand_anywhere(model):
    recording = made_recording(model, 2400, start_soc=0.97, mean_c_rate=0.4)

    soc, sd, _ = follow(model, cold_start(model, one_rack(1), 1, np.float32([np.nan])), recording)

    assert sd[0, 0] > 0.1 or abs(soc[0, 0] - 0.97) < 0.05
    assert abs(soc[-1, 0] - recording.soc[-1]) < 0.03


def test_a_voltage_may_stand_still_at_rest(model):
    recording = made_recording(model, 3000, start_soc=0.6, mean_c_rate=0.0)
    noise = np.random.default_rng(3).normal(0, 0.002 * model.capacity_ah, 3000)
    at_rest = replace(recording, current_a=noise, voltage_v=np.full(3000, 3.31))

    _, _, state = follow(
        model, known_start(model, one_rack(1), 1, np.float32([0.6]), 0.05), at_rest
    )

    assert state.settled.seen_s[0] == pytest.approx(3000)


def test_neighbours_do_not_disturb_one_another(model):
    recording = made_recording(model, 900, start_soc=0.9, mean_c_rate=0.3)
    alone, _, _ = follow(model, cold_start(model, one_rack(1), 1, np.float32([0.8])), recording)

    def wild_neighbour(samples, row):
        voltage = samples.voltage_v.copy()
        voltage[1] = 2.0 + 0.001 * row
        return replace(samples, voltage_v=voltage)

    beside, _, _ = follow(
        model,
        cold_start(model, one_rack(2), 1, np.float32([0.8, 0.2])),
        recording,
        change=wild_neighbour,
    )

    assert beside[:, 0] == pytest.approx(alone[:, 0], abs=1e-5)


def test_hypotheses_end_when_they_agree_and_the_state_stays_small(model):
    recording = made_recording(model, 2400, start_soc=0.98, mean_c_rate=0.4)

    _, _, state = follow(model, cold_start(model, one_rack(4), 1, np.full(4, 0.8)), recording)

    assert not state.searching.any()
    assert all(len(portion.owner) == 0 for portion in state.search.portions)
    parts = (state.settled, state.screened, state.trust)
    kept = [array for part in parts for array in vars(part).values()]
    assert all(array.dtype in (np.float32, np.float16, np.intp, np.bool_) for array in kept)
    of_racks = ("unseen_s", "lagged_a", "unknown_a", "rest_a", "rest_s")
    of_cells = [
        array for part in parts for name, array in vars(part).items() if name not in of_racks
    ]
    assert sum(array[..., :1].nbytes for array in of_cells) <= 104


def test_covariances_stay_those_of_real_errors(model):
    recording = made_recording(model, 3600, start_soc=0.9, mean_c_rate=0.2)

    _, _, state = follow(model, cold_start(model, one_rack(1), 1, np.float32([0.7])), recording)

    full = np.zeros((4, 4))
    full[np.triu_indices(4)] = state.settled.covariance[:, 0]
    full = full + np.triu(full, 1).T
    spread = np.sqrt(np.diag(full))
    assert np.linalg.eigvalsh(full / np.outer(spread, spread)).min() > -1e-3
