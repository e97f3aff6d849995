from dataclasses import replace

import numpy as np
import pytest

from cloud.market.backtest.basic import perfect
from cloud.market.backtest.forecasted import _on
from cloud.market.backtest.run import make_case
from cloud.market.errors import BadSeries


class Yesterday:
    """A member that is as wrong as yesterday and needs no training."""

    name = "yesterday"

    def forecast(self, table, row):
        assert np.isfinite(table.price[row - 1]).all()
        return table.price[row - 1]


def test_a_members_forecast_is_scheduled_hour_by_hour(asked):
    case = make_case(asked)

    outcome = _on(case, Yesterday(), of_day_ahead=True)
    best = perfect(case)

    assert outcome.infeasible == 0
    assert 0 < outcome.money.sum() < best.money.sum()


def test_a_day_ahead_price_that_is_not_there_is_not_forecast(asked):
    from cloud.market.backtest.forecasted import boosted_day_ahead

    case = make_case(replace(asked, columns="rt=spp"))

    with pytest.raises(BadSeries, match="da=COLUMN"):
        boosted_day_ahead(case)
