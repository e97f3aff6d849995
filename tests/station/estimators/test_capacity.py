"""Capacity from charge between two SOC that the voltage told well."""

import numpy as np
import pytest

from cell_lab.parameter_files import parameters_of
from station.estimators import build_cell_model, capacity
from station.estimators.capacity import known_capacity, look, with_measured
from station.estimators.meter import clock, count, hours_between, new_meter
from station.estimators.samples import Samples
from tests.station.estimators.stations import visit_of

MODEL = build_cell_model(parameters_of("esc26650"))
MINUTE_S = 60.0


def second_of(current_a, elapsed_s=MINUTE_S):
    none = np.zeros(1, np.float32)
    return Samples(
        elapsed_s=np.float32([elapsed_s]),
        current_a=np.float32([current_a]),
        current_good=np.ones(1, bool),
        voltage_v=none,
        temperature_c=none,
        voltage_good=np.ones(1, bool),
    )


def cycled(true_soh, cycles, *, offset_c_rate=0.0, told_soh=np.nan, filter_soh=None):
    """Return the capacity state and errors after cycles of a cell between full and 2 %.

    The filter's SOC is off while it counts with another capacity; at the ends its OCV error
    carries what the voltage says against it.
    """
    state = known_capacity(np.float32([told_soh]))
    meter, soc, history = new_meter(1), 1.0, []
    direction = 1.0
    counted = soc
    for _ in range(int(cycles * 2 * 60 / 0.5)):
        rate = 0.5 * direction
        soc -= rate / 60 / true_soh
        counted -= rate / 60 / float(state.soh[0] if filter_soh is None else filter_soh)
        meter, _ = count(
            meter, second_of((rate + offset_c_rate) * MODEL.capacity_ah), MODEL.capacity_ah
        )
        if soc <= 0.02 or soc >= 0.999:
            direction, counted = -direction if soc <= 0.02 or direction < 0 else direction, soc
        visit = visit_of(MODEL, [soc])
        values, _ = MODEL.look_up(np.float32([counted]), np.float32([25.0]))
        seen = visit.ocv_v - values[0]
        visit = visit_of(MODEL, [counted], seen_v=seen + 1e-5)
        state = look(MODEL, state, meter, visit)
        history.append(float(state.soh[0]))
    return state, np.array(history)


@pytest.mark.parametrize("true_soh", [0.8, 0.92, 1.03])
def test_capacity_is_found_within_some_cycles(true_soh):
    state, _ = cycled(true_soh, 40)

    assert abs(float(state.soh[0]) - true_soh) < 0.01


def test_the_interval_holds_what_is_found_and_becomes_narrower():
    before = capacity.half_width(known_capacity(np.float32([np.nan])))
    state, _ = cycled(0.97, 12)

    after = capacity.half_width(state)
    assert after[0] < before[0] / 2
    assert abs(float(state.soh[0]) - 0.97) < after[0]


def test_an_estimate_never_jumps():
    _, history = cycled(0.75, 20)

    assert np.abs(np.diff(history)).max() <= 0.0101


def test_a_cell_that_never_leaves_the_flat_middle_keeps_what_was_told():
    state = known_capacity(np.float32([0.9]))
    meter = new_meter(1)
    for minute in range(600):
        soc = 0.5 + 0.03 * np.sin(minute / 30)
        meter, _ = count(meter, second_of(0.1), MODEL.capacity_ah)
        state = look(MODEL, state, meter, visit_of(MODEL, [soc], seen_v=1e-5))

    assert state.soh[0] == pytest.approx(0.9)
    assert capacity.half_width(state)[0] > 0.04


def test_a_model_that_tells_soh_at_the_end_of_a_charge_is_weighed_by_its_interval():
    state = known_capacity(np.float32([1.0, 1.0, 1.0]))

    state = with_measured(
        state,
        np.arange(3),
        np.float32([0.97, 0.97, np.nan]),
        np.float32([0.965, 0.87, 0.9]),
        np.float32([0.975, 1.07, 1.0]),
    )

    sharp, vague, silent = state.soh
    assert sharp < vague < 1.0
    assert silent == 1.0
    assert sharp >= 0.99


def test_an_absence_makes_marks_and_intervals_wider_and_never_narrower():
    state, _ = cycled(0.95, 3)

    wider = capacity.widened(state, 0.05, 86_400.0)

    assert wider.sd[0] >= state.sd[0]
    assert np.all(wider.one.sd >= state.one.sd)


def test_the_clock_tells_hours_over_its_turn():
    meter = new_meter(1)
    meter, _ = count(meter, second_of(0.0, 65_530 * 360.0), 1.0)
    before = clock(meter)
    meter, _ = count(meter, second_of(0.0, 20 * 360.0), 1.0)

    assert hours_between(before, clock(meter))[0] == pytest.approx(2.0)
