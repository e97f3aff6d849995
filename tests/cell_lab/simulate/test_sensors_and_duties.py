import numpy as np
import pytest

from cell_lab.errors import SimulationError
from cell_lab.simulate import (
    STATIONARY,
    Drive,
    SensorFault,
    SensorFaultKind,
    Sensors,
    nominal_cells,
    random_duty,
    rested,
    sense,
    simulate,
    stationary,
)
from tests.cell_lab.simulate.made import a_make

EXACT = Sensors(*[0.0] * 11)


def _trace(cells: int = 2):
    make = a_make()
    rates = random_duty(1, seed=2, soc=0.5)
    current = np.stack([rates] * cells) * make.capacity_ah
    begin = rested(make, np.full(cells, 0.5), 25.0)
    drive = Drive(current, np.full(current.shape, 25.0))
    return simulate(make, nominal_cells(make, cells), drive, begin)[0]


def test_perfect_sensors_read_the_truth():
    trace = _trace()

    seen = sense(trace, np.arange(2), seed=1, sensors=EXACT)

    assert (seen.voltage_v == trace.voltage_v).all()
    assert (seen.current_a == trace.current_a).all()
    assert seen.good.all()


def test_the_same_seed_gives_the_same_readings():
    trace = _trace()

    first, again, other = (sense(trace, np.arange(2), seed) for seed in (1, 1, 2))

    assert (first.voltage_v == again.voltage_v).all()
    assert (first.voltage_v != other.voltage_v).any()


def test_a_sensor_of_steps_reads_only_these():
    seen = sense(_trace(), np.arange(2), seed=1, sensors=Sensors(voltage_step_v=0.005))

    assert np.abs(seen.voltage_v / 0.005 - np.round(seen.voltage_v / 0.005)).max() < 1e-3


@pytest.mark.parametrize("kind", list(SensorFaultKind))
def test_a_sensor_fault_stays_in_its_sensor_and_its_time(kind: SensorFaultKind):
    trace = _trace()
    fault = SensorFault("voltage", 1, kind, at_s=600, for_s=1200, size=0.01)

    seen = sense(trace, np.arange(2), seed=1, sensors=EXACT, faults=[fault])

    touched = (seen.voltage_v != trace.voltage_v) | ~seen.good
    assert touched[600:1800, 1].any()
    assert not touched[:, 0].any()
    assert not touched[:600].any()
    assert not touched[1800:].any()


def test_lost_minutes_are_lost_for_the_whole_string():
    seen = sense(_trace(), np.zeros(2, np.int64), seed=1, sensors=Sensors(gaps=0.3))

    assert (seen.good == seen.current_good).all()
    assert 0.1 < 1 - seen.good.mean() < 0.5


@pytest.mark.parametrize("seed", range(20))
def test_a_random_duty_keeps_a_nominal_cell_within_its_bounds(seed: int):
    rates = random_duty(24, seed, soc=0.5, low=0.1, high=0.9, step_s=10)

    soc = 0.5 - np.cumsum(rates) * 10 / 3600

    assert soc.min() >= 0.1
    assert soc.max() <= 0.9
    assert np.abs(rates).max() <= 1
    assert np.count_nonzero(rates) > len(rates) / 4


@pytest.mark.parametrize("name", STATIONARY)
def test_a_stationary_duty_follows_its_course(name: str):
    rates, soc = stationary(name, start_day=100, hours=48, seed=1, flutter=0)

    course = soc - np.cumsum(rates) / 3600
    assert -0.01 < course.min() < course.max() < 1.01
    assert np.abs(rates).max() < 1.5


def test_an_unknown_duty_names_those_that_there_are():
    with pytest.raises(SimulationError, match="peak_shaving"):
        stationary("holiday", 0, 1, seed=1)
