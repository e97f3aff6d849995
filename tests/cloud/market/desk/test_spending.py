"""What charging may still cost today, by what is cleared and what may yet be."""

from decimal import Decimal

import pytest

from cloud.market.bid import BidInterval, Direction, Segment
from cloud.market.bids import Award, Cleared
from cloud.market.desk.awards import Traded
from cloud.market.desk.drafter import Drafter
from cloud.market.desk.spending import (
    DayTrades,
    Spending,
    day_trades,
    earned_by,
    most_cost,
)
from tests.cloud.market.desk import test_curving
from tests.cloud.market.desk.test_curving import (
    BATTERY,
    DAY,
    EVENING_MS,
    MARKET,
    PRODUCT,
    QUARTER_MS,
    desk,
    drafted,
    sold,
)
from tests.cloud.market.desk.test_drafter import all_bids, clear

vault = test_curving.vault
MIDNIGHT_MS = MARKET.calendar.day_bounds_ms(DAY)[0]
BEFORE_MS = EVENING_MS - QUARTER_MS
BUY, SELL = Direction.CHARGE, Direction.DISCHARGE


def nothing_promised(_: int) -> float:
    return 0.0


def test_an_offer_costs_most_at_the_price_at_which_it_costs_most():
    offers = (
        Segment(BUY, Decimal(1), Decimal(40), ""),
        Segment(BUY, Decimal(3), Decimal(20), ""),
        Segment(SELL, Decimal(5), Decimal(90), ""),
    )

    assert most_cost([BidInterval(0, offers)], 30, nothing_promised, 9.0) == 4 * 20 / 2


def test_an_offer_without_a_price_costs_the_newest_one():
    offers = (Segment(BUY, Decimal(10), None, ""),)

    assert most_cost([BidInterval(0, offers)], 60, nothing_promised, 25.0) == 250.0


def test_buying_back_what_was_sold_is_no_charging():
    offers = (Segment(BUY, Decimal("0.8"), Decimal(5000), ""), Segment(BUY, Decimal(1), None, ""))

    assert most_cost([BidInterval(0, offers)], 60, lambda _: 0.8, 30.0) == pytest.approx(30.0)


def test_what_is_earned_may_be_spent_and_no_more_than_all():
    assert Spending(50.0, 12.0).left == 62.0
    assert Spending(50.0, -20.0).left == 30.0
    assert Spending(50.0, -60.0).left == 0.0


async def cleared_quarter(pool, vault, tmp_path, awards: list[Award]) -> None:
    """Have the quarter-hour before the evening's cleared."""
    (bid,) = await drafted(pool, vault, desk(), tmp_path, later_ms=-QUARTER_MS)
    await clear(pool, vault, bid, Cleared(15, tuple(awards), "USD"), EVENING_MS - QUARTER_MS)


async def earned_by_the_evening(
    pool, vault, known: dict[int, float], product: str = PRODUCT.id
) -> float:
    """Return what a product has earned since midnight, where 25 is the newest price known."""
    span_ms = MIDNIGHT_MS, EVENING_MS
    trades = await day_trades(pool, vault, "s1", (MARKET.id, product), span_ms)
    return earned_by(trades, known, 25.0, BATTERY.wear_per_mwh)


@pytest.mark.parametrize(
    ("price", "paid"),
    [
        pytest.param(Decimal(48), 48.0, id="told"),
        pytest.param(None, 31.0, id="untold: the price of its time"),
    ],
)
async def test_what_is_bought_counts_and_a_price_untold_by_what_is_known(
    pool, vault, tmp_path, price, paid
):
    awards = [
        Award(BEFORE_MS, BUY, Decimal("0.8"), price),
        Award(BEFORE_MS, Direction.UP, Decimal(1), Decimal(7)),
        Award(MIDNIGHT_MS - QUARTER_MS, BUY, Decimal(1), Decimal(500)),
    ]
    await cleared_quarter(pool, vault, tmp_path, awards)

    earned = await earned_by_the_evening(pool, vault, {BEFORE_MS: 31.0})

    assert earned == pytest.approx(-0.8 * paid / 4)


async def test_what_is_sold_counts_less_its_wear(pool, vault, tmp_path):
    await cleared_quarter(pool, vault, tmp_path, [Award(BEFORE_MS, SELL, Decimal(1), Decimal(100))])

    earned = await earned_by_the_evening(pool, vault, {})

    assert earned == pytest.approx((100 - BATTERY.wear_per_mwh) / 4)


async def test_what_another_product_has_bought_and_sold_is_not_of_this_one(pool, vault, tmp_path):
    await cleared_quarter(pool, vault, tmp_path, [Award(BEFORE_MS, BUY, Decimal(1), Decimal(900))])

    assert await earned_by_the_evening(pool, vault, {}, "day-ahead-energy") == 0.0
    assert await earned_by_the_evening(pool, vault, {}) == -225.0


@pytest.mark.parametrize(
    ("promised", "way", "earned"),
    [
        pytest.param(0.6, BUY, -0.4 * 50 / 4, id="what undoes a sale is no charging"),
        pytest.param(-0.6, BUY, -1.0 * 50 / 4, id="what was bought ahead is paid for"),
        pytest.param(-0.6, SELL, 0.4 * (50 - BATTERY.wear_per_mwh) / 4, id="nor is it earned anew"),
    ],
)
def test_only_what_goes_beyond_the_promise_counts(promised, way, earned):
    own = Cleared(15, (Award(BEFORE_MS, way, Decimal(1), Decimal(50)),), "USD")
    ahead = Traded(BEFORE_MS - QUARTER_MS, BEFORE_MS + QUARTER_MS, promised)
    trades = DayTrades((MIDNIGHT_MS, EVENING_MS), (own,), (ahead,), ())

    assert earned_by(trades, {}, 25.0, BATTERY.wear_per_mwh) == pytest.approx(earned)


async def test_what_is_offered_and_not_cleared_counts_as_bought_at_its_worst(pool, vault, tmp_path):
    (bid,) = await drafted(pool, vault, desk(), tmp_path, later_ms=-QUARTER_MS)

    earned = await earned_by_the_evening(pool, vault, {})

    worst = [
        most_cost(v.content.bid_set.intervals, 15, nothing_promised, 25.0) for v in bid.versions
    ]
    assert earned == pytest.approx(-max(worst))
    assert earned < 0.0


async def test_energy_bought_a_day_ahead_is_kept_when_the_day_has_spent_what_it_may(
    pool, vault, tmp_path
):
    ahead = desk(id="day-ahead-energy", real_time=None, ahead_min=120.0)
    morning_ms = MIDNIGHT_MS - 60 * QUARTER_MS
    await Drafter(pool, vault, (ahead,), sold=sold, clock=lambda: morning_ms).run()
    (bought,) = await all_bids(pool, vault)
    award = Award(EVENING_MS, BUY, Decimal("0.8"), Decimal(30))
    await clear(pool, vault, bought, Cleared(60, (award,), "USD"), morning_ms)

    *_, bid = await drafted(pool, vault, desk(spend_charges=1e-6), tmp_path)

    (interval,) = bid.versions[0].content.bid_set.intervals
    assert interval.power_mw(SELL) > 0
    assert min(one.price for one in interval.segments if one.direction is SELL) > 10
    assert all(one.price <= 0 for one in interval.segments if one.direction is BUY)


async def test_a_day_that_has_spent_what_it_may_buys_nothing_more_and_says_so(
    pool, vault, tmp_path
):
    await cleared_quarter(pool, vault, tmp_path, [Award(BEFORE_MS, BUY, Decimal(1), Decimal(900))])

    *_, bid = await drafted(pool, vault, desk(), tmp_path)

    content = bid.versions[0].content
    (interval,) = content.bid_set.intervals
    assert all(one.price <= 0 for one in interval.segments if one.direction is BUY)
    assert interval.power_mw(SELL) > 0
    told = {one.start_ms: one for one in content.explanation}
    assert "nothing more is bought unless that is paid for: the day has" in told[EVENING_MS].en
    assert "除非价格不高于零，不再多买：当日充电支出已达上限" in told[EVENING_MS].zh
    (note,) = [one for one in content.explanation if "charging may cost 0.00 USD" in one.en]
    assert note.en.endswith("and what the day earns, -225.00 so far")
    assert note.zh.startswith("今日充电支出还可为 0.00 USD：上限 ")


async def test_a_desk_may_allow_its_charging_to_cost_more(pool, vault, tmp_path):
    await cleared_quarter(pool, vault, tmp_path, [Award(BEFORE_MS, BUY, Decimal(1), Decimal(900))])

    *_, bid = await drafted(pool, vault, desk(spend_charges=20.0), tmp_path)

    (interval,) = bid.versions[0].content.bid_set.intervals
    assert any(one.price > 0 for one in interval.segments if one.direction is BUY)


async def test_a_limit_that_holds_the_buying_down_is_named_as_the_reason(pool, vault, tmp_path):
    (bid,) = await drafted(pool, vault, desk(spend_charges=0.05), tmp_path)

    content = bid.versions[0].content
    told = {one.start_ms: one for one in content.explanation}[EVENING_MS]
    (interval,) = content.bid_set.intervals
    why = [one.why for one in interval.segments if one.direction is BUY and one.price > 0]

    assert any("more on charging, and no more" in one for one in why)
    assert "held down as charging may cost" in told.en
    assert "因今日充电支出只余" in told.zh
