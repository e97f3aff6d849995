"""Sections `[alarms]` and `[notifications]` of the cloud's configuration: who is told of what.

Passwords, keys and addresses that are secret by themselves stay in files of their own; a file may
be replaced at any time, and is read anew for every message.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_NAME = r"^[a-z0-9][a-z0-9._-]{0,31}$"
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_SCHEMES = {
    "smtp": ("smtp", "smtps"),
    "webhook": ("http", "https"),
    "wecom": ("http", "https"),
    "dingtalk": ("http", "https"),
}
Kind = Literal["smtp", "webhook", "wecom", "dingtalk"]
AlarmClassName = Literal["safety", "equipment", "process", "communication", "system"]
ChannelName = Annotated[str, Field(pattern=_NAME)]
PriorityNumber = Annotated[int, Field(ge=1, le=4)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class QuietHours(_Section):
    """When alarms of priority 3 and 4 wait; 1 and 2 never do."""

    begin: str = Field(description='local time, "22:00"')
    end: str = Field(description='local time, "07:00"; before `begin`: of the next day')
    timezone: str = Field("UTC", description="IANA name, e.g. Asia/Shanghai")

    @field_validator("begin", "end")
    @classmethod
    def _is_clock(cls, text: str) -> str:
        if not _CLOCK.fullmatch(text):
            raise ValueError('write a time of day such as "22:00"')
        return text

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("write an IANA name, e.g. Asia/Shanghai") from error
        return name


class ChannelSection(_Section):
    """One way to reach somebody."""

    name: ChannelName = Field(description="for chains, lists and logs")
    kind: Kind
    address: str | None = Field(
        None,
        description="smtp://HOST:587 (STARTTLS), smtps://HOST:465, or an http(s) address; of a"
        " WeCom or DingTalk robot only where it is reached through a gateway of your own",
    )
    plain: bool = Field(False, description="smtp without TLS: inside a machine or a closed network")
    sender: str | None = Field(None, description="smtp: address that messages come from")
    to: tuple[str, ...] = Field((), description="smtp: addresses of those who are told")
    user: str | None = Field(None, description="smtp: name to sign in with")
    secret_file: Path | None = Field(
        None,
        description="file of mode 0600: smtp: password; webhook: bearer token; wecom: key;"
        " dingtalk: access token",
    )
    sign_file: Path | None = Field(
        None, description="dingtalk: file with the secret of a robot that asks for signatures"
    )
    priorities: tuple[PriorityNumber, ...] = Field((1, 2, 3, 4), min_length=1)
    classes: tuple[AlarmClassName, ...] = Field((), description="none: all")
    stations: tuple[str, ...] = Field((), description="none: all")
    quiet: QuietHours | None = None
    language: Literal["en", "zh"] = "en"

    @field_validator("address")
    @classmethod
    def _holds_no_secret(cls, address: str | None) -> str | None:
        if address is not None and urlsplit(address).password:
            raise ValueError("no password in the address: put it into secret_file")
        return address

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        schemes = _SCHEMES[self.kind]
        given = urlsplit(self.address or "").scheme
        if self.address is not None and given not in schemes:
            known = " or ".join(f"{scheme}://" for scheme in schemes)
            raise ValueError(f"address of kind {self.kind} begins with {known}")
        if self.kind in ("smtp", "webhook") and self.address is None:
            raise ValueError(f"kind {self.kind} needs an address")
        if self.kind == "smtp" and not (self.sender and self.to):
            raise ValueError("kind smtp needs sender and to")
        if self.kind == "smtp" and (self.user is None) != (self.secret_file is None):
            raise ValueError("user and secret_file (its password) go together")
        if self.kind in ("wecom", "dingtalk") and self.secret_file is None:
            raise ValueError(f"kind {self.kind} needs a secret_file with the robot's key")
        if self.sign_file is not None and self.kind != "dingtalk":
            raise ValueError("sign_file is for kind dingtalk")
        return self

    def beside(self, base: Path) -> Self:
        """Return the section with its relative paths counted from `base`."""
        update = {
            name: base / path
            for name in ("secret_file", "sign_file")
            if (path := getattr(self, name)) is not None
        }
        return self.model_copy(update=update)


class NotificationsSection(_Section):
    """Who is told of alarms outside the console."""

    channels: tuple[ChannelSection, ...] = ()
    chains: tuple[tuple[ChannelName, ...], ...] = Field(
        (),
        description="each a list of channels: the first that takes an alarm is told at once, the"
        " next when nobody has acknowledged it in its time to respond; none: every channel is told"
        " at once",
    )
    give_up_after_h: float = Field(
        24.0, gt=0, le=168, description="hours after which a message that fails is given up"
    )
    console_url: str | None = Field(
        None, pattern=r"^https?://", description="address of the console, for a link in messages"
    )

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        names = [channel.name for channel in self.channels]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise ValueError(f"channel {twice[0]!r} is there twice; give each a name of its own")
        for chain in self.chains:
            unknown = [name for name in chain if name not in names]
            if unknown or not chain:
                raise ValueError(
                    f"chains name channels; {unknown[0] if unknown else 'nothing'!r} is none of"
                    f" {names}"
                )
            if len(set(chain)) < len(chain):
                raise ValueError("a chain names each channel once")
        return self

    @property
    def all_chains(self) -> tuple[tuple[ChannelSection, ...], ...]:
        """The chains with their channels; without any, each channel by itself."""
        by_name = {channel.name: channel for channel in self.channels}
        named = self.chains or tuple((channel.name,) for channel in self.channels)
        return tuple(tuple(by_name[name] for name in chain) for chain in named)

    def beside(self, base: Path) -> Self:
        """Return the section with its relative paths counted from `base`."""
        channels = tuple(channel.beside(base) for channel in self.channels)
        return self.model_copy(update={"channels": channels})


class AlarmsSection(_Section):
    """What alarms mean here, and how many people answer them."""

    definitions: Path | None = Field(
        None, description="definitions of alarms; none: cloud/alarms/definitions.toml"
    )
    positions: int = Field(
        1, ge=1, le=100, description="operator positions that share the alarms, for the metrics"
    )
