"""Figures of risk against worked examples and their own laws."""

import datetime as dt
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cloud.market.battery import Battery
from cloud.market.bid import BidInterval, BidSet, Direction, OfferMode, Segment
from cloud.market.risk import (
    Enough,
    Limits,
    approver,
    backtest,
    breaches,
    follow,
    greatest_power,
    kupiec,
    revenue_scenarios,
    stress,
    var_cvar,
    worst_day,
)

BATTERY = Battery(10, 10, 20, 0.9, 0.9, wear_per_mwh=5, soc=0.5)


def bid(*offers: tuple[str, str, str | None]) -> BidSet:
    """One segment an hour: direction, MW, price."""
    intervals = tuple(
        BidInterval(
            hour * 3_600_000,
            (Segment(Direction(way), Decimal(power), None if price is None else Decimal(price)),),
        )
        for hour, (way, power, price) in enumerate(offers)
    )
    return BidSet(
        *("a", "test", "energy", dt.date(1970, 1, 1), 60),
        OfferMode.QUANTITY_PRICE,
        intervals,
    )


def test_var_and_cvar_of_a_hundred_days_are_those_of_the_worst_five():
    revenue = np.arange(100.0) - 20  # losses 20, 19, ... are the worst

    risk = var_cvar(revenue, 0.95)

    assert (risk.var, risk.worst, risk.expected) == (15.0, 20.0, 29.5)
    assert risk.cvar == pytest.approx((20 + 19 + 18 + 17 + 16) / 5)


def test_the_scenario_at_the_edge_fills_the_tail_up():
    risk = var_cvar(np.array([-100.0, -10.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]), 0.85)

    assert risk.cvar == pytest.approx((100 * 0.1 + 10 * 0.05) / 0.15)


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60),
    st.sampled_from((0.9, 0.95, 0.99)),
    st.floats(-1e4, 1e4),
    st.floats(0.1, 10),
)
def test_cvar_lies_between_var_and_the_worst_and_moves_with_the_revenue(days, level, more, times):
    revenue = np.array(days)

    risk, moved = var_cvar(revenue, level), var_cvar(times * revenue + more, level)

    assert risk.var <= risk.cvar + 1e-6
    assert risk.cvar <= risk.worst + 1e-6
    assert moved.cvar == pytest.approx(times * risk.cvar - more, abs=1e-4, rel=1e-6)


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=2, max_size=40))
def test_together_two_bids_risk_no_more_than_each_alone(pairs):
    first, second = np.array(pairs).T

    together = var_cvar(first + second).cvar

    assert together <= var_cvar(first).cvar + var_cvar(second).cvar + 1e-6


@pytest.mark.parametrize("revenue", [np.array([]), np.array([np.nan]), np.zeros((2, 2))])
def test_what_is_no_row_of_numbers_has_no_risk(revenue):
    with pytest.raises(ValueError, match="no row of finite numbers"):
        var_cvar(revenue)


@pytest.mark.parametrize(
    ("days", "level", "low", "high"),
    [
        (252, 0.99, None, 7),
        (510, 0.99, 1, 11),
        (1_000, 0.99, 4, 17),
        (252, 0.95, 6, 20),
        (510, 0.95, 16, 36),
        (1_000, 0.95, 37, 65),
        (1_000, 0.90, 81, 120),
    ],
)
def test_kupiecs_regions_are_those_of_his_table(days, level, low, high):
    """The published non-rejection regions are low < breaches < high at 5 %."""
    assert kupiec(high - 1, days, level).is_right
    assert not kupiec(high, days, level).is_right
    if low is None:
        assert kupiec(1, days, level).is_right
    else:
        assert kupiec(low + 1, days, level).is_right
        assert not kupiec(low, days, level).is_right


def test_kupiecs_statistic_is_the_formula():
    found = kupiec(10, 250, 0.95)

    right = 240 * math.log(0.95) + 10 * math.log(0.05)
    best = 240 * math.log(0.96) + 10 * math.log(0.04)
    assert found.statistic == pytest.approx(2 * (best - right))
    assert kupiec(0, 250, 0.95).statistic == pytest.approx(-500 * math.log(0.95))
    assert kupiec(250, 250, 0.95).statistic == pytest.approx(-500 * math.log(0.05))
    assert kupiec(5, 100, 0.95).p_value == pytest.approx(1)


def test_a_backtest_counts_the_days_that_lost_more_than_was_said():
    found = backtest(np.array([-5.0, -11.0, 3.0, -10.0]), np.full(4, 10.0))

    assert (found.breaches, found.days) == (1, 4)


def test_a_bid_clears_by_price_and_earns_what_it_delivers_less_wear():
    bids = bid(("charge", "10", "50"), ("discharge", "9", "100"))
    paths = np.array([[40.0, 120.0], [60.0, 120.0], [40.0, 90.0]])

    revenue = revenue_scenarios(bids, paths, BATTERY)

    assert revenue.tolist() == pytest.approx(
        [-10 * 40 + 9 * 120 - 9 * 5, 9 * 120 - 9 * 5, -10 * 40]
    )


def test_what_the_battery_cannot_follow_is_bought_back():
    bids = bid(("discharge", "10", None), ("discharge", "10", None))
    paths = np.array([[100.0, 200.0]])

    same = follow(bids, paths, BATTERY)
    dearer = follow(bids, paths, BATTERY, imbalance=np.array([[100.0, 300.0]]))

    assert same.discharged_mwh.tolist() == pytest.approx([9.0])
    assert same.missed_mwh.tolist() == pytest.approx([11.0])
    assert same.revenue.tolist() == pytest.approx([9 * 100 - 45])
    assert dearer.revenue.tolist() == pytest.approx([9 * 100 - 45 - 10 * 100])


def test_energy_that_is_left_may_have_a_value():
    bids = bid(("charge", "10", None))

    followed = follow(bids, np.array([[40.0]]), BATTERY, end_value=80.0)

    assert followed.end_mwh.tolist() == [19.0]
    assert followed.revenue.tolist() == pytest.approx([-400 + 9 * 80])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["charge", "discharge"]),
            st.integers(0, 10),
            st.integers(-50, 200),
            st.floats(-100, 300),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_no_scenario_leaves_the_band_of_the_battery(hours):
    bids = bid(*((way, str(power), str(price)) for way, power, price, _ in hours))
    paths = np.array([[price for *_, price in hours]])

    followed = follow(bids, paths, BATTERY)

    assert -1e-9 <= followed.end_mwh[0] <= 20 + 1e-9
    assert followed.missed_mwh[0] >= -1e-9


def test_every_stress_case_is_there_and_says_what_it_costs():
    bids = bid(("charge", "10", None), ("discharge", "9", None), ("discharge", "9", None))
    prices = np.array([20.0, 100.0, 110.0])

    cases = {one.name: one for one in stress(bids, prices, BATTERY, spike_price=1_000.0)}

    assert set(cases) == {
        *("expected", "price_up", "price_down", "spike", "negative_day", "outage"),
    }
    assert cases["price_down"].revenue < cases["expected"].revenue < cases["price_up"].revenue
    assert cases["spike"].revenue > cases["price_up"].revenue
    assert cases["negative_day"].revenue < 0
    assert cases["outage"].missed_mwh > cases["expected"].missed_mwh
    assert all(one.en and one.zh for one in cases.values())
    assert greatest_power(bids) == 10


def test_a_limit_blocks_by_name_and_an_unknown_figure_breaks_it():
    limits = Limits(max_cvar=40_000, max_power_mw=50)

    found = breaches({"cvar": 52_000.0, "power_mw": 20.0}, limits, "east", "CNY")
    unknown = breaches({"power_mw": 60.0}, limits, "east", "CNY")

    assert [one.words.en for one in found] == [
        "limit max_cvar of desk east is 40,000 CNY, the bid has 52,000 CNY"
    ]
    assert [one.limit for one in unknown] == ["max_power_mw", "max_cvar"]
    assert "no forecast to weigh it with" in unknown[1].words.en


@pytest.mark.parametrize(
    ("figures", "enough"),
    [
        ({"power_mw": 5.0, "cvar": 900.0}, Enough.RULE),
        ({"power_mw": 5.0, "cvar": 1_100.0}, Enough.TRADER),
        ({"power_mw": 15.0, "cvar": 900.0}, Enough.TRADER),
        ({"power_mw": 25.0, "cvar": 900.0}, Enough.HEAD_TRADER),
        ({"power_mw": 5.0}, Enough.HEAD_TRADER),
    ],
)
def test_who_is_enough_to_approve_follows_from_size_and_risk(figures, enough):
    limits = Limits(rule_power_mw=10, rule_cvar=1_000, trader_power_mw=20, trader_cvar=5_000)

    assert approver(figures, limits) is enough
    assert approver(figures, Limits()) is Enough.HEAD_TRADER


@pytest.mark.parametrize(
    ("given_limits", "words"),
    [
        ({"rule_power_mw": 1}, "go together"),
        ({"rule_power_mw": 1, "rule_cvar": 1}, "not approve more than a trader"),
        ({"max_cvar": -1}, "greater than or equal to 0"),
        ({"max_risk": 1}, "Extra inputs"),
    ],
)
def test_limits_that_contradict_one_another_are_refused(given_limits, words):
    with pytest.raises(ValidationError, match=words):
        Limits(**given_limits)


def test_the_worst_day_is_named():
    assert worst_day(np.array([3.0, -7.0, 2.0])) == (1, -7.0)
