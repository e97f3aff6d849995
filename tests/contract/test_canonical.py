import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.canonical import canonical_json
from tests.contract.test_orders import PLAIN


@given(PLAIN)
def test_canonical_bytes_read_back_to_an_equal_value(value):
    assert json.loads(canonical_json(value)) == value


@given(PLAIN)
def test_a_value_that_was_read_back_has_the_same_canonical_bytes(value):
    once = canonical_json(value)

    assert canonical_json(json.loads(once)) == once


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.integers(0, 9)))
def test_the_order_of_keys_does_not_matter(value):
    turned = dict(reversed(value.items()))

    assert canonical_json(turned) == canonical_json(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2500.0, "2500"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (-1250.5, "-1250.5"),
        (1e300, "1e+300"),
        (9007199254740991, "9007199254740991"),
        (True, "true"),
        (None, "null"),
        ({"b": 1, "a": [1.0, "储能"], "B": ()}, '{"B":[],"a":[1,"储能"],"b":1}'),
    ],
)
def test_the_number_rule(value, text):
    assert canonical_json(value) == text.encode()


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), 2**53, -(2**53), "\ud800", {1: 2}, {"\ud800": 1}, b"x", {1, 2}],
)
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(ValueError):
        canonical_json(value)


def test_deep_nesting_is_refused_before_the_stack_ends():
    value: object = 1
    for _ in range(5000):
        value = [value]

    with pytest.raises(ValueError, match="deeper"):
        canonical_json(value)
