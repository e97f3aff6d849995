"""How often the layouts of a profile are asked for, and in which requests."""

import pytest

from station.protocols.errors import ProfileError
from station.protocols.modbus import profile as profiles
from station.protocols.modbus.plan import plan_for
from station.protocols.modbus.polling import PollClass
from station.protocols.modbus.rhythm import Rhythm, rhythms_of
from station.protocols.profile_files import find

CELLS = "rack.cells/416"


def profile_of(tmp_path, top="", polling="", end=""):
    text = find("bms-416.toml").read_text("utf-8")
    text = text.replace("[parameters]", top + "\n[parameters]")
    text = text.replace("[polling]", "[polling]\n" + polling)
    path = tmp_path / "bms.toml"
    path.write_text(text + end, "utf-8")
    return profiles.load(str(path))


def asked(profile, *names: str):
    return [(block.address, block.count) for block in plan_for(profile, names or None).blocks]


def test_without_classes_everything_is_asked_together_once_a_period(tmp_path):
    assert rhythms_of(profile_of(tmp_path)) == [Rhythm(PollClass.NORMAL, 1.0, ("rack", CELLS))]


def test_slow_cells_are_asked_apart_with_the_time_in_front(tmp_path):
    profile = profile_of(
        tmp_path, end='\n[polling.classes]\n"rack.cells/{cells}" = "slow"\n', polling="slow_s = 4"
    )

    assert rhythms_of(profile) == [
        Rhythm(PollClass.NORMAL, 1.0, ("rack",)),
        Rhythm(PollClass.SLOW, 4.0, (CELLS,)),
    ]
    assert asked(profile, "rack") == [(0, 30)]
    first, *cells = asked(profile, CELLS)
    assert first == (0, 30)
    assert sum(count for _, count in cells) == 832


def test_requests_are_made_as_the_device_wants_them(tmp_path):
    blocks = "".join(
        f'[[blocks]]\naddress = {area + at}\ncount = 104\nclass = "slow"\nperiod_s = 10\n'
        for area in (1000, 2000)
        for at in range(0, 416, 104)
    )

    profile = profile_of(tmp_path, end=blocks)

    assert rhythms_of(profile)[1] == Rhythm(PollClass.SLOW, 10.0, (CELLS,))
    assert asked(profile, CELLS)[1:] == [
        (area + at, 104) for area in (1000, 2000) for at in range(0, 416, 104)
    ]
    assert asked(profile, "rack") == [(0, 30)]


def test_what_lies_in_no_block_is_planned_from_the_points(tmp_path):
    profile = profile_of(tmp_path, end="[[blocks]]\naddress = 0\ncount = 20\n")

    assert asked(profile, "rack") == [(0, 20), (20, 10)]


@pytest.mark.parametrize(
    ("end", "polling", "key", "words"),
    [
        ('[polling.classes]\nrack.cells = "slow"', "", "polling.classes", "'slow'"),
        ('[polling.classes]\n"rack.cell" = "slow"', "", "polling.classes.rack.cell", CELLS),
        ('[polling.classes]\nrack = "often"', "", "polling.classes.rack", "slow"),
        ('[polling.classes]\nrack = "slow"', "slow_s = 0.5", "polling.slow_s", "longer"),
        ("[[blocks]]\naddress = 0\ncount = 126", "", "blocks.0.count", "several blocks"),
        ("[[blocks]]\naddress = 0\ncount = 60", "max_registers = 50", "blocks.0.count", "50"),
        ("[[blocks]]\naddress = 5000\ncount = 5", "", "blocks.0", "no point"),
        ("[[blocks]]\naddress = 65530\ncount = 9", "", "blocks.0", "65535"),
        (
            "[[blocks]]\naddress = 0\ncount = 20\n[[blocks]]\naddress = 10\ncount = 20",
            "",
            "blocks.1",
            "overlaps",
        ),
        (
            '[[blocks]]\naddress = 1000\ncount = 100\nclass = "slow"\n'  # noqa: ISC004
            "[[blocks]]\naddress = 1100\ncount = 100",
            "",
            f"layouts.{CELLS}",
            "one class",
        ),
        ("", "in_flight = 0", "polling.in_flight", "1"),
        ("", "connections = 99", "polling.connections", "8"),
        ("", "fast_s = 3", "polling.fast_s", "1"),
    ],
)
def test_a_wrong_rhythm_is_refused_naming_key_and_remedy(tmp_path, end, polling, key, words):
    with pytest.raises(ProfileError) as caught:
        profile_of(tmp_path, polling=polling, end="\n" + end)

    assert caught.value.key.startswith(key)
    assert words in str(caught.value)
