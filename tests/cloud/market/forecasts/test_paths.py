import numpy as np
import pytest

from cloud.market.forecast import LEVELS, Forecast
from cloud.market.forecasts import paths

WIDTHS = np.array([-20.0, -15.0, -6.0, 0.0, 6.0, 18.0, 30.0])


def forecast(step_min: int = 60, intervals: int = 24) -> Forecast:
    mean = 50 + 20 * np.sin(np.arange(intervals) / intervals * 6)
    return Forecast("price", 0, step_min, 0, mean, mean[:, None] + WIDTHS, "test/1")


def test_each_hour_of_the_paths_has_the_forecasts_quantiles():
    said = forecast()

    drawn = paths(said, 20_000, np.random.default_rng(1))

    assert drawn.shape == (20_000, 24)
    for level, wanted in zip(LEVELS, said.quantiles.T, strict=True):
        assert np.abs(np.quantile(drawn, level, axis=0) - wanted).max() < 1.0


def test_no_value_goes_beyond_what_the_outer_bands_allow():
    drawn = paths(forecast(), 5_000, np.random.default_rng(2))

    assert (drawn >= forecast().quantiles[:, 0] - 5.0).all()
    assert (drawn <= forecast().quantiles[:, -1] + 12.0).all()


def test_hours_go_together_as_published_errors_do():
    drawn = paths(forecast(), 20_000, np.random.default_rng(3)) - forecast().mean

    for hours, wanted in ((1, 0.87), (3, 0.66), (12, 0.37)):
        pairs = [np.corrcoef(drawn[:, h], drawn[:, h + hours])[0, 1] for h in range(24 - hours)]
        assert np.mean(pairs) == pytest.approx(wanted, abs=0.04)


def test_quarter_hours_fade_as_slowly_as_hours_do():
    drawn = paths(forecast(15, 96), 20_000, np.random.default_rng(4)) - forecast(15, 96).mean

    pairs = [np.corrcoef(drawn[:, q], drawn[:, q + 4])[0, 1] for q in range(92)]
    assert np.mean(pairs) == pytest.approx(0.87, abs=0.04)
