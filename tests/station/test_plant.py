"""From the process image to what protection looks at."""

import math

import pytest

from contract.limits import LimitReason
from station.config import StationConfig
from station.image import Image, ProcessImage
from station.plant import read_plant
from station.protection import station_limits
from tests.station.plant_samples import MadeSample, healthy_rack, running_pcs, sample
from tests.station.protection.world import MARGINS
from tests.station.site import site_document

NOW_MS = 1_780_000_000_000


def config(tmp_path) -> StationConfig:
    document = site_document(tmp_path, containers=2)
    device = {"driver": "modbus", "profile": "p.toml", "port": 1502}
    document["devices"] += [
        {**device, "tag": "PANEL", "role": "panel"},
        {**device, "tag": "C1-FIRE", "role": "fire", "container": "C1"},
        {**device, "tag": "C1-VENT", "role": "ventilation", "container": "C1"},
        {**device, "tag": "C1-CHL", "role": "chiller", "container": "C1"},
        {**device, "tag": "C1-GAS", "role": "room", "container": "C1"},
        {**device, "tag": "C1-R02-IMD", "role": "insulation", "container": "C1"},
    ]
    return StationConfig.model_validate(document)


@pytest.fixture
def site(tmp_path) -> StationConfig:
    return config(tmp_path)


def picture(site: StationConfig, *changed: MadeSample, at_ms: int = NOW_MS, without=()) -> Image:
    """A healthy site; rows given take the place of the healthy ones."""
    image = ProcessImage({**site.staleness.model_dump(), "station": 10.0})
    rows = {
        "METER": sample("METER", "meter", NOW_MS),
        "FIRE": sample("FIRE", "fire", NOW_MS),
        "C1-FIRE": sample("C1-FIRE", "fire", NOW_MS, hydrogen_ppm=3),
        "C1-VENT": sample("C1-VENT", "ventilation", NOW_MS, ventilation_state=1),
        "C1-CHL": sample("C1-CHL", "chiller", NOW_MS, coolant_supply_c=20, chiller_state=1),
        "C1-GAS": sample("C1-GAS", "room", NOW_MS, hydrogen_ppm=9, smoke_detected=1),
        "PANEL": sample("PANEL", "panel", NOW_MS, remote_control=1),
        "C1-R02-IMD": insulation("C1-R02-IMD", 900, 800),
    }
    for name in ("C1", "C2"):
        rows[f"{name}-PCS"] = running_pcs(f"{name}-PCS", NOW_MS, 100.0)
        rows[f"{name}-IMD"] = insulation(f"{name}-IMD", 2000, 1500)
        for k in (1, 2):
            rows[f"{name}-R0{k}"] = healthy_rack(f"{name}-R0{k}", NOW_MS)
    rows |= {row.device: row for row in changed if row.layout != "rack.cells/416"}
    for row in (*rows.values(), *(r for r in changed if r.layout == "rack.cells/416")):
        if row.device not in without:
            image.update(row)
    return image.freeze(at_ms + 100, at_ms + 100)


def insulation(tag: str, positive: float, negative: float, alarms: int = 0):
    return sample(
        tag,
        "insulation",
        NOW_MS,
        resistance_positive_kohm=positive,
        resistance_negative_kohm=negative,
        insulation_alarms=alarms,
    )


def test_every_helper_is_found_in_its_container(site):
    plant = read_plant(picture(site), site)
    first, second = plant.containers

    assert (first.chiller.device, first.chiller.supply_c, first.chiller.state) == ("C1-CHL", 20, 1)
    assert (first.ventilation.state, first.fire.hydrogen_ppm) == (1, 3)
    assert (second.chiller, second.ventilation, second.fire) == (None, None, None)
    assert [panel.device for panel in plant.fire_panels] == ["FIRE"]
    assert (plant.panel.remote, plant.panel.emergency_stop) == (True, False)
    assert plant.meter.fresh


def test_the_lower_pole_counts_and_a_monitor_named_after_a_rack_watches_it(site):
    first = read_plant(picture(site), site).containers[0]

    assert [(m.device, m.resistance_kohm, m.rack) for m in first.insulation] == [
        ("C1-IMD", 1500, ""),
        ("C1-R02-IMD", 800, "C1-R02"),
    ]


def test_the_cells_of_a_rack_come_with_their_time_and_give_its_rated_charge(site):
    row = sample("C1-R01", "rack.cells/416", NOW_MS, cell_voltage_v=3.3, cell_temperature_c=25)

    first, second = read_plant(picture(site, row), site).containers[0].racks

    assert (first.cells.time_ms, first.cells.fresh) == (NOW_MS, True)
    assert first.cells.temperature_c.shape == (416,)
    assert first.capacity_ah == pytest.approx(4000 / 4 * 1000 / (3.2 * 416))
    assert second.cells is None
    assert second.capacity_ah == pytest.approx(4000 / 4 * 1000 / 1372.8)


def test_whoever_is_stale_says_so(site):
    plant = read_plant(picture(site, at_ms=NOW_MS + 60_000), site)
    first = plant.containers[0]

    told = [first.converter, *first.racks, first.chiller, first.fire, first.ventilation]
    told += [plant.panel, plant.meter, *first.insulation]
    assert not any(device.fresh for device in told)


def test_what_was_never_heard_is_not_known(site):
    plant = read_plant(picture(site, without=("C1-R01", "C1-PCS", "PANEL", "C1-CHL")), site)
    first = plant.containers[0]

    assert (first.racks[0].fresh, first.racks[0].contactor_closed) == (False, None)
    assert math.isnan(first.racks[0].soc)
    assert (first.converter.fresh, first.converter.running) == (False, None)
    assert (plant.panel.fresh, plant.panel.remote) == (False, None)
    assert (first.chiller.fresh, first.chiller.state) == (False, None)


def test_a_pole_that_is_not_known_makes_the_resistance_unknown(site):
    row = insulation("C1-IMD", math.nan, 1500)

    monitor = read_plant(picture(site, row), site).containers[0].insulation[0]

    assert math.isnan(monitor.resistance_kohm)


def test_an_unusable_state_is_not_known_and_a_stopped_converter_is(site):
    stopped = running_pcs("C1-PCS", NOW_MS, pcs_state=1)
    unknown = running_pcs("C2-PCS", NOW_MS, pcs_state=math.nan)

    first, second = read_plant(picture(site, stopped, unknown), site).containers

    assert (first.converter.running, first.converter.available) == (False, False)
    assert (second.converter.running, second.converter.available) == (None, False)


def test_low_insulation_of_a_bms_is_seen(site):
    row = healthy_rack("C1-R01", NOW_MS, rack_alarms=1 << 8)

    first, second = read_plant(picture(site, row), site).containers[0].racks

    assert (first.insulation_alarm, second.insulation_alarm) == (True, False)


@pytest.mark.parametrize(
    ("row", "free", "reason"),
    [
        (sample("C1-FIRE", "fire", NOW_MS, fire_state=2), True, LimitReason.FIRE),
        (sample("FIRE", "fire", NOW_MS, fire_state=2), False, LimitReason.FIRE),
        (insulation("C1-IMD", 100, 90, alarms=2), True, LimitReason.INSULATION),
    ],
)
def test_a_fire_or_insulation_alarm_forbids_power_as_far_as_its_panel_stands(
    site, row, free, reason
):
    limits = station_limits(read_plant(picture(site, row), site), MARGINS)

    assert limits.converters["C1-PCS"].charge.kw == 0
    assert limits.converters["C1-PCS"].charge.reason is reason
    assert (limits.converters["C2-PCS"].charge.kw > 0) == free


def test_the_alarm_of_a_racks_own_monitor_does_not_stop_its_container(site):
    row = insulation("C1-R02-IMD", 100, 90, alarms=2)

    assert read_plant(picture(site, row), site).containers[0].interlock == ""


def test_small_sensors_are_found_with_their_container(site):
    (room,) = read_plant(picture(site), site).rooms

    assert (room.device, room.container, room.fresh) == ("C1-GAS", "C1", True)
    assert (room.hydrogen_ppm, room.smoke) == (9, True)


def test_a_small_sensor_that_was_never_heard_is_known_to_be_silent(site):
    (room,) = read_plant(picture(site, without=("C1-GAS",)), site).rooms

    assert (room.fresh, room.smoke) == (False, None)
