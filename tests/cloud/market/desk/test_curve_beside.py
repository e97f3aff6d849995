from dataclasses import replace
from decimal import Decimal

import pytest

from cloud.market.battery import Battery
from cloud.market.bid import BidInterval, BidSet, Direction, OfferMode, Segment
from cloud.market.desk.curve_beside import beside_promised
from cloud.market.exchanges import check, load_market
from tests.cloud.market.retraining.made import FIRST

MARKET = load_market("us-ercot")
PRODUCT = MARKET.product("real-time-energy")
BATTERY = Battery(2.0, 2.0, 8.0, 0.93, 0.93, 8.0, soc=0.5)
CURVE = tuple(
    Segment(direction, Decimal(power), Decimal(price))
    for direction, power, price in (
        *((Direction.DISCHARGE, "0.5", "40"), (Direction.DISCHARGE, "1.0", "70")),
        *((Direction.CHARGE, "0.8", "25"), (Direction.CHARGE, "0.4", "10")),
    )
)


def power_at(segments: tuple[Segment, ...], price: float) -> Decimal:
    """What is cleared at a price, MW, discharge positive."""
    sold = (s for s in segments if s.direction is Direction.DISCHARGE and s.price <= price)
    bought = (s for s in segments if s.direction is Direction.CHARGE and s.price >= price)
    return sum((s.power_mw for s in sold), Decimal(0)) - sum(
        (s.power_mw for s in bought), Decimal(0)
    )


@pytest.mark.parametrize("promised", [0.0, 0.3, 0.5, 1.0, -0.4, -0.6, 1.8, -1.5])
def test_promised_and_offered_power_come_to_what_the_curve_says(promised):
    offers = beside_promised(CURVE, promised, PRODUCT, (4.0, 4.0))

    for price in (-200.0, 5.0, 15.0, 30.0, 50.0, 90.0, 4000.0):
        wanted = power_at(CURVE, price)
        assert Decimal(str(promised)) + power_at(offers, price) == wanted, price


@pytest.mark.parametrize("promised", [0.0, 0.37, -0.52, 1.3, 5.0, -5.0])
@pytest.mark.parametrize("most", [1, 2, 10])
def test_what_is_offered_keeps_the_rules_of_the_market(promised, most):
    product = replace(PRODUCT, max_segments=most)
    start = product.intervals_ms(FIRST)[8]

    offers = beside_promised(CURVE, promised, product, (2.0, 2.0))

    bid = BidSet(
        *("s1", MARKET.id, product.id, FIRST, 15, OfferMode.QUANTITY_PRICE),
        (BidInterval(start, offers),),
    )
    assert check(bid, product, BATTERY) == ()


def test_joined_segments_take_the_more_careful_price():
    offers = beside_promised(CURVE, 0.0, replace(PRODUCT, max_segments=1), (2.0, 2.0))

    assert [(one.power_mw, one.price) for one in offers] == [
        (Decimal("1.5"), Decimal(70)),
        (Decimal("1.2"), Decimal(10)),
    ]


def test_too_little_to_be_taken_is_not_offered():
    assert (
        beside_promised(CURVE[:1], 0.45, replace(PRODUCT, min_power_mw=Decimal("0.6")), (2, 2))
        == ()
    )
