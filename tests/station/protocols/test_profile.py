import tomllib

import pytest

from station.protocols.errors import ProfileError
from station.protocols.modbus import profile as profiles
from station.protocols.modbus.plan import plan_for
from station.protocols.profile_files import PROFILE_FOLDER

SHIPPED = sorted(
    path.name
    for path in PROFILE_FOLDER.glob("*.toml")
    if not path.name.startswith(("pcs-iec61850", "mqtt-"))
)

GOOD = """
title = "Test"
[time]
address = 0
type = "u32"
[layouts.chiller]
coolant_supply_c = { address = 3, type = "s16", scale = 0.1 }
"""


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_profile_loads_and_can_be_planned(name):
    profile = profiles.load(name)

    assert plan_for(profile).blocks


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("title = ", "file", "TOML"),
        (GOOD.replace("layouts.chiller", "layouts.frobnicator"), "layouts.frobnicator", "chiller"),
        (GOOD.replace("coolant_supply_c", "coolant_c"), "coolant_c", "coolant_supply_c"),
        (GOOD.replace("scale = 0.1", "scale = 0"), "coolant_supply_c", "scale"),
        (GOOD.replace("scale = 0.1", "sacle = 0.1"), "sacle", "no key here"),
        (GOOD.replace("address = 3", "address = 65536"), "address", "65536"),
        (GOOD.replace("address = 3", "address = 65535").replace("s16", "s32"), "supply", "65535"),
        (GOOD.replace('"s16"', '"int16"'), "type", "int16"),
        (GOOD.replace('"s16"', '"bit"'), "type", "discrete"),
        (GOOD.replace("scale = 0.1", "repeat = 4"), "repeat", "1 values"),
        (GOOD.replace("scale = 0.1", 'repeat = "cells"'), "layouts", "[parameters]"),
        (GOOD.replace("scale = 0.1", "low = 5, high = 5"), "supply", "below"),
        (GOOD.replace("scale = 0.1", "scale = 2, bits = { 0 = 0 }"), "supply", "bits"),
        (GOOD + "[polling]\ntimeout_s = 3", "polling.timeout_s", "1"),
        (GOOD.replace("scale = 0.1", "sclae = 1"), "sclae", "'scale'"),
        (GOOD.replace("scale = 0.1", 'unit = "kW"'), "coolant_supply_c", "degF"),
        (GOOD.replace("scale = 0.1", "repeat = 2, stride = [1, 1]"), "supply", "level"),
        (
            GOOD + 'chiller_state = { address = 1, type = "u16", states = { 0 = "on" } }',
            "chiller_state",
            "'running'",
        ),
        (
            GOOD + 'chiller_state = { address = 1, type = "f32", states = { 0 = 0 } }',
            "chiller_state",
            "floating",
        ),
        (GOOD + 'ambient_c = { address = 1, type = "f32", mask = 3 }', "ambient_c", "whole"),
        (GOOD + 'ambient_c = { address = 1, type = "u16", mask = [1, 2] }', "ambient_c", "mask"),
        (GOOD + 'ambient_c = { address = 1, type = "u16", also = [] , mask = 0 }', "mask", "0"),
        (
            GOOD + '[writes]\nstart = { address = 1, type = "u16", unit = "kW" }',
            "writes.start.unit",
            "contract",
        ),
        (
            GOOD + '[writes]\nx = { space = "input", address = 1, type = "u16" }',
            "writes.x.space",
            "holding",
        ),
        (
            GOOD + '[writes]\nx = { space = "coil", address = 1, type = "u16" }',
            "writes.x.type",
            "bit",
        ),
        (
            GOOD + "[writes]\nx = { address = 1, type = 'u16', read_back = { adress = 2 } }",
            "writes.x.read_back",
            "address",
        ),
    ],
)
def test_a_wrong_profile_is_refused_naming_file_key_and_remedy(tmp_path, text, key, words):
    path = tmp_path / "device.toml"
    path.write_text(text)

    with pytest.raises(ProfileError) as caught:
        profiles.load(str(path))

    assert str(path) in str(caught.value)
    assert key in caught.value.key
    assert words in str(caught.value)


def test_a_missing_profile_lists_what_ships():
    with pytest.raises(ProfileError, match=r"bms-416\.toml"):
        profiles.load("bms-417.toml")


def test_everything_that_is_wrong_is_told_at_once():
    raw = tomllib.loads(
        GOOD.replace("coolant_supply_c", "coolant_suply_c")
        + """
ambient_c = { address = 4, type = "s16", unit = "V" }
coolant_flow_lpm = { address = 5, type = "bit" }
[layouts.rack]
voltage_v = { address = 6, type = "u16", repeat = "n" }
"""
    )

    _, problems = profiles.of_document("device.toml", raw)

    assert [problem.key.removeprefix("layouts.") for problem in problems] == [
        "chiller.coolant_suply_c", "chiller.ambient_c", "chiller.coolant_flow_lpm.type",
        "rack.voltage_v.repeat",
    ]  # fmt: skip
    assert "did you mean 'coolant_supply_c'?" in problems[0].remedy


POINT = "layouts.chiller.coolant_supply_c"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (GOOD + "[instances]\ncount = 2\nstride = 0", "instances.stride"),
        (GOOD + '[parameters]\nstrings = "x"', "parameters.strings"),
        (GOOD.replace("scale = 0.1", "stride = {}"), f"{POINT}.stride"),
        (GOOD.replace("scale = 0.1", 'mask = "x"'), f"{POINT}.mask"),
        (GOOD.replace("scale = 0.1", "states = { 1 = [] }"), f"{POINT}.states.1"),
        (
            GOOD + "[writes]\nx = { address = 1, type = 'u16', read_back = false }",
            "writes.x.read_back",
        ),
    ],
)
def test_the_key_of_a_problem_is_the_one_in_the_file(text, key):
    _, problems = profiles.of_document("device.toml", tomllib.loads(text))

    assert [problem.key for problem in problems] == [key]
