import json
import uuid
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import orders
from contract.errors import OrderRefused
from contract.orders import (
    BadSignature,
    Expired,
    Malformed,
    NotYetValid,
    Order,
    OrderKind,
    Outcome,
    Receipt,
    Repeated,
    WrongStation,
    key_id,
    sign,
    sign_receipt,
    verify,
    verify_receipt,
)

KEY = Ed25519PrivateKey.generate()
KEYS = {key_id(KEY.public_key()): KEY.public_key()}
STATION = "jinshan-1"
NOW = 1_767_225_600_000
ORDER = Order(
    id="6f6c3f2e-4a1f-4b35-9d5c-0a8f7c1f5f10",
    station=STATION,
    counter=12,
    kind=OrderKind.SETPOINT,
    issued_ms=NOW,
    not_before_ms=NOW,
    expires_ms=NOW + 60_000,
    payload={"power_kw": -1250.5, "ramp_kw_per_s": 100.0, "note": "谷段充电"},
    approvals=("wang.li",),
)
SIGNED = sign(ORDER, KEY)

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@st.composite
def any_order(draw):
    start = draw(st.integers(0, 2**50))
    return Order(
        id=str(draw(st.uuids())),
        station=draw(st.sampled_from(["a", "jinshan-1", "金山一号"])),
        counter=draw(st.integers(0, 2**53 - 1)),
        kind=draw(st.sampled_from(OrderKind)),
        issued_ms=draw(st.integers(0, 2**50)),
        not_before_ms=start,
        expires_ms=start + draw(st.integers(1, 2**40)),
        payload=draw(st.dictionaries(st.text(st.characters(codec="utf-8")), PLAIN, max_size=4)),
        approvals=tuple(draw(st.lists(st.sampled_from(["a", "李"]), max_size=3))),
    )


_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def check(blob, *, station=STATION, last_counter=11, now_ms=NOW):
    return verify(blob, KEYS, station, last_counter, now_ms)


@given(any_order())
def test_a_signed_order_is_verified_and_unchanged(order):
    found = verify(sign(order, KEY), KEYS, order.station, order.counter - 1, order.not_before_ms)

    assert found == order
    assert found.canonical_bytes() == order.canonical_bytes()
    assert found.sha256 == order.sha256


@given(any_order())
def test_the_form_of_the_json_does_not_matter_only_its_content(order):
    found = json.loads(sign(order, KEY))
    loose = json.dumps(found, indent=3, sort_keys=False, ensure_ascii=True)

    assert verify(loose, KEYS, order.station, -1, order.not_before_ms) == order


@settings(max_examples=200)
@given(st.integers(0, len(SIGNED) * 8 - 1))
def test_a_flipped_bit_anywhere_is_refused(bit):
    blob = bytearray(SIGNED)
    blob[bit // 8] ^= 1 << bit % 8

    with pytest.raises(OrderRefused):
        check(bytes(blob))


def test_the_spare_bits_of_a_signature_are_not_free():
    end = SIGNED.rindex(b'=="}') - 1
    for bit in range(4):
        blob = bytearray(SIGNED)
        place = _BASE64.index(blob[end])
        blob[end] = _BASE64[place ^ 1 << bit]

        with pytest.raises(OrderRefused):
            check(bytes(blob))


@given(st.binary(max_size=300))
def test_noise_is_refused(noise):
    with pytest.raises(OrderRefused):
        check(noise)


@given(PLAIN)
def test_any_other_json_is_refused(value):
    with pytest.raises(OrderRefused):
        check(json.dumps(value))
    with pytest.raises(OrderRefused):
        check(json.dumps({"order": value, "key_id": next(iter(KEYS)), "signature": "AAAA"}))


FIELDS = sorted(json.loads(SIGNED)["order"])


@settings(max_examples=200)
@given(st.sampled_from(FIELDS), PLAIN)
def test_a_changed_field_is_refused(field, value):
    found = json.loads(SIGNED)
    before = found["order"][field]
    found["order"][field] = value

    if orders.canonical_json(value) == orders.canonical_json(before):
        return
    with pytest.raises((BadSignature, Malformed)):
        check(json.dumps(found))


def test_an_order_by_an_unknown_key_is_refused():
    with pytest.raises(BadSignature):
        check(sign(ORDER, Ed25519PrivateKey.generate()))


def test_a_foreign_signature_under_a_known_name_is_refused():
    found = json.loads(sign(ORDER, Ed25519PrivateKey.generate()))
    found["key_id"] = next(iter(KEYS))

    with pytest.raises(BadSignature):
        check(json.dumps(found))


def test_an_order_for_another_station_is_refused():
    with pytest.raises(WrongStation, match="jinshan-2"):
        check(SIGNED, station="jinshan-2")


@pytest.mark.parametrize("last_counter", [12, 13, 10**6])
def test_a_repeated_or_overtaken_order_is_refused(last_counter):
    with pytest.raises(Repeated):
        check(SIGNED, last_counter=last_counter)


def test_an_order_is_valid_from_its_beginning_until_just_before_its_end():
    assert check(SIGNED, now_ms=NOW) == ORDER
    assert check(SIGNED, now_ms=NOW + 59_999) == ORDER
    with pytest.raises(NotYetValid):
        check(SIGNED, now_ms=NOW - 1)
    with pytest.raises(Expired):
        check(SIGNED, now_ms=NOW + 60_000)


def test_every_refusal_has_a_reason_code_with_words():
    codes = {c.reason for c in (BadSignature, WrongStation, Expired, NotYetValid, Repeated)}

    assert len(codes) == 5
    assert {*codes, Malformed.reason, OrderRefused.reason} <= set(orders.REASONS)


def test_a_key_that_appears_twice_is_refused():
    twice = SIGNED.replace(b'"counter":12', b'"counter":12,"counter":12')

    with pytest.raises(Malformed, match="twice"):
        check(twice)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000])
def test_a_number_that_json_does_not_have_is_refused(number):
    with pytest.raises(OrderRefused):
        check(SIGNED.replace(b"-1250.5", number.encode()))


def test_a_giant_or_deep_order_is_refused():
    with pytest.raises(Malformed, match="limit"):
        check(b" " * (1 << 20))
    with pytest.raises(Malformed):
        check(b"[" * 100_000 + b"]" * 100_000)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "6F6C3F2E-4A1F-4B35-9D5C-0A8F7C1F5F10"},
        {"id": "7"},
        {"id": 7},
        {"station": ""},
        {"counter": -1},
        {"counter": True},
        {"counter": 1.0},
        {"counter": 2**53},
        {"kind": "explode"},
        {"kind": ["schedule"]},
        {"expires_ms": NOW},
        {"approvals": ("x" * 2000,)},
        {"approvals": ("x",) * 100},
        {"payload": [1]},
        {"payload": {"x": float("nan")}},
        {"payload": {"x": {1, 2}}},
        {"payload": {1: 2}},
        {"payload": {"x": "\ud800"}},
        {"payload": {"x": 2**60}},
    ],
)
def test_an_order_without_a_canonical_form_cannot_be_built(changes):
    with pytest.raises(Malformed):
        replace(ORDER, **changes)


def test_a_kind_may_be_given_by_its_word():
    assert replace(ORDER, kind="release").kind is OrderKind.RELEASE


def test_an_order_can_be_shown_without_being_trusted():
    assert orders.peek_order(sign(ORDER, Ed25519PrivateKey.generate())) == ORDER


RECEIPT = Receipt(
    ORDER.id, ORDER.sha256, STATION, 12, Outcome.ACCEPTED, "ok", "accepted", NOW + 900
)
SIGNED_RECEIPT = sign_receipt(RECEIPT, KEY)


def test_a_signed_receipt_is_verified_and_unchanged():
    assert verify_receipt(SIGNED_RECEIPT, KEY.public_key(), STATION) == RECEIPT
    assert replace(RECEIPT, outcome="refused").outcome is Outcome.REFUSED


@settings(max_examples=100)
@given(st.integers(0, len(SIGNED_RECEIPT) * 8 - 1))
def test_a_flipped_bit_in_a_receipt_is_refused(bit):
    blob = bytearray(SIGNED_RECEIPT)
    blob[bit // 8] ^= 1 << bit % 8
    try:
        found = verify_receipt(bytes(blob), KEY.public_key(), STATION)
    except OrderRefused:
        return
    assert found == RECEIPT  # the key's name is a hint that is not part of the content


def test_a_receipt_of_another_station_or_key_is_refused():
    with pytest.raises(BadSignature):
        verify_receipt(SIGNED_RECEIPT, Ed25519PrivateKey.generate().public_key(), STATION)
    with pytest.raises(WrongStation):
        verify_receipt(SIGNED_RECEIPT, KEY.public_key(), "jinshan-2")


def test_a_signature_for_an_order_does_not_fit_a_receipt():
    found = json.loads(SIGNED_RECEIPT)
    found["signature"] = json.loads(SIGNED)["signature"]

    with pytest.raises(BadSignature):
        verify_receipt(json.dumps(found), KEY.public_key(), STATION)


@pytest.mark.parametrize(
    "changes",
    [
        {"order_sha256": "ab"},
        {"order_sha256": "Z" * 64},
        {"outcome": "maybe"},
        {"reason": ""},
        {"reason": "x" * 5000},
        {"at_ms": 1.5},
        {"order_id": str(uuid.uuid4()) * 9},
    ],
)
def test_a_receipt_that_no_reader_could_store_cannot_be_built(changes):
    with pytest.raises(Malformed):
        replace(RECEIPT, **changes)
