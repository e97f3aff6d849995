"""One battery: what is promised beside a bid moves its energy; its money is that of others."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from cloud.market.battery import Battery
from cloud.market.bid import BidInterval, BidSet, Direction, OfferMode, Segment
from cloud.market.desk.weighing import (
    beside_of,
    follow_together,
    held_revenue,
    is_energy,
    stress_together,
    worth_of,
)

HOUR_MS = 3_600_000
BATTERY = Battery(1.0, 1.0, 2.0, 1.0, 1.0, wear_per_mwh=5.0, soc=0.0)
PRICES = np.array([[20.0, 30.0, 80.0], [25.0, 30.0, 60.0]])


def bid(*powers: float, way: Direction | None = None) -> BidSet:
    """Offers by the hour whatever the price, MW, discharge positive."""

    def segments(power: float) -> tuple[Segment, ...]:
        direction = way or (Direction.DISCHARGE if power > 0 else Direction.CHARGE)
        return (Segment(direction, Decimal(str(abs(power))), None),) if power else ()

    offered = tuple(BidInterval(at * HOUR_MS, segments(mw)) for at, mw in enumerate(powers))
    day = dt.date(1970, 1, 1)
    return BidSet("s1", "m", "p", day, 60, OfferMode.SELF_SCHEDULE, offered)


def test_energy_that_is_bought_elsewhere_can_be_sold_here():
    sale = bid(0, 0, 1)

    alone = follow_together(sale, PRICES, BATTERY, {})
    together = follow_together(sale, PRICES, BATTERY, {0: -1.0})

    assert alone.missed_mwh.tolist() == [1.0, 1.0]
    assert together.missed_mwh.tolist() == [0.0, 0.0]
    assert together.revenue == pytest.approx([80.0 - 5.0, 60.0 - 5.0])


def test_what_is_sold_elsewhere_is_paid_and_worn_there():
    together = follow_together(bid(-1, 0, 0), PRICES, BATTERY, {2 * HOUR_MS: 1.0})

    assert together.missed_mwh.tolist() == [0.0, 0.0]
    assert together.revenue == pytest.approx([-20.0, -25.0])


def test_stressed_days_know_of_what_is_bought_elsewhere_too():
    sale = bid(0, 0, 1)

    alone = {
        one.name: one for one in stress_together(sale, PRICES[0], BATTERY, {}, spike_price=500)
    }
    cases = stress_together(sale, PRICES[0], BATTERY, {0: -1.0}, spike_price=500)

    found = {one.name: one for one in cases}
    assert alone["expected"].missed_mwh == 1.0
    assert found["expected"].missed_mwh == 0.0
    assert found["expected"].revenue == pytest.approx(75.0)
    assert found["price_up"].revenue == pytest.approx(80 * 1.3 - 5)
    assert found["price_down"].revenue == pytest.approx(80 * 0.7 - 5)
    assert found["spike"].revenue == pytest.approx(495.0)
    assert found["outage"].missed_mwh == pytest.approx(0.5)  # half is bought and sold; the half
    # that is not bought is missed by whoever promised it


def test_a_day_is_worth_the_same_whether_it_is_possible_or_stressed():
    purchase, beside = bid(-1, 0, 0), {HOUR_MS: 1.0, 2 * HOUR_MS: -1.0}

    cases = stress_together(purchase, PRICES[0], BATTERY, beside, spike_price=500, worth=40.0)

    for one, path in (
        ("expected", PRICES[0]),
        ("price_up", PRICES[0] * 1.3),
        ("negative_day", -PRICES[0]),
    ):
        (case,) = [each for each in cases if each.name == one]
        followed = follow_together(purchase, path[None, :], BATTERY, beside, 40.0)
        assert case.revenue == pytest.approx(followed.revenue[0])
        assert case.missed_mwh == pytest.approx(followed.missed_mwh[0])


def test_a_bid_of_which_nothing_clears_comes_to_nothing_whatever_is_promised_beside_it():
    """Sales beside it then lack the energy: that is missed by them, and costs them."""
    limit = Segment(Direction.CHARGE, Decimal(1), Decimal(21))
    purchase = replace(bid(-1, 0, 0), intervals=(BidInterval(0, (limit,)),))
    beside, unworn = {0: 0.5}, replace(BATTERY, wear_per_mwh=0.0)

    cases = {
        one.name: one
        for one in stress_together(
            purchase, PRICES[0][:1], unworn, beside, spike_price=500, worth=40.0
        )
    }

    assert (cases["price_up"].revenue, cases["price_up"].missed_mwh) == (0.0, 0.0)
    assert cases["expected"].revenue == pytest.approx(-20.0 + 40.0)
    assert cases["negative_day"].revenue == pytest.approx(20.0 + 40.0)


def test_energy_that_a_bid_leaves_in_store_counts_and_that_it_takes_is_paid_for():
    battery = replace(BATTERY, charge_efficiency=0.9, discharge_efficiency=0.8, soc=0.5)
    purchase, sale = bid(-1, 0, 0), bid(0, 0, 0.5)

    bought = follow_together(purchase, PRICES, battery, {}, 40.0)
    sold = follow_together(sale, PRICES, battery, {}, 40.0)
    apart = follow_together(purchase, PRICES, battery, {2 * HOUR_MS: 0.5}, 40.0)

    assert bought.left_mwh == pytest.approx([0.9, 0.9])
    assert bought.revenue == pytest.approx([-20 + 0.9 * 40, -25 + 0.9 * 40])
    assert sold.left_mwh == pytest.approx([-0.625, -0.625])
    assert sold.revenue == pytest.approx([0.5 * (80 - 5) - 25, 0.5 * (60 - 5) - 25])
    assert apart.revenue == pytest.approx(bought.revenue)  # the sale pays for its own energy
    assert worth_of({"plan": {"worth_left": 40.0}}) == 40.0
    assert worth_of({}) is worth_of({"plan": {}}) is None


def test_what_a_plan_promises_beside_a_bid_is_kept_with_it():
    assert beside_of({}) == beside_of({"plan": {"starts_ms": [0]}}) == {}
    assert beside_of({"plan": {"starts_ms": [0, 5], "beside_mw": [0.5, -1.0]}}) == {0: 0.5, 5: -1.0}


def test_power_that_is_held_ready_is_no_energy():
    assert is_energy(bid(0, 0))
    assert is_energy(bid(0, 1))
    assert not is_energy(bid(0, 1, way=Direction.BOTH))


def test_power_held_ready_is_paid_where_its_price_reaches_what_is_asked():
    day = dt.date(1970, 1, 1)
    part = Segment(Direction.BOTH, Decimal("0.5"), Decimal(8))
    offered = tuple(BidInterval(at * HOUR_MS, (part,)) for at in range(2))
    held = BidSet("s1", "m", "regulation", day, 60, OfferMode.QUANTITY_PRICE, offered)
    plan = {"starts_ms": [0, HOUR_MS], "held_price": {"regulation": [10.0, 7.0]}}

    assert held_revenue(held, {"plan": plan}) == pytest.approx(5.0)
    assert held_revenue(held, {}) == 0.0
