import numpy as np
import pytest

from station.estimators import Samples
from station.estimators.relaxation import RelaxationRule, start_relaxations, step_relaxations

RULE = RelaxationRule(load_a=10.0, rest_a=0.5)
OHM, SLOW_OHM, LAG_S = 0.001, 0.0005, 400.0


def _run(current_a, rack=(0, 0)):
    """Cells with one resistance at once and one behind a lag; all that was told of their rests."""
    rack = np.array(rack)
    state = start_relaxations(RULE, rack, 1)
    lagged, told = 0.0, []
    for amperes in current_a:
        lagged += (amperes - lagged) * (1 - np.exp(-1 / LAG_S))
        volts = np.float32(3.3 - OHM * amperes - SLOW_OHM * lagged) * np.ones(len(rack), np.float32)
        state, found = step_relaxations(
            RULE,
            state,
            Samples(
                elapsed_s=np.ones(1, np.float32),
                current_a=np.full(1, amperes, np.float32),
                current_good=np.full(1, not np.isnan(amperes)),
                voltage_v=volts,
                temperature_c=np.full(len(rack), 25, np.float32),
                voltage_good=np.ones(len(rack), bool),
            ),
        )
        if found is not None:
            told.append(found)
    return told


@pytest.mark.parametrize("current_a", [100.0, -100.0])
def test_a_rest_tells_the_resistance_of_seconds_and_of_minutes(current_a: float):
    told = _run([current_a] * 3000 + [0.0] * 1900)

    assert len(told) == 1
    gone = SLOW_OHM * (1 - np.exp(-np.array(RULE.marks_s) / LAG_S))
    assert told[0].ohm[0] == pytest.approx(OHM + gone, rel=0.02)
    assert told[0].before_a[0] == current_a


def test_a_rest_that_ends_early_tells_the_marks_it_reached():
    told = _run([100.0] * 1000 + [0.0] * 700 + [-100.0] * 10)

    assert np.isfinite(told[0].ohm[:, :2]).all()
    assert np.isnan(told[0].ohm[:, 2]).all()


def test_a_short_load_or_a_rest_of_seconds_tells_nothing():
    assert _run([100.0] * 100 + [0.0] * 2000) == []
    assert _run([100.0] * 1000 + [0.0] * 10 + [100.0] * 10) == []


def test_every_rest_is_told_once():
    day = [100.0] * 1000 + [0.0] * 2500 + [-100.0] * 1000 + [0.0] * 2500

    assert len(_run(day)) == 2
