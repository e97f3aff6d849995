"""Every row of the cause-and-effect matrix, on a plant that follows."""

from dataclasses import replace
from pathlib import Path

import pytest

from contract.limits import LimitReason
from station.config_errors import ConfigError
from station.protection import Level, check_matrix, load_matrix, load_rules, matrix
from tests.station.protection.world import World, finding

SHIPPED = Path(matrix.__file__).with_name("matrix.toml")
ALL = ("C1", "C2", "C3")
PROVOKED: dict[str, object] = {}


def row(name: str):
    """Mark the test of one row."""

    def keep(test):
        PROVOKED[name] = test
        return test

    return keep


def warm_up() -> World:
    world = World()
    world.run(3)
    assert world.boxes["C1"].power_kw == 600.0
    return world


def test_every_row_of_the_shipped_matrix_has_a_test():
    assert set(PROVOKED) == {row.id for row in load_matrix().rows}


@row("emergency_stop")
def test_the_emergency_stop_stops_and_opens_everything():
    world = warm_up()
    world.emergency_stop = True

    verdict = world.run(5)

    assert [world.closed(name) for name in ALL] == [[], [], []]
    assert not any(box.running for box in world.boxes.values())
    assert verdict.emergency_stop
    assert verdict.held == {"C1-PCS", "C2-PCS", "C3-PCS"}
    assert verdict.limits.discharge.reason is LimitReason.EMERGENCY_STOP
    assert verdict.limits.discharge.kw == 0


@row("fire")
@pytest.mark.parametrize("sign", ["panel", "detectors"])
def test_a_fire_parts_its_container_and_lowers_the_neighbours(sign):
    world = warm_up()
    box = world.boxes["C1"]
    if sign == "panel":
        box.fire_state = 2
    else:
        box.smoke = box.heat = True

    verdict = world.run(6)

    assert (box.running, world.closed("C1"), box.cooling, box.ventilation) == (False, [], 0, 1)
    assert "C1-PCS" in verdict.held
    assert verdict.limits.converters["C1-PCS"].discharge.reason is LimitReason.FIRE
    assert verdict.limits.converters["C2-PCS"].discharge.kw == pytest.approx(500.0)
    assert verdict.limits.converters["C2-PCS"].discharge.device == "C1-FIRE"
    assert verdict.limits.converters["C3-PCS"].discharge.kw > 900.0
    assert len(world.closed("C2")) == 4


def test_contactors_wait_for_the_current_to_fall_but_not_for_long():
    world = warm_up()
    world.deaf.add("C1-PCS")
    world.boxes["C1"].fire_state = 2

    world.run(1)
    before = world.closed("C1")
    world.run(3)

    assert len(before) == 4
    assert world.closed("C1") == []


@row("gas")
@pytest.mark.parametrize("gas", [{"hydrogen_ppm": 1200.0}, {"carbon_monoxide_ppm": 250.0}])
def test_gas_is_blown_out_first_and_its_container_parted(gas):
    world = warm_up()
    box = world.boxes["C2"]
    for name, value in gas.items():
        setattr(box, name, value)

    verdict = world.run(8)

    points = world.points()
    fan = points.index(("C2-VENT", "ventilation"))
    assert fan < points.index(("C2-PCS", "stop")) < points.index(("C2-R01", "open_contactor"))
    assert (box.running, world.closed("C2"), box.cooling, box.ventilation) == (False, [], 0, 1)
    assert verdict.limits.converters["C2-PCS"].charge.reason is LimitReason.GAS
    neighbours = [verdict.limits.converters[f"{n}-PCS"].charge.kw for n in ("C1", "C3")]
    assert neighbours == pytest.approx([500.0, 500.0])


@row("gas_rising")
def test_rising_gas_starts_the_ventilation_and_derates_without_a_trip():
    world = warm_up()
    world.boxes["C1"].hydrogen_ppm = 300.0

    verdict = world.run(10)
    on = world.boxes["C1"].ventilation
    world.boxes["C1"].hydrogen_ppm = 0.0
    world.run(800)

    assert verdict.level is Level.DERATE
    assert on == 1
    assert world.boxes["C1"].ventilation == 0
    assert len(world.closed("C1")) == 4


@row("runaway")
def test_a_cell_that_runs_away_is_parted_at_once_with_its_converter_stopped():
    world = warm_up()
    world.run(20)
    for _ in range(8):
        world.heat_cell("C1-R02", 4, kelvin=6.0, volt=-0.15)
        verdict = world.run(1)
    verdict = world.run(2)

    found = finding(verdict, "runaway_signature")
    assert (found.device, found.cell, found.level) == ("C1-R02", 4, Level.TRIP)
    assert world.closed("C1") == ["C1-R01", "C1-R03", "C1-R04"]
    assert not world.boxes["C1"].running
    assert world.boxes["C1"].ventilation == 1
    assert "C1-PCS" in verdict.held
    assert ("C1-R02", "open_contactor") in world.points()


@row("runaway_suspected")
def test_two_full_signs_of_a_cell_part_its_rack_and_its_neighbours_go_on_with_half():
    world = warm_up()
    world.run(150)
    world.boxes["C1"].wished_kw = 1000.0
    world.heat_cell("C1-R02", 4, kelvin=6.0, volt=-0.16)

    while len(world.closed("C1")) == 4:
        assert world.second < 300
        verdict = world.run(1)
    verdict = world.run(3)

    assert finding(verdict, "runaway_early").level is Level.TRIP
    assert world.closed("C1") == ["C1-R01", "C1-R03", "C1-R04"]
    assert world.boxes["C1"].running
    assert verdict.limits.converters["C1-PCS"].discharge.kw == pytest.approx(500.0)
    assert [m.device for m in world.told("protection.confirmed")][-1] == "C1-R02"


@row("cell_trip")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"cell_voltage_max_v": 3.75}, id="over"),
        pytest.param({"cell_voltage_min_v": 2.40}, id="under"),
    ],
)
def test_a_cell_out_of_its_voltage_parts_its_rack_and_the_others_go_on(changes):
    world = warm_up()
    world.rack("C1-R03", **changes)

    verdict = world.run(8)

    assert world.closed("C1") == ["C1-R01", "C1-R02", "C1-R04"]
    assert world.boxes["C1"].running
    assert verdict.limits.converters["C1-PCS"].discharge.kw == pytest.approx(800.0)
    assert verdict.level is Level.TRIP


@pytest.mark.parametrize(("sign", "rule"), [(1, "discharge_current"), (-1, "charge_current")])
def test_current_far_beyond_the_rating_parts_the_rack(sign, rule):
    world = warm_up()
    world.deaf.add("C1-PCS")
    world.boxes["C1"].power_kw = sign * 4 * 1331.2 * 700 / 1000

    world.run(8)
    verdict = world.run(1)

    assert finding(verdict, rule).level is Level.TRIP
    assert world.closed("C1") == []


@row("cell_hot")
def test_a_hot_cell_parts_its_rack_and_wants_cooling():
    world = warm_up()
    world.boxes["C1"].cooling = 0
    world.rack("C1-R01", cell_temperature_max_c=61.0)

    verdict = world.run(8)

    assert world.closed("C1") == ["C1-R02", "C1-R03", "C1-R04"]
    assert world.boxes["C1"].cooling == 1
    assert verdict.limits.converters["C1-PCS"].charge.kw <= 500.0


def test_a_fire_keeps_the_cooling_off_that_a_hot_cell_wants_on():
    world = warm_up()
    world.rack("C1-R01", cell_temperature_max_c=61.0)
    world.boxes["C1"].fire_state = 2

    world.run(8)

    assert world.boxes["C1"].cooling == 0
    assert ("C1-CHL", 1.0) not in [(a.device, a.value) for a in world.sent]


@row("insulation")
def test_an_insulation_fault_is_searched_rack_by_rack():
    world = warm_up()
    world.boxes["C1"].leaky = "C1-R02"

    verdict = world.run(60)

    assert finding(verdict, "insulation_rack").device == "C1-R02"
    assert world.closed("C1") == ["C1-R03", "C1-R04"]
    assert verdict.limits.converters["C1-PCS"].discharge.reason is LimitReason.INSULATION
    assert "C1-PCS" in verdict.held


@row("insulation_rack")
def test_a_rack_whose_own_bms_reports_low_insulation_is_isolated_directly():
    world = warm_up()
    world.rack("C1-R04", insulation_alarm=True)

    verdict = world.run(6)

    assert world.closed("C1") == ["C1-R01", "C1-R02", "C1-R03"]
    assert world.boxes["C1"].running
    assert finding(verdict, "insulation_rack").latched


@row("contactor_welded")
def test_a_welded_contactor_stops_the_converter_and_opens_the_whole_container():
    world = warm_up()
    world.deaf.add("C1-R03")
    world.rack("C1-R03", cell_voltage_max_v=3.75)

    verdict = world.run(20)

    assert finding(verdict, "contactor_welded").device == "C1-R03"
    assert world.closed("C1") == ["C1-R03"]
    assert not world.boxes["C1"].running
    assert finding(verdict, "container_not_isolated") is None
    assert len(world.closed("C2")) == 4


def test_a_contactor_that_says_open_while_current_flows_is_welded():
    world = warm_up()
    box = world.boxes["C1"]
    plant = world.plant
    world.plant = lambda: _leaking(plant())  # the feedback lies

    verdict = world.run(6)

    assert finding(verdict, "contactor_welded").device == "C1-R01"
    assert not box.running


def _leaking(plant):
    first = plant.containers[0]
    rack = replace(first.racks[0], contactor_closed=False, current_a=120.0)
    return replace(
        plant,
        containers=(replace(first, racks=(rack, *first.racks[1:])), *plant.containers[1:]),
    )


@row("converter_not_stopped")
def test_a_converter_that_does_not_stop_has_its_contactors_opened():
    world = warm_up()
    world.deaf.add("C1-PCS")
    world.silent.add("C1-R01")

    verdict = world.run(60)

    assert finding(verdict, "converter_not_stopped").device == "C1-PCS"
    assert world.closed("C1") == []
    assert len(world.closed("C2")) == 4


@row("container_not_isolated")
def test_a_container_that_cannot_be_parted_stops_the_station():
    world = warm_up()
    world.deaf |= {"C1-PCS", "C1-R01"}
    world.boxes["C1"].fire_state = 2

    verdict = world.run(40)

    assert finding(verdict, "container_not_isolated").device == "C1-PCS"
    assert [world.closed(n) for n in ("C2", "C3")] == [[], []]
    assert not world.boxes["C3"].running
    assert verdict.held == {"C1-PCS", "C2-PCS", "C3-PCS"}


@row("coolant_lost")
@pytest.mark.parametrize(
    ("loss", "derated_s", "stopped_s"),
    [
        ({"flow_lpm": 0.0}, 15, 310),
        ({"cooling": 2}, 15, 310),
        ({"supply_c": 50.0}, 25, 40),
    ],
)
def test_lost_coolant_derates_first_and_stops_later(loss, derated_s, stopped_s):
    world = warm_up()
    for name, value in loss.items():
        setattr(world.boxes["C1"], name, value)

    derated = world.run(derated_s).limits.converters["C1-PCS"].discharge
    stopped = world.run(stopped_s - derated_s + 5).limits.converters["C1-PCS"].discharge

    assert derated.kw in (pytest.approx(500.0), pytest.approx(1000.0))
    assert stopped.kw == 0
    assert stopped.reason is LimitReason.COOLANT
    assert not world.boxes["C1"].running
    assert len(world.closed("C1")) == 4


@row("rack_lost")
def test_a_silent_rack_stops_its_container_and_lets_it_go_when_it_speaks_again():
    world = warm_up()
    world.silent.add("C1-R02")

    at_once = world.run(1).limits.converters["C1-PCS"].discharge
    world.run(40)
    stopped = world.boxes["C1"].running
    world.silent.clear()
    verdict = world.run(20)

    assert (at_once.kw, at_once.reason) == (0, LimitReason.STALE_DATA)
    assert not stopped
    assert verdict.held == frozenset()
    assert world.boxes["C1"].power_kw == 600.0


def test_a_matrix_that_names_no_rule_is_refused_with_a_remedy(tmp_path: Path):
    text = SHIPPED.read_text(encoding="utf-8")
    path = tmp_path / "matrix.toml"
    text = text.replace('"emergency_stop:trip"', '"emergency_stp:trip"')
    path.write_text(text.replace('"hydrogen:trip"', '"hydrogn:trip"'))

    with pytest.raises(ConfigError) as refusal:
        check_matrix(load_matrix(path), load_rules(), path)

    remedy = "name a rule of rules.toml and a level that it has"
    assert [str(fault) for fault in refusal.value.faults] == [
        f"rows[0].causes = 'emergency_stp:trip': {remedy}",
        f"rows[2].causes = 'hydrogn:trip': {remedy}",
    ]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('reach = "station"', 'reach = "world"', "reach"),
        ("neighbours = 0.5", "neighbours = 1.5", "neighbours"),
        ('"emergency_stop:trip"', '"emergency_stop"', "must read rule:level"),
        ("attempts = 2", "atempts = 2", "attempts"),
        ('id = "gas"', 'id = "fire"', "stands twice"),
    ],
)
def test_a_wrong_key_of_the_matrix_is_named(tmp_path: Path, old: str, new: str, key: str):
    text = SHIPPED.read_text(encoding="utf-8")
    path = tmp_path / "matrix.toml"
    path.write_text(text.replace(old, new, 1))

    with pytest.raises(ConfigError, match=key):
        load_matrix(path)
