"""What a string of cells can be promised for: invariants, and the promise held in simulation."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cell_lab.parameter_files import parameters_of
from station.estimators import build_cell_model
from station.estimators.cell_limits import LFP
from station.estimators.cell_model import FIRST_TERM_COLUMN, HYSTERESIS_COLUMN, OCV_COLUMN
from station.estimators.strings import (
    BAND,
    BMS,
    EMPTY,
    FULL,
    TEMPERATURE,
    VOLTAGE,
    Ageing,
    Bounds,
    Question,
    highest,
    string,
)
from tests.station.estimators.stations import as_new, visit_of

MODEL = build_cell_model(parameters_of("esc26650"))
EVEN = replace(MODEL, table=MODEL.table.copy())
EVEN.table[:, :, FIRST_TERM_COLUMN:] = EVEN.table[:, 120:121, FIRST_TERM_COLUMN:]
EVEN.table[:, :, HYSTERESIS_COLUMN] = 0
WHOLE = Bounds(LFP, 0.0, 1.0)
SOC = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6)
CASES = st.fixed_dictionaries(
    {
        "soc": SOC,
        "sd": st.floats(0.001, 0.15),
        "shared": st.floats(0.0, 1.0),
        "temperature_c": st.floats(-15.0, 58.0),
        "soh": st.floats(0.6, 1.05),
        "resistance": st.floats(0.7, 3.0),
        "charge": st.booleans(),
        "confidence": st.floats(0.5, 0.99),
        "horizon_s": st.sampled_from([900.0, 3600.0, 14_400.0]),
        "bms_a": st.one_of(st.just(np.nan), st.floats(0.0, 4.0)),
        "band": st.sampled_from([(0.0, 1.0), (0.05, 0.95), (0.1, 0.9)]),
    }
)
EXACT = 1e-3
"""The highest current is found by halving, to a thousandth of what the charge allows."""


def power_of(case, **changed: object):
    """Return the promised power of a case's string in W, with some of it changed."""
    case = {"model": MODEL} | case | changed
    visit = visit_of(
        case["model"],
        case["soc"],
        sd=case["sd"],
        shared=case["shared"],
        temperature_c=case["temperature_c"],
    )
    ageing = as_new(
        len(case["soc"]),
        soh=case["soh"],
        resistance=case["resistance"],
        soh_sd=case.get("soh_sd", 0.01),
        resistance_sd=case.get("resistance_sd", 0.1),
    )
    question = Question(case["charge"], case["confidence"], np.float32([case["bms_a"]]))
    bounds = Bounds(LFP, *case["band"])
    return highest(string(case["model"], visit, ageing, bounds, question), case["horizon_s"])


def watts(case, **changed: object):
    return float(power_of(case, **changed).power_w[0])


def no_more(less, more):
    scale = MODEL.capacity_ah * 4.0
    return less <= more * (1 + EXACT) + EXACT * scale


@given(CASES)
@settings(max_examples=150, deadline=None)
def test_a_surer_promise_is_never_of_more_power(case):
    surer = case["confidence"] + (0.995 - case["confidence"]) / 2

    assert no_more(watts(case, confidence=surer), watts(case))


@given(CASES, st.floats(1.0, 4.0))
@settings(max_examples=150, deadline=None)
def test_wider_intervals_never_give_more_power(case, wider):
    wide = {"sd": case["sd"] * wider, "soh_sd": 0.01 * wider, "resistance_sd": 0.1 * wider}

    assert no_more(watts(case, **wide), watts(case))


@given(CASES, st.floats(0.0, 1.0))
@settings(max_examples=150, deadline=None)
def test_fuller_cells_give_no_less_and_take_no_more(case, share):
    """All cells of the string move together; bounded by current, power is by the voltage.

    That voltage is a bound from below: of fuller cells more charge goes, at a larger current. The
    make's resistance is the same at every SOC: else a cell may well give less when full.
    """
    room = 1 - max(case["soc"])
    fuller = [soc + share * room for soc in case["soc"]]
    now, then = power_of(case, model=EVEN), power_of(case, model=EVEN, soc=fuller)
    if case["charge"]:
        higher_v = max(1.0, float(then.current_v[0] / now.current_v[0]))
        assert no_more(float(then.power_w[0]), float(now.power_w[0]) * higher_v)
    else:
        lower_v = max(1.0, float(now.current_v[0] / then.current_v[0]))
        assert no_more(float(now.power_w[0]), float(then.power_w[0]) * lower_v)


@given(CASES)
@settings(max_examples=150, deadline=None)
def test_energy_is_never_more_than_the_cells_hold_or_have_room_for(case):
    energy_wh = watts(case) * case["horizon_s"] / 3600
    capacity_ah = MODEL.capacity_ah * case["soh"]
    soc = np.float32(case["soc"])
    room = 1 - soc.max() if case["charge"] else soc.min()

    most_v = LFP.voltage_max_v * len(soc)
    assert 0 <= energy_wh <= room * capacity_ah * most_v + 1e-3


@given(CASES)
@settings(max_examples=150, deadline=None)
def test_the_current_of_a_promise_is_never_beyond_the_limit_of_the_bms(case):
    answer = power_of(case)
    limit_a = np.fmin(case["bms_a"], MODEL.capacity_ah * LFP.discharge_c_rate)

    assert answer.power_w[0] <= limit_a * answer.current_v[0] * (1 + 1e-5) + 1e-6


@pytest.mark.parametrize(
    ("soc", "charge", "changed", "reason"),
    [
        (0.2, False, {}, EMPTY),
        (0.2, False, {"band": (0.1, 0.9)}, BAND),
        (0.85, True, {"sd": 0.003}, FULL),
        (0.85, True, {"band": (0.1, 0.9), "sd": 0.003}, BAND),
        (0.8, False, {"bms_a": 0.3}, BMS),
        (0.5, True, {"temperature_c": 3.0, "horizon_s": 900.0}, TEMPERATURE),
        (0.35, False, {"resistance": 12.0, "horizon_s": 900.0}, VOLTAGE),
    ],
)
def test_the_reason_that_binds_is_named(soc, charge, changed, reason):
    case = {
        "soc": [soc, soc],
        "sd": 0.005,
        "shared": 0.5,
        "temperature_c": 25.0,
        "soh": 1.0,
        "resistance": 1.0,
        "charge": charge,
        "confidence": 0.9,
        "horizon_s": 3600.0,
        "bms_a": np.nan,
        "band": (0.0, 1.0),
    }

    assert power_of(case, **changed).bound_by[0] == reason


def test_the_weakest_cell_is_named():
    visit = visit_of(MODEL, [0.5, 0.42, 0.5, 0.5])
    question = Question(False, 0.9, np.float32([np.nan]))

    answer = highest(string(MODEL, visit, as_new(4), WHOLE, question), 3600.0)

    assert answer.cell[0] == 1


def truth_of(estimated, ageing, random, strings):
    """Return SOC, capacity and resistance of strings that are off as the estimates say."""
    cells = len(estimated.soc)
    shared, own = np.sqrt(estimated.shared), np.sqrt(1 - estimated.shared)

    def error():
        return shared * random.normal(size=(strings, 1)) + own * random.normal(
            size=(strings, cells)
        )

    soc = np.clip(estimated.soc + estimated.soc_sd * error(), 0, 1)
    capacity_ah = MODEL.capacity_ah * (ageing.soh + ageing.soh_sd * error())
    own_error = random.normal(size=(strings, cells))
    resistance = ageing.resistance * (1 + ageing.resistance_sd * own_error)
    return soc, capacity_ah, np.maximum(resistance, 0.1)


def held_share(power_w, horizon_s, truth, *, charge):
    """Return the share of strings that hold a power: an equivalent circuit, string by string."""
    soc, capacity_ah, resistance = truth
    strings, cells = soc.shape
    sign = -1.0 if charge else 1.0
    step_s = horizon_s / 120
    lagged = np.zeros((len(MODEL.lag_s), strings))
    fade = np.exp(-step_s / np.maximum(MODEL.lag_s, 1e-6))[:, None]
    hysteresis = np.zeros((strings, cells))
    warm = np.full(strings * cells, 25.0, np.float32)
    volts = np.full(strings, cells * 3.3)
    alive = np.ones(strings, bool)
    for _ in range(int(horizon_s / step_s)):
        current_a = sign * power_w / volts
        kinetic = np.arcsinh(current_a / MODEL.kinetic_a) * MODEL.kinetic_a
        drive = np.where(MODEL.kinetic[:, None], kinetic, current_a)
        lagged = fade * lagged + (1 - fade) * drive
        moved = current_a[:, None] * step_s / 3600 / capacity_ah
        soc = soc - moved
        keep = np.exp(-np.abs(moved) * MODEL.hysteresis_rate)
        hysteresis = keep * hysteresis + (1 - keep) * sign
        values, _ = MODEL.look_up(soc.ravel().astype(np.float32), warm)
        values = values.reshape(-1, strings, cells)
        drop = np.einsum("tsc,ts->sc", values[FIRST_TERM_COLUMN:], lagged) * resistance
        cell_v = values[OCV_COLUMN] - values[HYSTERESIS_COLUMN] * hysteresis - drop
        inside = (cell_v > LFP.voltage_min_v) & (cell_v < LFP.voltage_max_v)
        inside &= (soc >= 0) & (soc <= 1)
        alive &= inside.all(axis=1)
        volts = np.maximum(cell_v.sum(axis=1), 1.0)
    return float(alive.mean())


@pytest.mark.parametrize("confidence", [0.75, 0.9, 0.97])
@pytest.mark.parametrize(
    ("soc", "charge", "horizon_s"),
    [
        (0.6, False, 3600.0),
        (0.3, False, 900.0),
        (0.5, False, 14_400.0),
        (0.5, True, 3600.0),
        (0.85, True, 900.0),
        (0.4, True, 14_400.0),
    ],
)
def test_a_promise_is_held_as_often_as_it_says(soc, charge, horizon_s, confidence):
    random = np.random.default_rng(5)
    cells, strings = 24, 300
    estimated = visit_of(MODEL, soc + 0.004 * random.normal(size=cells), sd=0.015, shared=0.6)
    ageing = as_new(cells, soh=0.95, soh_sd=0.012, resistance=1.2, resistance_sd=0.1)
    limits = replace(LFP, charge_c_rate=3.0, discharge_c_rate=3.0)
    question = Question(charge, confidence, np.float32([np.nan]))
    answer = highest(
        string(MODEL, estimated, ageing, Bounds(limits, 0.0, 1.0), question), horizon_s
    )
    truth = truth_of(estimated, ageing, random, strings)

    power_w = float(answer.power_w[0])

    assert held_share(power_w, horizon_s, truth, charge=charge) >= confidence - 0.02
    assert held_share(1.2 * power_w, horizon_s, truth, charge=charge) < confidence


def test_ageing_of_some_cells_is_that_of_each():
    ageing = Ageing(*(np.arange(4, dtype=np.float32) + 10 * number for number in range(4)))

    some = ageing.only(np.array([False, True, False, True]))

    np.testing.assert_array_equal(some.resistance_sd, [31, 33])


def test_a_limit_of_current_far_above_the_promised_one_takes_nothing_away():
    """At 0.6 of the capacity per hour half a charge lasts 50 minutes: the charge binds, not it."""
    case = {
        "soc": [0.5] * 4,
        "sd": 0.01,
        "shared": 0.5,
        "temperature_c": 25.0,
        "soh": 1.0,
        "resistance": 1.0,
        "charge": False,
        "confidence": 0.9,
        "horizon_s": 3600.0,
        "band": (0.05, 0.95),
    }

    limited = power_of(case, bms_a=0.6 * MODEL.capacity_ah)

    assert limited.bound_by[0] == BAND
    assert watts(case, bms_a=np.nan) == pytest.approx(float(limited.power_w[0]), rel=1e-3)
