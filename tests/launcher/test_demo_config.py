"""The demo's station knows every device of the demo's plant, in words the station accepts."""

from pathlib import Path

import numpy as np
import pytest

from launcher import demo_config, scenario
from launcher.demo_config import Folders, Neighbours
from simulator.config import load_config
from simulator.plant import Plant
from simulator.record import Record
from simulator.servers import Devices
from station import config as station_config


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path / "run")
    made.make()
    return made


def test_every_address_of_the_plant_is_a_device_of_the_station(folders, tmp_path):
    plant_file = demo_config.write_plant(folders, scenario.find("normal-day"))
    simulated = load_config(plant_file)
    devices = Devices(Plant(simulated.plant_parameters()), Record(None), simulated.icd)
    ports = {tag: 20_000 + k for k, tag in enumerate((*devices.modbus, *devices.pcs))}

    file = demo_config.write_station(
        folders,
        ports,
        Neighbours("https://127.0.0.1:1", "https://127.0.0.1:2", tmp_path / "ca.pem", 2502),
    )
    known = station_config.load(file).devices

    assert {device.port for device in known} == set(ports.values())
    single = {device.tag for device in known if device.role != "rack"}
    assert single == {tag for tag in ports if not tag.endswith("-BMS")}


def test_each_container_has_its_fire_panel_and_ventilation(folders, tmp_path):
    tags = ["METER", "FIRE", "PANEL"]
    for k in range(1, demo_config.CONTAINERS + 1):
        tags += [f"C{k}-{kind}" for kind in ("BMS", "CHL", "IMD", "FIRE", "VENT", "PCS")]
    ports = dict(zip(tags, np.arange(20_000, 20_000 + len(tags)).tolist(), strict=True))

    file = demo_config.write_station(
        folders, ports, Neighbours("https://a", "https://b", tmp_path / "ca.pem", 2502)
    )
    devices = {device.tag: device for device in station_config.load(file).devices}

    assert (devices["FIRE"].container, devices["C2-FIRE"].container) == ("", "C2")
    assert devices["C1-VENT"].role == "ventilation"
    assert devices["PANEL"].role == "panel"
