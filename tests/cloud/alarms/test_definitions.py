"""The definitions that are shipped, and what is refused in an owner's own."""

import copy
import re
import tomllib
from collections import Counter

import pytest

from cloud.alarms.definitions import CLOUD_CODES, SHIPPED, AlarmClass, load, parse
from cloud.alarms.metrics import TARGET_SPLIT
from cloud.errors import ConfigError
from contract.events import EVENT_CODES, Severity

CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture
def raw():
    return copy.deepcopy(tomllib.loads(SHIPPED.read_text(encoding="utf-8")))


def refused(raw) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(raw, SHIPPED)
    return caught.value


def of(raw, code):
    return next(record for record in raw["alarm"] if record["code"] == code)


def test_every_event_that_is_more_than_information_has_a_definition():
    severe = {code for code, kind in EVENT_CODES.items() if kind.severity > Severity.INFORMATION}

    assert set(load().by_code) == severe | CLOUD_CODES


def test_priorities_are_spread_about_as_isa_18_2_advises():
    records = load().records
    share = {p: n / len(records) for p, n in Counter(r.priority for r in records).items()}

    assert abs(share[1] - TARGET_SPLIT[1]) < 0.05
    assert abs(share[2] - TARGET_SPLIT[2]) < 0.06
    assert share[3] + share[4] > 0.7


def test_every_text_is_there_in_both_languages():
    for record in load().records:
        for words in (record.words(), record.cause, record.consequence, *record.action):
            assert words.en.strip(), words
            assert not CHINESE.search(words.en), words
            assert CHINESE.search(words.zh), words


def test_what_protects_people_is_of_class_safety_and_latches():
    definitions = load()

    for code in ("fire.alarm", "runaway.warning", "protection.trip", "control.emergency_stop"):
        record = definitions.find(code)
        assert (record.class_, record.latching) == (AlarmClass.SAFETY, True), code
        assert record.priority <= 2


def test_the_first_record_whose_tag_fits_counts():
    definitions = load()

    assert definitions.find("rack.alarm", "rack_alarms.9").priority == 2
    assert definitions.find("rack.alarm", "rack_alarms.90").priority == 3
    assert definitions.find("rack.alarm").priority == 3


def test_a_code_of_a_newer_station_gets_the_priority_of_its_severity_and_is_never_hidden():
    record = load().find("cell.leaking", "x", Severity.CRITICAL)

    assert (record.priority, record.suppress_when) == (1, ())
    assert record.words().en == "cell.leaking"


def test_causes_do_not_suppress_one_another_in_a_circle():
    definitions = load()
    seen: dict[str, int] = {}

    def visit(code: str) -> None:
        assert seen.get(code) != 1, f"{code} suppresses itself by others"
        if code not in seen:
            seen[code] = 1
            for follower in definitions.followers(code):
                visit(follower)
            seen[code] = 2

    for code in definitions.by_code:
        visit(code)


def test_a_safety_alarm_cannot_be_suppressed(raw):
    of(raw, "fire.alarm")["suppress_when"] = [{"codes": ["device.lost"], "within": "station"}]

    error = refused(raw)

    assert error.key == "alarm[fire.alarm]"
    assert "never suppressed; use consequence_of" in error.problem


@pytest.mark.parametrize(
    ("change", "key", "problem"),
    [
        ({"priority": 5}, "alarm[device.lost].priority", "1, 2, 3 or 4"),
        ({"prioritee": 3}, "alarm[device.lost].prioritee", "not a known key"),
        ({"cause": {"en": "x"}}, "alarm[device.lost].cause", "both with text"),
        ({"action": []}, "alarm[device.lost].action", "at least 1"),
        ({"dead_band": 1.0}, "alarm[device.lost]", "go together"),
        ({"momentary": True}, "alarm[device.lost]", "momentary alarms have no"),
        (
            {"suppress_when": [{"codes": ["device.lots"], "within": "device"}]},
            "alarm[device.lost].codes",
            "another alarm",
        ),
        ({"tag": "x"}, "alarm[device.lost].tag", 'has tag = "*"'),
        ({"code": "device.found"}, "alarm[device.found]", "no alarm of the contract"),
    ],
)
def test_a_wrong_key_is_named_with_its_alarm_and_a_remedy(raw, change, key, problem):
    of(raw, "device.lost").update(change)

    error = refused(raw)

    assert (error.key, error.file) == (key, str(SHIPPED))
    assert problem in error.problem


def test_a_missing_key_and_a_missing_alarm_are_named(raw):
    without = copy.deepcopy(raw)
    del of(without, "link.down")["consequence"]
    assert refused(without).key == "alarm[link.down].consequence"

    raw["alarm"].remove(of(raw, "link.down"))
    assert refused(raw).problem == "has no definition; add one"


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "broken.toml").write_text("[[alarm]", encoding="utf-8")

    for name, problem in (("none.toml", "cannot be read"), ("broken.toml", "is not TOML")):
        with pytest.raises(ConfigError, match=problem):
            load(tmp_path / name)
