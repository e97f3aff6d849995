"""All devices of a layout side by side, as one cycle sees them."""

import math

import numpy as np

from contract.layouts import METER, RACK
from station.image import ProcessImage
from station.image_table import TableRow
from tests.station.plant_samples import MadeSample, healthy_rack

T0_MS = 1_795_000_000_000


def image_of(*samples: MadeSample, lost=()):
    image = ProcessImage({"rack": 5.0})
    for sample in samples:
        image.update(sample, T0_MS)
    for device in lost:
        image.set_connected(device, connected=False)
    return image.freeze(T0_MS + 500, T0_MS + 500)


def test_a_table_holds_the_units_of_every_device_and_nan_where_a_value_is_not_usable():
    known, unknown = healthy_rack("R1", T0_MS, soc=0.25), healthy_rack("R2", T0_MS, soc=math.nan)

    table = image_of(known, unknown).table(RACK)

    assert dict(table.place) == {"R1": 0, "R2": 1}
    np.testing.assert_allclose(table.column("soc"), [0.25, math.nan])
    np.testing.assert_allclose(table.column("voltage_v"), [1372.8, 1372.8])
    assert table.time_ms.tolist() == [T0_MS, T0_MS]


def test_what_is_stale_is_told_by_column_and_kept_from_fresh():
    table = image_of(healthy_rack("R1", T0_MS), healthy_rack("R2", T0_MS), lost=["R2"]).table(RACK)

    assert table.stale.tolist() == [False, True]
    np.testing.assert_allclose(table.column("soc"), [0.5, 0.5])
    np.testing.assert_allclose(table.fresh("soc"), [0.5, math.nan])
    assert math.isnan(table.number("R2", "soc"))
    assert TableRow(table, "R2").number("soc") == 0.5


def test_a_device_that_was_never_heard_tells_nothing():
    table = image_of().table(METER)

    row = TableRow(table, "METER")

    assert (row.fresh, row.time_ms, row.integer("frequency_hz")) == (False, 0, None)
    assert math.isnan(table.number("METER", "frequency_hz"))


def test_what_was_scaled_once_is_not_scaled_again_until_the_device_says_something_else():
    image = ProcessImage({"rack": 5.0})
    image.update(healthy_rack("R1", T0_MS, soc=0.25), T0_MS)
    first = image.freeze(T0_MS, T0_MS).get("R1", "rack").physical("soc")
    again = image.freeze(T0_MS + 1000, T0_MS + 1000).get("R1", "rack").physical("soc")
    image.update(healthy_rack("R1", T0_MS + 1000, soc=0.75), T0_MS + 1000)
    later = image.freeze(T0_MS + 1000, T0_MS + 1000).get("R1", "rack").physical("soc")

    assert again is first
    assert later.tolist() == [0.75]
