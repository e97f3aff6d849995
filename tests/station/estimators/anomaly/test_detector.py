from dataclasses import replace

import numpy as np
import pytest

from launcher.paths import DATA
from station.estimators.anomaly import (
    Kind,
    after_absence,
    load_detector,
    place_of,
    start,
    step,
)
from tests.station.estimators.anomaly.made import (
    CELLS,
    MODEL,
    PLACE,
    RACKS,
    Station,
    arrays_of,
    detector,
    with_cell,
)

CELL = CELLS + 7
"""Number 7 of the second rack."""


def run(seconds, fault=lambda inputs, _second: inputs, state=None, station=None, settle=400):
    state = state or start(MODEL, PLACE)
    station = station or Station()
    known, findings, told = detector(), [], None
    for second in range(settle + seconds):
        inputs = station.next()
        if settle and second == settle:
            known_long = np.full(RACKS, 9000, np.float32)
            long = replace(state.channels, seen_s=known_long, warm_s=known_long)
            state = replace(state, channels=long)
        if second >= settle:
            inputs = fault(inputs, second - settle)
        state, told = step(known, MODEL, PLACE, state, inputs)
        findings += told.findings
    return state, told, findings


def test_healthy_racks_of_twenty_minutes_give_no_finding():
    _, told, findings = run(1200)

    assert findings == []
    assert told.level.tolist() == [0] * RACKS
    assert told.cell.tolist() == [-1] * RACKS


@pytest.mark.parametrize("noise_k", [0.08, 0.15])
def test_the_noise_of_cells_that_are_read_seldom_is_no_finding(noise_k):
    shipped, rng = load_detector(DATA / "models" / "anomaly"), np.random.default_rng(5)
    racks, cells = 10, 400
    place = place_of(np.repeat(np.arange(racks), cells), racks)
    station = Station(racks=racks, cells=cells)
    state, findings = start(MODEL, place), []
    for _ in range(30):
        read_c = np.round(25 + rng.normal(0, noise_k, racks * cells), 1)
        inputs = replace(
            station.next(),
            elapsed_s=np.full(racks, 20, np.float32),
            temperature_c=read_c.astype(np.float32),
        )
        state, told = step(shipped, MODEL, place, state, inputs)
        findings += told.findings

    assert findings == []


def test_a_cell_that_warms_within_a_minute_is_named_with_its_rack_and_reason():
    def warm(inputs, second):
        return with_cell(
            inputs, "temperature_c", CELL, inputs.temperature_c[CELL] + min(second / 30, 2.0)
        )

    _, told, findings = run(200, warm)

    assert told.kind[1] == Kind.TEMPERATURE_JUMP
    assert told.cell[1] == 7
    assert told.level[1] >= 2
    assert told.level[0] == 0
    assert findings[0].rack == 1
    assert "Cell 8" in findings[0].reason.en
    assert "单体 8" in findings[0].reason.zh
    assert len(findings[0].values) == 8
    assert max(findings[0].values) > 5


def test_after_an_absence_temperatures_are_compared_with_what_came_after_it():
    def cooled_meanwhile(inputs, second):
        cooler = with_cell(inputs, "temperature_c", 3, inputs.temperature_c[3] - 2.0)
        warm = cooler.temperature_c[CELL] + min(max(second - 600, 0) / 30, 2.0)
        return with_cell(cooler, "temperature_c", CELL, warm)

    station = Station()
    state, _, before = run(600, station=station)

    _, _, unbroken = run(300, cooled_meanwhile, state=state, station=station, settle=0)
    back = after_absence(state, PLACE)
    _, told, found = run(800, cooled_meanwhile, state=back, station=station, settle=0)

    assert before == []
    assert [(each.rack, each.cell) for each in unbroken[:1]] == [(0, 3)]
    assert {(each.rack, each.cell) for each in found} == {(1, 7)}
    assert (told.level > 0).tolist() == [False, True, False]


def test_a_cell_that_goes_on_warming_without_more_resistance_is_called_an_internal_short():
    def heat(inputs, second):
        warmer = inputs.temperature_c[CELL] + 12.0 * second / 3600
        return with_cell(inputs, "temperature_c", CELL, warmer)

    _, told, findings = run(2000, heat)

    assert told.kind[1] == Kind.INTERNAL_SHORT
    assert told.cell[1] == 7
    assert findings[-1].reason.en.startswith("Cell 8")
    assert "short" in findings[-1].reason.en


def test_a_voltage_that_stands_still_while_others_move_is_a_frozen_sensor():
    held = {}

    def freeze(inputs, second):
        held.setdefault("v", inputs.voltage_v[CELL])
        return with_cell(inputs, "voltage_v", CELL, held["v"])

    _, told, _ = run(120, freeze)

    assert told.kind[1] == Kind.FROZEN_SENSOR
    assert told.cell[1] == 7


def test_coarse_sensors_at_rest_stand_still_together_and_nothing_is_said():
    def rest(inputs, _second):
        return replace(
            inputs,
            current_a=np.zeros(RACKS, np.float32),
            voltage_v=np.full(RACKS * CELLS, 3.3, np.float32),
            temperature_c=np.full(RACKS * CELLS, 25.0, np.float32),
            rack_voltage_v=np.full(RACKS, 3.3 * CELLS, np.float32),
        )

    _, _, findings = run(900, rest)

    assert [each for each in findings if each.kind == Kind.FROZEN_SENSOR] == []


def test_a_voltage_sensor_that_jumps_by_twelve_millivolts_is_told_at_that_cell():
    def shift(inputs, _second):
        return with_cell(inputs, "voltage_v", CELL, inputs.voltage_v[CELL] + 0.012)

    _, told, _ = run(200, shift)

    assert told.level[1] >= 2
    assert told.cell[1] == 7
    assert told.kind[1] == Kind.BIASED_SENSOR


def test_a_contact_that_becomes_loose_is_told_apart_from_a_shifted_sensor():
    def loose(inputs, _second):
        drop = 0.15 * inputs.current_a[1] / MODEL.capacity_ah
        return with_cell(inputs, "voltage_v", CELL, inputs.voltage_v[CELL] - drop)

    _, told, _ = run(300, loose)

    assert told.cell[1] == 7
    assert told.kind[1] in (Kind.LOOSE_CONNECTION, Kind.HIGH_RESISTANCE)


def test_a_current_that_leaves_its_peers_for_three_seconds_is_a_current_pulse():
    def pulse(inputs, second):
        extra = np.zeros(RACKS, np.float32)
        extra[2] = 0.1 * MODEL.capacity_ah if 20 <= second < 23 else 0.0
        return replace(inputs, current_a=inputs.current_a + extra)

    _, told, _ = run(60, pulse)

    assert told.kind[2] == Kind.CURRENT_PULSE
    assert told.cell[2] == -1
    assert told.level[:2].tolist() == [0, 0]


def test_a_rack_voltage_that_leaves_the_sum_of_its_cells_is_a_biased_sensor():
    def off(inputs, _second):
        volts = inputs.rack_voltage_v.copy()
        volts[0] *= 1.003
        return replace(inputs, rack_voltage_v=volts)

    _, told, _ = run(120, off)

    assert told.kind[0] == Kind.BIASED_SENSOR
    assert told.cell[0] == -1


def test_a_finding_is_one_event_and_stands_an_hour_beyond_its_cause():
    def short(inputs, second):
        return with_cell(
            inputs, "temperature_c", CELL, inputs.temperature_c[CELL] + (2.0 if second < 64 else 0)
        )

    station = Station()
    state, told, findings = run(1500, short, station=station)
    of_the_rack = [each.level for each in findings if each.rack == 1]

    assert of_the_rack == sorted(set(of_the_rack))
    assert told.level[1] >= 1

    state = replace(
        state, findings=replace(state.findings, quiet_s=np.full(RACKS, 3590, np.float32))
    )
    _, told, _ = run(17, state=state, station=station, settle=0)

    assert told.level[1] == 0


def test_readings_that_are_no_numbers_or_not_good_leave_every_score_finite():
    def broken(inputs, second):
        inputs = with_cell(inputs, "voltage_v", CELL, np.nan)
        inputs = with_cell(inputs, "good", 3, False)
        current = inputs.current_a.copy()
        current[0] = np.nan
        return replace(inputs, current_a=current)

    state, told, _ = run(100, broken)

    assert np.isfinite(told.score).all()
    assert all(np.isfinite(each).all() for each in arrays_of(state).values())


def test_a_step_leaves_the_state_before_it_as_it_was():
    state = start(MODEL, PLACE)
    before = {name: value.copy() for name, value in arrays_of(state).items()}
    station = Station()
    after = state
    for _ in range(40):
        after, _ = step(detector(), MODEL, PLACE, after, station.next())

    for name, value in arrays_of(state).items():
        assert np.array_equal(value, before[name]), name


def test_what_is_kept_of_a_cell_is_little():
    state = start(MODEL, PLACE)
    cells = len(PLACE.rack)
    per_cell = sum(
        value.nbytes / cells
        for value in arrays_of(state).values()
        if value.shape and value.shape[-1] == cells
    )

    assert per_cell <= 110


def test_cells_must_lie_rack_by_rack():
    with pytest.raises(ValueError, match="rack by rack"):
        place_of(np.array([0, 1, 0]), 2)
