"""What a trader may be refused is said in both languages."""

import ast
from pathlib import Path

import pytest

from cloud.errors import CloudError, NotFound
from cloud.market import bids
from cloud.market.bids import State
from cloud.market.bids.states import STATE_ZH
from contract.words import Words

ROOT = Path(bids.__file__).parents[3]
REFUSALS = {"BidRefused", "GateClosed", "BidTooLate", "NotFound"}


@pytest.mark.parametrize("file", ["cloud/market/bids/acts.py", "cloud/api/bids.py"])
def test_every_refusal_of_a_bid_has_its_words(file):
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    raised = [
        node.exc
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and getattr(node.exc.func, "id", "") in REFUSALS
    ]

    plain = [
        call.lineno
        for call in raised
        if not isinstance(call.args[0], ast.Call) or getattr(call.args[0].func, "id", "") != "Words"
    ]

    assert len(raised) > 4
    assert plain == []


def test_an_error_given_in_both_languages_is_english_as_text():
    for error in (CloudError(Words("gone", "没有")), NotFound(Words("gone", "没有"))):
        assert (str(error), error.words) == ("gone", Words("gone", "没有"))
    assert CloudError("gone").words is None


def test_every_state_is_named_in_a_refusal():
    assert set(STATE_ZH) == set(State)
