import sys
from dataclasses import replace

import numpy as np
import pytest

from cell_lab.errors import NumbaMissingError, SimulationError
from cell_lab.simulate import (
    OF_MANY_MAKES,
    CellFault,
    Drive,
    FaultKind,
    draw_cells,
    nominal_cells,
    random_duty,
    rested,
    simulate,
)
from station.estimators import Samples, known_start, step
from tests.cell_lab.simulate.made import a_make, steady


def test_a_cell_at_rest_shows_its_open_circuit_voltage():
    make = a_make()

    trace, _ = simulate(make, nominal_cells(make, 1), steady(0, 0.1), rested(make, 0.5, 25.0))

    ocv = make.look_up(np.float32([0.5]), np.float32([25.0]))[0][0]
    assert trace.voltage_v[-1] == pytest.approx(ocv, abs=2e-5)
    assert trace.soc[-1] == pytest.approx(0.5, abs=1e-6)


def test_the_charge_that_is_drawn_is_missing_from_soc():
    make = a_make()

    trace, _ = simulate(make, nominal_cells(make, 1), steady(1.03, 0.8), rested(make, 0.9, 25.0))

    in_use_ah = make.capacity_ah * make.counting.capacity
    assert trace.soc[-1] == pytest.approx(0.9 - 0.8 * 1.03 / in_use_ah, abs=1e-6)


def test_the_voltage_is_that_of_the_filter_on_a_cell_as_its_make_says():
    # Two programs of the same equations: what the filter expects of each sample is what comes.
    make = a_make()
    rates = random_duty(3, seed=5, soc=0.7)[None]
    # A steady trickle is to the filter the offset of a sensor at rest: here a rest is one.
    rates = np.where(np.abs(rates) < 0.012, 0, rates) * make.capacity_ah
    drive = Drive(rates, np.full(rates.shape, 25.0))
    trace, _ = simulate(make, nominal_cells(make, 1), drive, rested(make, 0.7, 25.0))
    one = np.ones(1, np.float32)
    state = known_start(make, np.zeros(1, np.intp), 1, 0.7 * one, 0.001)

    errors = []
    for row in range(len(trace.voltage_v)):
        samples = Samples(
            one, trace.current_a[row], one > 0, trace.voltage_v[row], trace.core_c[row], one > 0
        )
        state, told = step(make, state, samples, make.capacity_ah * one)
        errors.append(told.soc[0] - trace.soc[row, 0])

    assert np.abs(errors).max() < 0.004


def test_a_run_in_two_parts_is_the_run_in_one():
    make = a_make()
    rates = random_duty(1, seed=3, soc=0.5)[None] * make.capacity_ah
    ambient = np.full(rates.shape, 10.0)
    cells, begin = nominal_cells(make, 1), rested(make, 0.5, 20.0)

    whole, _ = simulate(make, cells, Drive(rates, ambient), begin)
    first, middle = simulate(make, cells, Drive(rates[:, :1800], ambient[:, :1800]), begin)
    second, _ = simulate(make, cells, Drive(rates[:, 1800:], ambient[:, 1800:]), middle)

    parts = np.concatenate([first.voltage_v, second.voltage_v])
    assert np.abs(parts - whole.voltage_v).max() < 3e-4
    assert begin.soc[0] == 0.5


def test_heat_that_goes_in_comes_out():
    make = a_make()
    cells = nominal_cells(make, 1)

    trace, _ = simulate(
        make,
        cells,
        steady(0, 6),
        rested(make, 0.5, 25.0),
        faults=[CellFault(0, FaultKind.TEMPERATURE_JUMP, size=0.9, at_s=0, ramp_s=6 * 3600)],
    )

    inner, outer = cells.thermal_w_per_k[0]
    assert trace.temperature_c[-1, 0] == pytest.approx(25 + 0.9 / outer, abs=0.1)
    assert trace.core_c[-1, 0] == pytest.approx(25 + 0.9 / outer + 0.9 / inner, abs=0.1)


def test_a_charger_holds_the_upper_voltage_until_the_current_has_fallen():
    make = a_make()
    cells = replace(nominal_cells(make, 1), high_v=np.array([3.6]))

    trace, _ = simulate(make, cells, steady(-make.capacity_ah, 1.2), rested(make, 0.3, 25.0))

    assert trace.voltage_v.max() < 3.6005
    assert trace.voltage_v[-1] == pytest.approx(3.6, abs=5e-4)
    assert -0.05 * make.capacity_ah < trace.current_a[-1, 0] < 0


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (FaultKind.INTERNAL_SHORT, 20.0),
        (FaultKind.LOOSE_CONNECTION, 0.01),
        (FaultKind.TEMPERATURE_JUMP, 2.0),
        (FaultKind.COOLING_LOSS, 0.8),
        (FaultKind.CAPACITY_LOSS, 0.2),
    ],
)
def test_a_fault_shows_after_its_time_and_in_its_cell_alone(kind: FaultKind, size: float):
    make = a_make()
    cells = replace(nominal_cells(make, 2), string=np.zeros(2, np.int64))

    trace, _ = simulate(
        make,
        cells,
        steady(make.capacity_ah, 0.6),
        rested(make, [0.9, 0.9], 25.0),
        faults=[CellFault(1, kind, size, at_s=600, ramp_s=600)],
    )

    apart = np.abs(trace.voltage_v[:, 1] - trace.voltage_v[:, 0])
    warmer = np.abs(trace.temperature_c[:, 1] - trace.temperature_c[:, 0])
    assert apart[:600].max() == 0
    assert warmer[:600].max() == 0
    assert max(apart[600:].max() / 0.001, warmer[600:].max() / 0.2) > 1


def test_a_short_draws_charge_from_its_cell():
    make = a_make()

    trace, _ = simulate(
        make,
        nominal_cells(make, 1),
        steady(0, 10),
        rested(make, 0.5, 25.0),
        faults=[CellFault(0, FaultKind.INTERNAL_SHORT, size=66.0, at_s=0)],
    )

    assert 0.5 - trace.soc[-1, 0] == pytest.approx(10 * 3.29 / 66 / make.capacity_ah, rel=0.02)


def test_the_same_seed_gives_the_same_cells():
    make = a_make()
    drive = steady(1.0, 0.2)
    begin = rested(make, np.full(3, 0.5), 25.0)

    def run(seed: int):
        cells = replace(draw_cells(make, 3, seed, OF_MANY_MAKES), string=np.zeros(3, np.int64))
        return simulate(make, cells, drive, begin)[0].voltage_v

    assert (run(4) == run(4)).all()
    assert (run(4) != run(5)).any()


def test_every_nth_sample_is_kept():
    make = a_make()
    begin = rested(make, 0.5, 25.0)

    all_of_them, _ = simulate(make, nominal_cells(make, 1), steady(1, 0.1), begin)
    some, _ = simulate(make, nominal_cells(make, 1), steady(1, 0.1), begin, every=10)

    assert some.elapsed_s == 10
    assert (some.voltage_v == all_of_them.voltage_v[9::10]).all()


def test_cells_that_name_a_string_that_is_not_driven_are_refused():
    make = a_make()

    with pytest.raises(SimulationError, match="strings up to 1"):
        simulate(make, nominal_cells(make, 2), steady(1, 0.1), rested(make, [0.5, 0.5], 25.0))


def test_without_numba_the_remedy_is_told(monkeypatch):
    make = a_make()
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "cell_lab.simulate.kernel", raising=False)

    with pytest.raises(NumbaMissingError, match=r"pip install -e '\.\[train\]'"):
        simulate(make, nominal_cells(make, 1), steady(1, 0.1), rested(make, 0.5, 25.0))
