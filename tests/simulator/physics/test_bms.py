import numpy as np
import pytest

from simulator.physics.bms import CELL_OVERTEMPERATURE, CELL_OVERVOLTAGE, Bms, RackState

CELLS = 10


def judge(
    bms: Bms,
    voltage: float = 3.3,
    temperature: float = 25.0,
    soc: float = 0.5,
    current: float = 0.0,
) -> None:
    shape = (1, CELLS)
    bms.advance(
        np.full(shape, voltage),
        np.full(shape, temperature),
        np.array([soc]),
        np.array([current]),
        1.0,
    )


def test_in_the_middle_of_everything_the_limits_are_the_rated_current():
    bms = Bms(1, 280.0)

    judge(bms)

    assert bms.charge_limit_a[0] == bms.discharge_limit_a[0] == pytest.approx(168.0)


@pytest.mark.parametrize(
    ("condition", "charge", "discharge"),
    [
        ({"voltage": 3.57}, 0.5, 1.0),
        ({"voltage": 2.875}, 1.0, 0.5),
        ({"temperature": 6.0}, 0.5, 1.0),
        ({"temperature": 50.0}, 0.5, 0.8),
        ({"temperature": -12.5}, 0.0, 0.5),
        ({"soc": 0.985}, 0.5, 1.0),
        ({"soc": 0.015}, 1.0, 0.5),
    ],
)
def test_limits_fall_towards_each_bound(condition, charge, discharge):
    bms = Bms(1, 280.0)

    judge(bms, **condition)

    assert bms.charge_limit_a[0] / bms.rated_a == pytest.approx(charge)
    assert bms.discharge_limit_a[0] / bms.rated_a == pytest.approx(discharge)


def test_a_hard_overvoltage_opens_the_contactors_and_they_stay_open():
    bms = Bms(1, 280.0)

    judge(bms, voltage=3.72)
    assert not bms.command_close(0, 0.0)
    judge(bms)

    assert not bms.closed[0]
    assert bms.alarms[0] == CELL_OVERVOLTAGE
    assert bms.states(np.zeros(1))[0] == RackState.FAULT
    assert bms.charge_limit_a[0] == 0


def test_contactors_close_again_when_the_cause_is_gone_and_the_voltages_agree():
    bms = Bms(1, 280.0)
    judge(bms, temperature=61.0)
    assert bms.alarms[0] == CELL_OVERTEMPERATURE
    judge(bms)

    assert not bms.command_close(0, 100.0)
    assert bms.command_close(0, 5.0)
    assert bms.closed[0]
    assert bms.alarms[0] == 0


def test_ten_seconds_of_overcurrent_open_the_rack():
    bms = Bms(1, 280.0)
    for _ in range(9):
        judge(bms, current=300.0)
    assert bms.closed[0]

    judge(bms, current=300.0)

    assert not bms.closed[0]
