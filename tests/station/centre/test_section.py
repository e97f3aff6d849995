"""The section [centre] of a station's configuration."""

import pytest
from pydantic import ValidationError

from station.config import CentreConfig


def test_the_port_listens_on_loopback_and_for_loopback_unless_told_otherwise():
    section = CentreConfig.model_validate({"port": 2404})

    assert (section.host, section.timeout_s) == ("127.0.0.1", 10.0)
    assert [str(network) for network in section.allow] == ["127.0.0.0/8", "::1/128"]


def test_addresses_and_networks_may_be_listed():
    section = CentreConfig.model_validate({"port": 502, "allow": ["10.1.2.3", "10.9.0.0/24"]})

    assert [str(network) for network in section.allow] == ["10.1.2.3/32", "10.9.0.0/24"]


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ({}, "port"),
        ({"port": 70_000}, "port"),
        ({"port": 502, "timeout_s": 0}, "timeout_s"),
        ({"port": 502, "allow": []}, "allow"),
        ({"port": 502, "allow": ["centre.example"]}, "allow"),
        ({"port": 502, "alow": ["10.1.2.3"]}, "alow"),
    ],
)
def test_a_wrong_section_is_refused_naming_its_key(section, key):
    with pytest.raises(ValidationError, match=key):
        CentreConfig.model_validate(section)
