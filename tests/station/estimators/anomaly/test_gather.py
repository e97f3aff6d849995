from dataclasses import replace

import numpy as np
import pytest

from station.estimators.anomaly.gather import add, close, nothing_gathered
from tests.station.estimators.anomaly.made import CELLS, MODEL, PLACE, RACKS, Station

SHARES_KNOWN = replace(nothing_gathered(PLACE), peer_loads=np.full(RACKS, 16, np.float32))


def sixteen(change=lambda inputs, _second: inputs, state=None):
    station, state, seen = Station(), state or nothing_gathered(PLACE), []
    for second in range(16):
        seen.append(change(station.next(), second))
        state = add(state, seen[-1], PLACE, MODEL.capacity_ah)
    return close(state, seen[-1].soc, PLACE)[1], seen


def test_a_block_is_what_sixteen_seconds_come_to():
    block, seen = sixteen()
    voltage_v = np.stack([each.voltage_v for each in seen])
    current = np.stack([each.current_a for each in seen]) / MODEL.capacity_ah
    of_cell = current[:, PLACE.rack]

    assert block.span_s.tolist() == [16.0] * RACKS
    assert block.voltage_v == pytest.approx(voltage_v.mean(axis=0), abs=2e-6)
    assert block.current == pytest.approx(current.mean(axis=0), abs=1e-6)
    assert block.current_variance == pytest.approx(current.var(axis=0), rel=1e-3)
    covariance = ((voltage_v - voltage_v.mean(axis=0)) * (of_cell - of_cell.mean(axis=0))).mean(0)
    assert block.voltage_on_current == pytest.approx(covariance, abs=2e-6)
    assert block.sum_off_v == pytest.approx(np.zeros(RACKS), abs=1e-6)


def test_seconds_that_are_not_believed_leave_means_of_the_others():
    def lost(inputs, second):
        if second % 2:
            return replace(inputs, good=np.arange(RACKS * CELLS) != 5)
        return inputs

    block, seen = sixteen(lost)

    believed = [each.voltage_v[5] for each in seen[::2]]
    assert block.voltage_v[5] == pytest.approx(np.mean(believed), abs=2e-6)


def test_a_cell_without_a_good_reading_has_no_number():
    block, _ = sixteen(lambda inputs, _: replace(inputs, good=np.arange(RACKS * CELLS) != 5))

    assert np.isnan(block.voltage_v[5])
    assert np.isfinite(np.delete(block.voltage_v, 5)).all()


def test_power_that_is_not_voltage_times_current_is_seen():
    def powered(inputs, _second):
        kilowatts = 1.02 * inputs.rack_voltage_v * inputs.current_a / 1000
        return replace(inputs, rack_power_kw=kilowatts.astype(np.float32))

    block, seen = sixteen(powered)

    current = np.mean([each.current_a for each in seen], axis=0) / MODEL.capacity_ah
    assert block.power_off == pytest.approx(0.02 * current, abs=1e-4)


@pytest.mark.parametrize(("together", "shows"), [(None, True), (np.arange(RACKS) != 0, False)])
def test_a_step_that_a_rack_tells_a_second_later_than_its_peers_is_no_pulse(together, shows):
    def late(inputs, second):
        current_a = inputs.current_a.copy()
        if second == 8:
            current_a[1:] -= 0.2 * MODEL.capacity_ah
        return replace(inputs, current_a=current_a, together=together)

    block, _ = sixteen(late, SHARES_KNOWN)

    assert (abs(block.peer_off).max() > 0.1) == shows


@pytest.mark.parametrize(
    ("share", "later", "shows"), [(0.85, 0.85, False), (0.85, 0.7, True), (0.1, 0.1, True)]
)
def test_how_racks_share_a_current_is_learned_before_it_is_judged(share, later, shows):
    state, blocks = nothing_gathered(PLACE), []
    for second in range(48):
        inputs = Station().next()
        current_a = np.full(RACKS, 0.4 * MODEL.capacity_ah, np.float32)
        current_a[0] *= share if second < 32 else later
        state = add(state, replace(inputs, current_a=current_a), PLACE, MODEL.capacity_ah)
        if second % 16 == 15:
            state, block = close(state, inputs.soc, PLACE)
            blocks.append(abs(block.peer_off).max())

    assert blocks[0] == 0
    assert (blocks[2] > 0.04) == shows
    assert shows or blocks[1] < 0.002
