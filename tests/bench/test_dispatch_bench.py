"""The benchmark of dispatch on small cases: steps are read rightly, and a day is worth living."""

import sqlite3
from itertools import pairwise

import numpy as np
import pytest

from bench._dispatch_day import EQUAL, RESTING, run_day, size
from bench._dispatch_split import cases, split_times_ms
from bench._dispatch_steps import (
    DEAD_BAND_HZ,
    LATEST_MS,
    SetpointChange,
    Shown,
    answers,
    read_record,
    steps,
    write_scenario,
)
from bench._rehearsal_warnings import quiet_run
from simulator.record import Record
from simulator.scenario_file import deviations, load_scenario
from station.dispatch.split import split

T0 = 1_780_000_000_000
KW_PER_HZ = 3450.0


def accepted(*rows: tuple[int, str, float]) -> list[SetpointChange]:
    return [SetpointChange(T0 + at_ms, device, kw) for at_ms, device, kw in rows]


BEFORE = accepted((-900, "C1-PCS", 100.0), (-900, "C2-PCS", 100.0))
STEP = Shown(T0, asked_kw=400.0)


def test_steps_are_irregular_and_each_changes_the_answer():
    course = steps(10, 600)

    hz = np.array([0.0, *(step.hz for step in course)])
    beyond = np.sign(hz) * np.maximum(np.abs(hz) - DEAD_BAND_HZ, 0)
    gaps = np.diff([step.at_s for step in course])
    assert len(course) > 200
    assert np.abs(np.diff(beyond)).min() >= 0.099
    assert np.abs(beyond).max() <= 0.251
    assert gaps.min() > 2.0
    assert np.ptp([step.at_s % 1 for step in course]) > 0.9


def test_the_scenario_of_steps_is_one_that_the_plant_plays(tmp_path):
    course = steps(10, 60)
    write_scenario(tmp_path / "steps.toml", course)

    events = load_scenario("steps.toml", tmp_path).events

    between = [(a.at_s + b.at_s) / 2 for a, b in pairwise(course)]
    shown = [
        sum(
            float(np.interp(at - e.at_s, *deviations(e)))
            for e in events
            if 0 <= at - e.at_s <= e.for_s
        )
        for at in between
    ]
    assert shown == pytest.approx([step.hz for step in course[:-1]])


def test_the_last_converter_that_had_to_change_counts():
    rows = accepted((30, "C1-PCS", 300.0), (48, "C2-PCS", 290.0), (1500, "C1-PCS", 302.0))

    found = answers([STEP], [*BEFORE, *rows])

    assert [answer.took_ms for answer in found] == [48]
    assert {change.device for change in found[0].changes} == {"C1-PCS", "C2-PCS"}


def test_a_step_is_answered_when_the_power_asked_for_has_been_accepted_in_full():
    rows = accepted((30, "C1-PCS", 300.0), (48, "C2-PCS", 290.0))
    at_once = accepted((30, "C1-PCS", 500.0), (400, "C1-PCS", 300.0), (400, "C2-PCS", 300.0))

    found = [answers([STEP], [*BEFORE, *course])[0] for course in (rows, at_once)]

    assert [(answer.took_ms, answer.last_ms) for answer in found] == [(48, 48), (30, 400)]


def test_a_converter_that_hardly_moves_had_not_to_answer():
    rows = accepted((30, "C1-PCS", 500.0), (1700, "C2-PCS", 103.0))

    assert answers([STEP], [*BEFORE, *rows])[0].took_ms == 30


def test_a_set_point_under_way_before_the_step_is_no_answer():
    rows = accepted((4, "C1-PCS", 110.0), (60, "C1-PCS", 310.0), (55, "C2-PCS", 305.0))
    rows.sort(key=lambda change: change.at_ms)

    assert answers([STEP], [*BEFORE, *rows])[0].took_ms == 60


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([], id="nothing"),
        pytest.param([(50, "C1-PCS", -100.0), (50, "C2-PCS", -100.0)], id="wrong way"),
        pytest.param([(50, "C1-PCS", 150.0)], id="too little"),
        pytest.param([(LATEST_MS + 1, "C1-PCS", 500.0)], id="too late"),
    ],
)
def test_a_step_without_an_answer_is_told(rows):
    assert answers([STEP], [*BEFORE, *accepted(*rows)])[0].took_ms is None


def test_steps_and_set_points_come_from_the_record_of_the_plant(tmp_path):
    record = Record(tmp_path / "record.sqlite")
    record.moment("grid_frequency", "", -0.25)
    record.command(1, "C1-PCS", "active_power_setpoint_w", 400e3, "accepted")
    record.command(1, "C1-PCS", "active_power_setpoint_w", 900e3, "refused: beyond the rating")
    record.command(1, "C1-R01", "contactor", 2, "accepted")
    record.moment("converter_trips", "C1-PCS", 1)
    record.close()

    shown, changes = read_record(tmp_path / "record.sqlite", KW_PER_HZ)

    assert [step.asked_kw for step in shown] == pytest.approx([0.2 * KW_PER_HZ])
    assert [(change.device, change.kw) for change in changes] == [("C1-PCS", 400.0)]


def test_an_end_and_a_beginning_in_one_moment_are_one_step(tmp_path):
    path = tmp_path / "record.sqlite"
    Record(path).close()
    rows = [(0, "grid_frequency", 0.15), (2500, "grid_frequency ends", 0.15)]
    rows += [(2501, "grid_frequency", -0.25), (5000, "grid_frequency ends", -0.25)]
    with sqlite3.connect(path) as database:
        database.executemany(
            "INSERT INTO moments VALUES (?, ?, '', ?)", [(T0 + at, *rest) for at, *rest in rows]
        )

    shown, _ = read_record(path, KW_PER_HZ)

    assert [step.at_ms - T0 for step in shown] == [0, 2500, 5000]
    assert [step.asked_kw for step in shown] == pytest.approx(
        [-0.1 * KW_PER_HZ, 0.3 * KW_PER_HZ, -0.2 * KW_PER_HZ]
    )


def test_a_day_of_uneven_racks_loses_less_and_ends_with_under_half_the_spread():
    plant = halved(size(containers=3, racks=2))

    equal, ours = run_day(EQUAL, plant), run_day(RESTING, plant)

    assert ours.moved_kwh == pytest.approx(equal.moved_kwh, rel=0.01)
    assert ours.lost_kwh < 0.9 * equal.lost_kwh
    assert ours.spread < 0.5 * equal.spread
    assert (equal.violations, ours.violations) == (0, 0)


def halved(plant):
    """The same plant with half the cells in each string: half the time, nearly the same losses."""
    return plant.model_copy(update={"cells_per_rack": 208, "pcs_rated_kw": plant.pcs_rated_kw / 2})


def test_random_situations_of_a_large_station_are_divided_within_their_limits():
    drawn = cases(20)

    for power_kw, units in drawn:
        found = split(power_kw, units)
        for unit in units:
            kw = found.powers[unit.device]
            assert -unit.charge_kw - 1e-6 <= kw <= unit.discharge_kw + 1e-6
            assert unit.available or kw == 0
    assert len(drawn[0][1]) == 40
    assert sum(len(unit.racks) for unit in drawn[0][1]) == 400
    assert all(p50 > 0 for p50, _ in split_times_ms(12).values())


def test_a_sound_plant_at_work_raises_no_warning():
    quiet = quiet_run(0.1, size(containers=1, racks=2))

    assert quiet.warnings == 0
    assert quiet.rack_months == pytest.approx(2 * 0.1 / 24 / 30)
    assert quiet.highest < 0.9
