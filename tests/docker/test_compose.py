"""docker/compose.yml, read as its engine reads it: all that it names exists, nothing secret in it.

The engine itself is not needed: what the services run is proven by tests/cloud/test_replicas.py
with the same configuration files, and by the tests of the parts.
"""

import ipaddress
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloud.config import CloudConfig, load

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("setup", "web-1", "web-2", "jobs")
services = pytest.mark.parametrize("name", SERVICES)
ours = pytest.mark.parametrize("name", OURS)


def config_of(name: str) -> CloudConfig:
    """The configuration that a service of ours reads."""
    (chosen,) = SERVICES[name]["configs"]
    return load(DOCKER / COMPOSE["configs"][chosen["source"]]["file"])


def networks_of(name: str) -> set[str]:
    return set(SERVICES[name]["networks"])


@services
def test_every_image_is_pinned_to_a_version(name):
    image = SERVICES[name]["image"]

    if name in OURS:
        assert image == "stationmaster-cloud:${STATIONMASTER_VERSION:-local}"
    else:
        assert re.fullmatch(r"[a-z/]+:\d+\.\d+[\w.-]*", image), image


@services
def test_every_file_secret_and_network_it_names_is_there(name):
    service = SERVICES[name]
    for chosen in service.get("configs", []):
        assert (DOCKER / COMPOSE["configs"][chosen["source"]]["file"]).is_file()
    assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
    assert networks_of(name) <= set(COMPOSE["networks"])
    assert set(service.get("depends_on", {})) <= set(SERVICES)
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        assert source in COMPOSE["volumes"] or source.startswith("./secrets/")


def test_every_secret_comes_from_a_file_that_git_ignores():
    ignored = (DOCKER / ".gitignore").read_text().split()

    assert ignored == ["/secrets/"]
    for secret in COMPOSE["secrets"].values():
        assert set(secret) == {"file"}
        assert secret["file"].startswith("./secrets/")
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            assert "PASSWORD" not in key or value.startswith("/run/secrets/")
    assert re.findall(r"\$\{(\w+)", (DOCKER / "compose.yml").read_text()) == [
        "STATIONMASTER_VERSION"
    ]


@services
def test_every_service_is_limited_and_can_be_stopped_and_comes_back(name):
    service = SERVICES[name]

    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert service["restart"] == ("no" if name == "setup" else "unless-stopped")
    assert service["stop_grace_period"]
    if name != "database":  # its image starts as root to own its folder
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_only_the_proxy_is_reached_from_outside():
    inner = {name for name, net in COMPOSE["networks"].items() if (net or {}).get("internal")}

    assert inner == {"inside", "store"}
    assert [name for name in SERVICES if "ports" in SERVICES[name]] == ["proxy"]
    assert [name for name in SERVICES if not networks_of(name) <= inner] == ["proxy"]
    assert not networks_of("proxy") & networks_of("database")


@ours
def test_every_configuration_is_good_and_its_paths_are_mounted(name):
    config, service = config_of(name), SERVICES[name]
    mounted = {one.split(":")[1] for one in service["volumes"]}
    writable = mounted | {one.split(":")[0] for one in service["tmpfs"]}

    assert str(config.keys_dir) in mounted
    assert str(config.data_dir) in writable
    assert config.database.password_file is not None
    assert config.database.password_file.parent == Path("/run/secrets")
    assert config.database.password_file.name in service["secrets"]
    assert "//stationmaster@database/stationmaster" in config.database.dsn
    assert networks_of("database") <= networks_of(name)


def test_keys_are_mounted_for_reading_only_but_for_setup():
    for name in OURS:
        (keys,) = (one for one in SERVICES[name]["volumes"] if "/keys" in one)
        assert keys.endswith(":ro") is (name != "setup")


def test_each_cloud_has_its_part():
    assert [(config_of(name).workers > 0, config_of(name).jobs) for name in OURS] == [
        (False, True),
        (True, False),
        (True, False),
        (False, True),
    ]
    assert SERVICES["setup"]["command"][-1] == "--prepare"
    for name in OURS[1:]:
        assert SERVICES[name]["depends_on"] == {
            "setup": {"condition": "service_completed_successfully"}
        }


def test_replicas_believe_the_proxy_at_its_fixed_address_alone():
    address = SERVICES["proxy"]["networks"]["inside"]["ipv4_address"]
    (subnet,) = COMPOSE["networks"]["inside"]["ipam"]["config"]

    assert ipaddress.ip_address(address) in ipaddress.ip_network(subnet["subnet"])
    for name in ("web-1", "web-2"):
        assert config_of(name).web.trusted_proxies == (address,)
        assert config_of(name).edge.trusted_proxies == (address,)


def test_the_proxy_leads_to_listeners_that_exist():
    text = (DOCKER / "haproxy.cfg").read_text()
    targets = re.findall(r"^    server ([\w-]+) ([\w-]+):(\d+)$", text, re.MULTILINE)
    bound = set(re.findall(r"^    bind :(\d+)", text, re.MULTILINE))
    config = config_of("web-1")
    ports = {str(one.port) for one in (config.web, config.edge, config.enrol)}

    assert {name for name, _, _ in targets} == {"web-1", "web-2"}
    assert all(name == host for name, host, _ in targets)
    assert {port for _, _, port in targets} == ports
    assert set(re.findall(r"check port (\d+)", text)) == {str(config.web.port)}
    published = {one.split(":")[1] for one in SERVICES["proxy"]["ports"]}
    assert bound - published == {"8405"}  # figures, for the inner network
    assert "/run/secrets/console.pem" in text
    assert SERVICES["proxy"]["secrets"] == ["console.pem"]


def test_connections_of_all_clouds_fit_into_the_server():
    words = SERVICES["database"]["command"]
    (most,) = (int(word.split("=")[1]) for word in words if word.startswith("max_connections="))
    configs = [config_of(name) for name in OURS]

    # Each web worker: its pool and one connection for news. Each cloud: jobs, start, spare.
    wanted = sum(one.workers * (one.database.pool_size + 1) + 10 for one in configs)

    assert wanted <= most
