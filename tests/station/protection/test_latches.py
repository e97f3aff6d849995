"""A latched trip is ended by people, never by itself, and survives a restart."""

import json

import pytest
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from station.protection import Done, LatchError, Level, ProtectionState, Refused
from tests.station.protection.world import World, finding


def gassed() -> World:
    world = World()
    world.run(3)
    world.boxes["C1"].hydrogen_ppm = 1200.0
    world.run(8)
    return world


def test_a_trip_stays_when_its_cause_is_gone_and_ends_by_a_reset():
    world = gassed()
    world.boxes["C1"].hydrogen_ppm = 0.0
    later = world.run(600)

    outcome = world.reset("C1-FIRE")
    after = world.run(1)

    assert (later.level, finding(later, "hydrogen").standing) == (Level.TRIP, False)
    assert isinstance(outcome, Done)
    assert after.level is Level.NORMAL
    assert world.told("protection.reset")[0].device == "C1-FIRE"


def test_a_reset_is_refused_in_words_while_the_cause_stands():
    world = gassed()

    outcome = world.reset()

    assert isinstance(outcome, Refused)
    assert outcome.reason_code == "cause_stands"
    assert "hydrogen at C1-FIRE" in outcome.words.en
    assert "氢气" in outcome.words.zh
    assert world.run(1).level is Level.TRIP


def test_a_reset_is_refused_while_the_value_lies_within_the_dead_band():
    world = gassed()
    world.boxes["C1"].hydrogen_ppm = 700.0
    world.run(5)

    assert isinstance(world.reset(), Refused)


def test_a_reset_is_refused_while_the_cause_cannot_be_seen():
    world = gassed()
    world.boxes["C1"].hydrogen_ppm = 0.0
    world.run(5)
    world.silent.add("C1-FIRE")
    world.run(1)

    outcome = world.reset()

    assert isinstance(outcome, Refused)
    assert "cannot be seen" in outcome.words.en


def welded() -> World:
    """C1-R03 did not open when told to; the cause of the command itself is gone since."""
    world = World()
    world.run(3)
    world.deaf.add("C1-R03")
    world.rack("C1-R03", cell_voltage_max_v=3.75)
    world.run(20)
    world.rack("C1-R03", cell_voltage_max_v=3.3)
    world.run(5)
    return world


def test_a_welded_contactor_of_a_silent_rack_is_not_reset():
    world = welded()
    world.deaf.clear()
    world.run(15)
    world.silent.add("C1-R03")
    world.run(3)

    unseen = world.reset()
    world.silent.clear()
    world.run(1)

    assert isinstance(unseen, Refused)
    assert "contactor does not open at C1-R03" in unseen.words.en
    assert isinstance(world.reset(), Done)


def test_a_welded_contactor_is_not_reset_in_the_first_seconds_after_a_restart():
    world = welded()

    restarted(world).run(2)
    outcome = world.reset()

    assert isinstance(outcome, Refused)
    assert "contactor does not open at C1-R03" in outcome.words.en


def reported() -> World:
    """The BMS of C1-R02 reports low insulation, and protection has opened its contactor."""
    world = World()
    world.run(3)
    world.rack("C1-R02", insulation_alarm=True)
    world.run(15)
    return world


def test_an_insulation_fault_that_an_open_racks_bms_still_reports_is_not_reset():
    world = reported()

    outcome = world.reset("C1-R02")
    world.run(15)

    assert isinstance(outcome, Refused)
    assert "still stands" in outcome.words.en
    assert "C1-R02" not in world.closed("C1")
    assert ("C1-R02", "close_contactor") not in world.points()


def test_a_mended_rack_is_reset_by_name_once_its_bms_reports_nothing():
    world = reported()
    world.rack("C1-R02", insulation_alarm=False)
    world.run(1)

    outcome = world.reset("C1-R02")
    world.run(15)

    assert isinstance(outcome, Done)
    assert "C1-R02" in world.closed("C1")


@pytest.mark.parametrize("silent", ["C1-R02", "C1-R02-IMD"])
def test_an_insulation_fault_is_not_reset_while_a_witness_of_it_is_silent(silent):
    world = World()
    world.own_monitors["C1-R02"] = 60.0
    world.run(15)
    world.own_monitors["C1-R02"] = 2000.0
    world.silent.add(silent)
    # A trip for silence stops the converter; it says nothing of the insulation.
    restarted(world).run(2)

    unseen = world.reset("C1-R02")
    world.silent.clear()
    world.run(1)

    assert isinstance(unseen, Refused)
    assert "insulation fault in a rack at C1-R02" in unseen.words.en
    assert isinstance(world.reset("C1-R02"), Done)


def test_a_reset_of_one_container_leaves_the_other_latched():
    world = gassed()
    world.boxes["C3"].fire_state = 2
    world.run(5)
    world.boxes["C1"].hydrogen_ppm = world.boxes["C3"].fire_state = 0
    world.run(5)

    outcome = world.reset("C1")
    verdict = world.run(1)

    assert isinstance(outcome, Done)
    assert finding(verdict, "hydrogen").level < Level.TRIP
    assert finding(verdict, "fire_state").latched


def test_there_is_nothing_to_reset_at_an_unknown_target():
    assert "nothing is latched at C9" in World().reset("C9").words.en


def test_the_panels_button_resets_on_its_edge_only():
    world = gassed()
    world.boxes["C1"].hydrogen_ppm = 0.0
    world.run(5)

    world.reset_pressed = True
    pressed = world.run(1)
    world.boxes["C1"].hydrogen_ppm = 1200.0
    world.run(5)
    world.boxes["C1"].hydrogen_ppm = 0.0
    held_down = world.run(10)

    assert finding(pressed, "hydrogen").level < Level.TRIP
    assert finding(held_down, "hydrogen").latched


def test_the_panels_button_is_refused_in_words_while_the_cause_stands():
    world = gassed()
    world.reset_pressed = True

    world.run(1)

    assert "still stands" in world.told("protection.reset")[0].detail.en


def restarted(world: World) -> World:
    """The same plant with a controller that knows only what was kept."""
    world.state = ProtectionState.restore(json.loads(json.dumps(world.state.latches())))
    return world


def test_latches_survive_a_restart_with_their_story():
    world = gassed()
    before = world.run(1)
    world.boxes["C1"].hydrogen_ppm = 0.0

    after = restarted(world).run(5)

    kept = finding(after, "hydrogen")
    assert (kept.latched, kept.standing, kept.value) == (True, False, 1200.0)
    assert kept.since_ms == finding(before, "hydrogen").since_ms
    assert after.first_out.sequence[0].at_ms == before.first_out.sequence[0].at_ms
    assert "C1-PCS" in after.held
    assert world.closed("C1") == []
    assert len(world.told("protection.first_out")) == 1


def test_after_a_restart_nothing_is_reset_before_the_plant_was_seen():
    world = gassed()
    world.boxes["C1"].hydrogen_ppm = 0.0

    unseen = restarted(world).reset()
    world.run(1)

    assert isinstance(unseen, Refused)
    assert isinstance(world.reset(), Done)


def test_what_was_opened_before_a_restart_is_closed_after_the_reset():
    world = gassed()
    world.boxes["C1"].hydrogen_ppm = 0.0
    restarted(world).run(5)

    world.reset()
    world.run(10)

    assert len(world.closed("C1")) == 4


@pytest.mark.parametrize(
    "item",
    [
        {"kind": "latch", "rule": "hydrogen"},
        {"kind": "latch2"},
        {},
        {"kind": "search", "order": ["x"], "phase": "away"},
        {"kind": "incident", "begun_ms": 1, "causes": [], "corrected": False},
        {"kind": "authority", "local": "no"},
        {"kind": "authority"},
    ],
)
def test_damaged_latches_are_refused_and_named(item):
    with pytest.raises(LatchError, match="kept latch 0 cannot be read"):
        ProtectionState.restore([item])


SEEN_BY_THEIR_DEVICE = (
    *("hydrogen", "fire_state", "cell_voltage_high"),
    *("contactor_welded", "insulation_rack"),
)


class Latching(RuleBasedStateMachine):
    """Values, silence, resets and restarts in any order, against a simple model.

    The model: a trip value that was seen for its delay latches; only a reset that says done
    ends it; a reset that says done was given with the cause seen to be gone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.world = World(containers=2)
        self.latched: set[tuple[str, str]] = set()
        self.world.run(1)

    def live(self) -> None:
        self.verdict = self.world.run(1)
        now = {(f.rule, f.device) for f in self.verdict.findings if f.latched}
        assert self.latched <= now, "a latched trip has cleared by itself"
        self.latched = now

    @rule(ppm=st.sampled_from([0.0, 700.0, 1200.0, float("nan")]), seconds=st.integers(1, 4))
    def gas(self, ppm: float, seconds: int) -> None:
        self.world.boxes["C1"].hydrogen_ppm = ppm
        for _ in range(seconds):
            self.live()

    @rule(volt=st.sampled_from([3.3, 3.6, 3.75, float("nan")]))
    def cell(self, volt: float) -> None:
        self.world.rack("C2-R01", cell_voltage_max_v=volt)
        for _ in range(3):
            self.live()

    @rule(state=st.sampled_from([0, 2, 3]))
    def fire(self, state: int) -> None:
        self.world.boxes["C2"].fire_state = state
        self.live()

    @rule(alarm=st.booleans())
    def insulation(self, alarm: bool) -> None:  # noqa: FBT001 - hypothesis draws it by name
        self.world.rack("C2-R01", insulation_alarm=alarm)
        self.live()

    @rule(device=st.sampled_from(["C1-FIRE", "C2-R01", "C2-FIRE", "C1-PCS"]))
    def silence(self, device: str) -> None:
        self.world.silent ^= {device}
        self.live()

    @rule(device=st.sampled_from(["C2-R01", "C1-PCS"]))
    def deafness(self, device: str) -> None:
        self.world.deaf ^= {device}
        self.live()

    @rule(where=st.sampled_from(["station", "C1", "C2-R01", "C2-FIRE"]))
    def reset(self, where: str) -> None:
        before = dict(self.world.state.latched)
        outcome = self.world.reset(where)
        gone = set(before) - set(self.world.state.latched)
        if isinstance(outcome, Refused):
            assert gone == set()
        else:
            assert gone
            for kind, device in gone:
                assert self.cause_is_gone(kind, device)
        self.latched -= gone

    def cause_is_gone(self, kind: str, device: str) -> bool:
        if device in self.world.silent and kind in SEEN_BY_THEIR_DEVICE:
            return False
        match kind:
            case "hydrogen":
                return self.world.boxes["C1"].hydrogen_ppm <= 500
            case "fire_state":
                return self.world.boxes["C2"].fire_state == 0
            case "cell_voltage_high":
                return self.world.boxes["C2"].racks["C2-R01"].cell_voltage_max_v <= 3.5
            case "insulation_rack":
                return not self.world.boxes["C2"].racks["C2-R01"].insulation_alarm
        return True

    @precondition(lambda self: self.latched)
    @rule()
    def restart(self) -> None:
        restarted(self.world)
        self.live()

    @invariant()
    def a_tripped_container_stays_at_no_power(self) -> None:
        verdict = getattr(self, "verdict", None)
        if verdict is not None and any(
            f.rule == "hydrogen" and f.latched for f in verdict.findings
        ):
            limits = verdict.limits.converters["C1-PCS"]
            assert (limits.charge.kw, limits.discharge.kw) == (0, 0)
            assert "C1-PCS" in verdict.held


TestLatching = Latching.TestCase
TestLatching.settings = hypothesis_settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    # Explaining a failure traces every line of thousands of cycles.
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
)
