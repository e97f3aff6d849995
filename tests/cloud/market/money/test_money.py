"""A settled day worked by hand, and steps that add up whatever the numbers are."""

import datetime as dt
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.market.battery import Battery
from cloud.market.bid import Direction
from cloud.market.bids import Award, Cleared
from cloud.market.money import Offer, StationDay, add_up, annual, ledgers, waterfall, with_perfect
from cloud.market.money.annual import student_t
from cloud.market.money.collect import left_mwh, traded_prices
from cloud.market.prices import Reading as Prices
from cloud.market.settlement import GUIDE, MixedCurrencies, Reading
from cloud.market.statement import Item, Line, Statement, total_of

DAY = dt.date(2026, 3, 10)
NOON_MS = 1_773_115_200_000  # 12:00 in Shanghai
HOUR_MS = 3_600_000
CENTS = st.decimals(-9_999, 9_999, places=2, allow_nan=False)
MWS = st.decimals(-50, 50, places=3, allow_nan=False)


def line(item: Item, mwh: str, price: str, amount: str, hour: int | None = 0) -> Line:
    start = None if hour is None else NOON_MS + hour * HOUR_MS
    return Line(start, item, "x", Decimal(mwh), "MWh", Decimal(price), Decimal(amount))


def statement(*lines: Line, currency: str = "CNY", day: dt.date = DAY) -> Statement:
    return Statement("1", "cn-shandong", "s1", day, currency, lines, total_of(lines))


def offer(planned: str, believed: str, awarded: str, price: str) -> Offer:
    return Offer(Fraction(1), *map(Decimal, (planned, believed, awarded, price)))


# Charged 2 MWh at 100 as planned (believed 110), sold 1.5 of 2 MWh at 400 (believed 380), delivered
# 1.4 of it and bought 0.1 back at 450, a fee of 3.21:
# plan -220 + 760 = 540; price 2 x 10 + 1.5 x 20 = 50; quantity -0.5 x 380 = -190;
# imbalance -45; fees -3.21; paid -200 + 600 - 45 - 3.21 = 351.79.
OFFERS = (offer("-2", "110", "-2", "100"), offer("2", "380", "1.5", "400"))
TOLD = statement(
    line(Item.ENERGY, "-2", "100", "-200.00"),
    line(Item.ENERGY, "1.5", "400", "600.00", 6),
    line(Item.IMBALANCE, "-0.1", "450", "-45.00", 6),
    line(Item.FEE, "1", "3.21", "-3.21", None),
)
BATTERY = Battery(2, 2, 4, 0.95, 0.95, wear_per_mwh=20.0, soc=0.0)


def station_day(**changes: object) -> StationDay:
    given = {
        "statement": TOLD,
        "zone": "Asia/Shanghai",
        "waterfall": waterfall(OFFERS, TOLD),
        "readings": (
            Reading(NOON_MS, 60, Decimal(-2)),
            Reading(NOON_MS + 6 * HOUR_MS, 60, Decimal("1.4")),
        ),
        "wear_per_mwh": Decimal(20),
        "planned_out_mwh": Decimal(2),
        "battery": BATTERY,
    }
    return StationDay(**(given | changes))


def test_a_day_worked_by_hand_goes_from_plan_to_paid_to_the_cent():
    found = waterfall(OFFERS, TOLD)

    assert dict(found.steps) == {
        "plan": Decimal("540.00"),
        "price": Decimal("50.00"),
        "quantity": Decimal("-190.00"),
        "imbalance": Decimal("-45.00"),
        "outside": Decimal("0.00"),
        "fees": Decimal("-3.21"),
        "other": Decimal("0.00"),
    }
    assert found.actual == Decimal("351.79")


def test_revenue_less_wear_equals_price_times_energy_by_hand():
    (book,) = ledgers([station_day()])

    assert book.total == Decimal("351.79")
    assert book.wear == Decimal("28.00")  # 1.4 MWh x 20
    assert book.net == Decimal("323.79")
    assert book.lost_mwh == Decimal("0.6")
    assert book.lost_money == Decimal("60.00")  # at the 100 that was paid for charging
    assert book.by_hour == {-1: Decimal("-3.21"), 12: Decimal(-200), 18: Decimal(555)}
    assert sum(book.by_item.values()) == sum(book.by_day.values()) == book.total


@given(
    st.lists(st.tuples(MWS, CENTS, MWS, CENTS, st.integers(1, 60)), max_size=12),
    st.lists(st.tuples(st.sampled_from(list(Item)), CENTS), max_size=12),
    st.booleans(),
)
def test_the_steps_add_up_to_the_cent_whatever_was_offered_and_paid(offers, paid, gross):
    lines = [line(item, "1", "1", str(amount)) for item, amount in paid]
    made = [Offer(Fraction(minutes, 60), *values) for *values, minutes in offers]

    found = waterfall(made, statement(*lines), gross=gross)

    assert sum(amount for _, amount in found.steps) == found.actual == total_of(tuple(lines))
    assert all(amount == round(amount, 2) for _, amount in found.steps)
    both = add_up([found, found], "CNY")
    assert sum(amount for _, amount in both.steps) == both.actual == 2 * found.actual


def test_where_all_metered_energy_is_paid_the_difference_to_the_award_is_imbalance():
    told = statement(line(Item.ENERGY, "1.4", "400", "560.00"))

    found = waterfall([offer("2", "380", "1.5", "400")], told, gross=True)

    assert found.of("imbalance") == Decimal("-40.00")
    assert found.of("other") == 0


def test_currencies_are_never_added():
    euro = station_day(
        statement=statement(line(Item.ENERGY, "1", "7", "7.00"), currency="EUR"),
        waterfall=waterfall([], statement(line(Item.ENERGY, "1", "7", "7.00"), currency="EUR")),
    )

    books = ledgers([station_day(), euro])

    assert [(one.currency, one.total) for one in books] == [
        ("CNY", Decimal("351.79")),
        ("EUR", Decimal("7.00")),
    ]
    with pytest.raises(MixedCurrencies, match="EUR cannot be added to CNY"):
        add_up([euro.waterfall], "CNY")


def test_only_the_time_that_was_traded_is_set_against_perfect_foresight():
    hours = NOON_MS + HOUR_MS * np.arange(4)
    read = Prices("p", hours, 60, np.array([10.0, 20.0, 30.0, 40.0]), hours)
    minute_ms = 60_000
    bids = (
        (NOON_MS + 50 * minute_ms, NOON_MS + 70 * minute_ms),
        (int(hours[3]), int(hours[3]) + HOUR_MS),
    )

    value, step_min = traded_prices(read, bids)
    whole, hourly = traded_prices(read, ((NOON_MS, NOON_MS + 4 * HOUR_MS),))

    assert step_min == 10
    assert value.tolist() == [10.0, 20.0, *(40.0,) * 6]
    assert (whole.tolist(), hourly) == (read.value.tolist(), 60)
    assert traded_prices(read, ()) == (read.value, 60)


def test_awards_leave_in_store_what_they_buy_less_what_they_sell():
    power = Decimal(1)
    awards = (
        Award(0, Direction.CHARGE, power, None),
        Award(1_800_000, Direction.DISCHARGE, power / 2, None),
        Award(0, Direction.BOTH, Decimal(5), None),
    )

    left = left_mwh(Cleared(30, awards, "CNY"), BATTERY)

    assert left == pytest.approx(0.5 * 0.95 - 0.25 / 0.95)


async def test_actual_stands_against_plan_and_perfect_foresight_of_the_same_battery():
    prices = np.full(24, 200.0)
    prices[12], prices[18] = 100.0, 400.0
    (day,) = await with_perfect([station_day(prices=(prices, 60))])
    (gap,) = await with_perfect([station_day(prices=(np.full(24, np.nan), 60))])

    (book,) = ledgers([day])

    # 2 MWh in at 100 twice is too much for two hours of one price: 2 MWh at 100 and, wear and loss
    # counted, 2 more at 200; out at 400 go 2 MWh in an hour: 2 x 380 less what they cost to charge.
    assert day.perfect is not None
    assert day.perfect > day.plan_net > 0
    assert gap.perfect is None
    assert book.compared is not None
    assert book.compared.actual == Decimal("323.79")
    assert book.compared.plan == Decimal("500.00")  # 540 less 2 MWh x 20
    assert book.compared.share_of_perfect == pytest.approx(float(book.net / day.perfect))


def test_a_year_at_the_rate_of_settled_days_says_how_sure_it_is():
    daily = [Decimal(value) for value in (3_000, 3_200, 2_800, 3_100, 2_900)]

    found = annual(daily, GUIDE)

    assert found.yearly == Decimal(1_095_000)
    # t(4, 95 %) = 2.132, s = 158.11, 2.132 x 158.11 / sqrt(5) = 150.7 a day
    assert float(found.half_width) == pytest.approx(150.7 * 365, rel=2e-3)
    assert found.expected.years == pytest.approx(Decimal(1_500_000) / Decimal(845_000))
    assert found.early.years < found.expected.years < found.late.years
    assert found.investment.reference_years == Decimal("2.0")
    assert annual(daily[:1], GUIDE).half_width is None
    with pytest.raises(ValueError, match="no day is settled"):
        annual([], GUIDE)


@pytest.mark.parametrize(("freedom", "exact"), [(1, 6.3138), (2, 2.92), (3, 2.3534), (10, 1.8125)])
def test_students_t_is_that_of_the_tables(freedom, exact):
    assert student_t(freedom) == pytest.approx(exact, rel=0.01)


def test_imbalance_outside_the_time_of_bids_is_a_line_of_its_own_and_not_compared():
    lines = (*TOLD.lines, line(Item.IMBALANCE, "-0.2", "450", "-90.00", 9))
    told = statement(*lines)
    spans = ((NOON_MS, NOON_MS + HOUR_MS), (NOON_MS + 6 * HOUR_MS, NOON_MS + 7 * HOUR_MS))

    found = waterfall(OFFERS, told, traded=spans)
    day = station_day(statement=told, waterfall=found, traded=spans, perfect=Decimal(700))
    (book,) = ledgers([day])

    assert (found.of("imbalance"), found.of("outside")) == (Decimal("-45.00"), Decimal("-90.00"))
    assert sum(amount for _, amount in found.steps) == found.actual == told.total
    assert book.compared is not None
    assert book.compared.actual == station_day().net
    assert book.net == station_day().net - 90
