from zoneinfo import ZoneInfo

import pytest

from cloud.web import format as form

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("value", "digits", "signed", "text"),
    [
        (None, 2, False, "–"),
        (float("nan"), 2, False, "–"),
        (0.0, 2, False, "0.00"),
        (-0.001, 2, True, "0.00"),
        (-3.456, 2, False, "−3.46"),
        (3.456, 2, True, "+3.46"),
        (1234567.8, 0, False, "1,234,568"),
        (-1297.04, 1, False, "−1,297.0"),
    ],
)
def test_numbers_have_a_true_minus_commas_and_fixed_digits(value, digits, signed, text):
    assert form.number(value, digits, signed=signed) == text


@pytest.mark.parametrize(
    ("mwh", "text"),
    [(None, "–"), (0.0, "0.00"), (0.8 / 60, "0.0133"), (0.1, "0.10"), (4.0, "4.00")],
)
def test_the_energy_of_a_minute_is_not_rounded_away(mwh, text):
    assert form.energy(mwh) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "–"),
        (0.59, "0.59"),
        (-1.994, "−1.99"),
        (99.994, "99.99"),
        (99.996, "100"),
        (-1299.5, "−1,300"),
    ],
)
def test_sums_below_a_hundred_show_their_cents(amount, text):
    assert form.sum_(amount) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (-5, "0 s"),
        (59.9, "59 s"),
        (252, "4 min 12 s"),
        (8640, "2 h 24 min"),
        (273600, "3 d 4 h"),
    ],
)
def test_durations_are_told_in_their_two_largest_units(seconds, text):
    assert form.span(seconds) == text


def test_times_are_of_the_market_with_its_offset():
    at_ms = 1_795_459_032_000

    assert form.clock(at_ms, SHANGHAI) == "02:37:12"
    assert form.day(at_ms, SHANGHAI) == "2026‑11‑24"
    assert form.offset(at_ms, SHANGHAI) == "UTC+8"
    assert form.offset(at_ms, ZoneInfo("America/St_Johns")) == "UTC−3:30"


def test_identifiers_do_not_break():
    assert form.tag("rack C1-R07, set-point") == "rack C1‑R07, set-point"
