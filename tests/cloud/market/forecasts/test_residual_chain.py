import numpy as np
import pytest

from cloud.market.errors import BadSeries
from cloud.market.forecasts import (
    ResidualChain,
    real_time_forecast,
    real_time_price,
    regulation_use,
    scaled_residual,
)
from launcher.paths import DATA

MINUTES = np.tile(np.arange(0, 1440, 15), 200)


def spells(seed: int = 1) -> np.ndarray:
    """A residual that stays what it is for a while, as scarcity does, wilder in the evening."""
    rng = np.random.default_rng(seed)
    found = np.zeros(len(MINUTES))
    for at in range(1, len(found)):
        wild = 3.0 if MINUTES[at] >= 1080 else 1.0
        found[at] = 0.9 * found[at - 1] + wild * 0.1 * rng.standard_t(3)
    return found


def test_transitions_are_chances_and_states_persist():
    chain = ResidualChain.fit(spells(), MINUTES)

    np.testing.assert_allclose(chain.transitions.sum(axis=2), 1)
    assert (chain.transitions >= 0).all()
    assert (np.diff(chain.means.mean(axis=0)) > 0).all()
    stays = chain.transitions.mean(axis=0)[-1, -2:].sum()
    assert stays > 0.5  # the two top states hold 3 % of the time


def test_paths_have_the_spread_of_the_series_and_begin_where_it_is():
    residual = spells()
    chain = ResidualChain.fit(residual, MINUTES)
    rng = np.random.default_rng(2)

    high = chain.sample(2000, 96, chain.states - 1, rng)
    low = chain.sample(2000, 96, 0, rng)

    assert high.shape == (2000, 96)
    assert high[:, 0].mean() > np.quantile(residual, 0.9)
    assert low[:, 0].mean() < np.quantile(residual, 0.1)
    assert np.std(high[:, -20:]) == pytest.approx(
        np.std(residual.reshape(-1, 96)[:, -20:]), rel=0.3
    )
    one, two = high[:, 10], high[:, 11]
    assert np.corrcoef(one, two)[0, 1] > 0.5


def test_chances_after_a_day_no_longer_depend_on_the_beginning():
    chain = ResidualChain.fit(spells(), MINUTES)

    one, two = (chain.chances(96, state, minute=0, step_min=15) for state in (0, chain.states - 1))

    np.testing.assert_allclose(one.sum(axis=1), 1)
    assert np.abs(one[0] - two[0]).sum() > 1.5
    assert np.abs(one[-1] - two[-1]).sum() < 0.05


def test_a_value_between_two_means_is_shared_by_their_states():
    chain = ResidualChain.fit(spells(), MINUTES)
    means = chain.means[0]

    low, high, share = chain.between(float(0.25 * means[4] + 0.75 * means[5]), 0)

    assert (low, high) == (4, 5)
    assert share == pytest.approx(0.75)
    assert chain.between(1e9, 0) == (chain.states - 1, chain.states - 1, 0.0)
    assert chain.between(-1e9, 0) == (0, 0, 0.0)


def test_gaps_make_no_transitions_and_too_little_is_refused():
    residual = spells()
    residual[::7] = np.nan

    chain = ResidualChain.fit(residual, MINUTES)

    assert np.isfinite(chain.means).all()
    with pytest.raises(BadSeries, match="90 residuals for 11 states"):
        ResidualChain.fit(spells()[:90], MINUTES[:90])


def test_the_real_time_forecast_follows_a_spike_and_comes_back():
    day_ahead = np.full(96, 40.0)
    chain = ResidualChain.fit(spells(), MINUTES)

    found = real_time_forecast(chain, day_ahead, 3.0, start_ms=0, step_min=15, minute=0, known_ms=0)

    assert found.mean[0] > found.mean[8] > found.mean[40]
    assert (np.diff(found.quantiles, axis=1) >= 0).all()
    assert found.quantiles[0, 3] > 60


def test_scaling_and_back_is_the_price():
    day_ahead, real_time = np.array([-30.0, 0.0, 50.0]), np.array([20.0, 900.0, -5.0])

    np.testing.assert_allclose(
        real_time_price(scaled_residual(real_time, day_ahead), day_ahead), real_time
    )


def test_a_constant_signal_asks_for_its_energy_and_no_mileage():
    found = regulation_use(np.full(900 * 2 + 5, -0.5), 4.0)

    assert found.down_mwh.tolist() == pytest.approx([0.5, 0.5])
    assert found.up_mwh.tolist() == [0, 0]
    assert found.mileage_mw.tolist() == [0, 0]
    assert found.soc_band_mwh(0.95) == pytest.approx(0.5)


def test_the_recorded_signal_asks_for_about_an_hour_of_band_and_thirty_megawatts_of_way():
    signal = np.loadtxt(DATA / "market" / "regulation_signal.csv", delimiter=",", skiprows=1)[:, -1]

    found = regulation_use(signal, 4.0)

    assert len(found.up_mwh) == 4
    np.testing.assert_allclose(found.net_mwh.sum(), signal[: 4 * 900].sum() * 4 / 3600)
    assert 5 < found.mileage_mw.mean() < 60
    assert 0.1 < found.soc_band_mwh(1.0) <= 1.0


def test_an_hour_with_many_gaps_has_no_use_and_percents_are_refused():
    signal = np.full(1800, 0.2)
    signal[100:400] = np.nan

    found = regulation_use(signal, 4.0)

    assert np.isnan(found.up_mwh[0])
    assert found.up_mwh[1] == pytest.approx(0.2)
    with pytest.raises(BadSeries, match="as a share"):
        regulation_use(np.full(900, 55.0), 4.0)
    with pytest.raises(BadSeries, match="900 make one interval"):
        regulation_use(np.zeros(10), 4.0)
