import numpy as np
import pytest

from station.estimators import Samples
from station.estimators.charge_ends import (
    ChargeEndRule,
    start_charge_ends,
    step_charge_ends,
)
from station.estimators.soh_features import CHARGE_END

RULE = ChargeEndRule(upper_v=4.2, from_a=0.5, to_a=0.1, sample_s=1.0)
RISE_S, TAU_S, CURRENT_A = 320.0, 550.0, 4.0


def _charge(start_v: float = 3.8, top_v: float = 4.2, end_a: float = 0.05):
    """A voltage that rises evenly and a current that then falls exponentially, at 1 s."""
    rise = np.arange(start_v, top_v, 0.2 / RISE_S)
    fall_s = np.arange(0.0, TAU_S * np.log(CURRENT_A / end_a))
    volts = np.concatenate([np.full(50, start_v), rise, np.full(len(fall_s), top_v)])
    amperes = np.concatenate(
        [np.zeros(50), np.full(len(rise), CURRENT_A), CURRENT_A * np.exp(-fall_s / TAU_S)]
    )
    rest = np.zeros(30)
    return np.append(volts, rest + top_v - 0.02), np.append(amperes, rest)


def _run(volts, amperes, rack=(0,), rule=RULE, lost=()):
    """All numbers that came, one entry a charge; volts of shape (samples,) or (samples, cells)."""
    rack = np.array(rack)
    racks = rack.max() + 1
    volts = np.broadcast_to(np.atleast_2d(volts.T).T, (len(volts), len(rack)))
    amperes = np.broadcast_to(np.atleast_2d(amperes.T).T, (len(amperes), racks))
    state, told, elapsed = start_charge_ends(rack, racks), [], 1.0
    for row in range(len(volts)):
        if row in lost:
            elapsed += 1
            continue
        state, numbers = step_charge_ends(
            RULE if rule is None else rule,
            state,
            Samples(
                elapsed_s=np.full(racks, elapsed, np.float32),
                current_a=-amperes[row].astype(np.float32),
                current_good=np.ones(racks, bool),
                voltage_v=volts[row].astype(np.float32),
                temperature_c=np.full(len(rack), 25, np.float32),
                voltage_good=np.ones(len(rack), bool),
            ),
        )
        elapsed = 1.0
        if numbers is not None:
            told.append(numbers)
    return told


def _by_name(numbers, cell=0):
    return dict(zip(CHARGE_END, numbers[cell], strict=True))


def test_the_numbers_of_an_even_rise_and_an_exponential_fall_are_the_text_books():
    told = _run(*_charge())

    assert len(told) == 1
    found = _by_name(told[0])
    assert found["voltage_mean"] == pytest.approx(4.1, abs=0.003)
    assert found["voltage_std"] == pytest.approx(0.2 / 12**0.5, rel=0.03)
    assert found["voltage_kurtosis"] == pytest.approx(-1.2, abs=0.03)
    assert found["voltage_skewness"] == pytest.approx(0, abs=0.03)
    assert found["CC_charge_time"] == pytest.approx(RISE_S, rel=0.03)
    assert found["CC_Q"] == pytest.approx(CURRENT_A * RISE_S / 3600, rel=0.03)
    assert found["voltage_slope"] == pytest.approx(0.2 / RISE_S, rel=0.08)
    assert found["voltage_entropy"] == pytest.approx(np.log(RISE_S), abs=0.03)
    fall_s = TAU_S * np.log(5)
    assert found["CV_charge_time"] == pytest.approx(fall_s, rel=0.01)
    assert found["CV_Q"] == pytest.approx(0.4 * TAU_S / 3600, rel=0.01)
    assert found["current_mean"] == pytest.approx(0.4 * TAU_S / fall_s, rel=0.01)
    samples = 0.5 * np.exp(-np.arange(0, fall_s) / TAU_S)
    share = samples / samples.sum()
    assert found["current_std"] == pytest.approx(samples.std(), rel=0.01)
    assert found["current_entropy"] == pytest.approx(-(share * np.log(share)).sum(), abs=0.01)
    assert found["current_slope"] == pytest.approx(-0.1 / (TAU_S * np.log(0.5 / 0.4)), rel=0.05)


def test_lost_samples_cost_little():
    whole = _run(*_charge())[0]
    chance = np.random.default_rng(1)

    lossy = _run(*_charge(), lost=set(chance.choice(2500, 250, replace=False).tolist()))[0]

    assert lossy == pytest.approx(whole, rel=0.05, abs=0.05)


def test_a_charge_that_begins_within_the_window_tells_nothing_of_the_voltage():
    found = _by_name(_run(*_charge(start_v=4.1))[0])

    assert np.isnan(found["voltage_mean"])
    assert np.isnan(found["CC_Q"])
    assert found["CV_charge_time"] == pytest.approx(TAU_S * np.log(5), rel=0.01)


def test_a_charge_that_stops_early_tells_nothing_of_the_falling_current():
    volts, amperes = _charge(end_a=0.3)

    found = _by_name(_run(volts, amperes)[0])

    assert found["CC_charge_time"] == pytest.approx(RISE_S, rel=0.03)
    assert np.isnan(found["current_mean"])


def test_a_charge_that_never_comes_near_the_top_tells_nothing():
    assert _run(*_charge(top_v=4.0)) == []


def test_each_rack_has_charges_of_its_own():
    volts, amperes = _charge()
    late_v, late_a = np.append(np.full(400, 3.8), volts), np.append(np.zeros(400), amperes)
    first_v, first_a = np.append(volts, np.full(400, 4.18)), np.append(amperes, np.zeros(400))

    told = _run(
        np.column_stack([first_v, first_v, late_v]), np.column_stack([first_a, late_a]), (0, 0, 1)
    )

    assert len(told) == 2
    assert np.isfinite(told[0][:2]).all()
    assert np.isnan(told[0][2]).all()
    assert told[1][2] == pytest.approx(told[0][0], rel=1e-4, abs=1e-4)


def test_a_step_of_the_current_begins_the_count_anew():
    volts, amperes = _charge()
    fast = amperes.copy()
    fast[50:300] *= 1.5

    assert _run(volts, fast)[0] == pytest.approx(_run(volts, amperes)[0], rel=0.02, abs=0.02)


def test_a_cell_that_ends_a_little_lower_than_its_rack_has_its_own_last_window():
    volts, amperes = _charge(start_v=3.7)

    told = _run(np.column_stack([volts, volts - 0.03]), amperes, (0, 0))[0]

    assert told[1, 0] == pytest.approx(told[0, 0] - 0.03, abs=0.004)
    assert told[1, 5] == pytest.approx(told[0, 5], rel=0.03)
