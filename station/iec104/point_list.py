"""The point list that a dispatch centre hands out, as a TOML file that its engineer can edit.

Every point has the address of its information object, its type, a direction, and what it stands
for: a value that the station shows to the centre, a signal of one of its devices, or a command.
docs/protocols.md lists the keys; an error names file, key and remedy.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from contract import layouts
from station.config_errors import WHOLE_FILE, ConfigError, Fault, faults_of, refuse
from station.iec104.types import CONTROLLED, MONITORED, Form

SHIPPED = Path(__file__).parent / "points"
SHOWN = (
    *("power_kw", "reactive_kvar", "frequency_hz", "soc", "low_kw", "high_kw"),
    *("discharge_kwh", "charge_kwh", "remote", "state", "accepted_kw", "accepted_kvar", "binding"),
    *("following", "lost", "refusal", "centre_heartbeat", "station_heartbeat"),
)
"""What the station shows a centre of itself; docs/protocols.md says what each is."""

_MAX_IOA = 0xFF_FFFF
_MAX_COMMON_ADDRESS = 65534


class Command(StrEnum):
    """What a centre may ask for."""

    POWER = "power_kw"
    REACTIVE = "reactive_kvar"
    ENABLE = "enable"
    REACTIVE_ENABLE = "reactive_enable"
    HEARTBEAT = "heartbeat"

    @property
    def is_switch(self) -> bool:
        """Whether it is on or off."""
        return self in {Command.ENABLE, Command.REACTIVE_ENABLE}


class SignOfLife(StrEnum):
    """What shows that the centre lives: a command point that counts on, or its link itself."""

    HEARTBEAT = "heartbeat"
    LINK = "link"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Point(_Strict):
    ioa: int = Field(ge=1, le=_MAX_IOA, description="Address of the information object")
    scale: float = Field(default=1.0, description="Physical value of one transmitted unit")
    name: str = Field(default="", description="For people")

    @field_validator("scale")
    @classmethod
    def _counts(cls, value: float) -> float:
        if value == 0.0:
            raise ValueError("a scale of 0 makes every value 0")
        return value


class MonitorPoint(_Point):
    """A value that the station tells.

    Attributes:
        type: of the information object.
        device: tag of the device whose signal it is; empty for what the station shows of itself.
        signal: name of the signal.
        deadband: a step of less, in the signal's unit, is told only when it is asked for.
    """

    direction: Literal["monitor"]
    type: str
    device: str = ""
    signal: str
    deadband: float = Field(default=0.0, ge=0)

    @property
    def form(self) -> Form:
        """How its value travels."""
        return MONITORED[self.type].form

    @field_validator("type")
    @classmethod
    def _known_type(cls, value: str) -> str:
        if value not in MONITORED:
            raise ValueError(f"is no type to monitor; choose one of {', '.join(MONITORED)}")
        return value

    @model_validator(mode="after")
    def _known_signal(self) -> MonitorPoint:
        if not self.device and self.signal not in SHOWN:
            raise ValueError(
                f"signal {self.signal!r} is nothing that the station shows of itself; name its "
                f"device, or choose one of {', '.join(SHOWN)}"
            )
        return self


class ControlPoint(_Point):
    """A command that the centre gives.

    Attributes:
        type: of the information object.
        signal: which command it is.
        low, high: what is taken, in kW or kvar; the station's rating when left out.
        max_step: the largest step from what was asked for last, or from the measured power when
            nothing was; any when left out.
        select: the centre must select it before it operates it.
    """

    direction: Literal["control"]
    type: str
    signal: Command
    low: float | None = None
    high: float | None = None
    max_step: float | None = Field(default=None, gt=0)
    select: bool = False

    @property
    def form(self) -> Form:
        """How its value travels."""
        return CONTROLLED[self.type].form

    @field_validator("type")
    @classmethod
    def _known_type(cls, value: str) -> str:
        if value not in CONTROLLED:
            raise ValueError(f"is no type of a command; choose one of {', '.join(CONTROLLED)}")
        return value

    @model_validator(mode="after")
    def _fits(self) -> ControlPoint:
        if self.signal.is_switch != (self.form is Form.SINGLE):
            kind = "C_SC_NA_1" if self.signal.is_switch else "C_SE_NC_1"
            raise ValueError(
                f"{self.signal} does not travel as {self.type}; take a type like {kind}"
            )
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError("low must be below high")
        return self


AnyPoint = Annotated[MonitorPoint | ControlPoint, Field(discriminator="direction")]


class PointList(_Strict):
    """A whole list.

    Attributes:
        title: for people.
        common_address: of the station (ASDU address).
        timezone: in which times travel; the standard leaves it to the two sides.
        sign_of_life: what keeps the centre's request alive.
        select_timeout_s: a selection that is not operated within ends.
        command_max_age_s: a command with an older time tag is refused.
        clock_tolerance_s: a clock of the centre that differs by more is refused.
        points: all points.
    """

    title: str
    common_address: int = Field(ge=1, le=_MAX_COMMON_ADDRESS)
    timezone: str = "UTC"
    sign_of_life: SignOfLife = SignOfLife.HEARTBEAT
    select_timeout_s: float = Field(default=10.0, ge=1, le=60)
    command_max_age_s: float = Field(default=10.0, gt=0, le=300)
    clock_tolerance_s: float = Field(default=1.0, gt=0, le=60)
    points: tuple[AnyPoint, ...] = Field(min_length=1)

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError("is no IANA time zone; write one like 'Asia/Shanghai'") from error
        return value

    @property
    def monitored(self) -> tuple[MonitorPoint, ...]:
        """What is told."""
        return tuple(point for point in self.points if isinstance(point, MonitorPoint))

    @property
    def controls(self) -> Mapping[int, ControlPoint]:
        """What may be asked for, by address."""
        return {point.ioa: point for point in self.points if isinstance(point, ControlPoint)}


def find_points(name: str) -> Path:
    """Return the path of a point list; a bare name may be one that ships with the station."""
    path = Path(name)
    return path if path.exists() or path.name != name else SHIPPED / name


def load_points(name: str, devices: Mapping[str, str] | None) -> PointList:
    """Read and check a point list whole.

    Args:
        name: path, or the bare name of a list that ships with the station.
        devices: layout by tag of the station's devices; None to look at the list alone.

    Raises:
        ConfigError: it cannot be read or is wrong; names every fault with key and remedy.
    """
    file = find_points(name)
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        shipped = ", ".join(sorted(path.name for path in SHIPPED.glob("*.toml")))
        remedy = f"cannot be read: {error.strerror}; shipped are: {shipped}"
        raise ConfigError(file, Fault(WHOLE_FILE, None, remedy)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(file, Fault(WHOLE_FILE, None, f"is no TOML: {error}")) from error
    try:
        found = PointList.model_validate(document)
    except ValidationError as error:
        raise ConfigError(file, *faults_of(error, PointList)) from error
    unknown = () if devices is None else _unknown(found, devices)
    refuse(file, (*_twice(found), *unknown, *_missing(found)))
    return found


def _twice(found: PointList) -> Iterator[Fault]:
    """An address is one information object, and a command has one."""
    addresses = Counter(point.ioa for point in found.points)
    commands: set[Command] = set()
    for number, point in enumerate(found.points):
        if addresses[point.ioa] > 1:
            yield Fault(f"points[{number}].ioa", point.ioa, "is used twice; give each its own")
        if isinstance(point, ControlPoint):
            if point.signal in commands:
                remedy = "is commanded twice; keep one of them"
                yield Fault(f"points[{number}].signal", str(point.signal), remedy)
            commands.add(point.signal)


def _unknown(found: PointList, devices: Mapping[str, str]) -> Iterator[Fault]:
    """A signal belongs to a device of this station."""
    for number, point in enumerate(found.points):
        if not isinstance(point, MonitorPoint) or not point.device:
            continue
        name = devices.get(point.device)
        if name is None:
            known = ", ".join(sorted(devices))
            remedy = f"is no device of this station; it has: {known}"
            yield Fault(f"points[{number}].device", point.device, remedy)
        elif point.signal not in layouts.get(name):
            signals = ", ".join(c.signal.name for c in layouts.get(name).columns)
            yield Fault(f"points[{number}].signal", point.signal, f"choose one of {signals}")


def _missing(found: PointList) -> Iterator[Fault]:
    """Whoever asks for power must take and give back control, and show that he lives."""
    asked = {point.signal for point in found.controls.values()}
    needs = {
        Command.ENABLE: Command.POWER in asked,
        Command.POWER: Command.ENABLE in asked,
        Command.REACTIVE_ENABLE: Command.REACTIVE in asked,
        Command.HEARTBEAT: bool(asked) and found.sign_of_life is SignOfLife.HEARTBEAT,
    }
    for command, needed in needs.items():
        if needed and command not in asked:
            hint = "; or set sign_of_life = 'link'" if command is Command.HEARTBEAT else ""
            yield Fault("points", None, f"no control point has signal = '{command}'; add one{hint}")
