import math

import numpy as np

from station.image import ProcessImage
from tests.station.plant_samples import running_pcs, sample

T0 = 1_795_000_000_000
LIMITS = {"pcs": 5.0, "rack": 5.0, "cells": 60.0}


def test_a_picture_does_not_change_after_it_was_frozen():
    image = ProcessImage(LIMITS)
    image.update(running_pcs("C1-PCS", T0, 100.0))
    picture = image.freeze(T0 + 500, T0 + 500)

    image.update(running_pcs("C1-PCS", T0 + 1000, 200.0))

    assert picture.get("C1-PCS", "pcs").number("active_power_kw") == 100.0


def test_an_older_sample_never_replaces_a_newer_one():
    image = ProcessImage(LIMITS)
    image.update(running_pcs("C1-PCS", T0 + 1000, 200.0))

    image.update(running_pcs("C1-PCS", T0, 100.0))

    assert image.freeze(T0 + 1500, T0 + 1500).get("C1-PCS", "pcs").sample.time_ms == T0 + 1000


def test_data_past_its_limit_are_stale_by_layout():
    image = ProcessImage(LIMITS)
    image.update(running_pcs("C1-PCS", T0))
    image.update(sample("C1-R01", "rack.cells/4", T0))

    picture = image.freeze(T0 + 5_051, T0 + 5_051)

    assert picture.get("C1-PCS", "pcs").stale
    assert not picture.get("C1-R01", "rack.cells/4").stale
    assert picture.stale_devices() == {"C1-PCS"}


def test_a_device_whose_clock_stands_still_becomes_stale_though_it_answers():
    image = ProcessImage(LIMITS)

    for second in range(10):
        frozen = running_pcs("C1-PCS", T0)
        image.update(frozen.__class__(**{**vars(frozen), "received_ms": T0 + second * 1000}))

    assert image.freeze(T0 + 9_000, T0 + 9_000).get("C1-PCS", "pcs").stale


def test_a_replay_of_old_data_is_stale_though_it_has_just_arrived():
    image = ProcessImage(LIMITS)
    old = running_pcs("C1-PCS", T0 - 30_000)

    image.update(old.__class__(**{**vars(old), "received_ms": T0}))

    row = image.freeze(T0, T0).get("C1-PCS", "pcs")
    assert row.stale
    assert row.age_s == 30.0


def test_a_disconnected_device_is_stale_at_once_and_fresh_again_when_back():
    image = ProcessImage(LIMITS)
    image.update(running_pcs("C1-PCS", T0))

    image.set_connected("C1-PCS", connected=False)
    gone = image.freeze(T0 + 100, T0 + 100).get("C1-PCS", "pcs").stale
    image.set_connected("C1-PCS", connected=True)

    assert (gone, image.freeze(T0 + 100, T0 + 100).get("C1-PCS", "pcs").stale) == (True, False)


def test_values_come_in_their_unit_and_unusable_ones_as_unknown():
    image = ProcessImage(LIMITS)
    image.update(running_pcs("C1-PCS", T0, 123.4, frequency_hz=math.nan, pcs_alarms=math.nan))

    row = image.freeze(T0, T0).get("C1-PCS", "pcs")

    assert row.number("active_power_kw") == 123.4
    assert math.isnan(row.number("frequency_hz"))
    assert row.integer("pcs_alarms") is None
    assert row.integer("pcs_state") == 2


def test_cells_come_as_an_array():
    image = ProcessImage(LIMITS)
    image.update(sample("C1-R01", "rack.cells/4", T0, cell_voltage_v=3.3))

    found = image.freeze(T0, T0).get("C1-R01", "rack.cells/4").physical("cell_voltage_v")

    assert np.allclose(found, [3.3] * 4)


def test_a_row_from_the_future_gives_way_when_the_devices_clock_is_right_again():
    image = ProcessImage(LIMITS)
    ahead = running_pcs("C1-PCS", T0 + 3_600_000, 100.0)
    image.update(ahead.__class__(**{**vars(ahead), "received_ms": T0}))

    image.update(running_pcs("C1-PCS", T0 + 1_000, 200.0))

    row = image.freeze(T0 + 1_500, T0 + 1_500).get("C1-PCS", "pcs")
    assert row.sample.time_ms == T0 + 1_000
    assert not row.stale


def test_of_cells_the_sample_before_is_kept_and_of_other_rows_none():
    image = ProcessImage(LIMITS)
    for second, volts in enumerate((3.2, 3.3)):
        image.update(sample("C1-R01", "rack.cells/4", T0 + second * 1000, cell_voltage_v=volts))
        image.update(running_pcs("C1-PCS", T0 + second * 1000))

    picture = image.freeze(T0 + 1500, T0 + 1500)

    cells = picture.get("C1-R01", "rack.cells/4")
    assert cells.physical_before("cell_voltage_v").tolist() == [3.2] * 4
    assert np.isnan(cells.physical_before("cell_temperature_c")).tolist() == [False] * 4
    assert picture.get("C1-PCS", "pcs").before is None
