"""The whole file: read, checked against itself, with absolute paths."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from station.config.centre import CentreConfig
from station.config.control import (
    ControlConfig,
    LimitsConfig,
    ProtectionConfig,
    RegulationConfig,
    SafeStateConfig,
)
from station.config.dispatch import (
    BalancingConfig,
    ConnectionConfig,
    FastFrequencyConfig,
    FastLoopConfig,
    HandoverConfig,
    PrimaryFrequencyConfig,
    ReactiveConfig,
    SplitConfig,
)
from station.config.section import Section
from station.config.site import CloudConfig, DeviceConfig, Role, SiteConfig, StalenessConfig
from station.config_errors import ConfigError


class StationConfig(Section):
    """The whole file."""

    station: SiteConfig
    devices: tuple[DeviceConfig, ...] = Field(min_length=1)
    cloud: CloudConfig
    safe_state: SafeStateConfig = SafeStateConfig()
    control: ControlConfig = ControlConfig()
    limits: LimitsConfig = LimitsConfig()
    staleness: StalenessConfig = StalenessConfig()
    protection: ProtectionConfig = ProtectionConfig()
    regulation: RegulationConfig | None = None
    centre: CentreConfig | None = None
    fast_loop: FastLoopConfig = FastLoopConfig()
    handover: HandoverConfig = HandoverConfig()
    split: SplitConfig = SplitConfig()
    connection: ConnectionConfig = ConnectionConfig()
    balancing: BalancingConfig = BalancingConfig()
    primary_frequency: PrimaryFrequencyConfig | None = None
    fast_frequency: FastFrequencyConfig | None = None
    reactive: ReactiveConfig | None = None

    @model_validator(mode="after")
    def _plant_is_consistent(self) -> StationConfig:
        tags = [device.tag for device in self.devices]
        twice = {tag for tag in tags if tags.count(tag) > 1}
        if twice:
            raise ValueError(f"device tag {min(twice)!r} is used twice; tags are unique")
        converters = self.with_role(Role.PCS)
        containers = {device.container for device in converters}
        if len(containers) != len(converters):
            raise ValueError("a container has one converter; give each its own container")
        for rack in self.with_role(Role.RACK):
            if rack.container not in containers:
                raise ValueError(f"rack {rack.tag}: no converter in container {rack.container!r}")
        if abs(self.safe_state.power_kw) > self.station.rated_power_kw:
            raise ValueError("safe_state.power_kw is beyond station.rated_power_kw")
        return self

    def with_role(self, role: Role) -> tuple[DeviceConfig, ...]:
        """Return the devices of one role, in file order."""
        return tuple(device for device in self.devices if device.role is role)


def _value_at(document: Any, path: tuple[int | str, ...]) -> Any:
    for key in path:
        try:
            document = document[key]
        except (KeyError, IndexError, TypeError):
            return None
    return None if isinstance(document, dict | list) else document


def _key_text(path: tuple[int | str, ...]) -> str:
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text or "(file)"


def _beside(folder: Path, path: Path | None) -> Path | None:
    return None if path is None else folder / path.expanduser()


def load(file: Path) -> StationConfig:
    """Read and check a configuration file.

    Raises:
        ConfigError: the file cannot be read, is no TOML, or holds a wrong key or value.
    """
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(file, "(file)", None, f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(file, "(file)", None, f"is no TOML: {error}") from error
    _require_no_other_tier(document, file)
    try:
        config = StationConfig.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = tuple(first["loc"])
        remedy = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            remedy = "unknown key; remove it or mend its spelling"
        raise ConfigError(file, _key_text(path), _value_at(document, path), remedy) from error
    _require_own_addresses(config, file)
    return _with_absolute_paths(config, file.resolve().parent)


def _require_no_other_tier(document: dict[str, Any], file: Path) -> None:
    """Name a file of another tier, instead of its first key that is unknown here."""
    for tier, keys in (("cloud", {"data_dir", "workers", "edge"}), ("plant", {"plant", "ports"})):
        if keys & document.keys() and not {"station", "devices"} & document.keys():
            remedy = f"is the file of a {tier}; give the station's, which has [station]"
            raise ConfigError(file, "(file)", None, remedy)


def _require_own_addresses(config: StationConfig, file: Path) -> None:
    """Two devices behind one address would be one device read twice."""
    known: dict[tuple[str, int, int, str], str] = {}
    for number, device in enumerate(config.devices):
        address = (device.host, device.port, device.unit, device.ied)
        other = known.setdefault(address, device.tag)
        if other != device.tag:
            where = f"{device.host}:{device.port} unit {device.unit}"
            remedy = f"{device.tag} and {other} are both at {where}; give each its own"
            raise ConfigError(file, f"devices[{number}].port", device.port, remedy)


def _with_absolute_paths(config: StationConfig, folder: Path) -> StationConfig:
    site = config.station.model_copy(update={"data_dir": folder / config.station.data_dir})
    cloud = config.cloud.model_copy(
        update={
            "ca": _beside(folder, config.cloud.ca),
            "token_file": _beside(folder, config.cloud.token_file),
        }
    )
    regulation = config.regulation
    if regulation is not None:
        regulation = regulation.model_copy(update={"file": folder / regulation.file})
    own = config.protection
    protection = own.model_copy(
        update={name: _beside(folder, getattr(own, name)) for name in type(own).model_fields}
    )
    devices = tuple(
        device.model_copy(update={"profile": str(folder / device.profile)})
        if (folder / device.profile).is_file()
        else device
        for device in config.devices
    )
    return config.model_copy(
        update={
            "station": site,
            "cloud": cloud,
            "protection": protection,
            "regulation": regulation,
            "devices": devices,
        }
    )
