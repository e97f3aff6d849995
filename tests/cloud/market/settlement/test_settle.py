import dataclasses
import datetime as dt
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.market.award import Award
from cloud.market.bid import Direction
from cloud.market.errors import BadDocument
from cloud.market.exchanges import load_market, read_statement, write_statement
from cloud.market.settlement import (
    IMBALANCE,
    Course,
    DayRecord,
    Decided,
    Fault,
    Incomplete,
    Reading,
    Rounding,
    capacity_compensation,
    cause_of,
    explain,
    reconcile,
    settle,
)
from cloud.market.settlement.deviation import course_of
from cloud.market.statement import total_of
from contract.words import Words
from tests.cloud.market.settlement.days import DAY, at, award, prices, readings

MARKET = load_market("test-exchange")
STARTS = MARKET.calendar.intervals_ms(DAY, 15)
KWH = st.integers(-3000, 3000).map(lambda n: n * Decimal("0.001"))
CENTS = st.integers(-50_000, 400_000).map(lambda n: n * Decimal("0.01"))
MW = st.integers(1, 10_000).map(lambda n: n * Decimal("0.001"))


def _records():
    awards = st.lists(
        st.builds(
            Award,
            st.just("day-ahead-energy"),
            st.sampled_from(STARTS),
            st.just(15),
            st.sampled_from([Direction.CHARGE, Direction.DISCHARGE]),
            MW,
            CENTS,
        ),
        max_size=6,
        unique_by=lambda one: one.start_ms,
    )
    energies = st.dictionaries(st.sampled_from(STARTS), KWH, max_size=6)
    price = CENTS

    def build(won, metered, imbalance):
        return DayRecord(
            "s1",
            DAY,
            tuple(won),
            tuple(Reading(start, 15, metered.get(start, Decimal(0))) for start in STARTS),
            {IMBALANCE: dict.fromkeys(STARTS, imbalance)},
        )

    return st.builds(build, awards, energies, price)


@settings(max_examples=25, deadline=None)
@given(_records())
def test_the_lines_add_up_and_the_markets_own_print_reconciles_to_the_cent(record: DayRecord):
    statement = settle(record, MARKET)
    printed = read_statement(write_statement(statement, MARKET), MARKET)

    found = reconcile(statement, printed)

    assert statement.total == total_of(statement.lines)
    assert all(one.amount == one.amount.quantize(Decimal("0.01")) for one in statement.lines)
    assert found.differences == ()
    assert found.money == 0


@settings(max_examples=25, deadline=None)
@given(_records(), st.randoms())
def test_the_order_of_awards_and_readings_changes_no_cent(record: DayRecord, order):
    awards, metered = list(record.awards), list(record.readings)
    order.shuffle(awards)
    order.shuffle(metered)
    shuffled = dataclasses.replace(record, awards=tuple(awards), readings=tuple(metered))

    assert settle(shuffled, MARKET) == settle(record, MARKET)


@settings(max_examples=25, deadline=None)
@given(_records())
def test_delivering_just_what_was_sold_leaves_no_imbalance(record: DayRecord):
    sold = {one.start_ms: one.energy_mwh for one in record.awards}
    exact = dataclasses.replace(
        record,
        readings=tuple(
            dataclasses.replace(one, energy_mwh=sold.get(one.start_ms, Decimal(0)))
            for one in record.readings
        ),
        prices={},
    )

    statement = settle(exact, MARKET)

    assert {one.item.value for one in statement.lines} <= {"energy"}
    for one in explain(exact, MARKET, statement.lines):
        assert one.course is Course.AS_AWARDED
        assert one.cost == 0


@given(st.fractions(-(10**12), 10**12), st.sampled_from([ROUND_HALF_UP, ROUND_HALF_EVEN]))
def test_rounding_moves_by_half_a_step_at_most_and_keeps_signs_alike(exact: Fraction, mode: str):
    rounding = Rounding(Decimal("0.01"), each_interval=True, mode=mode)

    money = rounding.money(exact)

    assert abs(Fraction(money) - exact) <= Fraction(1, 200)
    assert rounding.money(-exact) == -money


@pytest.mark.parametrize(
    ("exact", "mode", "money"),
    [
        ("0.005", ROUND_HALF_UP, "0.01"),
        ("-0.005", ROUND_HALF_UP, "-0.01"),
        ("0.005", ROUND_HALF_EVEN, "0.00"),
        ("0.015", ROUND_HALF_EVEN, "0.02"),
        ("-0.015", ROUND_HALF_EVEN, "-0.02"),
    ],
)
def test_a_half_goes_where_the_markets_rule_says(exact: str, mode: str, money: str):
    rounding = Rounding(Decimal("0.01"), each_interval=True, mode=mode)

    assert rounding.money(Fraction(exact)) == Decimal(money)


def test_a_third_of_an_hour_loses_no_half_cent():
    market = load_market("au-nem")
    record = DayRecord(
        "s1",
        DAY,
        (award(market, "raise6sec", "18:00", Direction.UP, "1", "0.06"),),
        readings(market, 5, {}),
        {},
    )

    # 1 MW x 5/60 h x 0.06 = 0.005 exactly; in 28 digits it would be a little less
    assert settle(record, market).total == Decimal("0.01")


def test_a_reading_over_several_awards_is_set_against_their_sum():
    record = DayRecord(
        "s1",
        DAY,
        tuple(
            award(MARKET, "intraday-energy", clock, Direction.DISCHARGE, mw, "100")
            for clock, mw in (("19:00", "3"), ("19:05", "6"), ("19:10", "3"))
        ),
        readings(MARKET, 15, {"19:00": "1"}),
        {},
    )

    # (3 + 6 + 3) MW x 5/60 h = 1 MWh, just what was metered
    assert settle(record, MARKET).total == 100


def test_a_market_that_rounds_only_the_day_says_so_in_a_line():
    rules = MARKET.settlement
    daily = rules.rounding.value.model_copy(update={"each": "day"})
    rounding = rules.rounding.model_copy(update={"value": daily})
    settlement = rules.model_copy(update={"rounding": rounding})
    market = dataclasses.replace(MARKET, settlement=settlement)
    record = DayRecord(
        "s1",
        DAY,
        (award(market, "day-ahead-energy", "19:00", Direction.DISCHARGE, "2", "100.03"),),
        readings(market, 15, {"19:00": "0.5"}),
        {},
    )

    statement = settle(record, market)

    assert statement.total == Decimal("50.02")  # 50.015, rounded once
    assert statement.lines[-1].detail == "rounding"
    assert statement.total == total_of(statement.lines)


def test_peak_shaving_is_paid_by_the_energy_that_it_moved():
    market = load_market("cn-jiangsu")
    record = DayRecord(
        "s1",
        DAY,
        (
            award(market, "peak", "12:00", Direction.CHARGE, "4", "200"),
            award(market, "peak", "18:00", Direction.DISCHARGE, "6", "350.5"),
        ),
        readings(market, 15, {}),
        {},
    )

    # 4 MW x 0.25 h x 200 + 6 MW x 0.25 h x 350.50 = 200 + 525.75
    assert settle(record, market).total == Decimal("725.75")


def test_capacity_is_compensated_by_the_month_and_its_available_days():
    market = load_market("cn-shandong")
    days = {dt.date(2026, 4, n): Decimal(90) for n in range(1, 21)}

    # 20 of 30 days with 90 MW: 60 MW x 3,333.333 CNY = 199,999.98
    assert capacity_compensation(days, Decimal("3333.333"), market) == Decimal("199999.98")
    with pytest.raises(Incomplete, match="2 months"):
        capacity_compensation(days | {dt.date(2026, 5, 1): Decimal(1)}, Decimal(1), market)


def test_a_gap_in_the_meter_or_the_prices_is_named():
    whole = readings(MARKET, 15, {"19:00": "0.5"})
    record = DayRecord("s1", DAY, (), whole, {})
    gap = dataclasses.replace(record, readings=whole[:40] + whole[41:])

    with pytest.raises(Incomplete, match=r"imbalance.*2026-03-10T11:00"):
        settle(record, MARKET)
    with pytest.raises(Incomplete, match="do not go on at 2026-03-10T10:00"):
        settle(gap, MARKET)
    assert (
        settle(dataclasses.replace(gap, readings=whole[:40]), MARKET, provisional=True).total == 0
    )


def test_a_price_that_is_missing_is_not_that_of_the_interval_before():
    told = dict.fromkeys(STARTS, Decimal(50))
    del told[STARTS[1]]
    metered = tuple(Reading(start, 15, Decimal("0.5")) for start in STARTS)
    record = DayRecord("s1", DAY, (), metered, {IMBALANCE: told})

    with pytest.raises(Incomplete, match="imbalance"):
        settle(record, MARKET)


@pytest.mark.parametrize(
    ("awarded", "delivered", "course"),
    [
        ("1", "1.0005", Course.AS_AWARDED),
        ("1", "0.9", Course.LESS),
        ("-1", "-0.9", Course.LESS),
        ("-1", "-1.1", Course.MORE),
        ("1", "0", Course.NOTHING),
        ("1", "-0.2", Course.OPPOSITE),
        ("0", "0.2", Course.UNASKED),
    ],
)
def test_each_course_of_delivery_has_its_word(awarded: str, delivered: str, course: Course):
    assert course_of(Decimal(awarded), Decimal(delivered)) is course


def test_a_deviation_is_explained_in_both_languages():
    record = DayRecord(
        "s1",
        DAY,
        (award(MARKET, "day-ahead-energy", "19:00", Direction.DISCHARGE, "4", "100"),),
        readings(MARKET, 15, {"19:00": "0.4", "20:00": "0.1"}),
        {IMBALANCE: prices(MARKET, {"19:00": "150", "19:15": "0", "20:00": "-30"})},
    )
    causes = {at(MARKET, "19:00"): {"en": "converter 2 tripped", "zh": "2 号变流器跳闸"}}

    found = {
        one.start_ms: one for one in explain(record, MARKET, settle(record, MARKET).lines, causes)
    }
    short, unasked = found[at(MARKET, "19:00")], found[at(MARKET, "20:00")]

    assert short.cost == Decimal("90.00")
    assert short.imbalance_mwh == Decimal("-0.6")
    assert short.words() == (
        "delivered less than awarded: awarded 1.000 MWh, delivered 0.400 MWh, -0.600 MWh cost "
        "90.00 EUR; cause: converter 2 tripped"
    )
    assert short.words("zh").endswith("成本 90.00 EUR；原因：2 号变流器跳闸")
    assert unasked.course is Course.UNASKED
    assert unasked.words().endswith("+0.100 MWh cost 3.00 EUR; cause not known")


def test_what_the_controller_decided_is_the_cause_from_award_to_meter():
    def causes(*energies: str, **more: Any) -> Words | None:
        asked, granted, awarded, delivered = map(Decimal, energies)
        return cause_of(Decided(asked, granted, **more), awarded, delivered)

    operator = Words("manual", "手动")
    band = Words("SOC band", "SOC 运行区间")

    assert causes("1", "1", "1", "1.0009") is None
    own_use = causes("1", "1", "1", "0.98")
    assert own_use is not None
    assert own_use.en.endswith("(ramps, losses, the station's own use): -0.020 MWh")
    by_hand = causes("0.4", "0.4", "1", "0.4", source=operator)
    assert by_hand == Words(
        "manual decided the power instead of the schedule: -0.600 MWh",
        "功率由手动决定而非计划曲线：-0.600 MWh",
    )
    limited = causes("1", "0.7", "1", "0.69", limit=band)
    assert limited is not None
    assert limited.en.startswith("limited by SOC band: -0.300 MWh; between the controller")
    response = causes("1.2", "1.2", "1", "1.2", response_mwh=Decimal("0.2"))
    assert response == Words(
        "the station's own regulation signal and frequency response, which ride on the schedule "
        "whether or not a bid for them is signed: +0.200 MWh",
        "电站自身的调频信号与频率响应（叠加于计划曲线，与调频申报是否签署无关）：+0.200 MWh",
    )
    other = causes("0", "0", "1", "0")
    assert other is not None
    assert "asked for something else than the award: -1.000 MWh" in other.en


def test_a_deviation_names_what_the_controller_decided_beside_what_the_meter_says():
    record = DayRecord(
        "s1",
        DAY,
        (award(MARKET, "day-ahead-energy", "19:00", Direction.DISCHARGE, "4", "100"),),
        readings(MARKET, 15, {"19:00": "0.4"}),
        {IMBALANCE: prices(MARKET, {"19:00": "150"})},
    )
    start = at(MARKET, "19:00")
    said = {start: {"en": "the meter was replaced", "zh": "电表被更换"}}
    decided = {start: Decided(Decimal(1), Decimal("0.4"), limit=Words("SOC band", "SOC 运行区间"))}

    (found,) = [one for one in explain(record, MARKET, (), said, decided) if one.start_ms == start]

    assert found.words().endswith("cause: the meter was replaced; limited by SOC band: -0.600 MWh")
    assert found.words("zh").endswith("原因：电表被更换；受限（SOC 运行区间）：-0.600 MWh")


def test_every_difference_of_a_statement_is_named():
    record = DayRecord(
        "s1",
        DAY,
        tuple(
            award(MARKET, "day-ahead-energy", clock, Direction.DISCHARGE, "4", "100")
            for clock in ("19:00", "19:15", "19:30", "19:45", "20:00")
        ),
        readings(MARKET, 15, dict.fromkeys(("19:00", "19:15", "19:30", "19:45", "20:00"), "1")),
        {},
    )
    ours = settle(record, MARKET)
    first, second, third, fourth, fifth = ours.lines
    theirs_lines = (
        dataclasses.replace(first, quantity=Decimal("0.9"), amount=Decimal(90)),
        dataclasses.replace(second, price=Decimal(99), amount=Decimal(99)),
        dataclasses.replace(third, amount=Decimal("100.01")),
        dataclasses.replace(fourth, amount=Decimal(101)),
        dataclasses.replace(fifth, start_ms=fifth.start_ms + 900_000),
    )
    theirs = dataclasses.replace(ours, lines=theirs_lines, total=total_of(theirs_lines))

    found = reconcile(ours, theirs)

    assert [one.fault for one in found.differences] == [
        Fault.QUANTITY,
        Fault.PRICE,
        Fault.ROUNDING,
        Fault.AMOUNT,
        Fault.THEIRS_LACKS_IT,
        Fault.OURS_LACKS_IT,
    ]
    assert found.money == sum(one.money for one in found.differences) == Decimal("-9.99")
    assert found.agreed == 0
    for one in found.differences:
        assert "{" not in one.words() + one.words("zh")
    with pytest.raises(BadDocument, match="station s2"):
        reconcile(ours, dataclasses.replace(theirs, station="s2"))
