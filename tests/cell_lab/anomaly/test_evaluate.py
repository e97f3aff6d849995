import numpy as np
import pytest

from cell_lab.anomaly.evaluate import Set, as_rows, auroc, run_trials, share_interval
from cell_lab.anomaly.extremes import fit_tail
from cell_lab.anomaly.false_alarms import FalseAlarms
from cell_lab.anomaly.faults import SIZES, FaultType
from cell_lab.anomaly.racks import Racks
from cell_lab.anomaly.rivals import Thresholds
from cell_lab.anomaly.train import RECORDINGS, real_duties
from launcher.anomaly import DETECTOR
from station.estimators.anomaly import load_detector


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    assert auroc([2.0, 3.0], [0.0, 1.0]) == 1.0
    assert auroc([1.0], [1.0]) == 0.5
    assert auroc([1.0, 3.0], [2.0]) == 0.5


def test_a_share_of_few_trials_has_the_interval_of_wilson():
    assert share_interval(4, 4) == pytest.approx((0.510, 1.0), abs=1e-3)
    assert share_interval(5, 10) == pytest.approx((0.237, 0.763), abs=1e-3)


@pytest.mark.parametrize("draw", ["exponential", "pareto"])
def test_a_tail_tells_chances_beyond_what_was_counted(draw):
    rng = np.random.default_rng(4)
    samples = rng.exponential(1.0, 200_000) if draw == "exponential" else rng.pareto(5.0, 200_000)
    true = np.log(1e6) if draw == "exponential" else 1e6 ** (1 / 5) - 1

    tail = fit_tail(samples, 3.0)

    assert tail.figure(6.0) == pytest.approx(true, rel=0.25)
    assert tail.rarity(np.array([np.median(samples)], np.float32))[0] == pytest.approx(
        0.3, abs=0.06
    )


def test_trials_of_the_shipped_detector_find_large_faults_in_a_recorded_rack_and_name_the_cell():
    model, duty = real_duties(RECORDINGS / "esc26650_25c.parquet")[0]
    trials = run_trials(
        load_detector(DETECTOR), Set("recorded", model, [duty], 2.6, 1.8), 1, cells=24, seed=3
    )
    large = {trial.type: trial for trial in trials if trial.size == SIZES[FaultType(trial.type)][2]}
    rows = as_rows(trials, FalseAlarms(100.0, 0, 0, 0))

    sudden = (
        FaultType.TEMPERATURE_JUMP,
        FaultType.CURRENT_PULSE,
        FaultType.LOOSE_CONNECTION,
        FaultType.FROZEN_SENSOR,
        FaultType.BIASED_SENSOR,
    )
    for type_ in sudden:
        assert large[type_].found_s is not None, type_
        assert large[type_].right_cell, type_
    assert len(rows) == 3 * len(FaultType) + 1
    assert rows[-1]["type"] == "all claimed"
    assert all(0 <= row["auroc"] <= 1 for row in rows)


def test_plain_thresholds_say_nothing_of_healthy_racks():
    model, duty = real_duties(RECORDINGS / "esc26650_25c.parquet")[0]
    made = Racks(model, [duty], 24, stack=3, seed=1)
    plain = Thresholds()

    highest = max(plain.look(made.advance(), made.place).max() for _ in range(400))

    assert highest < 1
