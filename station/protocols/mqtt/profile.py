"""Profiles of MQTT sensors: which topic and which part of its payload is which signal.

A profile is a TOML file, validated whole on load; docs/protocols.md tells how to write one. A
value counts for as long as its signal says it may: a sensor that falls silent loses its values by
itself, whatever the broker still holds of it.
"""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    ValidationError,
    field_validator,
    model_validator,
)

from contract import layouts
from contract.errors import ContractError
from contract.layout import Layout
from contract.signal import Kind, Signal
from station.protocols.errors import ProfileError
from station.protocols.profile_files import find
from station.wrong_keys import remedy_for, wrong_keys

_HINT = "docs/protocols.md lists the keys of a profile"
_WILDCARDS = frozenset("+#")
_PLACE = "{topic}"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Topic(_Strict):
    """Something that is told under a topic.

    Attributes:
        topic: with ``{topic}`` in the place of the sensor's own part, which the station's file has.
    """

    topic: str = Field(min_length=1)

    @field_validator("topic")
    @classmethod
    def _is_one_topic(cls, value: str) -> str:
        if _WILDCARDS & set(value):
            raise ValueError("names many topics; write the one topic without + and #")
        if "{" in value.replace(_PLACE, "") or "}" in value.replace(_PLACE, ""):
            raise ValueError(f"has an unknown place; only {_PLACE} is filled in")
        return value


class SignalSource(_Topic):
    """Where one signal comes from.

    Attributes:
        signal: of the profile's layout.
        path: keys into a JSON payload, parted by dots, numbers into lists; empty where the payload
            is the value itself.
        unit: in which the sensor tells it; the signal's own when left out.
        scale, offset: to the signal's unit: physical = told * scale + offset.
        low, high: plausible range in the signal's unit; outside, quality is questionable.
        invalid: what the sensor says instead of a value.
        words: number of each word of a sensor that tells a state.
        stale_s: a value counts so long; the profile's own when left out.
    """

    signal: str
    path: str = ""
    unit: str | None = None
    scale: StrictFloat = 1.0
    offset: StrictFloat = 0.0
    low: StrictFloat | None = None
    high: StrictFloat | None = None
    invalid: tuple[str | float | bool, ...] = ()
    words: Mapping[str, StrictInt] = Field(default_factory=dict)
    stale_s: StrictFloat | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _fits(self) -> "SignalSource":
        if self.scale == 0.0:
            raise ValueError("a scale of 0 makes every value 0")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError("low must be below high")
        if self.words and (self.scale != 1.0 or self.offset):
            raise ValueError("words have no scale and no offset")
        return self


class MessageTime(_Strict):
    """Where a JSON payload has the sensor's own time.

    Attributes:
        path: keys into the payload, as for a signal.
        unit: seconds or milliseconds since 1970, or ISO 8601 text (UTC where it names no zone).
        max_lead_s: a sensor whose clock is further ahead than this makes values questionable.
    """

    path: str = Field(min_length=1)
    unit: Literal["s", "ms", "iso"] = "s"
    max_lead_s: StrictFloat = Field(default=60.0, gt=0)


class Availability(_Topic):
    """A topic under which somebody tells whether the sensor is there (its last will, say)."""

    path: str = ""
    online: str = "online"
    offline: str = "offline"


class MqttProfile(_Strict):
    """A profile.

    Attributes:
        title: for people.
        layout: of the contract, which the signals fill.
        stale_s: a value counts so long after it was measured.
        period_s: the sensor's picture is handed over at least so often while any value counts.
        time: the sensor's own time; left out, a value is as old as its arrival.
        availability: who tells that the sensor is there; left out, its values alone show it.
        signals: where each signal comes from.
    """

    title: str
    layout: str
    stale_s: StrictFloat = Field(gt=0)
    period_s: StrictFloat = Field(default=10.0, ge=1, le=600)
    time: MessageTime | None = None
    availability: Availability | None = None
    signals: tuple[SignalSource, ...] = Field(min_length=1)

    @cached_property
    def columns(self) -> Layout:
        """The layout itself."""
        return layouts.get(self.layout)

    @property
    def needs_topic(self) -> bool:
        """Whether a sensor must say its own part of the topics."""
        return any(_PLACE in source.topic for source in self.signals)


def load(name: str) -> MqttProfile:
    """Read and check a profile whole.

    Raises:
        ProfileError: naming file, key and remedy.
    """
    path = find(name)
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        remedy = "name a file, or mqtt-room.toml, which ships"
        raise ProfileError(str(path), "file", problem, remedy) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(str(path), "file", f"is no TOML: {error}", "mend the line") from error
    try:
        profile = MqttProfile.model_validate(raw)
    except ValidationError as error:
        raise ProfileError.of(
            [
                ProfileError(str(path), one.key, one.problem, remedy_for(one, _HINT))
                for one in wrong_keys(error, MqttProfile)
            ]
        ) from error
    _check(str(path), profile)
    return profile


def _check(file: str, profile: MqttProfile) -> None:
    """Refuse what the contract does not know, and a sensor's unit without its conversion."""
    try:
        layout = profile.columns
    except ContractError as error:
        known = ", ".join(layouts.ALL)
        raise ProfileError(
            file, "layout", "is no layout of the contract", f"take one of {known}"
        ) from error
    problems = list(_misfits(file, profile, layout))
    if problems:
        raise ProfileError.of(problems)


def _misfits(file: str, profile: MqttProfile, layout: Layout) -> Iterator[ProfileError]:
    seen: set[str] = set()
    for number, source in enumerate(profile.signals):
        key = f"signals.{number}"
        if source.signal not in layout or source.signal in seen:
            problem = "is told twice" if source.signal in seen else "is no signal of this layout"
            known = ", ".join(c.signal.name for c in layout.columns)
            yield ProfileError(file, f"{key}.signal", problem, f"take one of {known}")
            continue
        seen.add(source.signal)
        signal = layout.columns[layout.column(source.signal)].signal
        if signal.kind is Kind.STATE:
            states = {value for value, _, _ in signal.states}
            if set(source.words.values()) - states:
                remedy = f"its states are {sorted(states)}"
                yield ProfileError(file, f"{key}.words", "gives an unknown state", remedy)
        converted = source.scale != 1.0 or source.offset != 0.0
        if source.unit is not None and (source.unit == signal.unit) == converted:
            remedy = _unit_remedy(source, signal, converted=converted)
            yield ProfileError(file, f"{key}.unit", f"is {source.unit!r}", remedy)


def _unit_remedy(source: SignalSource, signal: Signal, *, converted: bool) -> str:
    if signal.kind is not Kind.ANALOG:
        return f"leave it out: {signal.name} has no unit"
    own = repr(signal.unit) if signal.unit else "a plain number (1 is 100 %)"
    if converted:
        return f"{signal.name} is in {own}: leave scale and offset out, or mend the sensor's unit"
    return f"give scale or offset from {source.unit!r} to {own}, in which {signal.name} is"
