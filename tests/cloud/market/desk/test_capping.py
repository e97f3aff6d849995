"""A draft keeps its desk's limit of CVaR, or is left whole for the limit to block."""

from dataclasses import replace

import numpy as np
import pytest

from cloud.market.bid import OfferMode
from cloud.market.desk.capping import capped
from cloud.market.desk.drafting import Draft, DraftRequest, draft
from cloud.market.desk.judging import figures_of
from cloud.market.desk.record import content_of
from cloud.market.desk.weighing import beside_of, worth_of
from cloud.market.forecast import LEVELS
from tests.cloud.market.desk.test_drafting import BATTERY, HOURS, request

EMPTY = replace(BATTERY, soc=0.0, wear_per_mwh=1.0)


@pytest.fixture
def risky() -> DraftRequest:
    """Quantities at any price, in a market of which little is known."""
    asked = request(HOURS)
    spread = np.linspace(-150, 150, len(LEVELS))
    energy = replace(asked.energy, quantiles=asked.energy.mean[:, None] + spread)
    sold = replace(asked.sold, battery=EMPTY)
    return replace(asked, energy=energy, sold=sold, mode=OfferMode.SELF_SCHEDULE)


def loss(asked: DraftRequest, made: Draft) -> float:
    bid = made.bids[0]
    inputs = content_of(made, bid, asked).inputs
    given = bid, asked.sold.battery, asked.energy
    weighed = figures_of(*given, seed=3, beside=beside_of(inputs), worth=worth_of(inputs))
    return weighed["cvar"]


def test_a_draft_that_keeps_the_limit_stays_as_it_is(risky: DraftRequest):
    whole = draft(risky)

    asked, made = capped(risky, 10 * loss(risky, whole))

    assert asked is risky
    assert made.bids == whole.bids


def test_a_draft_above_the_limit_is_planned_with_less_power_until_it_keeps_it(
    risky: DraftRequest,
):
    whole = draft(risky)
    limit = loss(risky, whole) / 2

    asked, made = capped(risky, limit)

    assert limit > 0
    assert 0 < loss(asked, made) <= limit
    assert asked.sold.battery.discharge_mw < risky.sold.battery.discharge_mw
    assert "so that its CVaR stays within the desk's limit" in made.notes[-1]


def test_where_nothing_keeps_the_limit_the_whole_draft_is_left_for_the_limit_to_block(
    risky: DraftRequest,
):
    asked, made = capped(risky, 0.0)

    assert asked is risky
    assert made.bids == draft(risky).bids
