import re

import numpy as np
import pytest

from contract import layouts, orders, states
from contract.estimate_signals import HALF_WIDTHS
from contract.events import EVENT_CODES
from contract.limits import LIMIT_WORDS, LimitReason
from contract.signals import SIGNALS, Grade, Kind

CJK = re.compile(r"[\u4e00-\u9fff]")
UNIT_SUFFIX = {
    "kW": "_kw",
    "kvar": "_kvar",
    "kVA": "_kva",
    "Hz": "_hz",
    "V": "_v",
    "A": "_a",
    "°C": "_c",
    "kWh": "_kwh",
    "l/min": "_lpm",
    "kPa": "_kpa",
    "kΩ": "_kohm",
    "ppm": "_ppm",
    "ms": "_ms",
}
STATE_TABLES = {
    name: table
    for name, table in vars(states).items()
    if name.isupper() and isinstance(table, tuple)
}


def both_languages(en: str, zh: str) -> bool:
    return bool(en.strip()) and not CJK.search(en) and bool(CJK.search(zh))


@pytest.mark.parametrize("signal", SIGNALS.values(), ids=lambda s: s.name)
def test_every_signal_has_a_label_in_both_languages(signal):
    assert both_languages(signal.label_en, signal.label_zh)
    assert signal.label("zh-Hans") == signal.label_zh
    assert signal.label("en") == signal.label_en


@pytest.mark.parametrize("signal", SIGNALS.values(), ids=lambda s: s.name)
def test_every_signal_bears_its_unit_in_its_name(signal):
    assert signal.name.endswith(UNIT_SUFFIX.get(signal.unit, ""))
    assert signal.unit in UNIT_SUFFIX or signal.unit == ""


@pytest.mark.parametrize("signal", SIGNALS.values(), ids=lambda s: s.name)
def test_every_signal_has_a_type_a_scale_and_a_grade_that_fit_its_kind(signal):
    assert signal.dtype in {"i1", "i2", "i4", "f4"}
    assert signal.scale > 0
    assert isinstance(signal.grade, Grade)
    if signal.kind in {Kind.STATE, Kind.BITS, Kind.INDEX}:
        assert signal.scale == 1.0
    assert bool(signal.states) == (signal.kind in {Kind.STATE, Kind.BITS})


@pytest.mark.parametrize("name", sorted(STATE_TABLES))
def test_every_state_and_bit_has_words_in_both_languages_and_one_number(name):
    table = STATE_TABLES[name]
    numbers = [number for number, _, _ in table]

    assert numbers == sorted(set(numbers))
    assert all(en.strip() and CJK.search(zh) for _, en, zh in table)


def test_states_and_bits_fit_their_raw_type():
    for signal in SIGNALS.values():
        most = 30 if signal.kind is Kind.BITS else np.iinfo("i1").max
        assert all(0 <= number <= most for number, _, _ in signal.states)


def test_every_limit_reason_has_words_and_the_signals_show_the_same():
    assert set(LIMIT_WORDS) == set(LimitReason)
    for reason in LimitReason:
        assert reason.words.en.strip()
        assert CJK.search(reason.words.zh)
    shown = SIGNALS["charge_limit_reason"].states
    assert shown == tuple((int(r), r.words.en, r.words.zh) for r in LimitReason)


@pytest.mark.parametrize("code", sorted(EVENT_CODES))
def test_every_event_code_has_a_text_in_both_languages(code):
    words = EVENT_CODES[code].words

    assert words.en.strip()
    assert not CJK.search(words.en)
    assert CJK.search(words.zh)


def test_every_reason_of_a_receipt_has_words_in_both_languages():
    assert all(w.en.strip() and CJK.search(w.zh) for w in orders.REASONS.values())


def test_battery_state_and_control_strategy_are_graded_as_the_most_sensitive():
    for name in ("soc", "soh", "scheduled_power_kw", "target_power_kw"):
        assert SIGNALS[name].grade is Grade.CORE


def test_every_signal_is_used_by_a_layout():
    used = {c.signal.name for layout in layouts.ALL.values() for c in layout.columns}
    for layout in (layouts.cells_layout(1), layouts.estimate_cells_layout(1)):
        used |= {c.signal.name for c in layout.columns}

    assert used == set(SIGNALS)


def test_every_estimate_with_a_half_width_travels_with_it():
    estimated = (layouts.ESTIMATE, layouts.ESTIMATE_STATION, layouts.estimate_cells_layout(8))
    together = [{c.signal.name for c in layout.columns} for layout in estimated]

    for value, half_width in HALF_WIDTHS.items():
        assert any({value, half_width} <= names for names in together), value
        assert SIGNALS[value].unit == SIGNALS[half_width].unit
        assert SIGNALS[half_width].label_en.endswith("±")
    assert {name for name in SIGNALS if name.endswith("_half_width")} == set(HALF_WIDTHS.values())
