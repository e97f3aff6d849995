"""Small sensors are detectors like those of a fire panel: the same rules judge what they tell."""

import pytest

from station.protection import Level
from station.protection.states import RoomState
from tests.station.protection.world import NAN, World, finding


def sensor(container: str = "C1", **facts: object) -> RoomState:
    told = {"hydrogen_ppm": 3.0, "carbon_monoxide_ppm": 1.0, "smoke": False, **facts}
    return RoomState(device=f"{container or 'HALL'}-GAS", container=container, fresh=True, **told)


def test_smoke_at_a_small_sensor_stops_the_power_of_its_container_alone():
    world = World(rooms=(sensor(smoke=True), sensor("C2")))

    verdict = world.run(5)

    assert finding(verdict, "smoke", "C1-GAS").level is Level.STOP
    assert finding(verdict, "smoke", "C2-GAS") is None
    assert verdict.limits.converters["C1-PCS"].discharge.kw == 0
    assert verdict.limits.converters["C2-PCS"].discharge.kw > 0


def test_gas_at_a_small_sensor_trips_its_container_as_at_a_panel():
    world = World(rooms=(sensor(hydrogen_ppm=1200.0),))

    verdict = world.run(10)

    assert finding(verdict, "hydrogen", "C1-GAS").level is Level.TRIP
    assert world.closed("C1") == []
    assert len(world.closed("C2")) == 4


def test_smoke_outside_the_containers_reaches_the_whole_station():
    world = World(rooms=(sensor("", smoke=True),))

    verdict = world.run(5)

    assert {limits.discharge.kw for limits in verdict.limits.converters.values()} == {0}


@pytest.mark.parametrize("unknown", ["silent", "not told"])
def test_what_a_small_sensor_does_not_tell_is_no_finding(unknown):
    told = {"hydrogen_ppm": NAN, "carbon_monoxide_ppm": NAN, "smoke": None}
    world = World(rooms=(sensor(**told) if unknown == "not told" else sensor(smoke=True),))
    if unknown == "silent":
        world.silent.add("C1-GAS")

    verdict = world.run(30)

    assert verdict.findings == ()
