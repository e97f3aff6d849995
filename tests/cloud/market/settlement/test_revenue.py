import dataclasses
from decimal import Decimal

import pytest

from cloud.market.bid import Direction
from cloud.market.exchanges import load_market
from cloud.market.settlement import (
    GUIDE,
    IMBALANCE,
    DayRecord,
    MixedCurrencies,
    compare,
    payback,
    profit,
    revenue_by_hour,
    revenue_by_item,
    revenue_by_market,
    revenue_by_station,
    settle,
)
from tests.cloud.market.settlement.days import DAY, award, prices, readings

MARKET = load_market("test-exchange")
RECORD = DayRecord(
    "s1",
    DAY,
    (
        award(MARKET, "day-ahead-energy", "03:00", Direction.CHARGE, "4", "30"),
        award(MARKET, "day-ahead-energy", "19:00", Direction.DISCHARGE, "4", "100"),
        award(MARKET, "regulation", "10:00", Direction.BOTH, "2", "8.5"),
    ),
    readings(MARKET, 15, {"03:00": "-1", "19:00": "0.85"}),
    {IMBALANCE: prices(MARKET, {"03:00": "0", "03:15": "0", "19:00": "120"})},
)
STATEMENT = settle(RECORD, MARKET)


def test_revenue_is_told_by_market_hour_station_and_item():
    # bought 30.00, sold 100.00, short 0.15 MWh x 120 = 18.00, ready 2 MW x 1 h x 8.50 = 17.00
    assert revenue_by_market([STATEMENT]) == {"test-exchange": Decimal(69)}
    assert revenue_by_station([STATEMENT]) == {"s1": Decimal(69)}
    assert revenue_by_hour([STATEMENT], "Asia/Shanghai") == {3: -30, 10: 17, 19: 82}
    assert {item.value: money for item, money in revenue_by_item([STATEMENT]).items()} == {
        "energy": 70,
        "imbalance": -18,
        "capacity": 17,
    }


def test_money_of_two_currencies_is_never_added():
    other = dataclasses.replace(STATEMENT, market="cn-shandong", currency="CNY")

    assert len(revenue_by_market([STATEMENT, other])) == 2
    with pytest.raises(MixedCurrencies, match="CNY, EUR"):
        revenue_by_station([STATEMENT, other])


def test_a_days_result_is_revenue_less_wear_and_auxiliaries_to_the_cent():
    result = profit(
        STATEMENT,
        RECORD.readings,
        wear_per_mwh=Decimal("8.33"),
        auxiliaries=Decimal("1.25"),
        stored_more_mwh=Decimal("0.05"),
    )

    # wear 0.85 MWh x 8.33 = 7.0805 -> 7.08; lost 1 - 0.85 - 0.05 = 0.1 MWh x 30 = 3.00
    assert result.steps == (
        ("sold", 100),
        ("bought", -30),
        ("imbalance", -18),
        ("capacity", 17),
        ("wear", Decimal("-7.08")),
        ("auxiliaries", Decimal("-1.25")),
    )
    assert result.net == Decimal("60.67")
    assert (result.charged_mwh, result.discharged_mwh) == (1, Decimal("0.85"))
    assert (result.lost_mwh, result.lost_money) == (Decimal("0.10"), Decimal("3.00"))


def test_actual_is_set_beside_plan_and_perfect_foresight():
    found = compare(Decimal(60), Decimal(70), Decimal(100))

    assert (found.execution, found.foresight) == (-10, -30)
    assert found.share_of_perfect == 0.6
    assert compare(Decimal(0), Decimal(0), Decimal(0)).share_of_perfect is None


def test_the_guides_budget_is_paid_back_in_two_years_by_a_million_a_year():
    found = payback(Decimal(1_000_000), 365)

    # 1,500,000 / 2.0 + 250,000 = 1,000,000 a year
    assert found.needed_yearly == 1_000_000
    assert found.years == GUIDE.reference_years == 2
    assert found.in_time
    assert found.roi == 0
    assert found.course[:3] == ((0, -1_500_000), (1, -750_000), (2, 0))


def test_a_desk_that_earns_less_than_it_costs_is_never_paid_back():
    found = payback(Decimal(60_000), 100)

    assert found.yearly_revenue == 219_000
    assert found.yearly_net == -31_000
    assert found.years is None
    assert not found.in_time
    with pytest.raises(ValueError, match="no day"):
        payback(Decimal(1), 0)
