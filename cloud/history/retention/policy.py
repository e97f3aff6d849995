"""The retention policy: how long each class of signals is kept, in which fineness, and in clear.

Policy is data (`policy.toml` beside this file, or an owner's own), checked whole when it is read.
Times are counted back from now by the calendar: on 15 October, "6 months" reach to 15 April.
"""

import datetime as dt
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import total_ordering
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from cloud.errors import ConfigError
from cloud.history.blocks.reading import Stream
from cloud.history.rollups.arithmetic import scalars
from cloud.history.rollups.job import Released
from contract.events import Severity
from contract.layouts import Layout
from contract.signals import Grade, Kind, Signal

DEFAULT: Final = Path(__file__).with_name("policy.toml")

_FOREVER: Final = "for ever"
_TIME: Final = re.compile(r"([1-9]\d{0,3}) (day|month|year)s?")
_MONTHS_OF_YEAR: Final = 12
_DAYS_OF_MONTH: Final = 30.44
"""Mean of the Gregorian calendar (365.2425 / 12): only to compare months with days."""
_MOST_YEARS: Final = 100
"""Several lives of a battery; counted back from now, it is a date of the calendar at any time."""
_HOW: Final = (
    'write a time such as "90 days", "6 months", "3 years" or "for ever", '
    f"at most {_MOST_YEARS} years"
)


@total_ordering
@dataclass(frozen=True)
class Keep:
    """How long something is kept: months and days, or for ever."""

    months: int = 0
    days: int = 0
    forever: bool = False

    def before_ms(self, now: dt.datetime) -> int | None:
        """Return the time (epoch ms) before which it is over; None: it never is."""
        if self.forever:
            return None
        month = now.year * _MONTHS_OF_YEAR + now.month - 1 - self.months
        year, month = month // _MONTHS_OF_YEAR, month % _MONTHS_OF_YEAR + 1
        day = min(now.day, _days_in(year, month))
        then = now.replace(year=year, month=month, day=day) - dt.timedelta(days=self.days)
        return round(then.timestamp() * 1000)

    @property
    def about_days(self) -> float:
        """Its length in days, infinite when for ever."""
        return float("inf") if self.forever else self.months * _DAYS_OF_MONTH + self.days

    def __lt__(self, other: "Keep") -> bool:
        return self.about_days < other.about_days

    def __str__(self) -> str:
        if self.forever:
            return _FOREVER
        if self.days:
            return _counted(self.days, "day")
        years, months = divmod(self.months, _MONTHS_OF_YEAR)
        return _counted(years, "year") if not months else _counted(self.months, "month")


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}{'s' if number != 1 else ''}"


def _days_in(year: int, month: int) -> int:
    following = dt.date(year + month // _MONTHS_OF_YEAR, month % _MONTHS_OF_YEAR + 1, 1)
    return (following - dt.timedelta(days=1)).day


FOREVER: Final = Keep(forever=True)


def _time(value: object) -> Keep:
    if isinstance(value, Keep):
        return value
    if value == _FOREVER:
        return FOREVER
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(_HOW)
    number, unit = int(found[1]), found[2]
    months = number * {"day": 0, "month": 1, "year": _MONTHS_OF_YEAR}[unit]
    if months > _MOST_YEARS * _MONTHS_OF_YEAR:
        raise ValueError(_HOW)
    return Keep(months=months) if months else Keep(days=number)


def _severity(value: object) -> object:
    names = {one.name.lower(): one for one in Severity}
    if isinstance(value, str) and value in names:
        return names[value]
    raise ValueError(f"write one of {', '.join(names)}")


def _released(value: object) -> Keep | None:
    return None if value is False else _time(value)


Time = Annotated[Keep, BeforeValidator(_time)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Match(_Part):
    """One way to belong to a class: all keys that are given must fit."""

    layouts: tuple[str, ...] = ("*",)
    signals: tuple[str, ...] = ("*",)
    kinds: tuple[Kind, ...] = tuple(Kind)
    grades: tuple[Grade, ...] = tuple(Grade)

    def fits(self, layout: str, signal: Signal) -> bool:
        """Whether a signal of a layout matches."""
        return (
            any(fnmatchcase(layout, pattern) for pattern in self.layouts)
            and any(fnmatchcase(signal.name, pattern) for pattern in self.signals)
            and signal.kind in self.kinds
            and signal.grade in self.grades
        )


class SignalClass(_Part):
    """Signals that are kept alike; the keys are explained in `policy.toml`."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")
    match: tuple[Match, ...] = Field(min_length=1)
    raw: Time
    minutes: Time
    quarters: Time
    windows: bool
    archive: bool
    sql_rows: Annotated[Keep | None, BeforeValidator(_released)]

    @model_validator(mode="after")
    def _coarser_longer(self) -> Self:
        if not self.raw <= self.minutes <= self.quarters:
            raise ValueError(
                "minutes must be kept at least as long as raw, and quarters as long as minutes"
            )
        return self


class WindowPart(_Part):
    """Which times around which events are kept whole."""

    severity: Annotated[Severity, BeforeValidator(_severity)]
    before_h: float = Field(ge=0, le=240)
    after_h: float = Field(ge=0, le=240)


class ArchivePart(_Part):
    """When months are archived, and how long restored ones stay."""

    after: Time
    restored: Time

    @field_validator("after")
    @classmethod
    def _comes(cls, after: Keep) -> Keep:
        if after.forever:
            raise ValueError("months would never be archived; write days or months")
        return after


class CommandsPart(_Part):
    """How long the commands of stations are kept."""

    keep: Time = FOREVER


@dataclass(frozen=True)
class LayoutRule:
    """How long samples and rollups of one layout are kept: the longest of its classes.

    `windows` and `archive` hold when any of its classes says so.
    """

    raw: Keep
    minutes: Keep
    quarters: Keep
    windows: bool
    archive: bool


class Policy(_Part):
    """A checked policy."""

    window: WindowPart
    archive: ArchivePart
    commands: CommandsPart = CommandsPart()
    classes: tuple[SignalClass, ...] = Field(alias="class", min_length=1)

    @field_validator("classes")
    @classmethod
    def _complete(cls, classes: tuple[SignalClass, ...]) -> tuple[SignalClass, ...]:
        names = [one.name for one in classes]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"there are two classes of the name {min(twice)}; rename one")
        if Match() not in classes[-1].match:
            raise ValueError(
                f'the last class, {names[-1]}, must match everything: {{ signals = ["*"] }}'
            )
        return classes

    def class_of(self, layout: str, signal: Signal) -> SignalClass:
        """Return the class of a signal in a layout (by the layout's name)."""
        return next(
            one for one in self.classes if any(match.fits(layout, signal) for match in one.match)
        )

    def rule_of(self, layout: Layout) -> LayoutRule:
        """Return what holds for the blocks and rollups of a layout as a whole."""
        of = [self.class_of(layout.name, column.signal) for column in layout.columns]
        return LayoutRule(
            max(one.raw for one in of),
            max(one.minutes for one in of),
            max(one.quarters for one in of),
            any(one.windows for one in of),
            any(one.archive for one in of),
        )

    def released(self, streams: Mapping[Stream, Layout]) -> Released:
        """Return the signals of each stream whose quarter hours are also written as SQL rows."""
        return {
            stream: [
                signal.name
                for signal in scalars(layout)
                if self.class_of(layout.name, signal).sql_rows
            ]
            for stream, layout in streams.items()
        }

    def sql_rows_kept(self, layouts: Iterable[Layout]) -> dict[str, Keep]:
        """Return how long SQL rows of the released signals of a device are kept.

        Args:
            layouts: all of one device, whose signals share the table's rows.
        """
        kept: dict[str, Keep] = {}
        for layout in layouts:
            for signal in scalars(layout):
                time = self.class_of(layout.name, signal).sql_rows
                if time:
                    kept[signal.name] = max(time, kept.get(signal.name, time))
        return kept


def load(path: Path | None = None) -> Policy:
    """Read and check a policy; None: the one that comes with the product.

    Raises:
        ConfigError: unreadable file, wrong TOML, unknown or wrong key; names file, key, value
            and remedy.
    """
    path = path or DEFAULT
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(path, "file", str(path), f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(path, "file", str(path), f"is not TOML: {error}") from error
    try:
        return Policy.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = _key(raw, [part for part in first["loc"] if not isinstance(part, str) or part])
        given = None if first["type"] == "missing" else first["input"]
        raise ConfigError(path, key, given, _remedy(first["type"], first["msg"])) from error


def _key(raw: Any, place: list[int | str]) -> str:
    """Write a place as the file shows it: classes by their names."""
    words, at = [], raw
    for part in place:
        try:
            at = at[part]
        except (KeyError, IndexError, TypeError):
            at = None
        named = isinstance(part, int) and isinstance(at, dict) and "name" in at
        words.append(str(at["name"]) if named else str(part))
    return ".".join(words) or "file"


def _remedy(kind: str, message: str) -> str:
    if kind == "missing":
        return "is required; add it"
    if kind == "extra_forbidden":
        return "is not a known key; check its spelling or remove it"
    return message.removeprefix("Value error, ")
