"""The retention policy: every signal has one class, and a wrong file is refused with the remedy."""

import datetime as dt
import re

import pytest

from cloud.errors import ConfigError
from cloud.history.blocks.reading import Stream
from cloud.history.retention import policy
from cloud.history.retention.policy import FOREVER, Keep
from contract import layouts
from contract.layouts import Layout
from contract.signals import SIGNALS

OF_CELLS = [layouts.cells_layout(16), layouts.estimate_cells_layout(16)]
LAYOUTS = [*layouts.ALL.values(), *OF_CELLS]
NOW = dt.datetime(2026, 10, 31, 12, tzinfo=dt.UTC)
SENSITIVE = {"battery-run", "control", "bms-state", "load", "cells"}
SENSITIVE |= {"estimates", "estimate-cells"}


def changed(tmp_path, pattern: str, replacement: str):
    text, count = re.subn(pattern, replacement, policy.DEFAULT.read_text(), count=1)
    assert count == 1
    file = tmp_path / "policy.toml"
    file.write_text(text)
    return file


def test_every_signal_of_the_catalogue_belongs_to_exactly_one_class():
    default = policy.load()
    in_layouts = {c.signal.name for layout in LAYOUTS for c in layout.columns}

    for layout in LAYOUTS:
        for column in layout.columns:
            of = default.class_of(layout.name, column.signal)
            assert default.classes.count(of) == 1
    for name in SIGNALS.keys() - in_layouts:
        assert default.class_of("vendor/any", SIGNALS[name])


def test_every_class_has_signals():
    default = policy.load()

    used = {
        default.class_of(layout.name, column.signal).name
        for layout in LAYOUTS
        for column in layout.columns
    }

    assert used == {one.name for one in default.classes}


def test_the_four_sensitive_classes_are_not_released_and_the_others_that_may_be_are():
    default = policy.load()

    released = {one.name for one in default.classes if one.sql_rows is not None}

    assert released == {"pcs-ac", "auxiliaries", "environment"}
    assert not released & SENSITIVE


@pytest.mark.parametrize(
    ("layout", "signal", "name"),
    [
        (layouts.PCS, "active_power_kw", "pcs-ac"),
        (layouts.METER, "active_power_kw", "load"),
        (layouts.PCS, "active_power_setpoint_kw", "control"),
        (layouts.PCS, "dc_current_a", "battery-run"),
        (layouts.RACK, "current_a", "battery-run"),
        (layouts.RACK, "soc", "bms-state"),
        (layouts.RACK, "rack_alarms", "bms-state"),
        (layouts.STATION, "scheduled_power_kw", "control"),
        (layouts.STATION, "soc", "bms-state"),
        (layouts.CHILLER, "coolant_supply_c", "auxiliaries"),
        (layouts.CHILLER, "ambient_c", "environment"),
        (layouts.cells_layout(16), "cell_voltage_v", "cells"),
        (layouts.estimate_cells_layout(16), "cell_soc", "estimate-cells"),
        (layouts.ESTIMATE, "soc_estimate", "estimates"),
    ],
)
def test_a_signal_is_in_the_class_that_its_meaning_says(layout: Layout, signal: str, name: str):
    assert policy.load().class_of(layout.name, layout.signal(signal)).name == name


def test_released_names_scalar_signals_by_stream():
    pcs: Stream = ("C1", layouts.PCS.hash8)
    cells: Stream = ("R1", layouts.cells_layout(16).hash8)

    found = policy.load().released({pcs: layouts.PCS, cells: layouts.cells_layout(16)})

    assert "active_power_kw" in found[pcs]
    assert "active_power_setpoint_kw" not in found[pcs]
    assert not found[cells]


def test_the_longest_time_of_any_class_counts_for_a_whole_layout(tmp_path):
    file = changed(tmp_path, r'(?s)(name = "control".*?raw = )"6 months"', r'\1"1 year"')

    rule = policy.load(file).rule_of(layouts.PCS)

    assert rule.raw == Keep(months=12)
    assert policy.load(file).rule_of(layouts.FIRE).raw == Keep(months=6)


@pytest.mark.parametrize(
    ("keep", "before"),
    [
        (Keep(days=3), dt.datetime(2026, 10, 28, 12, tzinfo=dt.UTC)),
        (Keep(months=1), dt.datetime(2026, 9, 30, 12, tzinfo=dt.UTC)),
        (Keep(months=8), dt.datetime(2026, 2, 28, 12, tzinfo=dt.UTC)),
        (Keep(months=36), dt.datetime(2023, 10, 31, 12, tzinfo=dt.UTC)),
    ],
)
def test_times_are_counted_back_by_the_calendar(keep, before):
    assert keep.before_ms(NOW) == round(before.timestamp() * 1000)


def test_the_longest_time_that_loads_can_be_counted_back(tmp_path):
    file = changed(tmp_path, 'restored = "[^"]+"', 'restored = "100 years"')

    kept = policy.load(file).archive.restored

    assert kept.before_ms(NOW) == round(NOW.replace(year=1926).timestamp() * 1000)


def test_for_ever_never_ends_and_is_the_longest():
    assert FOREVER.before_ms(NOW) is None
    assert max(Keep(months=180), FOREVER, Keep(days=90)) == FOREVER
    assert [str(k) for k in (FOREVER, Keep(months=36), Keep(months=7), Keep(days=1))] == [
        "for ever",
        "3 years",
        "7 months",
        "1 day",
    ]


@pytest.mark.parametrize(
    ("pattern", "replacement", "key", "remedy"),
    [
        ('raw = "6 months"', 'raw = "half a year"', "class.control.raw", "write a time such as"),
        ('raw = "6 months"', "raw = 6", "class.control.raw", "write a time such as"),
        ('raw = "6 months"', 'raw = "101 years"', "class.control.raw", "at most 100 years"),
        ('after = "3 days"', 'after = "1201 months"', "archive.after", "at most 100 years"),
        ('raw = "6 months"', 'raw = "4 years"', "class.control", "at least as long as raw"),
        ('raw = "6 months"', 'row = "6 months"', "class.control.raw", "is required"),
        ("sql_rows = false", "sql_rows = true", "class.control.sql_rows", "write a time such as"),
        ("windows = true", "windows = true\nold = 1", "class.control.old", "is not a known key"),
        ('severity = "alarm"', 'severity = "loud"', "window.severity", "information, warning"),
        ("before_h = 1.0", "before_h = -1.0", "window.before_h", "greater than or equal"),
        ('keep = "1 year"', 'keep = "a while"', "commands.keep", '"3 years"'),
        ('after = "3 days"', 'after = "for ever"', "archive.after", "never be archived"),
        ('name = "cells"', 'name = "control"', "class", "rename one"),
        (r'signals = \["\*"\]', 'signals = ["x"]', "class", "must match everything"),
        (r'kinds = \["analog"\]', 'kinds = ["analogue"]', "kinds", "analog"),
        (r"\n\[window\]", "\n[window", "file", "is not TOML"),
    ],
)
def test_a_wrong_policy_is_refused_with_file_key_and_remedy(
    tmp_path, pattern, replacement, key, remedy
):
    file = changed(tmp_path, pattern, replacement)

    with pytest.raises(ConfigError) as refused:
        policy.load(file)

    assert str(file) in str(refused.value)
    assert key in refused.value.key
    assert remedy in str(refused.value)


def test_a_policy_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        policy.load(tmp_path / "none.toml")
