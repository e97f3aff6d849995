import pytest

from cloud.alarms import LINK_LOST, Change, State, load
from cloud.web import alarm_view, alarm_words
from cloud.web.alarm_list import Choice
from cloud.web.language import CHINESE, words

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("code", "tag", "value", "told"),
    [
        ("cell.temperature", "", 58.24, ("58.2", "°C")),
        ("cell.voltage", "", 3.6, ("3.600", "V")),
        ("control.not_delivered", "C1-PCS", -160.4, (f"{MINUS}160", "kW")),
        ("protection.trip", "cell_temperature_high", 60.0, ("60.0", "°C")),
        ("protection.warning", "temperature_rise", 2.04, ("2.0", "K/min")),
        ("protection.trip", "insulation_rack", 1.0, ("", "")),
        ("protection.derate", "discharge_current", 1.104, ("1.10", "× Iₙ")),
        ("protection.trip", "insulation_low", 140.2, ("140", "kΩ")),
        ("protection.warning", "chiller_silent", 0.5, ("", "")),
        ("control.fast_overrun", "", 120.44, ("120.4", "ms")),
        (LINK_LOST, "", 252.0, ("4 min 12 s", "")),
        ("pcs.alarm", "", 1234.5, ("1,234.5", "")),
        ("pcs.alarm", "", 100.0, ("100", "")),
        ("pcs.alarm", "", None, ("", "")),
    ],
)
def test_a_value_is_written_with_the_unit_and_digits_of_its_kind(code, tag, value, told):
    assert alarm_words.figure(code, tag, value) == told


def test_a_limit_is_told_with_its_dead_band_and_its_delays():
    rule = load().find("cell.temperature")

    told = alarm_words.limits(words("en"), rule, "", 55.0)

    assert told.replace("\N{NO-BREAK SPACE}", " ") == "55.0 °C · dead band 0.5 °C · delay 2 s"


@pytest.mark.parametrize(
    ("number", "told"), [(3, "3 min"), (60, "1 h"), (90, "1 h 30 min"), (480, "8 h")]
)
def test_whole_minutes_are_written_without_seconds(number, told):
    assert alarm_words.minutes(number) == told


@pytest.mark.parametrize(
    ("left_ms", "told"),
    [(232_000, "3:52"), (4_968_000, "1:22:48"), (999, "0:01"), (0, "0:00"), (-5, "0:00")],
)
def test_a_deadline_counts_down_in_minutes_and_seconds(left_ms, told):
    assert alarm_words.left(left_ms, 0) == told


def test_every_state_and_change_has_words_in_both_languages():
    for language in ("en", CHINESE):
        t = words(language)
        told = [
            *(alarm_words.state_words(t, state) for state in State),
            *(alarm_words.change_words(t, change) for change in Change),
        ]
        assert all(told)
        assert language == "en" or all(ord(text[0]) > 0x3000 for text in told)


@pytest.mark.parametrize(
    ("address", "choice"),
    [
        (("", "", ""), Choice("active", "", 1)),
        (("shelved", " C1 ", "3"), Choice("shelved", "C1", 3)),
        (("nonsense", "x" * 200, "0"), Choice("active", "x" * 80, 1)),
        (("history", "", "99999999999"), Choice("history", "", 1)),
        (("active", "", "-1"), Choice("active", "", 1)),
        (("active", "", "²"), Choice("active", "", 1)),
    ],
)
def test_what_an_address_does_not_say_well_is_the_usual(address, choice):
    assert Choice.read(*address) == choice


def test_a_choice_is_read_again_as_it_is_written():
    assert Choice("shelved", "a&b", 2).query() == "tab=shelved&q=a%26b&page=2"
    assert Choice().query() == "tab=active"


def test_an_alarm_of_bids_is_about_a_product_by_its_name_and_any_other_about_a_device():
    about = ("cloud.bid_missed", "", "test-exchange/minute-energy")

    assert alarm_view.part(*about, "en") == "Energy by the minute"
    assert alarm_view.part(*about, "zh-Hans") == "分钟电能量"
    assert (
        alarm_view.part("cloud.bid_missed", "", "gone/minute-energy", "en") == "gone/minute-energy"
    )
    assert alarm_view.part("cloud.bid_unclear", "", "", "en") == ""
    assert alarm_view.part("rack.alarm", "C1-R07", "a/b", "en") == "C1-R07"
