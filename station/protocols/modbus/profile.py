"""Device profiles: what a Modbus device says where, as data that a plant engineer can edit.

A profile is a TOML file, validated whole on load. Register addresses are the protocol's own
(0-based). Every point names a signal of ``contract``; conversion to that signal's unit is
``physical = register * scale * 10**scale_factor + offset``. docs/protocols.md tells how to
write one.
"""

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, ValidationError, model_validator

from contract.signals import SIGNALS
from station.protocols.errors import ProfileError
from station.protocols.modbus.instances import wrong_instances
from station.protocols.modbus.partial import without
from station.protocols.modbus.place import (
    INVALID_MARKERS,
    MAX_BITS,
    MAX_REGISTERS,
    Number,
    Order,
    Place,
    RegisterType,
    Space,
    Strict,
    Whole,
)
from station.protocols.modbus.point import DeviceTime, Expectation, Point, Unmapped
from station.protocols.modbus.polling import FixedBlock, PollClass, Polling
from station.protocols.modbus.problems import (
    wrong_layouts,
    wrong_names,
    wrong_requests,
    wrong_values,
    wrong_writes,
)
from station.protocols.modbus.rhythm import wrong_rhythms
from station.protocols.modbus.sunspec.document import compose
from station.protocols.modbus.tables import INSTANCE_MARK, moved, split_instance, with_orders
from station.protocols.modbus.write import ReadBack, Write
from station.protocols.profile_files import PROFILE_FOLDER, find

__all__ = [
    "INVALID_MARKERS",
    "MAX_BITS",
    "MAX_REGISTERS",
    "PROFILE_FOLDER",
    "DeviceTime",
    "Expectation",
    "Fast",
    "FixedBlock",
    "Instances",
    "Place",
    "Point",
    "PollClass",
    "Polling",
    "Profile",
    "ReadBack",
    "RegisterType",
    "Space",
    "Unmapped",
    "Write",
    "load",
    "of_document",
    "read",
]


class Fast(Strict):
    """Signals that are wanted many times a second, over a connection of their own.

    Attributes:
        period_s: one reading each, on a grid of the station's clock.
        signals: single values of one layout that lie in one request.
    """

    period_s: Number = Field(default=0.05, ge=0.02, le=1.0)
    signals: tuple[str, ...] = Field(min_length=1)


class Instances(Strict):
    """Several like devices behind one unit id, their registers a stride apart.

    A configuration names one as ``file.toml#3``, counted from 1.

    Attributes:
        count: how many there are.
        stride: registers from one to the next.
        bit_stride: the same for coils and discrete inputs; as `stride` when left out.
    """

    count: Whole = Field(ge=1)
    stride: Whole = Field(ge=1)
    bit_stride: Whole | None = Field(default=None, ge=0)


class Profile(Strict):
    """A device profile; `layout_points` gives it with parameters filled in.

    Attributes:
        title: what kind of device it describes.
        space, word_order, byte_order: of every point that says nothing else.
        parameters: numbers that layouts and points refer to by name.
        blocks: requests as the device wants them; all others are planned from the points.
        layouts: points by layout of the contract and signal.
        writes: command points by signal or verb.
        unmapped: what else the device tells, by a name of its own; listed, never stored.
    """

    title: str
    space: Space = Space.HOLDING
    word_order: Order = "hi-lo"
    byte_order: Order = "hi-lo"
    parameters: Mapping[str, Whole] = Field(default_factory=dict)
    instances: Instances | None = None
    polling: Polling = Polling()
    blocks: tuple[FixedBlock, ...] = ()
    time: DeviceTime | None = None
    expect: tuple[Expectation, ...] = ()
    fast: Fast | None = None
    layouts: Mapping[str, Mapping[str, Point]]
    writes: Mapping[str, Write] = Field(default_factory=dict)
    unmapped: Mapping[str, Unmapped] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _orders(cls, raw: Any) -> Any:
        return with_orders(raw) if isinstance(raw, dict) else raw

    def space_of(self, place: Place | ReadBack) -> Space:
        """Return the address space of a place."""
        return place.space or self.space

    def layout_points(self) -> dict[str, dict[str, Point]]:
        """Return points by layout name and signal name; parameters, words and units filled in.

        Raises:
            KeyError: a parameter is not defined; its name is the argument.
            ValueError: a unit or a word does not belong to its signal.
        """
        return {
            name.format_map(self.parameters): {
                signal: point.resolved(SIGNALS.get(signal), self.parameters)
                for signal, point in points.items()
            }
            for name, points in self.layouts.items()
        }


def load(name: str) -> Profile:
    """Read and check a profile whole; ``file.toml#3`` is its third instance.

    Raises:
        ProfileError: naming file, key and remedy.
    """
    file, raw = read(name)
    profile, problems = of_document(file, raw, split_instance(name)[1])
    if profile is None or problems:
        raise ProfileError.of(problems)
    return profile


def read(name: str) -> tuple[str, dict[str, Any]]:
    """Return a profile's path and what the file holds, moved to the instance asked for.

    A ``[sunspec]`` section is replaced by the points that it stands for; there, the instance is
    the battery string.

    Raises:
        ProfileError: there is no such file or instance, or it is no TOML.
    """
    bare, instance = split_instance(name)
    path = find(bare)
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        shipped = ", ".join(sorted(p.name for p in PROFILE_FOLDER.glob("*.toml")))
        raise ProfileError(
            str(path), "file", f"cannot be read ({error.strerror})", f"shipped are: {shipped}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(str(path), "file", f"is no TOML: {error}", "mend the line") from error
    if "sunspec" in raw:
        return str(path), compose(str(path), raw, instance)
    if instance == 1:
        return str(path), raw
    try:
        several = Instances.model_validate(raw.get("instances"))
    except ValidationError:
        several = Instances(count=1, stride=1)
    if not 1 <= instance <= several.count:
        raise ProfileError(
            str(path), "instances", f"there is no instance {instance}",
            f"leave {INSTANCE_MARK}{instance} out, or give count and stride under [instances]",
        )  # fmt: skip
    bit_stride = several.stride if several.bit_stride is None else several.bit_stride
    return str(path), moved(raw, instance - 1, several.stride, bit_stride)


def of_document(
    file: str, raw: Mapping[str, Any], instance: int = 1
) -> tuple[Profile | None, list[ProfileError]]:
    """Return the profile that a document holds, and everything that is wrong with it.

    The profile is None when its keys or values are wrong.

    Args:
        file: for people.
        raw: the document, moved to the instance.
        instance: which of its like devices it describes.
    """
    try:
        profile = Profile.model_validate(raw)
    except ValidationError as error:
        problems, paths = wrong_values(file, error, Profile)
        problems += wrong_names(file, raw, paths)
        return None, problems + _of_the_rest(file, raw, paths)
    problems = _misfits(file, profile) or [
        *wrong_rhythms(file, profile),
        *wrong_instances(file, profile, instance),
    ]
    if problems:
        return profile, problems
    writes = {name: write.resolved(SIGNALS.get(name)) for name, write in profile.writes.items()}
    return profile.model_copy(update={"writes": writes}), []


def _misfits(file: str, profile: Profile) -> list[ProfileError]:
    return [
        *wrong_layouts(file, profile),
        *wrong_writes(file, profile),
        *wrong_requests(file, profile),
    ]


def _of_the_rest(
    file: str, raw: Mapping[str, Any], paths: Sequence[tuple[int | str, ...]]
) -> list[ProfileError]:
    """Return what is wrong with a document beside the tables in which these keys stand."""
    left = without(raw, paths)
    if left is None:
        return []
    try:
        return _misfits(file, Profile.model_validate(left))
    except ValidationError:
        return []  # what is left is no profile without them
