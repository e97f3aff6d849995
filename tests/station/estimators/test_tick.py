"""The whole second: what is told of cells, racks and the station, and how it stays honest."""

from dataclasses import replace

import numpy as np
import pytest

from cell_lab.parameter_files import CELLS as CELL_FILES
from cell_lab.parameter_files import parameters_of
from contract.layouts import ESTIMATE, ESTIMATE_LIMIT, ESTIMATE_STATION, estimate_cells_layout
from station.estimators import (
    SettingsError,
    adopt,
    build_cell_model,
    resume,
    soc_filter,
    start,
    tick,
)
from station.estimators.estimates import DOUBTFUL, NO_DATA, RESUMED, SEARCHING, SETTLED, STALE
from station.estimators.network import load_network
from station.estimators.soc import known_start
from station.estimators.strings import AWAY, BMS, CONVERTER, PROTECTION
from tests.station.estimators.plants import Plant
from tests.station.estimators.stations import facts_of, samples_at, settings_of

MODEL = build_cell_model(parameters_of("esc26650"))
CELLS = 4
NETWORK = CELL_FILES.parent / "models" / "network"


@pytest.fixture(scope="module")
def settings():
    return settings_of(MODEL, racks=2, cells=CELLS)


def known(settings, soc=0.6, sd=0.01):
    cells = len(settings.rack)
    each = np.broadcast_to(np.float32(soc), (cells,)).copy()
    state = start(settings, each)
    return replace(state, soc=known_start(settings.model, settings.rack, settings.racks, each, sd))


def plant_of(settings, soc=0.6, soh=1.0, resistance=1.0):
    cells = len(settings.rack)
    return Plant(
        settings, *(np.broadcast_to(np.float64(x), (cells,)).copy() for x in (soc, soh, resistance))
    )


def cycle(settings, state, plant, seconds, c_rate, *, step_s=1):
    """Return the state and estimates after seconds at a current that is a function of time."""
    facts = facts_of(settings)
    for second in range(0, seconds, step_s):
        samples = plant.second(c_rate(second), elapsed_s=step_s)
        state, told = tick(settings, state, samples, facts)
    return state, told


def test_every_signal_of_the_layouts_is_told_and_no_other(settings):
    _, told = tick(settings, known(settings), samples_at(settings, 0), facts_of(settings))

    assert set(told.cells) == {c.signal.name for c in estimate_cells_layout(1).columns}
    of_racks = (*ESTIMATE.columns, *ESTIMATE_LIMIT.columns)
    assert set(told.racks) == {c.signal.name for c in of_racks}
    assert set(told.station) == {c.signal.name for c in ESTIMATE_STATION.columns}
    assert all(values.shape == (8,) for values in told.cells.values())
    assert all(values.shape == (2,) for values in told.racks.values())


def test_a_tick_leaves_the_state_before_it_as_it_was(settings):
    state = known(settings)
    state, _ = tick(settings, state, samples_at(settings, 0), facts_of(settings))
    before = (state.capacity.soh.copy(), state.meter.net.copy(), state.held.power_w.copy())

    first = tick(settings, state, samples_at(settings, 1), facts_of(settings))[1]
    again = tick(settings, state, samples_at(settings, 1), facts_of(settings))[1]

    for kept, now in zip(
        before, (state.capacity.soh, state.meter.net, state.held.power_w), strict=True
    ):
        np.testing.assert_array_equal(kept, now)
    np.testing.assert_array_equal(first.cells["cell_soc"], again.cells["cell_soc"])


def test_the_innovation_ratio_is_known_from_the_first_second_of_a_search_on(settings):
    state = start(settings, np.full(8, np.nan, np.float32))

    _, told = tick(settings, state, samples_at(settings, 0), facts_of(settings))

    assert told.station["cells_searching"] == 8
    assert np.isfinite(told.station["innovation_ratio"])
    assert np.isfinite(told.innovation_mv)


def test_the_string_is_as_full_as_its_weakest_and_fullest_cells_allow(settings):
    state = known(settings, soc=[0.5, 0.6, 0.55, 0.52] * 2)

    _, told = tick(settings, state, samples_at(settings, 0, c_rate=0.0), facts_of(settings))

    assert told.racks["soc_estimate"][0] == pytest.approx(0.5 / (0.5 + 0.4), abs=0.005)
    assert told.racks["soc_cell_min_index"][0] == 1
    assert told.racks["soc_cell_max_index"][0] == 2


def test_limits_of_the_second_apply_in_the_second(settings):
    state, free = tick(settings, known(settings), samples_at(settings, 0), facts_of(settings))
    limited = facts_of(
        settings,
        discharge_current_limit_a=np.float32([0.1, np.nan]),
        available=np.array([True, False]),
    )

    _, told = tick(settings, state, samples_at(settings, 1), limited)

    power = told.racks["discharge_power_15min_kw"]
    assert free.racks["discharge_power_15min_kw"][0] > 0.008
    assert power[0] <= 0.1 * 3.4 * CELLS / 1000
    assert power[1] == 0
    assert told.racks["discharge_bound_by"].tolist() == [BMS, AWAY]
    assert np.isnan(told.racks["discharge_bound_cell"]).all()


def test_no_rack_is_promised_more_than_its_converter_gives():
    small = replace(settings_of(MODEL, racks=2, cells=CELLS), rack_rated_kw=np.float32([0.002, 9]))

    _, told = tick(small, known(small), samples_at(small, 0, c_rate=0.0), facts_of(small))

    assert told.racks["discharge_power_1h_kw"][0] == pytest.approx(0.002)
    assert told.racks["discharge_bound_by"][0] == CONVERTER


def test_the_station_is_promised_between_the_sum_of_racks_and_what_is_expected(settings):
    _, told = tick(settings, known(settings), samples_at(settings, 0), facts_of(settings))

    for horizon in ("15min", "1h", "4h"):
        for way in ("discharge", "charge"):
            racks = told.racks[f"{way}_power_{horizon}_kw"].sum()
            station = told.station[f"{way}_power_{horizon}_kw"]
            assert racks * 0.999 <= station <= racks * 1.2
    assert told.station["discharge_power_4h_kw"] <= told.station["discharge_power_1h_kw"]


def test_a_worn_cell_is_found_by_capacity_resistance_and_efficiency():
    one = settings_of(MODEL, racks=1, cells=3, soc_min=0.0, soc_max=1.0)
    state = known(one, soc=0.97)
    plant = plant_of(one, soc=0.97, soh=1.0, resistance=[1.0, 1.0, 1.5])

    state, told = cycle(
        one, state, plant, 24_000, lambda s: 0.5 if s % 12_000 < 6000 else -0.5, step_s=30
    )

    ratio, half = told.cells["cell_resistance_ratio"], told.cells["cell_resistance_half_width"]
    assert ratio[2] - half[2] > ratio[0] + half[0] - 0.1
    assert (np.abs(ratio - plant.resistance) < half).all()
    assert (half < 0.25).all()
    assert told.racks["resistance_cell_max_index"][0] == 3
    for ece in (told.cells["cell_ece_discharge"], told.cells["cell_ece_charge"]):
        assert ece[2] < ece[0] - 0.003


def test_the_efficiency_of_the_station_takes_in_what_is_still_in_store():
    one = settings_of(MODEL, racks=1, cells=2, soc_min=0.0, soc_max=1.0)
    state, plant = known(one, soc=0.3), plant_of(one, soc=0.3)
    for second in range(0, 6000, 10):
        c_rate = -0.5 if second < 3600 else 0.5
        samples = plant.second(c_rate, elapsed_s=10)
        terminal_kw = float(samples.voltage_v.sum() * samples.current_a[0]) / 1000
        power_kw = terminal_kw * (0.95 if terminal_kw > 0 else 1 / 0.95) - 0.0001
        facts = facts_of(one, power_kw=np.float32([power_kw]))
        state, told = tick(one, state, samples, facts)

    assert 0.7 < told.station["system_efficiency"] < 0.9


def test_states_are_told_as_they_come(settings):
    silent = replace(
        samples_at(settings, 0),
        current_good=np.zeros(2, bool),
        voltage_good=np.zeros(8, bool),
    )
    state, told = tick(settings, known(settings), silent, facts_of(settings))
    assert told.station["estimator_state"] == NO_DATA

    state, told = tick(settings, state, samples_at(settings, 0), facts_of(settings))
    assert told.station["estimator_state"] == SETTLED

    for _ in range(12):
        state, told = tick(settings, state, silent, facts_of(settings))
    assert told.station["estimator_state"] == STALE

    cold = start(settings, np.full(8, 0.5, np.float32))
    _, told = tick(settings, cold, samples_at(settings, 0), facts_of(settings))
    assert told.station["estimator_state"] == SEARCHING


def test_a_rack_with_a_cell_whose_voltage_is_not_its_makes_is_doubtful(settings):
    state = known(settings)
    settled = state.soc.settled
    mean, covariance = settled.mean.copy(), 0 * settled.covariance
    mean[soc_filter.OCV_ERROR, 5] = 20 * MODEL.noise.ocv_v
    seen_s = np.full(8, 3600.0, np.float32)
    settled = replace(settled, mean=mean, covariance=covariance, seen_s=seen_s)
    state = replace(state, soc=replace(state.soc, settled=settled))

    _, told = tick(settings, state, samples_at(settings, 0), facts_of(settings))

    assert told.racks["estimator_state"].tolist() == [SETTLED, DOUBTFUL]
    assert told.station["estimator_state"] == DOUBTFUL
    assert np.flatnonzero(told.doubtful).tolist() == [5]


@pytest.mark.parametrize("away_s", [3.0, 60.0, 600.0])
def test_after_an_absence_intervals_are_wider_and_less_is_promised(settings, away_s):
    state, before = tick(settings, known(settings), samples_at(settings, 0), facts_of(settings))

    back = resume(settings, state, away_s)
    first = replace(samples_at(settings, 1), elapsed_s=np.zeros(2, np.float32))
    _, told = tick(settings, back, first, facts_of(settings))

    grown = told.cells["cell_soc_half_width"] - before.cells["cell_soc_half_width"]
    assert (grown > 0).all()
    assert told.station["discharge_energy_4h_kwh"] < before.station["discharge_energy_4h_kwh"]
    if away_s > 300:
        assert told.station["estimator_state"] == RESUMED


def test_a_long_absence_is_searched_anew_and_keeps_what_ages_slowly(settings):
    state, _ = tick(settings, known(settings), samples_at(settings, 0), facts_of(settings))
    state = replace(state, capacity=replace(state.capacity, lost=np.full(8, 0.1, np.float16)))

    back = resume(settings, state, 6 * 3600.0)

    assert back.soc.searching.all()
    np.testing.assert_array_equal(back.capacity.soh, state.capacity.soh)


def test_what_flowed_unseen_lies_in_the_interval_afterwards(settings):
    state, plant = known(settings), plant_of(settings)
    state, _ = cycle(settings, state, plant, 30, lambda s: 0.3)

    back = resume(settings, state, 120.0)
    for _ in range(120):
        plant.second(0.7)
    first = replace(plant.second(0.3), elapsed_s=np.zeros(2, np.float32))
    _, told = tick(settings, back, first, facts_of(settings))

    assert (np.abs(told.cells["cell_soc"] - plant.soc) < told.cells["cell_soc_half_width"]).all()


def test_another_model_of_the_same_cells_goes_on_where_the_first_was(settings):
    state, _ = cycle(settings, known(settings), plant_of(settings), 30, lambda s: 0.3)
    other = replace(settings, model=build_cell_model(parameters_of("calce18650")))

    adopted = adopt(other, state)
    _, told = tick(other, adopted, samples_at(settings, 1), facts_of(settings))

    assert adopted.make == other.model.make
    assert np.abs(told.cells["cell_soc"] - 0.6).max() < 0.05


@pytest.mark.parametrize(
    "wrong",
    [
        {"rack": np.array([1, 0, 0, 0, 1, 1, 1, 1])},
        {"rack": np.zeros(8, int)},
        {"confidence": 0.3},
        {"soc_min": 0.9, "soc_max": 0.1},
        {"rack_rated_kw": np.float32([1.0])},
    ],
)
def test_settings_that_cannot_be_computed_with_are_refused_by_name(settings, wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        replace(settings, **wrong)


def test_a_current_that_protection_holds_below_the_bms_bounds_the_promise_by_that_name(settings):
    little = {"discharge_current_limit_a": np.full(2, 0.2, np.float32)}
    guarded = facts_of(settings, **little, discharge_guarded=np.ones(2, bool))
    state, _ = tick(settings, known(settings), samples_at(settings, 0), guarded)
    for second in range(1, 12):
        state, told = tick(settings, state, samples_at(settings, second), guarded)

    assert set(told.racks["discharge_bound_by"].tolist()) == {PROTECTION}
    assert np.isnan(told.racks["discharge_bound_cell"]).all()


def test_the_house_network_is_kept_in_mind_for_an_nmc_make_and_not_for_an_lfp_one(settings):
    network = load_network(NETWORK)
    nmc = build_cell_model(parameters_of("lg_hg2"))
    half = np.full(len(settings.rack), 0.5, np.float32)

    on_lfp = start(replace(settings, network=network), half)
    on_nmc = start(replace(settings, model=nmc, network=network), half)

    assert on_lfp.network is None
    assert on_nmc.network is not None
