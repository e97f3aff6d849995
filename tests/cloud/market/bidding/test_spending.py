"""What a day's charging may cost, in curves and in back-tests."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.market.battery import Battery
from cloud.market.bid import Direction, Segment
from cloud.market.bidding import bid_curve, full_charge_cost
from cloud.market.bidding.run_kernels import run_values
from cloud.market.bidding.value import physics
from tests.cloud.market.bidding.made import BATTERY
from tests.cloud.market.bidding.test_value import BANDS, VALUES

STEPS, DAY = 48, 12


def test_a_full_charge_costs_what_goes_in_and_what_is_lost():
    battery = Battery(1.0, 1.0, 2.0, 0.8, 0.9, 8.0, soc_min=0.1, soc_max=0.9)

    assert full_charge_cost(battery, 30.0) == pytest.approx(1.6 / 0.8 * 30.0)


def bought(curve: tuple[Segment, ...], price: float) -> float:
    """Return the power that is bought if the market clears at a price, MW."""
    called = [
        float(one.power_mw)
        for one in curve
        if one.direction is Direction.CHARGE and one.price is not None and one.price >= price
    ]
    return sum(called)


@settings(max_examples=40, deadline=None)
@given(
    step=st.integers(0, 40),
    soc=st.floats(0.0, 0.9),
    spend=st.floats(0.0, 40.0),
    price=st.floats(0.01, 400.0),
)
def test_a_curve_never_spends_more_than_it_may_and_sells_as_before(step, soc, spend, price):
    free = bid_curve(VALUES, step, soc, BANDS)
    held = bid_curve(VALUES, step, soc, BANDS, spend=spend)

    assert bought(held, price) * price * VALUES.step_min / 60 <= spend + 1e-6
    assert bought(held, price) <= bought(free, price) + 1e-9
    sales = [one for one in held if one.direction is Direction.DISCHARGE]
    assert sales == [one for one in free if one.direction is Direction.DISCHARGE]


@settings(max_examples=30, deadline=None)
@given(
    step=st.integers(0, 40),
    soc=st.floats(0.0, 0.8),
    spend=st.floats(0.0, 20.0),
    paid=st.floats(0.1, 1.0),
    price=st.floats(0.01, 400.0),
)
def test_what_is_paid_for_is_charged_whatever_may_be_spent(step, soc, spend, paid, price):
    free = bid_curve(VALUES, step, soc, BANDS)
    held = bid_curve(VALUES, step, soc, BANDS, spend=spend, paid_mw=paid)

    coarse = float(BANDS.power_step_mw)
    assert bought(held, price) >= min(bought(free, price), paid - coarse) - 1e-9
    beyond = max(bought(held, price) - paid, 0.0)
    assert beyond * price * VALUES.step_min / 60 <= spend + 1e-6


def test_nothing_is_bought_once_all_is_spent_but_what_is_paid_for_is_taken():
    held = bid_curve(VALUES, 3, 0.2, BANDS, spend=0.0)

    prices = [one.price for one in held if one.direction is Direction.CHARGE]
    assert bought(bid_curve(VALUES, 3, 0.2, BANDS), 5.0) > 0.0
    assert bought(held, 0.01) == 0.0
    assert bought(held, -50.0) > 0.0, f"energy that is paid for costs nothing: {prices}"


def run(price: np.ndarray, spend: float, must: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Let energy that is worth 100 a MWh be bought and sold; return money and energy after."""
    count = len(price)
    worth = np.linspace(0.0, 100.0 * BATTERY.usable_mwh, 5)
    money, energy, power, left = (np.empty(count) for _ in range(4))
    run_values(
        price,
        np.zeros((count, 1)),
        np.tile(worth, (count, 1, 1)),
        np.ones(count),
        np.zeros(count),
        np.full(count, must),
        np.full(count, must),
        np.arange(count) // DAY,
        spend,
        0.0,
        1.0,
        physics(BATTERY),
        money,
        energy,
        power,
        left,
    )
    return money, energy


@settings(max_examples=40, deadline=None)
@given(
    usual=st.floats(1.0, 300.0),
    sold_at=st.integers(0, DAY - 1),
    spend=st.floats(0.0, 150.0),
)
def test_a_day_never_costs_more_than_it_may(usual, sold_at, spend):
    """The price stands still, but for one hour a day that is dear."""
    price = np.full(STEPS, usual)
    price[sold_at::DAY] = 500.0

    money, _ = run(price, spend)

    so_far = np.cumsum(money.reshape(-1, DAY), axis=1)
    assert (so_far >= -spend - 1e-6).all()


def test_what_a_day_earns_may_be_spent_again_and_the_next_day_begins_anew():
    price = np.full(STEPS, 20.0)
    price[DAY + 2] = 300.0

    money, energy = run(price, 8.0)

    each = 8.0 / 20.0 * BATTERY.charge_efficiency
    assert energy[: DAY + 1].tolist() == pytest.approx([each] * DAY + [2 * each])
    assert money[DAY + 2] > 100.0
    assert energy[DAY + 4] > 1.0, "of what was earned more is bought than a day may spend"
    assert energy[-1] == pytest.approx(BATTERY.usable_mwh)


def test_what_is_promised_is_bought_whatever_it_costs():
    money, energy = run(np.full(STEPS, 400.0), 0.0, must=1.0)

    assert energy[:3].tolist() == pytest.approx([BATTERY.charge_efficiency, 1.0, 1.0]), (
        "one MWh is there as fast as full power allows"
    )
    assert money[:2].sum() < -400.0
