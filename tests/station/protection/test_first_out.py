"""First-out goes by the clocks of the devices, not by who is heard first."""

from station.protection import Level
from tests.station.protection.world import T0, World


def test_the_first_cause_and_the_sequence_are_told():
    world = World()
    world.run(3)
    world.boxes["C1"].hydrogen_ppm = 1200.0
    world.run(5)
    world.boxes["C1"].fire_state = 2

    verdict = world.run(3)

    first = verdict.first_out
    assert (first.rule, first.device) == ("hydrogen", "C1-FIRE")
    assert first.at_ms == T0 + 4000
    assert [c.rule for c in first.sequence] == ["hydrogen", "fire_state"]
    assert not first.corrected
    assert [m.at_ms for m in world.told("protection.first_out")] == [T0 + 4000]


def test_an_earlier_device_time_that_arrives_later_corrects_the_first_out_and_says_so():
    world = World()
    world.late_s["C2-FIRE"] = 4.0
    world.run(3)
    world.boxes["C1"].fire_state = 2
    world.run(2)
    world.boxes["C2"].fire_state = 2

    verdict = world.run(1)

    assert verdict.first_out.device == "C2-FIRE"
    assert verdict.first_out.corrected
    told = world.told("protection.first_out")
    assert [m.device for m in told] == ["C1-FIRE", "C2-FIRE"]
    assert "corrected" in told[1].detail.en
    assert "C1-FIRE" in told[1].detail.en
    assert "更正" in told[1].detail.zh


def test_a_clock_that_is_wrong_by_an_hour_is_not_believed():
    world = World()
    world.late_s["C2-FIRE"] = 3600.0
    world.run(3)
    world.boxes["C1"].fire_state = 2
    world.run(2)
    world.boxes["C2"].fire_state = 2

    verdict = world.run(1)

    assert verdict.first_out.device == "C1-FIRE"
    assert [c.at_ms for c in verdict.first_out.sequence] == [T0 + 4000, T0 + 6000]


def test_a_delay_does_not_make_a_cause_later_than_it_was():
    world = World()
    world.run(3)
    world.rack("C1-R01", cell_voltage_max_v=3.75)
    world.run(1)
    world.boxes["C1"].fire_state = 2

    verdict = world.run(3)

    assert verdict.first_out.rule == "cell_voltage_high"


def test_an_incident_ends_with_its_last_trip_and_the_next_one_begins_anew():
    world = World()
    world.run(3)
    world.boxes["C1"].fire_state = 2
    world.run(3)
    world.boxes["C1"].fire_state = 0
    world.run(2)
    world.reset()

    quiet = world.run(1)
    world.boxes["C3"].fire_state = 2
    verdict = world.run(1)

    assert quiet.first_out is None
    assert quiet.level < Level.TRIP
    assert verdict.first_out.device == "C3-FIRE"
    assert len(verdict.first_out.sequence) == 1
