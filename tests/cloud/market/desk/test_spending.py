"""What charging may still cost today, by what is cleared and what may yet be."""

from decimal import Decimal

import pytest

from cloud.market.bid import BidInterval, Direction, Segment
from cloud.market.bids import Award, Cleared
from cloud.market.desk.spending import Spending, earned_within, most_cost
from tests.cloud.market.desk import test_curving
from tests.cloud.market.desk.test_curving import (
    BATTERY,
    DAY,
    EVENING_MS,
    MARKET,
    QUARTER_MS,
    desk,
    drafted,
)
from tests.cloud.market.desk.test_drafter import clear

vault = test_curving.vault
MIDNIGHT_MS = MARKET.calendar.day_bounds_ms(DAY)[0]
BUY, SELL = Direction.CHARGE, Direction.DISCHARGE


def test_an_offer_costs_most_at_the_price_at_which_it_costs_most():
    offers = (
        Segment(BUY, Decimal(1), Decimal(40), ""),
        Segment(BUY, Decimal(3), Decimal(20), ""),
        Segment(SELL, Decimal(5), Decimal(90), ""),
    )
    intervals = (BidInterval(0, offers), BidInterval(1_800_000, offers))

    assert most_cost(intervals, 30, (0, 1_800_000)) == pytest.approx(4 * 20 / 2)
    assert most_cost(intervals, 30, (0, 3_600_000)) == pytest.approx(4 * 20)


def test_what_is_earned_may_be_spent_and_no_more_than_all():
    assert Spending(50.0, 12.0).left == 62.0
    assert Spending(50.0, -20.0).left == 30.0
    assert Spending(50.0, -60.0).left == 0.0


async def cleared_quarter(pool, vault, tmp_path, awards: list[Award]) -> None:
    """Have the quarter-hour before the evening's cleared."""
    (bid,) = await drafted(pool, vault, desk(), tmp_path, later_ms=-QUARTER_MS)
    await clear(pool, vault, bid, Cleared(15, tuple(awards), "USD"), EVENING_MS - QUARTER_MS)


@pytest.mark.parametrize(
    ("price", "paid"),
    [
        pytest.param(Decimal(48), 48.0, id="told"),
        pytest.param(None, 31.0, id="untold: the price of its time"),
    ],
)
async def test_what_is_cleared_counts_with_wear_and_prices_untold_by_what_is_known(
    pool, vault, tmp_path, price, paid
):
    earlier = EVENING_MS - QUARTER_MS
    awards = [
        Award(earlier, BUY, Decimal("0.8"), price),
        Award(earlier, SELL, Decimal("0.4"), Decimal(100)),
        Award(earlier, Direction.UP, Decimal(1), Decimal(7)),
        Award(MIDNIGHT_MS - QUARTER_MS, BUY, Decimal(1), Decimal(500)),
    ]
    await cleared_quarter(pool, vault, tmp_path, awards)

    earned = await earned_within(
        *(pool, vault, "s1", (MIDNIGHT_MS, EVENING_MS)),
        known={earlier: 31.0},
        newest=25.0,
        battery=BATTERY,
    )

    assert earned == pytest.approx((0.4 * (100 - BATTERY.wear_per_mwh) - 0.8 * paid) / 4)


async def test_what_is_offered_and_not_cleared_counts_as_bought_at_its_worst(pool, vault, tmp_path):
    (bid,) = await drafted(pool, vault, desk(), tmp_path, later_ms=-QUARTER_MS)

    earned = await earned_within(
        *(pool, vault, "s1", (MIDNIGHT_MS, EVENING_MS)), known={}, newest=25.0, battery=BATTERY
    )

    span_ms = MIDNIGHT_MS, EVENING_MS
    worst = [most_cost(v.content.bid_set.intervals, 15, span_ms) for v in bid.versions]
    assert earned == pytest.approx(-max(worst))
    assert earned < 0.0


async def test_a_day_that_has_spent_what_it_may_buys_nothing_more_and_says_so(
    pool, vault, tmp_path
):
    earlier = EVENING_MS - QUARTER_MS
    await cleared_quarter(pool, vault, tmp_path, [Award(earlier, BUY, Decimal(1), Decimal(900))])

    *_, bid = await drafted(pool, vault, desk(), tmp_path)

    content = bid.versions[0].content
    (interval,) = content.bid_set.intervals
    assert all(one.price <= 0 for one in interval.segments if one.direction is BUY)
    assert interval.power_mw(SELL) > 0
    told = {one.start_ms: one for one in content.explanation}
    assert "bought only where that is paid for: the day has spent what" in told[EVENING_MS].en
    assert "仅在价格不高于零时买入：当日充电支出已达上限" in told[EVENING_MS].zh
    (note,) = [one for one in content.explanation if "charging may cost 0.00 USD" in one.en]
    assert note.en.endswith("and what the day earns, -225.00 so far")
    assert note.zh.startswith("今日充电支出还可为 0.00 USD：上限 ")


async def test_a_desk_may_allow_its_charging_to_cost_more(pool, vault, tmp_path):
    earlier = EVENING_MS - QUARTER_MS
    await cleared_quarter(pool, vault, tmp_path, [Award(earlier, BUY, Decimal(1), Decimal(900))])

    *_, bid = await drafted(pool, vault, desk(spend_charges=20.0), tmp_path)

    (interval,) = bid.versions[0].content.bid_set.intervals
    assert any(one.price > 0 for one in interval.segments if one.direction is BUY)
