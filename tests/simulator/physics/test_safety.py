"""Hard-wired trips: they ask no software."""

import pytest

from simulator.dangers import SWITCHGEAR_ROOM
from simulator.physics.converter import Denial, PcsState, Point
from simulator.physics.safety import FirePanel, FireState
from tests.simulator.small import small_plant

GAS_AND_SMOKE_PPM = 5000.0


def states(plant) -> list[PcsState]:
    return [converter.state for converter in plant.converters]


@pytest.mark.parametrize(
    ("signs", "state"),
    [
        ({}, FireState.NORMAL),
        ({"smoke": True}, FireState.PRE_ALARM),
        ({"hydrogen_ppm": 1500.0}, FireState.PRE_ALARM),
        ({"hydrogen_ppm": 1500.0, "carbon_monoxide_ppm": 300.0}, FireState.PRE_ALARM),
        ({"smoke": True, "heat": True}, FireState.FIRE),
        ({"hydrogen_ppm": 1500.0, "smoke": True, "heat": True}, FireState.FIRE),
        ({"smoke": True, "heat": True, "fault": True}, FireState.PANEL_FAULT),
    ],
)
def test_two_kinds_of_detector_make_a_fire(signs, state):
    assert FirePanel(**signs).state is state


def test_fire_in_one_container_trips_its_converter_alone():
    plant = small_plant(containers=2)
    plant.dangers.released_ppm[1] = GAS_AND_SMOKE_PPM

    plant.step()
    plant.step()

    assert states(plant) == [PcsState.RUNNING, PcsState.FAULT]
    assert plant.bms.closed.all()


def test_fire_in_the_switchgear_room_trips_every_converter():
    plant = small_plant(containers=2)
    plant.dangers.released_ppm[SWITCHGEAR_ROOM] = GAS_AND_SMOKE_PPM

    plant.step()
    plant.step()

    assert states(plant) == [PcsState.FAULT] * 2


def test_the_emergency_stop_trips_at_once_and_opens_contactors_a_second_later_unless_welded():
    plant = small_plant(containers=2)
    plant.bms.welded[4] = True
    plant.panel.emergency_stop = True

    plant.step(0.05)
    tripped, still_closed = states(plant), plant.bms.closed.all()
    for _ in range(20):
        plant.step(0.05)

    assert tripped == [PcsState.FAULT] * 2
    assert still_closed
    assert not plant.bms.closed.any()
    assert list(plant.bms.conducting.nonzero()[0]) == [4]


def test_nothing_starts_or_closes_while_the_emergency_stop_is_pressed():
    plant = small_plant()
    plant.panel.emergency_stop = True
    for _ in range(3):
        plant.step()

    pressed = plant.converters[0].refusal(Point.START, 1.0), plant.close_contactor(0)
    plant.panel.emergency_stop = False
    plant.step()
    released = plant.converters[0].refusal(Point.START, 1.0), plant.close_contactor(0)

    assert pressed == (Denial.CAUSE_STANDS, False)
    assert released == (None, True)
