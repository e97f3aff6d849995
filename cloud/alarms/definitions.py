"""What every alarm means: the rationalisation record that ISA-18.2 asks for, as data.

The file is `definitions.toml` beside this one, or an owner's own; its head explains the keys. It
is checked whole when it is read: every code of the contract that is more than information has a
definition, safety alarms cannot be suppressed, all texts are there in both languages.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from cloud.errors import ConfigError
from contract.events import EVENT_CODES, Severity
from contract.words import Words

SHIPPED: Final = Path(__file__).with_name("definitions.toml")
LINK_LOST: Final = "cloud.link_lost"
"""A station that is cut off cannot tell it."""
BID_CODES: Final = frozenset(
    {
        "cloud.bid_deadline",
        "cloud.bid_missed",
        "cloud.bid_unclear",
        "cloud.draft_late",
        "cloud.settlement_differs",
        "cloud.webhook_failed",
    }
)
"""What the market desk finds about a station's bids."""
RESTARTED: Final = "station.started"
"""A controller that starts anew tells again what stands; what it does not tell again is over."""
CLOUD_CODES: Final = frozenset({LINK_LOST}) | BID_CODES
"""Alarms that the cloud raises itself."""

PRIORITIES: Final = (1, 2, 3, 4)
_MS: Final = 1000


class AlarmClass(StrEnum):
    """What an alarm is about; alarms of class safety are neither shelved nor suppressed."""

    SAFETY = "safety"
    EQUIPMENT = "equipment"
    PROCESS = "process"
    COMMUNICATION = "communication"
    SYSTEM = "system"


class Within(StrEnum):
    """How near a cause must be."""

    DEVICE = "device"
    CONTAINER = "container"
    STATION = "station"


def _words(value: object) -> object:
    if isinstance(value, Words):
        return value
    if isinstance(value, dict) and set(value) == {"en", "zh"}:
        texts = [value["en"], value["zh"]]
        if all(isinstance(text, str) and text.strip() for text in texts):
            return Words(*texts)
    raise ValueError('write { en = "...", zh = "..." }, both with text')


Text = Annotated[Words, BeforeValidator(_words)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Cause(_Part):
    """Alarms of which this one may be a mere consequence."""

    codes: tuple[str, ...] = Field(min_length=1)
    within: Within


class Chattering(_Part):
    """How often is too often."""

    count: int = Field(3, ge=2, le=100)
    within_s: float = Field(60, gt=0, le=86_400)


class Incident(_Part):
    """What counts as one incident."""

    gap_s: float = Field(30, gt=0, le=3_600)
    longest_s: float = Field(600, gt=0, le=86_400)


class Fleeting(_Part):
    """What comes and goes before anybody could have acted."""

    under_s: float = Field(10, gt=0, le=3_600)


class Standing(_Part):
    """From when on an alarm is stale."""

    over_h: float = Field(24, gt=0, le=8_760)


class Flood(_Part):
    """More alarms than one operator can answer."""

    begins_over: int = Field(10, ge=1)
    ends_under: int = Field(5, ge=0)
    within_s: int = Field(600, ge=60)


class Definition(_Part):
    """One record; the keys are explained at the head of `definitions.toml`."""

    code: str = Field(min_length=1, max_length=64)
    tag: str = Field("*", min_length=1)
    title: Text | None = None
    priority: Literal[1, 2, 3, 4]
    class_: AlarmClass = Field(alias="class")
    cause: Text
    consequence: Text
    action: tuple[Text, ...] = Field(min_length=1)
    respond_min: int = Field(gt=0, le=10_080)
    on_delay_s: float = Field(0, ge=0, le=3_600)
    off_delay_s: float = Field(0, ge=0, le=3_600)
    dead_band: float = Field(0, ge=0)
    dead_band_delay_s: float = Field(0, ge=0, le=3_600)
    latching: bool = False
    momentary: bool = False
    suppress_when: tuple[Cause, ...] = ()
    consequence_of: tuple[Cause, ...] = ()
    incident: bool | None = None
    first_out: bool | None = None
    chattering: Chattering | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.class_ is AlarmClass.SAFETY and self.suppress_when:
            raise ValueError(
                "suppress_when: an alarm of class safety is never suppressed; use consequence_of"
            )
        if self.momentary and (self.on_delay_s or self.off_delay_s):
            raise ValueError("momentary alarms have no on_delay_s or off_delay_s; remove them")
        if bool(self.dead_band) != bool(self.dead_band_delay_s):
            raise ValueError("dead_band and dead_band_delay_s go together; give both or none")
        return self

    @property
    def shelvable(self) -> bool:
        """Whether a person may put it aside for a while."""
        return self.class_ is not AlarmClass.SAFETY

    @property
    def joins_incidents(self) -> bool:
        """Whether it can be part of an incident, or its first cause."""
        return self.class_ is not AlarmClass.SYSTEM if self.incident is None else self.incident

    @property
    def may_be_first(self) -> bool:
        """Whether it can be the first-out: it tells a cause, not what came of one."""
        if self.first_out is None:
            return self.class_ in (AlarmClass.SAFETY, AlarmClass.EQUIPMENT)
        return self.first_out

    @property
    def causes(self) -> tuple[Cause, ...]:
        """All alarms of which it may be a consequence, shown or not."""
        return (*self.suppress_when, *self.consequence_of)

    @property
    def on_delay_ms(self) -> int:
        """How long the condition must last."""
        return round(self.on_delay_s * _MS)

    @property
    def off_delay_ms(self) -> int:
        """How long the condition must be gone."""
        return round(self.off_delay_s * _MS)

    @property
    def respond_ms(self) -> int:
        """Time in which its action helps."""
        return self.respond_min * 60 * _MS

    def delay_of(self, value: float | None, limit: float | None) -> int:
        """On-delay in ms of a condition with this value and limit, after the dead band."""
        if not self.dead_band or value is None or limit is None:
            return self.on_delay_ms
        near = abs(value - limit) < self.dead_band
        return round(self.dead_band_delay_s * _MS) if near else self.on_delay_ms

    def words(self) -> Words:
        """What is wrong, without where."""
        if self.title is not None:
            return self.title
        known = EVENT_CODES.get(self.code)
        return Words(self.code, self.code) if known is None else known.words


class _File(_Part):
    alarm: tuple[Definition, ...] = Field(min_length=1)
    chattering: Chattering = Chattering()
    incident: Incident = Incident()
    fleeting: Fleeting = Fleeting()
    standing: Standing = Standing()
    flood: Flood = Flood()


@dataclass(frozen=True)
class Definitions:
    """All definitions, and the limits that hold for all of them."""

    records: tuple[Definition, ...]
    chattering: Chattering
    incident: Incident
    fleeting: Fleeting
    standing: Standing
    flood: Flood
    by_code: Mapping[str, tuple[Definition, ...]]

    def find(self, code: str, tag: str = "", severity: int = Severity.ALARM) -> Definition:
        """Return the definition of an alarm.

        A code of a newer station, which has none here, gets one of its severity's priority that
        says so; it is neither lost nor suppressed.
        """
        for record in self.by_code.get(code, ()):
            if fnmatchcase(tag, record.tag):
                return record
        return _unknown(code, severity)

    def followers(self, code: str) -> frozenset[str]:
        """Codes that may be suppressed while an alarm of `code` stands."""
        return frozenset(
            record.code
            for record in self.records
            if any(code in cause.codes for cause in record.suppress_when)
        )

    @cached_property
    def causes_within_station(self) -> frozenset[str]:
        """Codes of which an alarm anywhere in the station may be a consequence."""
        return frozenset(
            code
            for record in self.records
            for cause in record.causes
            if cause.within is Within.STATION
            for code in cause.codes
        )

    def trips_station(self, code: str, tag: str) -> bool:
        """Whether an alarm of the station itself tells that all of it was stopped."""
        return code in self.causes_within_station and self.find(code, tag).may_be_first

    def codes_saying(self, text: str) -> list[str]:
        """Codes whose name, title, cause or consequence contains `text`, in either language."""
        wanted = text.casefold()
        found = set()
        for record in self.records:
            texts = [record.code, *record.words(), *record.cause, *record.consequence]
            if any(wanted in one.casefold() for one in texts):
                found.add(record.code)
        return sorted(found)


@lru_cache(maxsize=256)
def _unknown(code: str, severity: int) -> Definition:
    return Definition.model_validate(
        {
            "code": code,
            "title": Words(code, code),
            "priority": max(1, min(4, int(max(Severity)) + 1 - severity)),
            "class": AlarmClass.PROCESS,
            "cause": Words(
                "This version has no definition of the alarm; the station is newer.",
                "本版本没有该告警的定义，电站版本较新。",
            ),
            "consequence": Words("Not known here.", "此处未知。"),
            "action": (
                Words("Read the alarm's own text.", "阅读告警自身文字。"),
                Words("Update the cloud.", "升级云端版本。"),
            ),
            "respond_min": 30,
        }
    )


@lru_cache(maxsize=4)
def load(path: Path | None = None) -> Definitions:
    """Read and check a file of definitions; without a path the shipped one.

    Raises:
        ConfigError: naming file, key and remedy.
    """
    file = path or SHIPPED
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(file, "file", str(file), f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(file, "file", str(file), f"is not TOML: {error}") from error
    return parse(raw, file)


def parse(raw: dict[str, Any], file: Path) -> Definitions:
    """Check the content of a file of definitions; errors as `load`."""
    try:
        found = _File.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = _key(raw, first["loc"])
        given = None if first["type"] == "missing" else first["input"]
        raise ConfigError(file, key, given, _remedy(first["type"], first["msg"])) from error
    by_code: dict[str, tuple[Definition, ...]] = {}
    for record in found.alarm:
        by_code[record.code] = (*by_code.get(record.code, ()), record)
    _check_codes(file, by_code)
    _check_causes(file, found.alarm, by_code)
    return Definitions(
        *(found.alarm, found.chattering, found.incident, found.fleeting),
        *(found.standing, found.flood, by_code),
    )


def _key(raw: dict[str, Any], loc: Sequence[int | str]) -> str:
    """Name an alarm by its code rather than by its number in the file."""
    if len(loc) > 1 and loc[0] == "alarm" and isinstance(loc[1], int):
        record = raw["alarm"][loc[1]]
        code = record.get("code", loc[1]) if isinstance(record, dict) else loc[1]
        return ".".join([f"alarm[{code}]", *(str(part) for part in loc[2:])])
    return ".".join(str(part) for part in loc) or "file"


def _remedy(kind: str, message: str) -> str:
    if kind == "missing":
        return "is required; add it"
    if kind == "extra_forbidden":
        return "is not a known key; check its spelling or remove it"
    return message.removeprefix("Value error, ")


def _check_codes(file: Path, by_code: Mapping[str, tuple[Definition, ...]]) -> None:
    alarming = {code for code, kind in EVENT_CODES.items() if kind.severity > Severity.INFORMATION}
    for code in sorted(set(by_code) - alarming - CLOUD_CODES):
        raise ConfigError(
            file, f"alarm[{code}]", code, "is no alarm of the contract; check it or remove it"
        )
    for code in sorted((alarming | CLOUD_CODES) - set(by_code)):
        raise ConfigError(file, f"alarm[{code}]", None, "has no definition; add one")
    for code, records in by_code.items():
        if records[-1].tag != "*" or any(record.tag == "*" for record in records[:-1]):
            problem = 'the last record of a code, and only it, has tag = "*"; order them so'
            raise ConfigError(file, f"alarm[{code}].tag", records[-1].tag, problem)


def _check_causes(
    file: Path, records: Sequence[Definition], by_code: Mapping[str, tuple[Definition, ...]]
) -> None:
    for record in records:
        for cause in record.causes:
            for code in cause.codes:
                if code not in by_code or code == record.code:
                    problem = "must be the code of another alarm; check its spelling"
                    raise ConfigError(file, f"alarm[{record.code}].codes", code, problem)
