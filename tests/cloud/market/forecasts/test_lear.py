import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Lasso

from cloud.market.forecasts.days import day_table
from cloud.market.forecasts.lasso import _path_jit, lasso
from cloud.market.forecasts.lear import Lear
from cloud.market.forecasts.scaling import Asinh
from tests.cloud.market.forecasts.sample import part


def test_the_path_ends_where_coordinate_descent_of_scikit_learn_ends():
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(300, 40)) @ rng.normal(size=(40, 40))
    target = inputs[:, :3] @ [1.0, -2.0, 0.5] + rng.normal(size=300)
    inputs, target = inputs - inputs.mean(axis=0), target - target.mean()
    moments = (inputs.T @ target)[None]
    most = np.abs(moments).max()

    ours = _path_jit(
        inputs.T @ inputs, moments, np.array([target @ target]), 300, np.array([1.0, 0.02]), 0.0
    )[0]

    theirs = Lasso(alpha=0.02 * most / 300, fit_intercept=False, tol=1e-9, max_iter=100_000)
    np.testing.assert_allclose(ours, theirs.fit(inputs, target).coef_, atol=0.01)


def test_inputs_that_say_nothing_get_no_weight():
    rng = np.random.default_rng(2)
    inputs = rng.normal(size=(400, 60))
    targets = np.stack([3 * inputs[:, 5] + 7, -inputs[:, 9] + 1], axis=1)

    weights, constants = lasso(inputs, targets + 0.1 * rng.normal(size=targets.shape), cost=2.0)

    assert np.flatnonzero(weights[:, 0]).tolist() == [5]
    assert np.flatnonzero(weights[:, 1]).tolist() == [9]
    np.testing.assert_allclose(constants, [7, 1], atol=0.2)


@given(st.lists(st.floats(-500, 3000), min_size=5, max_size=40))
def test_the_transformation_gives_back_every_value_it_was_made_of(values: list[float]):
    column = np.array(values)[:, None]

    scale = Asinh.of(column)

    np.testing.assert_allclose(scale.back(scale.to(column)), column, rtol=1e-6, atol=1e-3)


def test_lear_beats_the_week_before_on_real_prices():
    table = day_table(part(900, 200), ahead=0)
    rows = range(120, 200, 4)
    came = table.price[rows]

    said = np.array([Lear("lear.84", 84).forecast(table, row) for row in rows])

    week_before = np.abs(table.price[[row - 7 for row in rows]] - came).mean()
    assert np.abs(said - came).mean() < 0.8 * week_before


def test_quarter_hours_are_forecast_from_hours():
    hourly = part(900, 100)
    fine = np.repeat(hourly.price, 4) + np.tile([0.0, 1.0, 2.0, 3.0], 2400)
    table = day_table(type(hourly)(hourly.start_ms, 15, fine), ahead=0)

    said = Lear("lear.56", 56).forecast(table, 99)

    assert said.shape == (96,)
    assert 0.0 < np.diff(said.reshape(24, 4), axis=1).mean() < 2.0
