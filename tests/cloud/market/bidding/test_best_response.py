from dataclasses import replace

import numpy as np
import pytest

from cloud.market.bidding.best_response import best_responses
from cloud.market.bidding.foresight import perfect_foresight
from tests.cloud.market.bidding.made import BATTERY

BASE = 40 + 30 * np.sin(np.arange(24) * np.pi / 6)


def test_alone_without_an_effect_on_the_price_it_is_the_best_schedule():
    most, _ = perfect_foresight(BASE, BATTERY, 60)

    alone = best_responses(BASE, 0.0, [BATTERY], 60)

    assert alone.converged
    assert alone.earned[0] == pytest.approx(most, rel=0.03)


def test_two_players_come_to_rest_where_neither_gains():
    both = best_responses(BASE, 8.0, [BATTERY, replace(BATTERY, energy_mwh=4.0)], 60)

    assert both.converged
    assert both.rounds > 1
    assert both.could_gain <= 0.01 * both.earned.max()
    assert (both.price == BASE - 8.0 * both.power_mw.sum(axis=0)).all()


def test_competition_flattens_the_price_and_costs_each_player():
    alone = best_responses(BASE, 8.0, [BATTERY], 60)
    three = best_responses(BASE, 8.0, [BATTERY] * 3, 60)

    assert three.converged
    assert np.ptp(three.price) < np.ptp(alone.price) < np.ptp(BASE)
    assert three.earned.max() < alone.earned[0]


def test_it_says_when_the_players_do_not_come_to_rest():
    cut = best_responses(BASE, 8.0, [BATTERY] * 3, 60, rounds=1)

    assert not cut.converged
    assert cut.rounds == 1
    assert cut.could_gain > 0
