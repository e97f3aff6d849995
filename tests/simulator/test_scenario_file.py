from pathlib import Path

import pytest

from simulator.changes import CHANGES
from simulator.errors import ConfigError
from simulator.misbehaviour import MISBEHAVIOURS
from simulator.scenario_file import RULES, Kind, load_scenario
from tests.simulator.small import event

NOT_OF_THE_PLANT = {
    *(Kind.UPLINK_CUT, Kind.AGC_REQUEST),
    *(Kind.DEVICE_SILENT, Kind.DEVICE_DOWN, Kind.GRID_FREQUENCY),
    *MISBEHAVIOURS,
}


def write(folder: Path, text: str) -> Path:
    (folder / "s.toml").write_text(f'name = "s"\ndescription = ""\n{text}')
    return folder


def test_every_kind_has_its_rule_and_what_it_does():
    assert set(RULES) == set(Kind)
    assert set(CHANGES) == set(Kind) - NOT_OF_THE_PLANT


@pytest.mark.parametrize("kind", [kind for kind, rule in RULES.items() if rule.unit])
def test_a_value_out_of_the_range_of_its_kind_is_refused_with_the_range(tmp_path, kind):
    beyond = RULES[kind].high + 1
    write(tmp_path, event(at_s=0, kind=str(kind), target="x", value=beyond))

    with pytest.raises(ConfigError, match=rf"events\.0\.value.*{kind} needs") as caught:
        load_scenario("s.toml", tmp_path)

    assert RULES[kind].unit in caught.value.remedy


@pytest.mark.parametrize("kind", [kind for kind, rule in RULES.items() if not rule.unit])
def test_a_kind_without_a_value_takes_none(tmp_path, kind):
    write(tmp_path, event(at_s=0, kind=str(kind), target="x", value=3))

    with pytest.raises(ConfigError, match=rf"{kind} has no value"):
        load_scenario("s.toml", tmp_path)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"kind": "contactor_weld", "value": 0.5}, "events.0.value"),
        ({"kind": "pcs_trip", "ramp_s": 5}, "events.0.ramp_s"),
        ({"kind": "internal_short", "value": 8, "recovery_s": 5}, "events.0.recovery_s"),
        ({"kind": "cell_heat", "file": "x.csv"}, "events.0.file"),
        ({"kind": "meteor"}, "events.0.kind"),
        ({"kind": "pcs_trip", "for_s": 0}, "events.0.for_s"),
    ],
)
def test_what_a_kind_cannot_use_is_named(tmp_path, changes, key):
    write(tmp_path, event(**({"at_s": 0, "target": "x"} | changes)))

    with pytest.raises(ConfigError) as caught:
        load_scenario("s.toml", tmp_path)

    assert caught.value.key == key


@pytest.mark.parametrize("table", ["", "a,b\n0,0\n0,1\n", "a,b,c\n0,0,0\n1,1,1\n", "a,b\n0,x\n"])
def test_a_course_of_frequency_that_is_no_table_is_refused(tmp_path, table):
    (tmp_path / "course.csv").write_text(table)
    write(tmp_path, event(at_s=0, kind="grid_frequency", file="course.csv"))

    with pytest.raises(ConfigError, match=r"course\.csv"):
        load_scenario("s.toml", tmp_path)


def test_a_start_beyond_all_reason_is_refused(tmp_path):
    write(tmp_path, "[start]\nrack_soc_spread = 0.9\n")

    with pytest.raises(ConfigError, match=r"start\.rack_soc_spread"):
        load_scenario("s.toml", tmp_path)
