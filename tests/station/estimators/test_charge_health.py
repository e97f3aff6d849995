"""SOH by the model of charges and by counted charge: what the one and the other count for."""

from pathlib import Path

import numpy as np
import pytest

from station.estimators import charge_health
from station.estimators.capacity import half_width, known_capacity
from station.estimators.charge_ends import ChargeEndRule
from station.estimators.charge_health import ChargeHealth, fused, nothing_said, said
from station.estimators.charge_history import HELD_AT_MOST, ChargeRecord
from station.estimators.meter import new_meter
from station.estimators.soh import load_soh_model
from station.estimators.soh_features import ChargeHistory, causal_inputs

SHIPPED = Path(__file__).parents[3] / "data" / "models" / "soh" / "mit.json"
RACK = np.zeros(3, np.intp)
CELLS = np.arange(3)


@pytest.fixture(scope="module")
def health() -> ChargeHealth:
    return ChargeHealth(load_soh_model(SHIPPED), ChargeEndRule(3.6, 0.5, 0.1))


def told(health, soh, days=0.0, *, counted=1.0, words=None):
    """What is known after the model has said something of three cells so many days ago."""
    meter = new_meter(1)
    words = said(nothing_said(3, 1) if words is None else words, meter, 0, CELLS, np.float32(soh))
    meter.seconds[:] = days * 86_400
    return fused(health, words, known_capacity(np.full(3, counted, np.float32)), meter, RACK)


def test_a_sharp_word_outweighs_what_a_new_cell_is_taken_for_and_narrows_the_interval(health):
    before = known_capacity(np.ones(3, np.float32))

    known = told(health, [0.97, 0.97, np.nan])

    assert known.soh[0] == pytest.approx(0.97, abs=0.003)
    assert half_width(known)[0] < half_width(before)[0] / 3
    assert known.soh[2] == before.soh[2]
    assert half_width(known)[2] == half_width(before)[2]


def test_the_same_word_again_makes_nothing_surer(health):
    words = nothing_said(3, 1)
    for _ in range(50):
        words = said(words, new_meter(1), 0, CELLS, np.full(3, 0.97, np.float32))

    known = told(health, [0.97] * 3, words=words)

    once = told(health, [0.97] * 3)
    np.testing.assert_array_equal(known.soh, once.soh)
    np.testing.assert_array_equal(known.sd, once.sd)


def test_a_word_counts_for_less_as_it_ages(health):
    soh = [float(told(health, [0.95] * 3, days).soh[0]) for days in (0, 60, 2000)]

    assert soh[0] < soh[1] < soh[2] < 1


def test_the_gain_of_the_sensor_that_both_read_never_averages_out(health):
    known = told(health, [1.0] * 3)

    assert known.sd.min() >= np.float16(charge_health.GAIN_SD)


def test_witnesses_that_contradict_one_another_make_the_interval_wider(health):
    agreeing, apart = told(health, [0.99] * 3), told(health, [0.8] * 3)

    assert half_width(apart)[0] > 1.5 * half_width(agreeing)[0]


def test_a_record_of_charges_gives_the_model_what_a_whole_history_would():
    chance = np.random.default_rng(5)
    numbers = chance.normal(1, 0.1, (140, 3, 16))
    numbers[chance.random(numbers.shape) < 0.05] = np.nan
    before_first = np.full(16, 7.0)
    record = ChargeRecord.empty(3)
    for charge in numbers:
        record = record.after(charge)

    found = record.inputs(before_first)

    for cell in range(3):
        history = ChargeHistory(np.arange(140.0), numbers[:, cell].astype(np.float32))
        expected = causal_inputs(history, before_first)[-1]
        np.testing.assert_allclose(found[cell], expected, rtol=1e-5, atol=1e-6)


def test_a_cell_that_tells_nothing_for_long_is_no_longer_judged():
    record, silence = ChargeRecord.empty(2), np.array([np.ones(16), np.full(16, np.nan)])
    record = record.after(np.ones((2, 16)))
    seen = []
    for _ in range(HELD_AT_MOST + 1):
        record = record.after(silence)
        seen.append(record.tells.tolist())

    assert seen[0] == seen[HELD_AT_MOST - 1] == [True, True]
    assert seen[-1] == [True, False]
    assert ChargeRecord.empty(2).tells.tolist() == [False, False]
