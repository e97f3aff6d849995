import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import ModelOrderError
from contract.model_order import ModelAction, ModelOrder
from tests.contract.test_orders import PLAIN

SHA = "ab" * 32
PAYLOAD = ModelOrder(ModelAction.DEPLOY, SHA, "lfp-280ah", 2, 5000, 60).to_payload()


@given(
    st.sampled_from(ModelAction),
    st.integers(1, 1_000_000),
    st.integers(1, 1 << 20),
    st.integers(1, 86_400),
    st.booleans(),
)
def test_a_model_order_survives_its_payload(action, version, size, shadow_s, auto):
    asked = ModelOrder(action, SHA, "lfp-280ah", version, size, shadow_s, auto)

    assert ModelOrder.from_payload(asked.to_payload()) == asked


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"action": "install"}, "action"),
        ({"package": "AB" * 32}, "package"),
        ({"package": "../x"}, "package"),
        ({"name": "a/b"}, "name"),
        ({"version": 0}, "version"),
        ({"size": 1 << 40}, "size"),
        ({"size": True}, "size"),
        ({"shadow_s": -1}, "shadow_s"),
        ({"shadow_s": 1.5}, "shadow_s"),
        ({"auto_promote": 1}, "auto_promote"),
        ({"shadow_s": 0, "auto_promote": False}, "in force at once"),
        ({"more": 1}, "exactly the fields"),
    ],
)
def test_a_model_order_that_no_station_could_follow_is_refused_and_named(changes, words):
    with pytest.raises(ModelOrderError, match=words):
        ModelOrder.from_payload(PAYLOAD | changes)


@given(st.sampled_from(sorted(PAYLOAD)), PLAIN)
def test_one_odd_field_is_refused_or_survives(field, value):
    try:
        read = ModelOrder.from_payload(PAYLOAD | {field: value})
    except ModelOrderError:
        return
    assert read.to_payload() == PAYLOAD | {field: value}


@given(PLAIN)
def test_any_other_payload_is_refused(value):
    with pytest.raises(ModelOrderError):
        ModelOrder.from_payload(value)
