from pathlib import Path

import pytest

from launcher import scenario
from launcher.errors import ScenarioError
from launcher.paths import SCENARIOS


def test_the_cable_pull_scenario_cuts_the_uplink_for_a_minute():
    cuts = scenario.cable_cuts(scenario.find("cable-pull"))

    assert len(cuts) == 1
    assert cuts[0].for_s == pytest.approx(60.0)


def test_a_scenario_without_cuts_leaves_the_cable_alone():
    assert scenario.cable_cuts(scenario.find("normal-day")) == []


def test_a_cut_without_its_duration_is_named(tmp_path: Path):
    path = tmp_path / "s.toml"
    path.write_text('[[events]]\nkind = "uplink_cut"\nat_s = 3\n')

    with pytest.raises(ScenarioError, match=r"event 1 \(uplink_cut\) needs at_s and for_s"):
        scenario.cable_cuts(path)


def test_a_file_that_is_no_toml_is_named(tmp_path: Path):
    path = tmp_path / "s.toml"
    path.write_text("[[events\n")

    with pytest.raises(ScenarioError, match=r"s\.toml"):
        scenario.cable_cuts(path)


def test_the_dispatch_centres_day_follows_the_load_without_gaps():
    requests = scenario.agc_requests(scenario.find("agc-day"))

    ends = [request.at_s + request.for_s for request in requests]
    assert len(requests) == 48
    assert [request.at_s for request in requests[1:]] == ends[:-1]
    assert min(request.power_kw for request in requests) < -1000
    assert max(request.power_kw for request in requests) > 2000


def test_a_request_without_its_power_is_named(tmp_path: Path):
    path = tmp_path / "s.toml"
    path.write_text('[[events]]\nkind = "agc_request"\nat_s = 3\n')

    with pytest.raises(ScenarioError, match=r"event 1 \(agc_request\) needs at_s .* value in kW"):
        scenario.agc_requests(path)


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_launcher_reads_every_scenario(path: Path):
    assert scenario.find(path.stem) == path.resolve()
    scenario.cable_cuts(path)
    scenario.agc_requests(path)
    scenario.story(path)


def test_a_scenario_is_told_in_the_order_of_its_events(tmp_path: Path):
    path = tmp_path / "s.toml"
    path.write_text(
        'description = "Two things."\n'
        '[[events]]\nkind = "cell_heat"\ntarget = "C2-R04/217"\nat_s = 30\nvalue = 200\n'
        '[[events]]\nkind = "uplink_cut"\nat_s = 5\nfor_s = 9\n'
        '[[events]]\nkind = "pcs_trip"\ntarget = "C1-PCS"\nat_s = 10\nfor_s = 30\n'
    )

    story = scenario.story(path)

    assert story.description == "Two things."
    assert [(one.at_s, one.words) for one in story.happenings] == [
        (10.0, "pcs trip at C1-PCS, for 30 s"),
        (30.0, "cell heat at C2-R04/217, value 200"),
    ]


def test_an_event_without_its_time_is_named(tmp_path: Path):
    path = tmp_path / "s.toml"
    path.write_text('[[events]]\nkind = "pcs_trip"\n')

    with pytest.raises(ScenarioError, match="event 1 needs at_s"):
        scenario.story(path)
