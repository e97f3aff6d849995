import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.market.forecast import LEVELS
from cloud.market.forecasts.calibration import Calibration
from cloud.market.forecasts.evaluation import evaluate, mixed
from cloud.market.forecasts.weighting import Weighting


def noisy(rng: np.random.Generator, came: np.ndarray, size: float) -> np.ndarray:
    return came + size * rng.normal(size=came.shape)


def test_two_members_whose_errors_cancel_share_the_weight_and_a_bad_one_gets_little():
    rng = np.random.default_rng(3)
    came = 40 + 10 * rng.normal(size=(60, 24))
    error = rng.normal(size=came.shape)
    said = np.stack([came + error, came - error, noisy(rng, came, 5.0)])

    weights = Weighting().weights(said, came, np.array([0.9, 0.9, 0.5]))

    assert weights.sum() == pytest.approx(1)
    assert weights[2] < 0.05
    assert abs(weights[0] - weights[1]) < 0.2


def test_of_members_that_err_alike_the_one_that_captures_more_money_counts_more():
    rng = np.random.default_rng(4)
    came = 40 + 10 * rng.normal(size=(60, 24))
    same = noisy(rng, came, 3.0)

    weights = Weighting().weights(np.stack([same, same]), came, np.array([0.90, 0.85]))

    assert weights[0] > 1.3 * weights[1]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(0, 12), st.integers(0, 1000))
def test_weights_are_shares(members: int, days: int, seed: int):
    rng = np.random.default_rng(seed)
    said = rng.normal(0, 1000, size=(members, days, 4))

    weights = Weighting().weights(said, rng.normal(size=(days, 4)), rng.normal(size=members))

    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)


def test_bands_hold_what_they_say_even_after_errors_have_doubled():
    rng = np.random.default_rng(5)
    calibration = Calibration(24)
    inside = []
    for day in range(400):
        mean, apart = rng.normal(40, 10, 24), rng.uniform(0.5, 1.5, 24)
        came = mean + (2.0 if day > 200 else 1.0) * apart * rng.standard_t(4, 24)
        found = calibration.quantiles(mean, apart)
        inside.append(came[:, None] <= found)
        calibration.learn(mean, apart, came, found)

    for span in (slice(60, 200), slice(240, 400)):
        np.testing.assert_allclose(np.mean(inside[span], axis=(0, 1)), LEVELS, atol=0.035)


def test_quantiles_rise_along_levels():
    rng = np.random.default_rng(6)
    came = rng.normal(40, 10, (40, 24))

    found = mixed(np.stack([noisy(rng, came, 2.0), noisy(rng, came, 4.0)]), came)

    assert (np.diff(found.quantiles, axis=2) >= 0).all()


def test_the_mixture_of_a_day_does_not_know_the_day():
    rng = np.random.default_rng(7)
    came = rng.normal(40, 10, (40, 24))
    said = np.stack([noisy(rng, came, 2.0), noisy(rng, came, 4.0)])
    other = came.copy()
    other[30:] += 100

    one, two = mixed(said, came), mixed(said, other)

    assert (one.mean[:31] == two.mean[:31]).all()
    assert (one.quantiles[:31] == two.quantiles[:31]).all()
    assert (one.mean[32:] != two.mean[32:]).any()


def test_scores_are_those_of_the_days_that_count():
    rng = np.random.default_rng(8)
    came = 40 + 15 * np.sin(np.arange(24) / 4) + rng.normal(0, 3, (50, 24))
    said = {"lear.56": came + 1.0, "lear.84": came - 3.0}
    said["lear.56"][:20] += 50

    scores, whole = evaluate(said, came, came + 4.0, {"lear.56": 1.5, "lear.84": 2.0}, 20)

    by_name = {one.member: one for one in scores}
    assert by_name["lear.56"].mae == pytest.approx(1.0)
    assert by_name["lear.56"].rmae == pytest.approx(0.25)
    assert by_name["lear"].mae == pytest.approx(1.0)
    assert by_name["ensemble"].seconds == pytest.approx(3.5)
    assert whole.mean.shape == (30, 24)
    assert by_name["lear.56"].capture > 0.99
