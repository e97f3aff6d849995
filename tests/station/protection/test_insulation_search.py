"""Finding the rack with an insulation fault behind one monitor for the whole container."""

from station.protection import Done, Level, ProtectionState, Refused
from tests.station.protection.world import World, finding


def leaking(rack: str = "C1-R02") -> World:
    world = World()
    world.run(3)
    world.boxes["C1"].leaky = rack
    return world


def test_the_container_comes_to_no_power_before_the_first_rack_is_opened():
    world = leaking()

    while not world.points("C1-R01"):
        assert world.second < 30
        verdict = world.run(1)

    assert abs(world.boxes["C1"].power_kw) == 0
    assert verdict.limits.converters["C1-PCS"].discharge.kw == 0


def test_the_guilty_rack_is_named_in_the_story_and_the_rest_is_never_opened():
    world = leaking()

    world.run(60)

    found = [m for m in world.moments if m.tag == "insulation-found"]
    assert [m.device for m in found] == ["C1-R02"]
    assert "绝缘故障位于 C1-R02" in found[0].detail.zh
    assert world.points("C1-R03") == []


def test_the_innocent_wait_for_the_operator_and_the_guilty_for_a_reset_by_name():
    world = leaking()
    world.run(80)
    waiting = world.closed("C1")

    first = world.reset("station")
    world.run(15)
    closed = world.closed("C1")
    again = world.reset("station")
    world.boxes["C1"].leaky = ""
    mended = world.reset("C1-R02")
    verdict = world.run(40)

    assert waiting == ["C1-R03", "C1-R04"]
    assert isinstance(first, Done)
    assert closed == ["C1-R01", "C1-R03", "C1-R04"]
    assert isinstance(again, Refused)
    assert "by its own name: insulation fault in a rack at C1-R02" in again.words.en
    assert isinstance(mended, Done)
    assert len(world.closed("C1")) == 4
    assert verdict.level is Level.NORMAL


def test_a_rack_that_was_not_mended_is_found_again():
    world = leaking()
    world.run(80)
    world.reset("station")
    world.run(15)

    world.reset("C1-R02")
    verdict = world.run(80)

    assert finding(verdict, "insulation_rack").device == "C1-R02"
    assert "C1-R02" not in world.closed("C1")


def test_a_rack_whose_bms_reports_it_is_tried_first():
    world = leaking("C1-R04")
    world.rack("C1-R04", insulation_alarm=True)

    world.run(40)

    assert world.points("C1-R01") == []
    assert "C1-R04" not in world.closed("C1")


def test_a_fault_in_no_rack_leaves_all_open_and_says_where_to_look():
    world = World()
    world.run(3)
    world.boxes["C1"].bus_leaks = True

    verdict = world.run(120)

    assert world.closed("C1") == []
    assert [m.tag for m in world.moments if m.tag.startswith("insulation-")] == [
        "insulation-not-found"
    ]
    assert finding(verdict, "insulation_rack") is None
    assert isinstance(world.reset("C1"), Refused)


def test_a_silent_monitor_lets_the_search_wait():
    world = leaking("C1-R03")
    world.run(10)
    world.silent.add("C1-IMD")

    world.run(60)
    opened = [t for t, _ in world.points() if "-R" in t]
    world.silent.clear()
    verdict = world.run(60)

    assert len(set(opened)) <= 1
    assert finding(verdict, "insulation_rack").device == "C1-R03"


def test_a_search_goes_on_after_a_restart():
    world = leaking("C1-R03")
    world.run(22)
    world.state = ProtectionState.restore(world.state.latches())

    verdict = world.run(60)

    assert finding(verdict, "insulation_rack").device == "C1-R03"
    assert world.closed("C1") == ["C1-R04"]
    assert len(world.points("C1-R01")) == 1


def test_a_rack_that_does_not_open_is_skipped_and_the_rest_opened_together():
    world = leaking("C1-R03")
    world.deaf.add("C1-R01")

    verdict = world.run(60)

    assert finding(verdict, "contactor_welded").device == "C1-R01"
    assert not world.boxes["C1"].running
    told = [m for m in world.moments if m.tag == "insulation-not-found"]
    assert "measure each of them" in told[0].detail.en


def test_a_guilty_rack_that_does_not_open_is_named_as_the_place_to_look():
    world = leaking("C1-R03")
    world.deaf.add("C1-R03")

    world.run(90)

    told = [m for m in world.moments if m.tag == "insulation-not-found"]
    assert "C1-R03 did not open: look there first" in told[0].detail.en
    assert "请先检查该簇" in told[0].detail.zh


def test_a_fault_of_no_rack_leaves_the_container_without_its_converter():
    world = World()
    world.run(3)
    world.boxes["C1"].bus_leaks = True

    world.run(120)

    assert world.closed("C1") == []
    assert not world.boxes["C1"].running
    assert ("C1-PCS", "stop") in world.points()
