"""The configuration of one station: a TOML file that is also its documentation.

Every section is a pydantic model whose field descriptions say meaning and unit; an unknown
key is an error, because a misspelt limit must not silently fall back to a default. Paths
are relative to the folder of the file.
"""

from __future__ import annotations

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from station.config_errors import ConfigError

__all__ = ["ConfigError", "DeviceConfig", "Role", "StationConfig", "load"]


class _Section(BaseModel):
    """A section refuses unknown keys and never changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Role(StrEnum):
    """What a device is to the station."""

    PCS = "pcs"
    RACK = "rack"
    CHILLER = "chiller"
    INSULATION = "insulation"
    FIRE = "fire"
    METER = "meter"
    PANEL = "panel"
    VENTILATION = "ventilation"


class SiteConfig(_Section):
    """Who the station is and what it can do."""

    id: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$", description="Identity, 1-32 chars"
    )
    name: str = Field(default="", description="Name in English")
    name_zh: str = Field(default="", description="Name in Simplified Chinese")
    timezone: str = Field(default="Asia/Shanghai", description="IANA zone of its schedules")
    data_dir: Path = Field(description="Folder for keys, queue, journal and status")
    rated_power_kw: float = Field(gt=0, description="Rated power at the meter, kW")
    capacity_kwh: float = Field(gt=0, description="Rated energy, kWh")
    soc_min: float = Field(default=0.05, ge=0, le=1, description="No discharge below, 0..1")
    soc_max: float = Field(default=0.95, ge=0, le=1, description="No charge above, 0..1")

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError("is no IANA time zone; write one like 'Asia/Shanghai'") from error
        return value

    @model_validator(mode="after")
    def _band_is_open(self) -> SiteConfig:
        if self.soc_min >= self.soc_max:
            raise ValueError("soc_min must be below soc_max")
        return self


class DeviceConfig(_Section):
    """One device: where it is, how to talk to it, what it is."""

    tag: str = Field(min_length=1, max_length=32, description="Name of the device, e.g. C1-R03")
    role: Role
    driver: str = Field(description="Protocol family: modbus, iec61850 or an installed driver")
    profile: str = Field(description="Device profile (Modbus) or SCL file (IEC 61850)")
    host: str = Field(default="127.0.0.1")
    port: int = Field(ge=1, le=65535)
    unit: int = Field(default=1, ge=0, le=255, description="Modbus unit id")
    container: str = Field(default="", description="Container it belongs to, e.g. C1")
    ied: str = Field(default="", description="IED name in the SCL file (IEC 61850)")
    mapping: str = Field(default="", description="Signal mapping (IEC 61850); empty: standard")
    rated_kw: float | None = Field(default=None, gt=0, description="Rated power of a converter")

    @model_validator(mode="after")
    def _role_is_complete(self) -> DeviceConfig:
        if self.role is Role.PCS and self.rated_kw is None:
            raise ValueError(f"converter {self.tag} needs rated_kw")
        if self.role in (Role.PCS, Role.RACK) and not self.container:
            raise ValueError(f"{self.role} {self.tag} needs container, e.g. container = 'C1'")
        return self


class CloudConfig(_Section):
    """Where the cloud listens and how often to talk to it."""

    url: str = Field(pattern=r"^https://", description="Edge listener (mutual TLS 1.3)")
    enrol_url: str | None = Field(default=None, pattern=r"^https://", description="Enrolment")
    ca: Path | None = Field(default=None, description="PEM of the authority for enrolment")
    token_file: Path | None = Field(default=None, description="One-time enrolment token")
    live_period_s: float = Field(default=1.0, ge=0.2, le=60)
    batch_period_s: float = Field(default=1.0, ge=0.2, le=60, description="Batch closing period")
    in_flight: int = Field(default=4, ge=1, le=32, description="Batches sent at the same time")
    retry_max_s: float = Field(default=5.0, ge=0.2, le=300, description="Cap of the back-off")


class SafeStateConfig(_Section):
    """What the station does when nobody has a valid schedule for it."""

    after_s: float = Field(default=60, ge=0, description="Hold the last target this long")
    power_kw: float = Field(default=0, description="Power to fall to, discharge positive")
    ramp_kw_per_s: float = Field(default=200, gt=0, description="How fast to get there")


class ControlConfig(_Section):
    """The 1 s loop, the meter feedback and the life of commands."""

    phase_s: float = Field(default=0.5, ge=0, lt=1, description="Second's fraction of a cycle")
    lead_s: float = Field(default=0.6, ge=0, le=5, description="Set-point to meter delay")
    dead_band_pct: float = Field(default=0.1, ge=0, le=5, description="Of converter rating")
    refresh_s: float = Field(default=10, ge=1, description="Repeat an unchanged set-point")
    deliver_within_s: float = Field(default=10, gt=0, description="Else 'not delivered'")
    delivery_tolerance_pct: float = Field(default=3, gt=0, description="Of converter rating")
    feedback_gain: float = Field(default=0.2, ge=0, le=1, description="Share of error a second")
    feedback_max_pct: float = Field(default=10, ge=0, le=50, description="Of station rating")
    min_load_pct: float = Field(default=0, ge=0, le=50, description="Least load of a converter")
    restarts_per_hour: int = Field(default=3, ge=0, description="Of a tripped converter")
    heartbeat_s: float = Field(default=1.0, ge=0, description="To each BMS; 0: none")
    soc_balance_gain: float = Field(default=2.0, ge=0, description="Weight per unit of SOC spread")


class LimitsConfig(_Section):
    """Margins that protection keeps, on top of what the BMS allows."""

    headroom: float = Field(default=0.02, ge=0, lt=1, description="Kept off each BMS limit")
    unequal_sharing: float = Field(default=0.10, ge=0, description="Racks share unequally")
    conversion_efficiency: float = Field(default=0.97, gt=0, le=1, description="DC to AC")
    soc_taper: float = Field(default=0.01, ge=0, description="SOC over which power fades out")
    cell_voltage_max_v: float = Field(default=3.65, description="No charge above (LFP)")
    cell_voltage_min_v: float = Field(default=2.50, description="No discharge below (LFP)")
    cell_temperature_max_c: float = Field(default=55, description="No power above")
    cell_temperature_min_c: float = Field(default=-20, description="No power below")
    cell_voltage_near_v: float = Field(default=0.15, description="A BMS limit is named after it")
    cell_temperature_near_c: float = Field(default=10, description="Likewise")


class StalenessConfig(_Section):
    """Age in seconds past which a device's data is stale."""

    pcs: float = Field(default=5, gt=0)
    rack: float = Field(default=5, gt=0)
    cells: float = Field(default=60, gt=0)
    chiller: float = Field(default=30, gt=0)
    insulation: float = Field(default=30, gt=0)
    fire: float = Field(default=10, gt=0)
    meter: float = Field(default=5, gt=0)
    panel: float = Field(default=5, gt=0)
    ventilation: float = Field(default=30, gt=0)
    dispatch: float = Field(default=10, gt=0, description="The controller's row of decisions")


class RegulationConfig(_Section):
    """A regulation signal that rides on the schedule."""

    file: Path = Field(description="CSV, one value -1..1 per period, discharge positive")
    capacity_kw: float = Field(gt=0)
    period_s: float = Field(default=4, gt=0)


class StationConfig(_Section):
    """The whole file."""

    station: SiteConfig
    devices: tuple[DeviceConfig, ...] = Field(min_length=1)
    cloud: CloudConfig
    safe_state: SafeStateConfig = SafeStateConfig()
    control: ControlConfig = ControlConfig()
    limits: LimitsConfig = LimitsConfig()
    staleness: StalenessConfig = StalenessConfig()
    regulation: RegulationConfig | None = None

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
    try:
        config = StationConfig.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = tuple(first["loc"])
        remedy = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            remedy = "unknown key; remove it or mend its spelling"
        raise ConfigError(file, _key_text(path), _value_at(document, path), remedy) from error
    return _with_absolute_paths(config, file.resolve().parent)


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
    devices = tuple(
        device.model_copy(update={"profile": str(folder / device.profile)})
        if (folder / device.profile).is_file()
        else device
        for device in config.devices
    )
    return config.model_copy(
        update={"station": site, "cloud": cloud, "regulation": regulation, "devices": devices}
    )
