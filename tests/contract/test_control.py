import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.control import Reset, Setpoint, require_empty
from contract.errors import ControlError
from tests.contract.test_orders import PLAIN


@given(st.floats(-1e6, 1e6), st.none() | st.integers(0, 1 << 50))
def test_a_set_point_survives_its_payload(power_kw, until_ms):
    asked = Setpoint(power_kw, until_ms)

    assert Setpoint.from_payload(asked.to_payload()) == asked


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({}, "has power_kw"),
        ({"power_kw": 1.0, "ramp": 2}, "has power_kw"),
        ({"power_kw": "400"}, "no number of kW"),
        ({"power_kw": True}, "no number of kW"),
        ({"power_kw": 1.0, "until_ms": 1.5}, "until_ms = 1.5"),
    ],
)
def test_a_set_point_that_is_none_is_refused_and_named(payload, words):
    with pytest.raises(ControlError, match=words):
        Setpoint.from_payload(payload)


@pytest.mark.parametrize("target", ["station", "C1-R03"])
def test_a_reset_names_a_device_or_the_station(target):
    assert Reset.from_payload(Reset(target).to_payload()) == Reset(target)


@given(st.dictionaries(st.sampled_from(["target", "device", "all"]), PLAIN, max_size=3))
def test_any_other_reset_is_refused(payload):
    target = payload.get("target")
    fits = isinstance(target, str) and target.isprintable() and 1 <= len(target) <= 64
    if fits and set(payload) == {"target"}:
        return
    with pytest.raises(ControlError, match="a reset has target alone"):
        Reset.from_payload(payload)


def test_an_order_without_content_has_none():
    require_empty({})
    with pytest.raises(ControlError, match="power_kw"):
        require_empty({"power_kw": 3})
