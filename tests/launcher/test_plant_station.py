"""A plant of any size gets a station's file that the station accepts."""

import json
import re

import pytest
from typer.testing import CliRunner

from launcher.errors import WrongInput
from launcher.main import app
from launcher.paths import ROOT
from launcher.plant_station import write_station_of
from simulator.config import DATA, load_config
from simulator.tags import ports_of
from station import config as station_config
from station.protocols.modbus.profile import load

BIG = DATA / "simulator" / "big-plant.toml"


def test_the_big_plant_has_a_station_that_reads_all_of_it(tmp_path):
    write_station_of(BIG, tmp_path / "station.toml")

    station = station_config.load(tmp_path / "station.toml")
    racks = [device for device in station.devices if device.role == "rack"]
    base = load_config(BIG).ports.base
    assert len(racks) == 400
    assert {device.port for device in station.devices} == set(ports_of(40, base).values())
    assert {load(device.profile).parameters["cells"] for device in racks} == {400}


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
