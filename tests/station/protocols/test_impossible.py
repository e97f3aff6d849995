"""Maps that no device can ever mean are refused, those that are rarely meant are hinted at."""

import tomllib

import pytest

from station.protocols.errors import ProfileError
from station.protocols.modbus import profile as profiles
from station.protocols.modbus.hints import hints
from station.protocols.profile_files import find
from tests.station.protocols.test_profile import GOOD

RACK = """
title = "Test"
[time]
address = 0
type = "u32"
[layouts.rack]
"""


def problems_of(text: str) -> list[ProfileError]:
    return profiles.of_document("device.toml", tomllib.loads(text))[1]


def hints_of(text: str) -> list[str]:
    profile, problems = profiles.of_document("device.toml", tomllib.loads(text))
    assert profile is not None
    assert problems == []
    return list(hints(profile))


@pytest.mark.parametrize(
    ("line", "key", "words"),
    [
        ('soc = { address = 3, type = "u16", scale = nan }', "soc.scale", "finite number"),
        ('soc = { address = 3, type = "u16", offset = inf }', "soc.offset", "finite number"),
        ('soc = { address = 3, type = "u16", low = nan }', "soc.low", "finite number"),
        (
            'rack_alarms = { address = 3, type = "u16", bits = { 16 = "contactor fault" } }',
            "rack_alarms.bits", "a u16 has no bit 16; its bits are 0 to 15",
        ),
        (
            'rack_alarms = { address = 3, type = "u32", bits = { 32 = 1 } }',
            "rack_alarms.bits", "a u32 has no bit 32",
        ),
        (
            'rack_alarms = { address = 3, type = "u16", bits = { 1 = 40 } }',
            "rack_alarms.bits", "a signal has no bit 40",
        ),
        (
            ('rack_alarms = { address = 3, type = "u16", bits = { 1 = 1 }, '
            'also = [{ address = 9, type = "u16", bits = { 17 = 2 } }] }'),
            "rack_alarms.also", "no bit 17",
        ),
        (
            'contactor_closed = { address = 3, type = "u16", all_bits = [16] }',
            "contactor_closed.all_bits", "no bit 16",
        ),
        (
            'soc = { address = 3, type = "u16", mask = 0x1FF00 }',
            "soc.mask", "0x1FF00 is wider than a u16",
        ),
        (
            'rack_state = { address = 3, type = "u16", mask = 0x0F00, states = { 77 = "fault" } }',
            "rack_state.states", "mask 0x0F00 never shows the code 77; it shows 0 to 15",
        ),
        (
            'rack_state = { address = 3, type = "u16", states = { 70000 = "isolated" } }',
            "rack_state.states", "never shows the code 70000",
        ),
        (
            'rack_state = { address = 3, type = "u16", states = { 1 = 77 } }',
            "rack_state.states", "77 is no state of rack_state; take one of 0 off",
        ),
        (
            'soc = { address = 3, type = "u16", invalid = [99999] }',
            "soc.invalid", "99999 never stands there; it holds 0 to 65535",
        ),
        ('soc = { address = 3, type = "f32", invalid = [1e300] }', "soc.invalid", "1e"),
        ('soc = { address = 3, type = "u16", states = { 1 = 1 } }', "soc.states", "is no state"),
        ('soc = { address = 3, type = "u16", bits = { 1 = 1 } }', "soc.bits", "no field of bits"),
        (
            'soc = { address = 3, type = "u16", scale_factor = { address = 4, type = "u16" } }',
            "soc.scale_factor.type", "a power of ten lies in an s16",
        ),
        (
            ('soc = { address = 3, type = "u16" }\n[layouts."rack.cells/24"]\n'
            'cell_voltage_v = { address = 9, type = "u16", repeat = [4, 6], stride = [5, 2] }'),
            "cell_voltage_v.stride", "two values lie in one another at register 19",
        ),
        (
            ('soc = { address = 3, type = "u16" }\n[[expect]]\naddress = 9\ntype = "u16"\n'
            'equals = 70000\nmeaning = "model"'),
            "expect.0.equals", "a u16 never holds 70000",
        ),
        (
            ('soc = { address = 3, type = "u16" }\n[writes]\nstart = { address = 9, type = "u16", '
            'value = 1, read_back = { address = 9, mask = 0x1008, equals = 0x1008 } }'),
            "start.read_back.equals", "mask 0x1008 never shows 4104; what",
        ),
        (
            ('soc = { address = 3, type = "u16" }\n[writes]\nstart = { address = 9, type = "u16", '
            "value = 70000 }"),
            "start.value", "a u16 never holds 70000",
        ),
        (
            ('soc = { address = 3, type = "u16" }\n[writes]\nstart = { address = 9, type = "u16", '
            "value = 1, before = [70000] }"),
            "start.before", "never holds 70000",
        ),
        (
            ('soc = { address = 3, type = "u16" }\n[writes]\ncharge_curent_limit_a = '
            '{ address = 9, type = "u16", low = 0, high = 20 }'),
            "writes.charge_curent_limit_a", "did you mean 'charge_current_limit_a'?",
        ),
        (
            ('soc = { address = 3, type = "u16" }\n[writes]\ncharge_current_limit_a = '
            '{ address = 9, type = "u16", scale = 0.1, low = 0, high = 20000 }'),
            "charge_current_limit_a.high", "a u16 with this scale holds 0 to 6553.5",
        ),
    ],
)  # fmt: skip
def test_what_no_device_can_mean_is_refused(line, key, words):
    problems = problems_of(RACK + line)

    assert len(problems) == 1
    assert problems[0].key.endswith(key)
    assert words in str(problems[0])


def test_a_reply_that_is_shorter_than_a_value_is_told_with_the_value():
    text = GOOD + 'ambient_c = { address = 9, type = "u64" }\n[polling]\nmax_registers = 3'

    (problem,) = problems_of(text)

    assert problem.key == "polling.max_registers"
    assert "layouts.chiller.ambient_c (u64) takes 4" in problem.problem


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('soc = { address = 3, type = "u16", scale = 0.1, low = 0, high = 1 }', "unit missing?"),
        (
            'soh = { address = 3, type = "u16", unit = "%", low = 0, high = 110 }',
            "soh: high 110 is",
        ),
        ('cell_voltage_max_v = { address = 3, type = "u16", low = 0, high = 6 }', "unit missing?"),
        (
            'soc = { space = "input", address = 30020, type = "u16", unit = "%" }',
            "address 30020 looks like the number of a manual; on the line that is input 19",
        ),
        (
            (
                'soc = { address = 3, type = "u16", unit = "%" }\n[layouts."rack.cells/24"]\n'
                'cell_voltage_v = { address = 9, type = "u16", unit = "mV", repeat = [4, 6], '
                "stride = [2, 50] }"
            ),
            "an outer level steps less than an inner one",
        ),
        (
            (
                'soc = { address = 3, type = "u16", unit = "%" }\n[writes]\n'
                'open_contactor = { address = 9, type = "u16" }'
            ),
            "writes.open_contactor: without value it writes 1",
        ),
        (
            (
                'soc = { address = 3, type = "u16", unit = "%" }\n[writes]\n'
                'wipe = { address = 9, type = "u16", value = 1 }'
            ),
            "writes.wipe: the station never gives this command",
        ),
    ],
)
def test_what_is_rarely_meant_is_hinted_at_once(lines, words):
    assert sum(words in hint for hint in hints_of(RACK + lines)) == 1


def test_mistakes_of_every_kind_are_told_together():
    text = """
titel = "Test"
[polling]
max_registers = 200
slow = 5
[poling]
[layouts.rack]
voltage = { address = 6, type = "u16" }
soc = { address = 7, type = "u16", unit = "V" }
curent_a = { address = 8, type = "int16" }
power_kw = { address = 9, type = "s16", scale_factor = 30 }
"""

    told = {problem.key: problem for problem in problems_of(text)}

    assert set(told) == {
        "title", "titel", "poling", "polling.max_registers", "polling.slow",
        "layouts.rack.voltage", "layouts.rack.soc", "layouts.rack.curent_a",
        "layouts.rack.curent_a.type", "layouts.rack.power_kw.scale_factor",
    }  # fmt: skip
    assert "did you mean 'title'?" in told["titel"].remedy
    assert "did you mean 'polling'?" in told["poling"].remedy
    assert "did you mean 'slow_s'?" in told["polling.slow"].remedy
    factor = told["layouts.rack.power_kw.scale_factor"]
    assert factor.problem == "must be a table: { address = ..., type = ... } (given: 30)"
    assert not any("Input" in str(p) or "Extra" in str(p) for p in told.values())


def test_a_profile_that_is_refused_knows_all_that_is_wrong(tmp_path):
    path = tmp_path / "device.toml"
    path.write_text(RACK + 'volts = { address = 3, type = "u16" }\nsoc = { address = -1 }\n')

    with pytest.raises(ProfileError) as caught:
        profiles.load(str(path))

    assert len(caught.value.also) == 2


def changed(old: str, new: str) -> str:
    """Return the shipped rack with modules, changed in one place."""
    text = find("bms-modular.toml").read_text("utf-8")
    assert text.count(old) == 1
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "stride = 1000", "stride = 100",
            ("instances.stride", "is 100, so two of the devices read holding 201"),
        ),
        (
            "count = 10", "count = 66",
            ("instances.count", "is 66, and the last would lie past holding 65535"),
        ),
        (
            'address = 60000\ntype = "u32"', 'address = 60000\ntype = "u16"',
            ("time.type", "a u16 does not hold s since 1970"),
        ),
        ('unit = "s"\n', 'unit = "ms"\n', ("time.type", "a u32 does not hold ms since 1970")),
        (
            "cells = 240", "cells = 100000",
            ("layouts.rack.cells/100000", "is no layout of the contract"),
        ),
        (
            'word_order = "lo-hi"', 'word_order = "little"',
            ("word_order", "must be 'hi-lo' or 'lo-hi' (given: 'little')"),
        ),
        ("cells = 240", 'cells = "240"', ("parameters.cells", "must be a whole number")),
        ("slow_s = 4.0", 'slow_s = "4.0"', ("polling.slow_s", "must be a number")),
        (
            'address = 106, type = "u16", unit = "%", scale = 0.01',
            'address = 106, type = "u16", unit = "%", scale = "0.01"',
            ("layouts.rack.soc.scale", "must be a number (given: '0.01')"),
        ),
    ],
)  # fmt: skip
def test_one_mistake_is_told_once_where_it_stands(old, new, told):
    problems = problems_of(changed(old, new))

    assert [problem.key for problem in problems] == [told[0]]
    assert problems[0].problem.startswith(told[1])


def test_remedies_name_how_much_fits():
    many = problems_of(changed("count = 10", "count = 66"))
    large = changed("cells = 240", "cells = 4097")

    assert many[0].remedy == "at most 65 devices fit with stride = 1000"
    assert problems_of(large)[0].remedy == "a rack has cells/N, N from 1 to 4096"
    assert problems_of(changed("count = 10", "count = 65")) == []


def test_interleaved_instances_are_apart():
    apart = 'type = "u16", low = 0, high = 6'
    text = f"""{RACK}voltage_v = {{ address = 100, {apart} }}
current_a = {{ address = 110, {apart} }}
[instances]
stride = 1
"""

    assert problems_of(f"{text}count = 10\n") == []
    assert [problem.key for problem in problems_of(f"{text}count = 11\n")] == ["instances.stride"]


def test_a_device_of_several_is_checked_as_the_first_is(tmp_path):
    file = tmp_path / "bms.toml"
    file.write_text(changed("count = 10", "count = 66"))

    for name in (str(file), f"{file}#3"):
        with pytest.raises(ProfileError, match="at most 65 devices fit"):
            profiles.load(name)


CELLS = """
title = "Interleaved"
[time]
address = 0
type = "u32"
[layouts."rack.cells/8"]
cell_voltage_v = { address = 10, type = "u16", unit = "mV", repeat = 8, low = 0, high = 6 }
cell_temperature_c = { address = 12, type = "u16", repeat = 8, mask = 0x00FF }
"""


def test_a_mask_hides_no_overlap_and_parts_of_one_register_are_none():
    apart = CELLS.replace("repeat = 8, low = 0", "repeat = 8, mask = 0xFF00, low = 0")

    assert any("both read register 12" in hint for hint in hints_of(CELLS))
    assert not any("both read" in hint for hint in hints_of(apart))


def test_a_mask_over_two_registers_is_about_the_word_that_it_is_in():
    text = (
        RACK
        + """voltage_v = { address = 10, type = "u32", mask = 0x0000FFFF, low = 0, high = 9 }
current_a = { address = WHERE, type = "u16", low = 0, high = 9 }
"""
    )

    assert not any("both read" in hint for hint in hints_of(text.replace("WHERE", "10")))
    assert any("both read" in hint for hint in hints_of(text.replace("WHERE", "11")))


def test_prescribed_requests_tell_what_they_cut_and_what_they_leave_out():
    text = (
        RACK
        + """voltage_v = { address = 100, type = "u32", unit = "mV", low = 0, high = 9 }
current_a = { address = 102, type = "u16", low = 0, high = 9 }
power_kw = { address = 120, type = "u16", low = 0, high = 9 }
[[blocks]]
address = 101
count = 10
"""
    )

    told = [hint for hint in hints_of(text) if hint.startswith("blocks")]

    assert told[0].startswith("blocks.0: cuts rack.voltage_v at holding 100")
    assert told[1:] == ["blocks: in none of them, so asked for besides: rack.power_kw"]
    whole = text.replace("= 101", "= 100").replace("count = 10", "count = 21")
    assert not any("blocks" in hint for hint in hints_of(whole))
