import dataclasses
import datetime as dt
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.market.bid import BidInterval, Direction, OfferMode, Trapezium
from cloud.market.exchanges import (
    Party,
    Role,
    Rule,
    Violation,
    check,
    check_amendment,
    check_eligibility,
    check_everything,
    check_together,
    load_market,
    reason_problem,
)
from tests.cloud.market.exchanges.bids import (
    BATTERY,
    BOTH_WAYS,
    CHARGE,
    DAY,
    DISCHARGE,
    bid,
    product,
    segment,
)


def _rules(found: tuple[Violation, ...]) -> set[Rule]:
    for one in found:
        assert "{" not in one.words("en") + one.words("zh-Hans-CN")
        assert not re.search(r"charge|quantity_|independent|joint", one.words("zh-Hans-CN"))
    return {one.rule for one in found}


def test_a_bid_that_keeps_the_rules_has_no_violation():
    due = product().gate_closure_ms(product().intervals_ms(DAY)[0])

    assert check(bid(), product(), BATTERY, now_ms=due - 1) == ()


def test_a_bid_at_the_gate_is_late_and_told_the_local_time():
    due = product().gate_closure_ms(product().intervals_ms(DAY)[0])

    found = check(bid(), product(), BATTERY, now_ms=due)

    assert _rules(found) == {Rule.GATE}
    assert "2026-03-09T12:00:00+01:00" in found[0].words()


@pytest.mark.parametrize(
    ("segments", "rule"),
    [
        ([segment(DISCHARGE, "1", "4000.1")], Rule.PRICE_CAP),
        ([segment(DISCHARGE, "1", "-500.1")], Rule.PRICE_FLOOR),
        ([segment(DISCHARGE, "1", "10.05")], Rule.PRICE_STEP),
        ([segment(DISCHARGE, "1", None)], Rule.PRICE_MISSING),
        ([segment(DISCHARGE, "1", "NaN")], Rule.PRICE_MISSING),
        ([segment(DISCHARGE, "0", "10")], Rule.POWER),
        ([segment(DISCHARGE, "-1", "10")], Rule.POWER),
        ([segment(DISCHARGE, "Infinity", "10")], Rule.POWER),
        ([segment(DISCHARGE, "0.15", "10")], Rule.POWER_STEP),
        ([segment(DISCHARGE, "10.1", "10")], Rule.RATED_POWER),
        ([segment(Direction.UP, "1", "10")], Rule.DIRECTION),
        ([segment(DISCHARGE, "1", "11"), segment(DISCHARGE, "1", "10")], Rule.MONOTONE),
        ([segment(CHARGE, "1", "10"), segment(CHARGE, "1", "11")], Rule.MONOTONE),
        ([segment(CHARGE, "1", "10"), segment(DISCHARGE, "1", "10")], Rule.CROSSING),
        ([segment(DISCHARGE, "0.1", str(n)) for n in range(101)], Rule.SEGMENTS),
    ],
)
def test_each_rule_of_a_curve_is_checked(segments, rule: Rule):
    found = check(bid(segments, intervals=1), product(), BATTERY)

    assert rule in _rules(found)
    assert all(one.start_ms is not None for one in found)


def test_a_reserve_below_the_least_size_is_refused():
    small = bid([segment(Direction.UP, "1", "50")], name="mfrr-energy", intervals=1)
    rules = dataclasses.replace(product(name="mfrr-energy"), min_power_mw=Decimal(2))

    assert _rules(check(small, rules, BATTERY)) == {Rule.MIN_POWER}


def test_regulation_needs_a_band_of_energy_on_both_sides():
    rules = product("test-exchange", "regulation")
    fits = bid(
        [segment(Direction.BOTH, "9", "8")], market="test-exchange", name="regulation", intervals=1
    )
    small = dataclasses.replace(BATTERY, soc_min=0.1, soc_max=0.9)

    found = check(fits, rules, small)

    # 9 MW x 1 h / 0.93 + 9 MW x 1 h x 0.93 = 18.047 MWh of 16
    assert check(fits, rules, BATTERY) == ()
    assert _rules(found) == {Rule.SOC_BAND}
    assert "18.047 MWh" in found[0].words()


def test_the_wrong_product_is_refused_before_anything_else():
    found = check(bid(), product("us-ercot"), BATTERY)

    assert _rules(found) == {Rule.MARKET}


def test_intervals_lie_on_the_grid_of_the_delivery_day_once_and_in_order():
    good = bid(intervals=2)
    first, second = good.intervals
    for intervals in [
        (second, first),
        (first, first),
        (BidInterval(first.start_ms + 1, first.segments),),
        (BidInterval(first.start_ms - 900_000, first.segments),),
    ]:
        found = check(dataclasses.replace(good, intervals=intervals), product(), BATTERY)

        assert _rules(found) == {Rule.INTERVAL}


def test_a_quantity_only_offer_names_no_price():
    rules = product("cn-shandong")
    priced = bid(BOTH_WAYS, market="cn-shandong", mode=OfferMode.QUANTITY_ONLY, intervals=1)
    bare = bid(
        [segment(DISCHARGE, "5", None)],
        market="cn-shandong",
        mode=OfferMode.SELF_SCHEDULE,
        intervals=1,
    )

    assert _rules(check(priced, rules, BATTERY)) == {Rule.PRICE_GIVEN}
    assert check(bare, rules, BATTERY) == ()


def test_a_mode_that_the_market_lacks_is_refused():
    bare = bid([segment(DISCHARGE, "5", None)], mode=OfferMode.QUANTITY_ONLY, intervals=1)

    assert _rules(check(bare, product(), BATTERY)) == {Rule.MODE}


def test_a_small_station_may_take_part_only_with_its_plant():
    market = load_market("cn-shandong")
    energy = market.product("day-ahead-energy")
    small = dataclasses.replace(BATTERY, charge_mw=4, discharge_mw=4, energy_mwh=6)
    mode = OfferMode.QUANTITY_PRICE

    alone = check_eligibility(market, energy, small, Role.INDEPENDENT, mode)
    joint = check_eligibility(market, energy, small, Role.JOINT, mode)
    peak = check_eligibility(market, market.product("peak"), BATTERY, Role.JOINT, mode)

    assert _rules(alone) == {Rule.STATION_TOO_SMALL}
    assert "24号" in alone[0].origin
    assert joint == ()
    assert _rules(peak) == {Rule.ROLE}


def test_a_role_that_a_product_does_not_know_is_refused():
    rules = dataclasses.replace(product(), roles=(Role.JOINT,))

    assert _rules(check(bid(intervals=1), rules, BATTERY)) == {Rule.ROLE}


def test_one_ladder_of_ten_prices_serves_an_australian_day():
    rules = product("au-nem", "energy")
    good = bid([segment(DISCHARGE, "1", "50")], market="au-nem", name="energy")
    many = dataclasses.replace(
        good,
        intervals=tuple(
            BidInterval(one.start_ms, (segment(DISCHARGE, "1", str(n % 11)),))
            for n, one in enumerate(good.intervals)
        ),
    )

    assert check(good, rules, BATTERY) == ()
    assert _rules(check(many, rules, BATTERY)) == {Rule.LADDER}


def test_australian_prices_are_due_the_day_before_and_a_rebid_is_not():
    rules = product("au-nem", "energy")
    late = bid([segment(DISCHARGE, "1", "50")], market="au-nem", name="energy", intervals=1)
    now_ms = late.intervals[0].start_ms - 3_600_000

    assert _rules(check(late, rules, BATTERY, now_ms=now_ms)) == {Rule.GATE}
    assert check(late, rules, BATTERY, now_ms=now_ms, amending=True) == ()


TRAPEZIUM = Trapezium(*map(Decimal, ("-10", "-8", "8", "10", "5")))


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (None, "is missing"),
        (dataclasses.replace(TRAPEZIUM, low_breakpoint=Decimal(9)), "do not rise"),
        (dataclasses.replace(TRAPEZIUM, enablement_max=Decimal(11)), "reaches over"),
        (dataclasses.replace(TRAPEZIUM, max_mw=Decimal(4)), "add up to 5 MW"),
        (dataclasses.replace(TRAPEZIUM, max_mw=Decimal(0)), "not above 0"),
    ],
)
def test_a_trapezium_is_checked_against_bands_and_station(shape: Trapezium | None, words: str):
    rules = product("au-nem", "raise6sec")
    good = bid([segment(Direction.UP, "5", "3")], market="au-nem", name="raise6sec", intervals=1)
    one = good.intervals[0]
    whole = dataclasses.replace(good, intervals=(dataclasses.replace(one, trapezium=TRAPEZIUM),))
    broken = dataclasses.replace(good, intervals=(dataclasses.replace(one, trapezium=shape),))

    assert check(whole, rules, BATTERY) == ()
    found = check(broken, rules, BATTERY)
    assert _rules(found) == {Rule.TRAPEZIUM}
    assert any(words in violation.words() for violation in found)


def test_energy_and_regulation_exclude_one_another_in_shandong():
    energy = bid(market="cn-shandong", intervals=1)
    regulation = bid(
        [segment(Direction.BOTH, "5", "8")],
        market="cn-shandong",
        name="regulation",
        intervals=1,
    )

    found = check_together(
        [
            (energy, product("cn-shandong")),
            (regulation, product("cn-shandong", "regulation")),
        ],
        BATTERY,
    )

    assert Rule.EXCLUSIVE in _rules(found)
    apart = next(one for one in found if one.rule is Rule.EXCLUSIVE)
    assert product("cn-shandong", "regulation").name["zh"] in apart.words("zh")


def test_markets_together_promise_no_more_than_the_station_has():
    energy = bid([segment(DISCHARGE, "6", "50")], intervals=4)
    reserve = bid([segment(Direction.UP, "5", "60")], name="mfrr-energy", intervals=4)
    less = bid([segment(Direction.UP, "4", "60")], name="mfrr-energy", intervals=4)
    rules = product(), product(name="mfrr-energy")

    over = check_together([(energy, rules[0]), (reserve, rules[1])], BATTERY)
    fits = check_together([(energy, rules[0]), (less, rules[1])], BATTERY)

    assert _rules(over) == {Rule.TOGETHER}
    assert len(over) == 4
    assert "11 MW" in over[0].words()
    english, chinese = ([one.name[language] for one in rules] for language in ("en", "zh"))
    assert f"with {', '.join(english)}, discharge" in over[0].words()
    assert f"与 {'、'.join(chinese)} 合计" in over[0].words("zh")
    assert fits == ()


def test_one_market_at_two_stages_is_one_promise():
    ahead = bid([segment(DISCHARGE, "10", "50")], intervals=4)
    intraday = bid([segment(DISCHARGE, "10", "60")], name="intraday-energy", intervals=4)
    rules = product(), product(name="intraday-energy")

    assert check_together([(ahead, rules[0]), (intraday, rules[1])], BATTERY) == ()


def test_a_rebid_moves_megawatts_and_says_why():
    rules = product("au-nem", "energy")
    first = bid(
        [segment(DISCHARGE, "1", "50"), segment(DISCHARGE, "4", "300")],
        market="au-nem",
        name="energy",
        intervals=2,
    )
    moved = bid([segment(DISCHARGE, "5", "300")], market="au-nem", name="energy", intervals=2)
    dearer = bid([segment(DISCHARGE, "5", "301")], market="au-nem", name="energy", intervals=2)
    why = "1432 P5MIN price for 15:00 rose from 85 to 310 $/MWh"

    assert check_amendment(first, moved, rules, why) == ()
    assert _rules(check_amendment(first, dearer, rules, why)) == {Rule.AMEND}
    assert _rules(check_amendment(first, moved, rules, "")) == {Rule.REASON}


@pytest.mark.parametrize(
    "reason", ["", "portfolio", "because the trader decided to", "x" * 501, "commercial reasons"]
)
def test_a_reason_that_cannot_be_verified_is_refused(reason: str):
    assert reason_problem(reason)


def test_another_day_is_no_amendment():
    after = dataclasses.replace(bid(), day=DAY + dt.timedelta(days=1))

    assert _rules(check_amendment(bid(), after, product(), "")) == {Rule.AMEND}


def test_everything_that_forbids_a_bid_is_told_at_once():
    market = load_market("au-nem")
    small = dataclasses.replace(BATTERY, charge_mw=4, discharge_mw=4)
    party = Party("desk", "S1", mlf_generation=Decimal("1.1"))
    first = bid([segment(DISCHARGE, "4", "60")], market="au-nem", name="energy", intervals=1)
    change = bid(
        [segment(CHARGE, "1", "58"), segment(DISCHARGE, "5", "60")],
        market="au-nem",
        name="energy",
        intervals=1,
    )

    found = check_everything(
        change, market, small, party=party, role=Role.JOINT, before=first, reason="because"
    )

    assert _rules(found) == {
        Rule.RATED_POWER,  # 5 MW of 4
        Rule.ROLE,  # the market knows no joint storage
        Rule.CROSSING,  # 60 / 1.1 at the node lies below 58
        Rule.AMEND,  # 58 is a new price
        Rule.REASON,
    }
    assert check_everything(first, market, BATTERY, party=Party("desk", "S1")) == ()


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(-5000, 40000)), min_size=1, max_size=20))
def test_a_curve_sorted_within_the_limits_passes_and_reversed_fails(steps):
    steps = [(mw, price) for mw, price in steps if sum(m for m, _ in steps) <= 100]
    curve = [
        segment(DISCHARGE, str(Decimal(mw) / 10), str(Decimal(price) / 10))
        for mw, price in sorted(steps, key=lambda step: step[1])
    ]
    distinct = len({one.price for one in curve})

    assert check(bid(curve, intervals=1), product(), BATTERY) == ()
    backwards = check(bid(curve[::-1], intervals=1), product(), BATTERY)
    assert _rules(backwards) == ({Rule.MONOTONE} if distinct > 1 else set())
