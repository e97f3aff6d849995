from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.market.backtest.checked import problems
from cloud.market.bid import Direction
from cloud.market.bidding import (
    Bands,
    bid_curve,
    certain_chain,
    fit_chain,
    opportunity_value,
)
from tests.cloud.market.bidding.made import BATTERY, made_minutes, made_prices

BANDS = Bands(10, Decimal(-250), Decimal(5000), Decimal("0.01"), Decimal("0.1"))


def _values(days=90, horizon=48):
    price, base = made_prices(days)
    minutes = made_minutes(len(price))
    chain = fit_chain(price, base, minutes)
    return opportunity_value(
        BATTERY, chain, base[:horizon], minutes[:horizon], start_ms=0, step_min=60
    )


def test_more_energy_is_worth_more_but_each_mwh_less_than_the_one_before():
    left = _values().left

    slope = np.diff(left, axis=2)
    assert slope.min() >= -1e-9
    assert np.diff(slope, axis=2).max() <= 1e-6


def test_energy_kept_before_a_sure_peak_is_worth_that_peak():
    base = np.array([90.0, 90.0, 90.0, 100.0])

    values = opportunity_value(
        BATTERY,
        certain_chain(),
        base,
        np.zeros(4, np.int64),
        start_ms=0,
        step_min=60,
        end_price=0.0,
    )

    _, below = values.marginal(0, 90.0, 0.25)
    assert below == pytest.approx((100.0 - BATTERY.wear_per_mwh) * BATTERY.discharge_efficiency)


def test_a_chain_forgets_nothing_that_lasts_and_an_independent_one_forgets_at_once():
    price, base = made_prices(200)
    chain = fit_chain(price, base, made_minutes(len(price)))

    staying = np.diag(chain.transitions[0])
    fresh = chain.independent().transitions[0]

    assert staying[-1] > 3 * fresh[0, -1]
    assert np.allclose(fresh, fresh[0])
    assert np.allclose(chain.transitions.sum(2), 1.0)


def test_too_short_a_history_gives_the_chain_that_believes_the_base():
    price, base = made_prices(2)

    chain = fit_chain(price, base, made_minutes(len(price)))

    assert chain.means.shape == (1, 1)
    assert chain.prices(base[:1], np.zeros(1, np.int64))[0, 0] == base[0]


VALUES = _values()


@settings(max_examples=40, deadline=None)
@given(
    step=st.integers(0, 47),
    soc=st.floats(0, 1),
    most=st.integers(1, 10),
    keep=st.floats(0, 2),
    share=st.floats(0, 1),
)
def test_every_curve_can_be_submitted_and_followed(step, soc, most, keep, share):
    bands = Bands(most, BANDS.floor, BANDS.cap, BANDS.price_step, BANDS.power_step_mw)

    curve = bid_curve(VALUES, step, soc, bands, promised=(keep, share * keep))

    assert problems(curve, bands, BATTERY, soc, 1.0) == []
    assert all(one.price % bands.price_step == 0 and one.why for one in curve)


def test_a_full_battery_does_not_buy_and_an_empty_one_does_not_sell():
    full = bid_curve(VALUES, 5, 1.0, BANDS)
    empty = bid_curve(VALUES, 5, 0.0, BANDS)

    assert {one.direction for one in full} == {Direction.DISCHARGE}
    assert {one.direction for one in empty} == {Direction.CHARGE}


def test_energy_that_is_promised_is_not_offered_and_what_lacks_is_bought_at_any_price():
    kept = bid_curve(VALUES, 5, 0.5, BANDS, promised=(1.5, 0.0))
    lacking = bid_curve(VALUES, 5, 0.5, BANDS, promised=(1.5, 1.5))

    assert {one.direction for one in kept} <= {Direction.CHARGE}
    assert lacking[0].direction is Direction.CHARGE
    assert lacking[0].price == BANDS.cap


def test_what_runs_short_is_sold_at_a_higher_price():
    much = bid_curve(VALUES, 5, 0.9, BANDS)
    little = bid_curve(VALUES, 5, 0.2, BANDS)

    assert much[0].direction is little[0].direction is Direction.DISCHARGE
    assert little[0].price > much[0].price
