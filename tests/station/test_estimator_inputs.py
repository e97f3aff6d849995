"""Moments of a picture: what is new, what can be believed, and how much time has passed."""

import math

import numpy as np
import pytest

from contract.layouts import cells_layout
from station.config import Role
from station.estimator_inputs import EstimatorInputs, rated_kw_of
from station.image import Image
from tests.station.plant_samples import sample
from tests.station.site import Plant, site_config

CELLS = 4
T0_MS = 1_700_000_000_000


@pytest.fixture
def site(tmp_path):
    config = site_config(tmp_path, limits={}, staleness={"cells": 60})
    plant = Plant(config)
    plant.config = config
    return plant


def inputs_of(plant: Plant) -> EstimatorInputs:
    racks = plant.config.with_role(Role.RACK)
    return EstimatorInputs(plant.config, racks, {rack.tag: CELLS for rack in racks})


def say(plant: Plant, at_ms: int, *, arrived_ms: int | None = None, volts: float = 3.3) -> None:
    plant.second(at_ms)
    for rack in plant.config.with_role(Role.RACK):
        row = sample(rack.tag, cells_layout(CELLS).name, at_ms, cell_voltage_v=volts)
        plant.image.update(row, arrived_ms if arrived_ms is not None else at_ms)


def picture(plant: Plant, at_ms: int):
    return plant.image.freeze(at_ms, at_ms)


def moment_of(inputs: EstimatorInputs, image: Image, at_ms: int, allowed=None):
    inputs.note(image)
    return inputs.moment(image, at_ms, allowed)


def test_time_passes_by_the_devices_clocks_and_no_sample_counts_twice(site):
    inputs = inputs_of(site)
    say(site, T0_MS)
    first = moment_of(inputs, picture(site, T0_MS), T0_MS)
    again = moment_of(inputs, picture(site, T0_MS + 500), T0_MS + 500)
    say(site, T0_MS + 2000)
    later = moment_of(inputs, picture(site, T0_MS + 2000), T0_MS + 2000)

    assert first.arrays["elapsed_s"].tolist() == [0, 0]
    assert first.arrays["current_good"].all()
    assert first.arrays["cell_good"].all()
    assert again.arrays["elapsed_s"].tolist() == [0, 0]
    assert not again.arrays["current_good"].any()
    assert not again.arrays["cell_good"].any()
    assert later.arrays["elapsed_s"].tolist() == [2, 2]
    assert later.arrays["cell_voltage_v"] == pytest.approx(np.full(8, 3.3), abs=1e-3)


def test_a_device_whose_clock_was_set_tells_no_hour_that_did_not_pass(site):
    inputs = inputs_of(site)
    racks = [rack.tag for rack in site.config.with_role(Role.RACK)]
    say(site, T0_MS)
    moment_of(inputs, picture(site, T0_MS), T0_MS)
    for tag in racks:
        known = picture(site, T0_MS).get(tag, "rack").sample
        ahead = type(known)(**{**vars(known), "time_ms": T0_MS + 3_600_000})
        site.image.update(ahead, T0_MS + 1000)

    moment = moment_of(inputs, picture(site, T0_MS + 1000), T0_MS + 1000)

    assert moment.arrays["elapsed_s"] == pytest.approx([1, 1], abs=0.1)


def test_a_silent_rack_is_not_known_and_the_others_go_on(site):
    inputs = inputs_of(site)
    say(site, T0_MS)
    site.image.set_connected("C1-R01", connected=False)

    moment = moment_of(inputs, picture(site, T0_MS), T0_MS)

    assert math.isnan(moment.arrays["bms_soc"][0])
    assert moment.arrays["current_good"].tolist() == [0, 1]
    assert moment.arrays["available"].tolist() == [0, 1]
    assert moment.arrays["cell_good"].tolist() == [0] * CELLS + [1] * CELLS


def test_the_meters_power_is_shared_out_whole(site):
    inputs = inputs_of(site)
    site.power = dict.fromkeys(site.power, 400.0)
    say(site, T0_MS)

    moment = moment_of(inputs, picture(site, T0_MS), T0_MS)

    assert float(moment.arrays["power_kw"].sum()) == pytest.approx(380.0, abs=0.5)


def test_racks_of_a_container_share_its_converter(site):
    racks = site.config.with_role(Role.RACK)

    assert [rated_kw_of(site.config, rack) for rack in racks] == [500.0, 500.0]


def test_what_a_rack_measures_of_its_own_power_is_told_beside_its_share_at_the_meter(site):
    inputs = inputs_of(site)
    say(site, T0_MS)

    moment = moment_of(inputs, picture(site, T0_MS), T0_MS)

    told = moment.arrays["rack_power_kw"]
    assert np.isfinite(told).all()
    shares = moment.arrays["power_kw"] - told
    assert shares == pytest.approx(np.full(len(told), shares[0]), abs=0.01)


def test_what_protection_allows_takes_the_place_of_what_the_bms_does_where_it_is_less(site):
    say(site, T0_MS)
    site.rack["C1-R01"] = {"charge_current_limit_a": 450}
    allowed = {"C1-R01": (300.0, 900.0), "C1-R02": (math.nan, 200.0)}

    arrays = inputs_of(site).moment(picture(site, T0_MS), T0_MS, allowed).arrays

    assert arrays["charge_current_limit_a"].tolist() == [300, 450]
    assert arrays["discharge_current_limit_a"].tolist() == [450, 200]
    assert arrays["charge_guarded"].tolist() == [1, 0]
    assert arrays["discharge_guarded"].tolist() == [0, 1]


def test_a_moment_is_due_when_most_racks_have_told_their_cells_or_when_it_was_waited_for(site):
    inputs = inputs_of(site)
    say(site, T0_MS)
    moment_of(inputs, picture(site, T0_MS), T0_MS)
    site.second(T0_MS + 1000)
    inputs.note(picture(site, T0_MS + 1000))
    without_cells = inputs.is_due(T0_MS + 1000)
    say(site, T0_MS + 2000)
    inputs.note(picture(site, T0_MS + 2000))

    assert not without_cells
    assert inputs.is_due(T0_MS + 2000)
    inputs.moment(picture(site, T0_MS + 2000), T0_MS + 2000)
    assert not inputs.is_due(T0_MS + 3000)
    assert inputs.is_due(T0_MS + 7000)


def test_charge_is_counted_each_second_and_told_with_the_current_of_the_second_of_the_cells(site):
    inputs = inputs_of(site)
    say(site, T0_MS)
    moment_of(inputs, picture(site, T0_MS), T0_MS)
    for second, amperes in ((1, 100.0), (2, 200.0), (4, 30.0)):
        site.rack = {"C1-R01": {"current_a": amperes}}
        at_ms = T0_MS + 1000 * second
        site.second(at_ms)
        if second == 2:
            say(site, at_ms)
        inputs.note(picture(site, at_ms))

    moment = inputs.moment(picture(site, T0_MS + 4000), T0_MS + 4000)
    later = inputs.moment(picture(site, T0_MS + 4000), T0_MS + 4000)

    first = {name: float(array[0]) for name, array in moment.arrays.items()}
    assert (first["elapsed_s"], first["mean_current_a"], first["current_a"]) == (2, 150, 200)
    assert moment.arrays["cell_good"].all()
    assert (later.arrays["elapsed_s"][0], later.arrays["mean_current_a"][0]) == (2, 30)
    assert not later.arrays["cell_good"].any()


@pytest.mark.parametrize(
    ("cells_second", "amperes", "volts"), [(2, 200.0, 620.0), (1, 100.0, 610.0), (3, 300.0, None)]
)
def test_cells_that_come_later_than_their_rack_are_told_with_what_it_said_in_their_second(
    site, cells_second, amperes, volts
):
    inputs = inputs_of(site)
    say(site, T0_MS)
    moment_of(inputs, picture(site, T0_MS), T0_MS)
    for second in (1, 2):
        numbers = {"current_a": 100.0 * second, "voltage_v": 600.0 + 10 * second}
        site.rack = {"C1-R01": numbers}
        site.second(T0_MS + 1000 * second)
        inputs.note(picture(site, T0_MS + 1000 * second))
    late = T0_MS + 1000 * cells_second
    cells = sample("C1-R01", cells_layout(CELLS).name, late, cell_voltage_v=3.3)
    site.image.update(cells, T0_MS + 3000)
    if volts is None:
        site.rack = {"C1-R01": {"current_a": amperes, "voltage_v": 630.0}}
        site.second(T0_MS + 4000)

    told = moment_of(inputs, picture(site, T0_MS + 4000), T0_MS + 4000).arrays

    assert told["current_a"][0] == amperes
    if volts is None:
        assert math.isnan(told["voltage_v"][0]), "a sum of cells is compared with no other second"
    else:
        assert told["voltage_v"][0] == volts


def test_a_rack_that_is_read_a_second_later_is_not_compared_with_its_peers(tmp_path):
    config = site_config(tmp_path, containers=2, limits={}, staleness={"cells": 60})
    plant = Plant(config)
    plant.config = config
    inputs = inputs_of(plant)
    say(plant, T0_MS)
    moment_of(inputs, picture(plant, T0_MS), T0_MS)
    say(plant, T0_MS + 1000)
    for tag in ("C1-R01", "C1-R02", "C2-R01"):
        late = sample(tag, "rack", T0_MS + 2000, current_a=-16.0)
        plant.image.update(late, T0_MS + 2000)

    told = moment_of(inputs, picture(plant, T0_MS + 2000), T0_MS + 2000).arrays

    assert told["current_good"].all()
    assert told["together"].tolist() == [1, 1, 0, 1]  # of two that differ one is compared
