"""Who the station is, which devices it has, and where the cloud listens."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from station.config.section import Section


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
    ROOM = "room"


class SiteConfig(Section):
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
    deployment: Literal["standalone", "cloud", "dispatch"] = Field(
        default="cloud", description="dispatch: takes no control from the Internet"
    )
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
            raise ValueError(
                f"soc_min must be below soc_max; they are {self.soc_min:g} and {self.soc_max:g}"
            )
        return self


class DeviceConfig(Section):
    """One device: where it is, how to talk to it, what it is."""

    tag: str = Field(min_length=1, max_length=32, description="Name of the device, e.g. C1-R03")
    role: Role
    driver: str = Field(description="Protocol family: modbus, iec61850, mqtt or an installed one")
    profile: str = Field(
        description="Device profile (Modbus, MQTT; FILE.toml#2: its second instance) or SCL file"
    )
    host: str = Field(default="127.0.0.1")
    port: int = Field(ge=1, le=65535)
    unit: int = Field(default=1, ge=0, le=255, description="Modbus unit id")
    container: str = Field(default="", description="Container it belongs to, e.g. C1")
    ied: str = Field(default="", description="IED name in the SCL file (IEC 61850)")
    mapping: str = Field(default="", description="Signal mapping (IEC 61850); empty: standard")
    topic: str = Field(default="", description="The sensor's own part of its topics (MQTT)")
    access: Path | None = Field(default=None, description="User and TLS of the broker (MQTT)")
    rated_kw: float | None = Field(default=None, gt=0, description="Rated power of a converter")

    @property
    def instance(self) -> int:
        """Which of the like devices behind one unit id that its profile describes it is."""
        _, _, number = self.profile.rpartition("#")
        return int(number) if "#" in self.profile and number.isdecimal() else 1

    @model_validator(mode="after")
    def _role_is_complete(self) -> DeviceConfig:
        needs = []
        if self.role is Role.PCS and self.rated_kw is None:
            needs.append("rated_kw")
        if self.role in (Role.PCS, Role.RACK) and not self.container:
            needs.append("container, e.g. container = 'C1'")
        if needs:
            raise ValueError(f"{self.role} {self.tag} needs {' and '.join(needs)}")
        return self


class CloudConfig(Section):
    """Where the cloud listens and how often to talk to it."""

    url: str = Field(pattern=r"^https://", description="Edge listener (mutual TLS 1.3)")
    enrol_url: str | None = Field(default=None, pattern=r"^https://", description="Enrolment")
    ca: Path | None = Field(default=None, description="PEM of the authority for enrolment")
    token_file: Path | None = Field(default=None, description="One-time enrolment token")
    live_period_s: float = Field(default=1.0, ge=0.2, le=60)
    batch_period_s: float = Field(default=1.0, ge=0.2, le=60, description="Batch closing period")
    in_flight: int = Field(default=4, ge=1, le=32, description="Batches sent at the same time")
    retry_max_s: float = Field(default=5.0, ge=0.2, le=300, description="Cap of the back-off")


class StalenessConfig(Section):
    """Age in seconds past which a device's data is stale."""

    pcs: float = Field(default=5, gt=0)
    rack: float = Field(default=5, gt=0)
    cells: float = Field(default=60, gt=0)
    cell_extremes: float = Field(
        default=15, gt=0, description="Cells as the extremes of their rack, which power depends on"
    )
    chiller: float = Field(default=30, gt=0)
    insulation: float = Field(default=30, gt=0)
    fire: float = Field(default=10, gt=0)
    meter: float = Field(default=5, gt=0)
    panel: float = Field(default=5, gt=0)
    ventilation: float = Field(default=30, gt=0)
    room: float = Field(default=60, gt=0, description="Room sensors")
    dispatch: float = Field(default=10, gt=0, description="The controller's row of decisions")
