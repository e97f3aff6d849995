"""The files that the guide for field engineers shows are ones that the tiers take."""

import re
from pathlib import Path

import cloud.config
import simulator.config
import station.config
from launcher.paths import ROOT
from simulator.scenario_file import load_scenario
from simulator.site import Site


def shown(number: int, file: Path) -> Path:
    """Write the guide's n-th TOML file."""
    text = (ROOT / "docs" / "engineer.md").read_text()
    file.write_text(re.findall(r"```toml\n(.*?)```", text, re.DOTALL)[number])
    return file


def test_the_stations_file_is_taken(tmp_path: Path):
    config = station.config.load(shown(0, tmp_path / "station.toml"))

    assert [device.tag for device in config.devices] == ["METER"]
    assert config.station.data_dir == tmp_path / "data"


def test_the_clouds_file_is_taken(tmp_path: Path):
    config = cloud.config.load(shown(1, tmp_path / "cloud.toml"))

    assert (config.web.port, config.edge.port, config.enrol.port) == (8000, 9443, 9444)


def test_the_plants_file_is_taken_with_its_scenario(tmp_path: Path):
    config = simulator.config.load_config(shown(2, tmp_path / "plant.toml"))

    assert load_scenario(config.scenario, tmp_path).name == "pcs-trip"
    Site(config, tmp_path).record.close()
