"""What docs/protocols.md shows as an example is a profile that loads."""

import re
import tomllib
from pathlib import Path

from station.config import CentreConfig
from station.protocols.iec61850 import mapping as mappings
from station.protocols.iec61850 import scl
from station.protocols.modbus import profile as profiles
from tests.station.protocols.iec61850_peer import ICD

TEXT = (Path(__file__).parents[3] / "docs" / "protocols.md").read_text("utf-8")
MODBUS, MAPPING, CENTRE = re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)


def test_the_modbus_example_is_a_profile(tmp_path):
    path = tmp_path / "example.toml"
    path.write_text(MODBUS, "utf-8")

    assert profiles.load(str(path)).title == "Liquid-cooling unit"


def test_the_mapping_example_binds_to_the_sample_converter(tmp_path):
    path = tmp_path / "example.toml"
    path.write_text(MAPPING, "utf-8")

    binding = mappings.bind(str(path), mappings.load(str(path)), scl.load(ICD))

    assert set(binding.controls) == {"active_power_setpoint_kw", "start"}


def test_the_centres_example_is_a_section():
    section = CentreConfig.model_validate(tomllib.loads(CENTRE)["centre"])

    assert section.port == 2502


def test_every_shipped_profile_is_described():
    for path in profiles.PROFILE_FOLDER.glob("*.toml"):
        assert path.name in TEXT
