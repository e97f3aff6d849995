"""Racks whose extremes are told by their cells: a whole second of the station, up to the trip."""

import math
from dataclasses import replace

import numpy as np
import pytest

from contract.layouts import cells_layout
from contract.limits import LimitReason
from station.cell_desk import CellDesk
from station.protection import Level
from station.protocols.bundle import bundled
from station.protocols.driver import Reading
from tests.station.control.test_cycle import T0, Run
from tests.station.protection.world import finding

CELLS = 32
LAYOUT = cells_layout(CELLS)
RACK = "C1-R01"
UNTOLD = dict.fromkeys(
    (
        *("cell_voltage_max_v", "cell_voltage_min_v", "cell_voltage_max_index"),
        *("cell_temperature_max_c", "cell_temperature_min_c", "cell_temperature_max_index"),
        *("cell_voltage_min_index", "cell_temperature_min_index"),
    ),
    math.nan,
)


class CellRun(Run):
    """A station of which one rack tells its cells every third second, through preprocessing."""

    def __init__(self, tmp_path, **rack: float) -> None:
        super().__init__(tmp_path)
        self.plant.rack[RACK] = rack
        self.desk = CellDesk(lambda made: None)
        self.volts, self.degrees = np.full(CELLS, 3.3), np.full(CELLS, 25.0)
        self.mute = False
        self.second = 0

    def run(self, seconds: int):
        """Live on; return the last second's verdict."""
        for _ in range(seconds):
            self.second += 1
            if self.second % 3 == 1 and not self.mute:
                self.tell(T0 + self.second * 1000)
            result = self.seconds(self.second, self.second + 1)
        return result.plan.verdict

    def tell(self, time_ms: int) -> None:
        told = (self.volts, self.degrees)
        values = tuple(
            np.rint(part / column.signal.scale).astype(column.signal.dtype)
            for part, column in zip(told, LAYOUT.columns, strict=True)
        )
        quality = np.zeros(2 * CELLS, np.uint8)
        reading = Reading(RACK, LAYOUT.name, time_ms, time_ms + 40, values, quality)
        bundle = self.desk.take(next(iter(bundled([reading]))))
        self.plant.image.update(replace(reading, quality=bundle.quality[0]))

    @property
    def points(self) -> set[tuple[str, str]]:
        return {(command.device, command.point) for command in self.commands}


def level_of(verdict, rule: str) -> Level:
    found = finding(verdict, rule, RACK)
    return Level.NORMAL if found is None else found.level


@pytest.mark.parametrize(
    ("rule", "array", "value"),
    [
        ("cell_voltage_high", "volts", 3.75),
        ("cell_voltage_low", "volts", 2.45),
        ("cell_temperature_high", "degrees", 61.0),
    ],
)
def test_a_rack_whose_bms_tells_no_extremes_is_tripped_by_its_cells(tmp_path, rule, array, value):
    run = CellRun(tmp_path, **UNTOLD)
    run.run(6)

    getattr(run, array)[9] = value
    verdict = run.run(12)

    assert level_of(verdict, rule) is Level.TRIP
    assert finding(verdict, rule, RACK).cell == 10
    assert (RACK, "open_contactor") in run.points


def test_a_rack_whose_cells_are_told_alone_may_give_power_like_any_other(tmp_path):
    whole, bare = CellRun(tmp_path / "a"), CellRun(tmp_path / "b", **UNTOLD)

    limits = [run.run(6).limits for run in (whole, bare)]

    assert limits[0].discharge.kw == limits[1].discharge.kw > 0
    assert limits[0].charge.kw == limits[1].charge.kw > 0


def test_cells_at_the_stations_own_bound_leave_no_charge(tmp_path):
    run = CellRun(tmp_path, **UNTOLD)
    run.run(6)

    run.volts[9] = 3.655
    charge = run.run(6).limits.charge

    assert (charge.reason, charge.device, charge.cell) == (LimitReason.CELL_VOLTAGE, RACK, 10)


def test_one_sample_alone_trips_nobody(tmp_path):
    run = CellRun(tmp_path, **UNTOLD)
    run.run(6)

    run.volts[9] = 3.9
    run.run(3)
    run.volts[9] = 3.3
    verdict = run.run(12)

    assert level_of(verdict, "cell_voltage_high") is Level.NORMAL
    assert (RACK, "open_contactor") not in run.points


def test_cells_that_have_fallen_silent_leave_no_power_long_before_they_are_stale(tmp_path):
    run = CellRun(tmp_path, **UNTOLD)
    run.run(6)

    run.mute = True
    verdict = run.run(20)

    assert run.config.staleness.cells > 20
    assert (verdict.limits.charge.kw, verdict.limits.discharge.kw) == (0, 0)


def test_a_sound_cell_beyond_what_the_bms_says_trips_its_rack(tmp_path):
    run = CellRun(tmp_path, cell_voltage_max_v=3.32)
    run.run(6)

    run.volts[9] = 3.75
    verdict = run.run(12)

    assert level_of(verdict, "cell_voltage_high") is Level.TRIP


def test_a_cell_that_jumps_about_does_not_trip_a_rack_whose_bms_denies_it(tmp_path):
    run = CellRun(tmp_path, cell_voltage_max_v=3.32)
    run.run(6)

    for volts in (3.9, 4.3, 3.8, 4.2, 3.9, 4.4):
        run.volts[9] = volts
        verdict = run.run(3)

    assert level_of(verdict, "cell_voltage_high") is Level.NORMAL
    assert (RACK, "open_contactor") not in run.points


def test_the_bms_is_heard_at_once_where_its_cells_are_mild(tmp_path):
    run = CellRun(tmp_path, cell_voltage_max_v=3.32)
    run.run(6)

    run.plant.rack[RACK]["cell_voltage_max_v"] = 3.75
    verdict = run.run(3)

    assert level_of(verdict, "cell_voltage_high") is Level.TRIP


def test_power_and_spread_take_the_word_of_the_bms_where_it_gives_one(tmp_path):
    told = {"cell_voltage_max_v": 3.32, "cell_voltage_min_v": 3.30}
    alone, beside = CellRun(tmp_path / "a", **told), CellRun(tmp_path / "b", **told)
    for run in (alone, beside):
        run.run(6)

    beside.volts[9], beside.volts[10] = 3.6, 2.9  # of some seconds ago, before a step of power
    verdicts = [run.run(45) for run in (alone, beside)]

    limits = [(one.limits.charge.kw, one.limits.discharge.kw) for one in verdicts]
    assert limits[0] == limits[1]
    assert level_of(verdicts[1], "voltage_spread") is Level.NORMAL
