"""A plant of any size gets a station's file that the station accepts."""

import json
import re

import pytest
from typer.testing import CliRunner

from cloud.api.stations import NewStationRequest
from cloud.config import load as load_cloud
from cloud.supervisor import AUTHORITY_FILE
from launcher.errors import WrongInput
from launcher.main import app
from launcher.paths import ROOT
from launcher.plant_station import write_station_of
from simulator.config import DATA, load_config
from simulator.tags import SUNSPEC, ports_of
from station import config as station_config
from station.protocols.modbus.profile import load

README = (ROOT / "README.md").read_text()
BIG = DATA / "simulator" / "big-plant.toml"


def test_the_big_plant_has_a_station_that_reads_all_of_it(tmp_path):
    write_station_of(BIG, tmp_path / "station.toml")

    station = station_config.load(tmp_path / "station.toml")
    racks = [device for device in station.devices if device.role == "rack"]
    base = load_config(BIG).ports.base
    assert len(racks) == 400
    assert {device.port for device in station.devices} == set(ports_of(40, base).values())
    assert station.station.id == "big-plant"
    assert {load(device.profile).parameters["cells"] for device in racks} == {400}


def test_the_cloud_takes_the_facts_that_lie_beside_and_the_station_knows_that_cloud(tmp_path):
    write_station_of(BIG, tmp_path / "station.toml")

    facts = NewStationRequest.model_validate_json((tmp_path / "new-station.json").read_text())
    cloud = load_cloud(tmp_path / "cloud.toml")
    station = station_config.load(tmp_path / "station.toml")
    assert (facts.id, facts.timezone) == (station.station.id, station.station.timezone)
    assert facts.capacity_kwh == station.station.capacity_kwh
    assert station.cloud.url == f"https://127.0.0.1:{cloud.edge.port}"
    assert station.cloud.enrol_url == f"https://127.0.0.1:{cloud.enrol.port}"
    assert station.cloud.ca == cloud.data_dir / AUTHORITY_FILE


def test_a_clouds_file_that_is_there_is_left_as_it_is(tmp_path):
    (tmp_path / "cloud.toml").write_text("mine")

    write_station_of(BIG, tmp_path / "station.toml")

    assert (tmp_path / "cloud.toml").read_text() == "mine"


def test_the_readmes_sunspec_device_is_the_last_of_the_small_plant():
    words = re.search(r"profile probe 127\.0\.0\.1 --port (\d+) --unit 1 --sunspec", README)
    config = load_config(DATA / "simulator" / "small-plant.toml")

    ports = ports_of(1, config.ports.base, sunspec=config.plant.sunspec)

    assert words is not None
    assert ports[SUNSPEC] == int(words[1])


def test_ports_that_a_running_plant_told_are_taken(tmp_path):
    plant = tmp_path / "plant.toml"
    plant.write_text('ports_out = "ports.json"\n[plant]\ncontainers = 1')
    told = ports_of(1, 30_000)
    (tmp_path / "ports.json").write_text(json.dumps(told))

    write_station_of(plant, tmp_path / "station.toml")

    devices = station_config.load(tmp_path / "station.toml").devices
    assert {device.port for device in devices} == set(told.values())


def test_ports_that_nobody_knows_yet_are_asked_for(tmp_path):
    plant = tmp_path / "plant.toml"
    plant.write_text("[plant]\ncontainers = 1")

    with pytest.raises(WrongInput, match=r"ports\.base"):
        write_station_of(plant, tmp_path / "station.toml")


def test_the_guides_command_writes_a_stations_file(tmp_path, monkeypatch):
    guide = (ROOT / "docs" / "engineer.md").read_text()
    words = re.search(r"^./stationmaster (simulate \S+ --station (\S+))$", guide, re.MULTILINE)
    assert words is not None
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(ROOT / "data")

    result = CliRunner().invoke(app, words[1].split())

    assert result.exit_code == 0, result.output
    assert len(station_config.load(tmp_path / words[2]).devices) == 3 + 40 * 15
