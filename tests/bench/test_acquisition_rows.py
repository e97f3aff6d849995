"""What the acquisition benchmark makes of what it saw; above all of what it did not see."""

import math

import numpy as np
import pytest

from bench import acquisition
from bench._acquisition_plant import Watched, _grown, _missed, _rows
from bench._acquisition_rack_rows import Heard, Windows, dead_rows, tick_rows
from station.protocols.driver import DeviceStatus, MissedReading, Reading

BEGIN_S = 1_000
WINDOWS = Windows(
    begin_ms=BEGIN_S * 1000,
    sound_ms=(BEGIN_S + 10) * 1000,
    dead_ms=(BEGIN_S + 10) * 1000,
    woken_ms=(BEGIN_S + 20) * 1000,
    end_ms=(BEGIN_S + 30) * 1000,
)
SOUND, DEAD, BACK = range(10), range(10, 20), range(20, 30)
DEVICES = ["L1", "L2", "G1", "G2"]
DYING = ["L1", "G1"]
FAMILIES = {"pcs": 0.4, "rack": 0.5, "meter": 0.6, "panel": 0.7, "cells": 4.2}
LANES = {"METER": {"missed": 3}, "PCS01": {"missed": 1}}


def read(heard: Heard, device: str, seconds: range, late_ms: int = 40) -> None:
    """Let a device be read at these seconds after the beginning."""
    for second in seconds:
        ms = (BEGIN_S + second) * 1000
        heard(Reading(device, "rack", ms, ms + late_ms, (), np.zeros(3, np.uint8)))


def told(heard: Heard, device: str, after_s: float) -> None:
    """Let the driver say that a device is silent, so long after it fell silent."""
    heard(DeviceStatus(device, False, "no answer", WINDOWS.dead_ms + int(after_s * 1000)))


def a_sound_run() -> Heard:
    """Two devices of four die, are told after 1.5 s, and are back after one."""
    heard = Heard()
    for device in DEVICES:
        read(heard, device, SOUND)
        if device in DYING:
            told(heard, device, 1.5)
            read(heard, device, BACK[1:])
        else:
            read(heard, device, DEAD)
            read(heard, device, BACK)
    return heard


def dead(heard: Heard) -> dict[str, float]:
    return by_name(dead_rows(heard, DEVICES, DYING, WINDOWS))


def by_name(rows: list) -> dict[str, float]:
    return {one["name"].removeprefix("acquisition."): one["value"] for one in rows}


def watched(**seen: object) -> Watched:
    """Return what was seen of a station in which nothing is missing."""
    ends = {
        "cycle_ms": {"p50": 40.0, "p99": 90.0},
        "preprocessing": {"p50_ms": 1.0, "p99_ms": 2.0},
        "missed": 2,
        "estimators": {"restarts": 0},
        "readings_missed": {"counts": {"R001": 5, "R002": 5}},
        "fast_lanes": LANES,
    }
    given = {"first": ends, "last": ends, "oldest_s": FAMILIES, **seen}
    return Watched(seconds=60.0, cores={"controller": 0.25, "modbus": 0.5}, **given)


def test_a_run_in_which_nothing_is_missing_misses_no_row():
    heard = a_sound_run()

    ticks = by_name(tick_rows(heard, DEVICES, WINDOWS))

    assert ticks == {
        "modbus_tick_to_reading_p50_ms": 40,
        "modbus_tick_to_reading_p99_ms": 40,
        "modbus_ticks_missed": 0,
    }
    assert dead(heard) == {
        "dead_device_delay_ms": 0,
        "dead_device_neighbour_ticks_missed": 0,
        "dead_device_told_s": 1.5,
        "dead_device_back_s": 1.04,
    }


def test_a_device_that_was_never_read_misses_every_tick():
    heard = a_sound_run()

    ticks = by_name(tick_rows(heard, [*DEVICES, "L3"], WINDOWS))

    assert ticks["modbus_ticks_missed"] == len(SOUND)


def test_ticks_at_either_end_of_the_time_are_missed_like_those_between():
    heard = Heard()
    read(heard, "L1", SOUND[2:5])
    read(heard, "L1", SOUND[6:9])

    ticks = by_name(tick_rows(heard, ["L1"], WINDOWS))

    assert ticks["modbus_ticks_missed"] == 4


def test_readings_of_which_none_came_are_never_on_time():
    ticks = by_name(tick_rows(Heard(), ["L1"], WINDOWS))

    assert ticks["modbus_tick_to_reading_p99_ms"] == math.inf


def test_what_the_driver_says_it_missed_stands_beside_the_ticks_by_kind():
    heard = a_sound_run()
    for second, kind in ((1, "torn"), (2, "torn"), (3, "no_answer"), (15, "torn")):
        heard(MissedReading("L2", "rack", (BEGIN_S + second) * 1000, kind, "for the test"))

    rows = tick_rows(heard, DEVICES, WINDOWS)

    assert rows[-1]["peers"] == {"told: torn": 2, "told: no_answer": 1}


def test_a_neighbour_that_starves_while_a_device_is_dead_is_told():
    heard = a_sound_run()
    heard.readings = [
        one
        for one in heard.readings
        if one.device != "G2" or not WINDOWS.dead_ms <= one.time_ms < WINDOWS.woken_ms
    ]

    found = dead(heard)

    assert found["dead_device_neighbour_ticks_missed"] == len(DEAD)
    assert found["dead_device_delay_ms"] == math.inf


def test_a_neighbour_that_is_late_is_late_against_its_own_median():
    heard = Heard()
    for device, usual_ms in (("L2", 30), ("G2", 300)):
        read(heard, device, SOUND, usual_ms)
        read(heard, device, DEAD, usual_ms + 70)

    rows = dead_rows(heard, DEVICES, DYING, WINDOWS)

    assert by_name(rows)["dead_device_delay_ms"] == 70
    assert rows[0]["peers"]["none dead"] == 0


def test_one_dead_device_that_is_never_told_is_not_hidden_by_another():
    heard = a_sound_run()
    heard.statuses = [one for one in heard.statuses if one.device == "L1"]

    assert dead(heard)["dead_device_told_s"] == 10


def test_one_device_that_never_comes_back_is_not_hidden_by_another():
    heard = a_sound_run()
    heard.readings = [
        one for one in heard.readings if one.device != "G1" or one.received_ms < WINDOWS.woken_ms
    ]

    assert dead(heard)["dead_device_back_s"] == 10


def test_a_device_told_before_it_fell_silent_is_not_told():
    heard = a_sound_run()
    heard.statuses = []
    told(heard, "L1", -3)
    told(heard, "G1", 1)

    assert dead(heard)["dead_device_told_s"] == 10


@pytest.mark.parametrize("family", ["pcs", "rack", "meter", "panel"])
def test_a_family_that_was_never_heard_is_infinitely_old(family):
    seen = {name: age_s for name, age_s in FAMILIES.items() if name != family}

    found = by_name(_rows(watched(oldest_s=seen)))

    assert found["oldest_fast_age_s"] == math.inf
    assert found["oldest_cell_age_s"] == 4.2


def test_cells_that_were_never_heard_are_infinitely_old():
    found = by_name(_rows(watched(oldest_s={"pcs": 0.4, "rack": 0.5, "meter": 0.6, "panel": 0.7})))

    assert (found["oldest_cell_age_s"], found["oldest_fast_age_s"]) == (math.inf, 0.7)


def test_what_was_missed_before_the_watch_began_is_not_counted():
    given = watched()

    assert _missed(given) == {}
    assert by_name(_rows(given))["cycles_missed"] == 0


def test_missed_polls_are_those_of_the_watch_by_kind_of_device():
    last = {
        **watched().last,
        "readings_missed": {"counts": {"R001": 6, "R002": 7, "METER": 1}},
        "fast_lanes": {"METER": {"missed": 3}, "PCS01": {"missed": 5}},
    }

    given = watched(last=last)

    assert _missed(given) == {"R": 3, "METER": 1, "fast PCS": 4}
    assert by_name(_rows(given))["plant_missed_polls"] == 8


def test_memory_grows_by_the_last_third_less_the_first():
    assert _grown([100, 100, 500, 90, 130, 130]) == 30
    assert _grown([100.0]) == 0


@pytest.mark.parametrize(
    ("only", "ran"),
    [(None, ["modbus", "iec61850", "plant 7"]), ("plant", ["plant 7"]), ("modbus", ["modbus"])],
)
def test_one_part_is_run_alone(monkeypatch, capsys, only, ran):
    for name in ("modbus", "iec61850"):
        module = getattr(acquisition, f"_acquisition_{name}")
        monkeypatch.setattr(module, "run_rows", lambda name=name: [{"name": name}])
    plant = lambda seconds: [{"name": f"plant {seconds}"}]  # noqa: E731
    monkeypatch.setattr(acquisition._acquisition_plant, "run_rows", plant)

    rows = acquisition.run(seconds=7, only=only)

    assert [row["name"] for row in rows] == ran
    assert f"1 of {len(ran)}" in capsys.readouterr().err
