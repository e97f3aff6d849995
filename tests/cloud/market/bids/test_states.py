"""Which state of a bid may follow which."""

import pytest

from cloud.market.bids import State, may_follow
from cloud.market.bids.states import ENDS, OPEN, STANDING

WAY = (
    *(State.DRAFTED, State.CHECKED, State.APPROVED, State.SUBMITTED, State.ACCEPTED),
    *(State.CLEARED, State.SCHEDULED, State.DELIVERED, State.SETTLED),
)


def test_the_way_from_draft_to_settlement_has_no_short_cut():
    for place, before in enumerate(WAY):
        ahead = [after for after in WAY[place + 1 :] if may_follow(before, after)]

        assert ahead == list(WAY[place + 1 : place + 2])


def test_a_life_begins_as_a_draft():
    assert [state for state in State if may_follow(None, state)] == [State.DRAFTED]


@pytest.mark.parametrize("end", sorted(ENDS))
def test_nothing_follows_an_end(end):
    assert not any(may_follow(end, state) for state in State)


def test_only_an_approved_bid_is_ever_submitted():
    assert [one for one in State if may_follow(one, State.SUBMITTED)] == [State.APPROVED]
    assert [one for one in State if may_follow(one, State.APPROVED)] == [State.CHECKED]
    assert not OPEN & STANDING
