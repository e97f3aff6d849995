import logging

import numpy as np
import pytest

from cloud.market.forecasts.additive import Additive
from cloud.market.forecasts.boosting import Boosting
from cloud.market.forecasts.days import DayTable, day_table
from cloud.market.forecasts.kernel import Kernel, rough, smooth
from cloud.market.forecasts.members import Member
from tests.cloud.market.forecasts.sample import part

ROWS = range(174, 200, 8)


def learners() -> dict[str, Member]:
    return {
        "kernel.rough": Kernel("kernel.rough", rough),
        "kernel.smooth": Kernel("kernel.smooth", smooth),
        "kernel.level": Kernel("kernel.level", smooth, by_level=True),
        "lightgbm": Boosting(trees=100),
        "lightgbm.level": Boosting("lightgbm.level", trees=100, by_level=True),
        "prophet": Additive(window=120),
    }


@pytest.fixture(scope="module")
def table() -> DayTable:
    return day_table(part(900, 200), ahead=0)


@pytest.mark.parametrize("name", list(learners()))
def test_a_learner_beats_the_week_before_on_real_prices(table: DayTable, name: str):
    member, came = learners()[name], table.price[list(ROWS)]

    said = np.array([member.forecast(table, row) for row in ROWS])

    week_before = np.abs(table.price[[row - 7 for row in ROWS]] - came).mean()
    assert np.abs(said - came).mean() < 0.85 * week_before


@pytest.mark.parametrize("name", list(learners()))
def test_a_learner_does_not_know_the_day_that_it_forecasts(name: str):
    known, other = part(900, 200), part(900, 200)
    other.price[24 * 190 :] = 500.0

    one, two = (
        learners()[name].forecast(day_table(history, ahead=0), 190) for history in (known, other)
    )

    assert one.tolist() == two.tolist()


@pytest.mark.parametrize("name", ["kernel.level", "lightgbm.level"])
def test_by_level_a_market_whose_prices_have_doubled_is_forecast_as_before(
    table: DayTable, name: str
):
    doubled = part(900, 200)
    doubled.price[24 * 150 :] += 200.0
    asked = slice(24 * 199, 24 * 200)

    said = [learners()[name].forecast(one, 199) for one in (table, day_table(doubled, ahead=0))]

    assert abs(said[1].mean() - said[0].mean() - 200.0) < 15.0
    assert abs(said[1].mean() - doubled.price[asked].mean()) < 15.0


def test_between_fits_what_is_new_still_counts(table: DayTable):
    member = Kernel("kernel.rough", rough, refit_days=28)
    member.forecast(table, 180)
    changed = part(900, 200)
    changed.price[24 * 184 : 24 * 185] += 60.0
    other = Kernel("kernel.rough", rough, refit_days=28)
    other_table = day_table(changed, ahead=0)
    other.forecast(other_table, 180)

    assert other.forecast(other_table, 185).mean() > member.forecast(table, 185).mean() + 3


@pytest.mark.parametrize("heard", [True, False])
def test_a_fit_tells_nothing_on_the_terminal_or_in_the_log(table: DayTable, caplog, capfd, heard):
    from cmdstanpy.utils import get_logger

    logger = logging.getLogger("cmdstanpy")
    logger.handlers.clear()  # as in a process that has not used it yet
    logger.setLevel(logging.NOTSET)
    logger.propagate = heard
    get_logger.cache_clear()
    caplog.set_level(logging.DEBUG)

    try:
        Additive(window=30).forecast(table, 199)
    finally:
        logger.propagate = True

    told = [one for one in caplog.records if one.name.startswith(("cmdstanpy", "prophet"))]
    assert told == []
    assert capfd.readouterr().err == ""
