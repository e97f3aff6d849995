import numpy as np
import pytest

from cell_lab.anomaly.duties import made_up
from cell_lab.anomaly.faults import SIZES, Fault, FaultType
from cell_lab.anomaly.racks import BLOCK, Racks, Spread
from cell_lab.anomaly.train import MAKE, RECORDINGS, real_duties, regulation_signal
from cell_lab.parameter_files import parameters_of
from station.estimators.cell_model import build_cell_model

MODEL = build_cell_model(parameters_of(MAKE))
DUTY = made_up(2.0, 3, regulation_signal())
CELLS = 12
QUIET = Spread(*([0.0] * 13), per_sensor=1)


def racks(faults=(), spread=None, stack=4, duty=DUTY, model=MODEL):
    return Racks(model, [duty], CELLS, stack=stack, seed=5, spread=spread, faults=faults)


def series(made, name, blocks=200):
    return np.stack([getattr(made.advance(), name) for _ in range(blocks)])


def test_the_same_seed_makes_the_same_racks():
    assert np.array_equal(series(racks(), "voltage_v", 20), series(racks(), "voltage_v", 20))


def test_cells_without_spread_and_sensors_without_noise_are_all_alike():
    voltage_v = series(racks(spread=QUIET), "voltage_v", 50)

    assert np.ptp(voltage_v, axis=1).max() < 1e-5


def test_the_middle_of_a_recorded_rack_has_the_recorded_voltage():
    model, duty = real_duties(RECORDINGS / "esc26650_25c.parquet")[0]
    made = racks(spread=QUIET, stack=1, duty=duty, model=model)

    voltage_v = series(made, "voltage_v", 300).mean(axis=1)

    recorded = duty.voltage_v[: 300 * BLOCK].reshape(300, BLOCK).mean(axis=1)
    assert voltage_v == pytest.approx(recorded, abs=15e-3)
    assert np.abs(voltage_v - recorded).mean() < 4e-3


def test_charge_of_a_made_up_duty_is_that_of_its_current_and_stays_inside_the_cell():
    counted = DUTY.soc[0] - np.cumsum(DUTY.current.astype(np.float64)) / 3600

    assert DUTY.soc[-1] == pytest.approx(counted[-1], abs=1e-3)
    assert 0 < DUTY.soc.min() < DUTY.soc.max() < 1


def test_days_of_a_station_do_not_overcharge_nor_empty_its_cells():
    signal = regulation_signal()
    socs = np.concatenate([made_up(26.0, 101_000 + seed, signal).soc for seed in range(4)])

    assert socs.min() > 0.03
    assert socs.max() < 0.98


@pytest.mark.parametrize(
    "type_", [each for each in FaultType if each is not FaultType.COOLING_LOSS]
)
def test_a_fault_shows_in_its_own_cell_or_rack_and_in_no_other(type_):
    size = SIZES[type_][2]
    fault = Fault(type_, size, 1, CELLS + 4, at_block=20)
    names = ("voltage_v", "temperature_c", "still_voltage", "peer_off", "current")
    sound = {name: series(racks(spread=QUIET), name, 300) for name in names}
    faulty = {name: series(racks([fault], spread=QUIET), name, 300) for name in names}

    moved = {name: np.abs(faulty[name] - sound[name]).max(axis=0) for name in names}

    if type_ is FaultType.CURRENT_PULSE:
        assert moved["peer_off"][1] > 0.9 * size
        assert moved["current"][[0, 2, 3]].max() == 0
        assert np.delete(moved["voltage_v"], slice(CELLS, 2 * CELLS)).max() < 1e-6
        return
    touched = [np.abs(moved[n]).argmax() for n in ("voltage_v", "temperature_c", "still_voltage")]
    assert CELLS + 4 in touched
    other_racks = np.delete(moved["voltage_v"], slice(CELLS, 2 * CELLS))
    assert other_racks.max() < 1e-6


def test_a_short_takes_charge_and_gives_heat_by_ohms_law():
    fault = Fault(FaultType.INTERNAL_SHORT, 1.0, 0, 0, at_block=0)
    made = racks([fault], spread=QUIET)
    for _ in range(225):
        made.advance()

    lost = made._soc[0, 1] - made._soc[0, 0]
    assert lost == pytest.approx(3.3 / 1.0 / 280, rel=0.02)
    assert made._temperature_c[0, 0] - made._temperature_c[0, 6] > 1.0


def test_a_cell_whose_sensor_sits_at_its_neighbour_shows_its_lost_cooling_hardly_at_all():
    fault = Fault(FaultType.COOLING_LOSS, 95.0, 0, 5, at_block=0)
    shared = Spread(*([0.0] * 13), per_sensor=4)

    own = series(racks([fault], spread=QUIET), "temperature_c", 400)
    told = series(racks([fault], spread=shared), "temperature_c", 400)

    assert np.ptp(own[-1, :CELLS]) > 3 * np.ptp(told[-1, :CELLS])
