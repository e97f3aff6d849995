import numpy as np
import pytest

from cloud.market.backtest.checked import problems
from cloud.market.bidding import bid_day
from tests.cloud.market.bidding.made import BATTERY
from tests.cloud.market.bidding.test_value import BANDS, VALUES


def test_a_day_is_bid_interval_by_interval_at_the_soc_expected_then():
    day = bid_day(VALUES, BANDS, 0.5, steps=24)

    assert [one.start_ms for one in day.intervals] == [hour * 3_600_000 for hour in range(24)]
    assert day.soc[0] == 0.5
    moved = np.where(
        day.power_mw > 0,
        -day.power_mw / BATTERY.discharge_efficiency,
        -day.power_mw * BATTERY.charge_efficiency,
    )
    assert np.diff(day.soc) * BATTERY.energy_mwh == pytest.approx(moved[:-1])
    for one, soc in zip(day.intervals, day.soc, strict=True):
        assert problems(one.segments, BANDS, BATTERY, float(soc), 1.0) == []


def test_a_re_bid_begins_where_the_soc_is():
    whole = bid_day(VALUES, BANDS, 0.5, steps=24)
    rest = bid_day(VALUES, BANDS, float(whole.soc[6]), first=6, steps=18)

    assert rest.intervals == whole.intervals[6:]
