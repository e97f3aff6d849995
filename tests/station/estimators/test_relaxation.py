import numpy as np
import pytest

from cell_lab.parameter_files import parameters_of
from station.estimators import Samples, build_cell_model, resistance
from station.estimators.relaxation import RelaxationRule, start_relaxations, step_relaxations
from tests.station.estimators.plants import Plant
from tests.station.estimators.stations import settings_of

RULE = RelaxationRule(load_a=10.0, rest_a=0.5)
OHM, SLOW_OHM, LAG_S = 0.001, 0.0005, 400.0


def _run(current_a, rack=(0, 0)):
    """Cells with one resistance at once and one behind a lag; all that was told of their rests."""
    rack = np.array(rack)
    state = start_relaxations(RULE, rack, 1)
    lagged, told, before_v = 0.0, [], np.full(len(rack), np.nan, np.float32)
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
            before_v,
        )
        before_v = volts
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


def test_a_rest_tells_cells_of_high_and_of_low_resistance_from_new_ones():
    settings = settings_of(build_cell_model(parameters_of("esc26650")), racks=1, cells=3)
    model, rack = settings.model, settings.rack
    plant = Plant(settings, np.full(3, 0.6), np.ones(3), np.array([0.6, 1.0, 1.5]))
    rule, told = resistance.rests_of(model), []
    state, before_v = start_relaxations(rule, rack, 1), np.full(3, np.nan, np.float32)
    for second in range(460):
        samples = plant.second(0.5 if second < 420 else 0.0, noise_v=0.0002)
        state, found = step_relaxations(rule, state, samples, before_v)
        before_v = samples.voltage_v
        told += [] if found is None else [found]
    known = plant.soc.astype(np.float32), np.full(3, 25.0, np.float32)

    after = resistance.relaxed(model, resistance.new_cells(3, 1), rack, told[0], known)

    low, new, high = after.ratio
    assert low < 0.97
    assert new == pytest.approx(1.0, abs=0.03)
    assert high > 1.03
    assert (after.sd < resistance.new_cells(3, 1).sd).all()
