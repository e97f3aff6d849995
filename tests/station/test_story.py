"""What happened once is told once: by whole cycles on a plant that follows."""

from station.alarms import AlarmBook
from station.command_book import CommandBook
from station.dispatch.sources import ManualSetpoint
from station.story import Story
from tests.station.control.test_cycle import T0, Run


def told(run: Run, story: Story, first: int, last: int) -> list[tuple[str, str]]:
    events = []
    for second in range(first, last):
        events += story.tell(run.seconds(second, second + 1), None)
    return [(event.code, event.text_en) for event in events]


def story_of(run: Run) -> Story:
    return Story(AlarmBook("s"), CommandBook("s"), run.cycle)


def test_a_new_decider_is_told_once_with_the_decision_in_words(tmp_path):
    run = Run(tmp_path)
    story = story_of(run)

    first = told(run, story, 0, 5)
    run.state.wishes.manual = ManualSetpoint(-250.0, T0 + 3_600_000, "by-hand")
    then = told(run, story, 5, 10)

    assert [code for code, _ in first] == ["control.mode_changed"]
    assert "400.0 kW by schedule (order-1)" in first[0][1]
    assert [code for code, _ in then] == ["control.mode_changed"]
    assert "manual (by-hand)" in then[0][1]


def test_the_story_of_a_fire_is_first_out_actions_and_their_confirmation_in_order(tmp_path):
    run = Run(tmp_path)
    story = story_of(run)
    told(run, story, 0, 5)
    run.plant.fire_state = 2

    events = told(run, story, 5, 20)

    codes = [code for code, _ in events if code.startswith("protection.")]
    assert codes[0] == "protection.first_out"
    assert codes.index("protection.action") < codes.index("protection.confirmed")
    assert "protection.escalated" not in codes


def test_a_self_test_is_told_step_by_step_when_it_is_over(tmp_path):
    run = Run(tmp_path, safe_state={"after_s": 1, "power_kw": 0, "ramp_kw_per_s": 500})
    run.state.wishes.schedules.days.clear()
    story = story_of(run)
    told(run, story, 0, 10)
    run.cycle.begin_self_test("order-t")

    events = told(run, story, 10, 120)

    (passed,) = [text for code, text in events if code == "dispatch.self_test"]
    assert "self-test passed" in passed
    assert "50 kW reached" in passed
    assert run.cycle.self_test is None
