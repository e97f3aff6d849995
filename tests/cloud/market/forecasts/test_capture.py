import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from cloud.market.forecasts.capture import YARDSTICK, earnings
from tests.cloud.market.forecasts.sample import market


def best_by_linear_programme(price: np.ndarray) -> float:
    """The most that a day can earn, empty at both ends, by SciPy."""
    n, eta = len(price), YARDSTICK.charge_efficiency
    stored = np.tril(np.ones((n, n)))
    flow = np.hstack([-eta * stored, stored / eta])  # energy taken out since the beginning
    found = linprog(
        np.concatenate([price, -(price - YARDSTICK.wear_per_mwh)]),
        A_ub=np.vstack([flow, -flow, np.hstack([np.eye(n), np.eye(n)])]),
        b_ub=np.concatenate([np.zeros(n), np.full(n, 2.0), np.ones(n)]),
        bounds=(0, 1),
    )
    return -float(found.fun)


def test_perfect_foresight_earns_nearly_what_a_linear_programme_finds():
    days = market().price[: 24 * 20].reshape(20, 24)

    earned = earnings(days, days)

    best = np.array([best_by_linear_programme(day) for day in days])
    assert (earned <= best + 1e-6).all()
    assert earned.sum() > 0.97 * best.sum()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(-100, 400), min_size=24, max_size=24),
    st.lists(st.floats(-100, 400), min_size=24, max_size=24),
)
def test_no_forecast_earns_more_than_the_best_plan(forecast: list[float], price: list[float]):
    came = np.array([price])

    earned = earnings(np.array([forecast]), came)

    assert earned[0] <= best_by_linear_programme(came[0]) + 1e-6


def test_a_flat_forecast_earns_nothing_and_a_shifted_one_as_much():
    day = market().price[:24][None]

    assert earnings(np.full((1, 24), 30.0), day)[0] == 0
    shifted = earnings(day + 5.0, day)[0]
    assert shifted == pytest.approx(earnings(day, day)[0], rel=0.05)
