from decimal import Decimal

import numpy as np
import pytest

from cloud.market.desk.metering import Counters, Stretch, metered, so_far

MINUTE = 60_000
STEP = 15 * MINUTE


def minutes(exported: list[float], imported: list[float]) -> Counters:
    times = np.arange(len(exported), dtype=np.int64) * MINUTE
    return Counters(times, np.array(exported), np.array(imported))


def test_an_interval_is_what_its_counters_moved():
    exported = [1000.0 + 10 * m for m in range(16)] + [1150.0] * 15
    imported = [500.0] * 16 + [500.0 + 4 * m for m in range(1, 16)]

    out, into = metered(minutes(exported, imported), [0, STEP], STEP) or ()

    assert (out.energy_mwh, out.flag) == (Decimal("0.150000"), "")
    assert (into.energy_mwh, into.flag) == (Decimal("-0.060000"), "")


def test_nothing_is_said_before_the_meter_has_told_the_end():
    still = minutes([1000.0] * 15, [500.0] * 15)

    assert metered(still, [0], STEP) is None
    assert metered(Counters(np.array([], np.int64), np.array([]), np.array([])), [0], STEP) is None


def test_a_gap_is_spread_evenly_and_said():
    times = np.array([0, 30 * MINUTE], np.int64)
    counters = Counters(times, np.array([0.0, 60.0]), np.zeros(2))

    first, second = metered(counters, [0, STEP], STEP) or ()

    assert first.energy_mwh == second.energy_mwh == Decimal("0.030000")
    assert "30 min" in first.flag
    assert "spread evenly" in second.flag


def test_unknown_samples_are_gaps_too():
    exported = [float(m) for m in range(31)]
    exported[12:19] = [float("nan")] * 7

    first, _ = metered(minutes(exported, [0.0] * 31), [0, STEP], STEP) or ()

    assert first.energy_mwh == Decimal("0.015000")
    assert "8 min" in first.flag


def test_a_meter_that_was_replaced_is_told_and_its_fall_is_no_energy():
    before, after = [1000.0 + 10 * m for m in range(8)], [10.0 * m for m in range(8)]
    counters = minutes(before + after, [0.0] * 16)

    (only,) = metered(counters, [0], STEP) or ()

    assert "went back" in only.flag
    assert only.energy_mwh == Decimal("0.140000")


@pytest.mark.parametrize("step", [MINUTE, 5 * MINUTE, STEP])
def test_intervals_add_up_to_the_whole(step: int):
    rng = np.random.default_rng(5)
    exported = np.cumsum(rng.uniform(0, 50, 61)).round(1)
    counters = minutes(exported.tolist(), [0.0] * 61)

    parts = metered(counters, range(0, 60 * MINUTE, step), step) or ()

    whole = Decimal(repr(round(float(exported[60] - exported[0]), 6))) / 1000
    assert abs(sum(one.energy_mwh for one in parts) - whole) < Decimal("0.0001")


def test_the_interval_that_lasts_is_told_to_the_last_minute_and_the_first_from_its_first_one():
    """The meter speaks from minute 7 on, and has told minute 20; it is minute 21 and a half."""
    told = minutes([1000.0 + 6 * m for m in range(21)], [500.0] * 21)
    began = Counters(told.times_ms[7:], told.exported_kwh[7:], told.imported_kwh[7:])

    found = so_far(began, -STEP, 21 * MINUTE + 30_000, STEP)

    assert found == (
        Stretch(7 * MINUTE, STEP, Decimal("0.048000")),
        Stretch(STEP, 20 * MINUTE, Decimal("0.030000")),
    )


def test_before_the_meter_has_told_a_minute_there_is_no_position():
    told = minutes([1000.0], [500.0])

    assert so_far(told, 0, 5 * MINUTE, STEP) == ()
    assert so_far(Counters(*(np.array([]),) * 3), 0, 5 * MINUTE, STEP) == ()
