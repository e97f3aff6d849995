"""Capacity from charge between two SOC that the voltage told well."""

import numpy as np
import pytest

from cell_lab.parameter_files import parameters_of
from station.estimators import build_cell_model, capacity
from station.estimators.capacity import known_capacity, look
from station.estimators.meter import clock, count, hours_between, new_meter
from station.estimators.samples import Samples
from tests.station.estimators.stations import visit_of

MODEL = build_cell_model(parameters_of("esc26650"))
MINUTE_S = 60.0
AS_NEW = (np.ones(1, np.float32), np.full(1, 0.05, np.float32))


def second_of(current_a, elapsed_s=MINUTE_S):
    current_a = np.atleast_1d(np.float32(current_a))
    racks = len(current_a)
    none = np.zeros(racks, np.float32)
    return Samples(
        elapsed_s=np.full(racks, elapsed_s, np.float32),
        current_a=current_a,
        current_good=np.ones(racks, bool),
        voltage_v=none,
        temperature_c=none,
        voltage_good=np.ones(racks, bool),
    )


def cycled(true_soh, cycles):
    """Return the state and the SOH of each minute, of racks of one cell cycled from full to 2 %.

    The filter's SOC counts with the capacity that is estimated; the voltage says at each minute by
    how much that is off. At the ends the filter is right again.
    """
    true_soh = np.float64(true_soh)
    racks = len(true_soh)
    state, meter = known_capacity(np.full(racks, np.nan, np.float32)), new_meter(racks)
    soc, counted, way = np.ones(racks), np.ones(racks), np.ones(racks)
    history = []
    for _ in range(cycles * 240):
        counts = np.where(way < 0, MODEL.counting.charge, 1.0) / MODEL.counting.capacity
        share = 0.5 / 60 * way * counts
        soc, counted = soc - share / true_soh, counted - share / state.soh
        meter, _ = count(meter, second_of(0.5 * way * MODEL.capacity_ah), MODEL)
        at_end = (soc <= 0.02) | (soc >= 0.999)
        way = np.where(soc <= 0.02, -1.0, np.where(soc >= 0.999, 1.0, way))
        counted = np.where(at_end, soc, counted)
        truth = visit_of(MODEL, soc, racks=racks)
        off_v = truth.ocv_v - visit_of(MODEL, counted, racks=racks).ocv_v
        visit = visit_of(MODEL, counted, racks=racks, seen_v=off_v + 1e-5)
        state = look(MODEL, state, meter, visit, AS_NEW)
        history.append(state.soh)
    return state, np.array(history)


TRUE_SOH = [0.8, 0.92, 0.97, 1.03]


@pytest.fixture(scope="module")
def cells_after_cycles():
    return cycled(TRUE_SOH, 20)


def test_capacity_is_found_within_some_cycles(cells_after_cycles):
    state, _ = cells_after_cycles

    np.testing.assert_allclose(state.soh, TRUE_SOH, atol=0.006)


def test_the_interval_holds_what_is_found_and_becomes_narrower(cells_after_cycles):
    before = capacity.half_width(known_capacity(np.float32([np.nan])))
    state, _ = cells_after_cycles

    after = capacity.half_width(state)
    assert (after < before / 2).all()
    assert (np.abs(state.soh - TRUE_SOH) < after + 0.001).all()


def test_an_estimate_never_jumps(cells_after_cycles):
    _, history = cells_after_cycles

    assert np.abs(np.diff(history, axis=0)).max() <= 0.0101


def test_a_cell_that_never_leaves_the_flat_middle_keeps_what_was_told():
    state = known_capacity(np.float32([0.9]))
    meter = new_meter(1)
    for minute in range(600):
        soc = 0.5 + 0.03 * np.sin(minute / 30)
        meter, _ = count(meter, second_of(0.1), MODEL)
        state = look(MODEL, state, meter, visit_of(MODEL, [soc], seen_v=1e-5), AS_NEW)

    assert state.soh[0] == pytest.approx(0.9, abs=1e-4)
    assert capacity.half_width(state)[0] > 0.04


def test_an_absence_makes_marks_and_intervals_wider_and_never_narrower():
    state, _ = cycled([0.95], 1)

    wider = capacity.widened(state, 0.05, 86_400.0)

    assert wider.sd[0] >= state.sd[0]
    assert np.all(wider.one.sd >= state.one.sd)


def test_the_clock_tells_hours_over_its_turn():
    meter = new_meter(1)
    meter, _ = count(meter, second_of(0.0, 65_530 * 360.0), MODEL)
    before = clock(meter)
    meter, _ = count(meter, second_of(0.0, 20 * 360.0), MODEL)

    assert hours_between(before, clock(meter))[0] == pytest.approx(2.0)
