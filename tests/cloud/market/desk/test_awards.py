import datetime as dt

import pytest

from cloud.market.bid import Direction
from cloud.market.desk.awards import Traded, energy_trades, schedules
from cloud.market.errors import MarketError
from contract.schedule import Schedule

ZONE = "Asia/Shanghai"
DAY = dt.date(2026, 3, 10)
BASE = Schedule(DAY, ZONE, 15, tuple(float(point) for point in range(96)), {"share": 1})
MIDNIGHT = BASE.start_ms
MINUTE = 60_000


def test_trades_of_all_products_add_up_and_the_rest_of_the_day_stays():
    ahead = energy_trades(
        [
            (MIDNIGHT + 60 * MINUTE, Direction.DISCHARGE, 2.0),
            (MIDNIGHT + 75 * MINUTE, Direction.CHARGE, 1.5),
            (MIDNIGHT + 75 * MINUTE, Direction.BOTH, 9.0),
        ],
        15,
    )
    within = energy_trades([(MIDNIGHT + 65 * MINUTE, Direction.DISCHARGE, 0.25)], 5)

    (made,) = schedules(
        (*ahead, *within), (MIDNIGHT + 60 * MINUTE, MIDNIGHT + 105 * MINUTE), ZONE, {DAY: BASE}
    )

    assert made.interval_min == 5
    assert made.regulation == {"share": 1}
    assert made.power_kw[:12] == (0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0)
    assert made.power_kw[12:18] == (2000.0, 2250.0, 2000.0, -1500.0, -1500.0, -1500.0)
    assert made.power_kw[18:21] == (0.0, 0.0, 0.0)
    assert made.power_kw[21:24] == (7.0, 7.0, 7.0)


def test_a_market_day_in_another_zone_makes_two_schedules():
    begin = MIDNIGHT + 7 * 60 * MINUTE
    trades = (Traded(begin, begin + 24 * 60 * MINUTE, 1.0),)

    first, second = schedules(trades, (begin, begin + 24 * 60 * MINUTE), ZONE, {})

    assert (first.date, second.date) == (DAY, DAY + dt.timedelta(days=1))
    assert first.power_kw == (0.0,) * 7 + (1000.0,) * 17
    assert second.power_kw == (1000.0,) * 7 + (0.0,) * 17


def test_the_same_trades_make_the_same_schedule_again():
    span = (MIDNIGHT, MIDNIGHT + 30 * MINUTE)
    trades = (Traded(MIDNIGHT, MIDNIGHT + 15 * MINUTE, 0.5),)
    (once,) = schedules(trades, span, ZONE, {DAY: BASE})

    assert schedules(trades, span, ZONE, {DAY: once}) == (once,)


def test_times_that_no_schedule_can_follow_are_refused():
    odd = (Traded(MIDNIGHT, MIDNIGHT + 90_000, 1.0),)

    with pytest.raises(MarketError, match=r"1\.5 min|0\.5 min"):
        schedules(odd, (MIDNIGHT, MIDNIGHT + 90_000), ZONE, {DAY: BASE})
