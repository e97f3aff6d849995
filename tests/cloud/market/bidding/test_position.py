import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.market.bidding.position import Position, cleared_mw, cover, money_of, offered_mw
from cloud.market.bidding.run_kernels import run_values
from cloud.market.bidding.value import physics
from tests.cloud.market.bidding.made import BATTERY

DAY = np.array([20.0] * 8 + [60.0] * 4 + [30.0] * 6 + [100.0, 100.0] + [30.0] * 4)


def test_a_position_sells_the_plans_dear_hours_and_only_from_its_least_price():
    position = Position(0.5, 80.0)

    offered = offered_mw(DAY, BATTERY, 60, position)
    cleared = cleared_mw(offered, DAY, position)

    assert 0.45 < offered.max() <= 0.5
    assert offered.min() == 0.0
    assert set(np.flatnonzero(cleared)) == {18, 19}


def test_nothing_clears_where_no_price_came():
    position = Position(1.0, 0.0, buys=True)
    offered = offered_mw(DAY, BATTERY, 60, position)

    assert (offered < 0).any()
    assert not cleared_mw(offered, np.full(24, np.nan), position).any()


def test_a_position_earns_the_difference_of_the_two_settlements():
    money = money_of(np.array([1.0, 0.0, -0.5]), np.array([50.0, 9.0, 10.0]), np.full(3, 30.0), 30)

    assert money.tolist() == [10.0, 0.0, 5.0]


@settings(max_examples=30, deadline=None)
@given(
    sold=st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.4, 1.0]), min_size=24, max_size=24),
    seed=st.integers(0, 9),
)
def test_what_is_sold_ahead_can_be_delivered_whatever_the_prices(sold, seed):
    """Promised in the first ten hours would leave no time to charge: those are left out."""
    cleared = np.array(sold) * (np.arange(24) >= 10)
    # Never more in a row than the battery holds.
    full = BATTERY.usable_mwh * BATTERY.discharge_efficiency
    cleared[np.cumsum(cleared) > full] = 0.0
    keep, must = cover(cleared, BATTERY, 60)
    price = np.random.default_rng(seed).uniform(-50, 500, 24)
    money, energy, power, left = (np.empty(24) for _ in range(4))
    nothing = np.zeros((24, 1, 5))  # energy left is worth nothing: all is sold that may be

    run_values(
        price,
        np.zeros((24, 1)),
        nothing,
        np.ones(24),
        np.zeros(24),
        keep,
        must,
        np.zeros(24, np.int64),
        0.0,
        0.0,
        1.0,
        physics(BATTERY),
        money,
        energy,
        power,
        left,
    )

    before = np.concatenate([[0.0], energy[:-1]])
    able = before * BATTERY.discharge_efficiency
    assert (able[cleared > 0] >= cleared[cleared > 0] - 1e-6).all()
