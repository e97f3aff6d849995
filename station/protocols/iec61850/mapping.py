"""Which object of an IED is which signal: a TOML file, bound to a device through its SCL file."""

import difflib
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    ValidationError,
    model_validator,
)

from contract import layouts
from contract.errors import ContractError
from contract.layouts import Layout
from station.protocols.errors import ProfileError
from station.protocols.iec61850.scl import DataSet, Ied, ReportBlock
from station.protocols.profile_files import find
from station.wrong_keys import remedy_for, wrong_keys

STANDARD = "pcs-iec61850.toml"
_NUMBER = "{n}"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SignalSource(_Strict):
    """Where one signal's value comes from.

    Attributes:
        object: data object, ``MMXU1.PPV.phsAB``, inside the mapping's logical device. For a
            signal of many values ``{n}`` stands for the number of each: ``SBAT{n}.Vol``.
        first: number of the first value.
        value: attribute with the value.
        scale, offset: to the signal's unit.
        states: device value -> state code of the signal; others are invalid. Booleans are 0
            and 1, double points 0 (between), 1 (off), 2 (on) and 3 (faulty).
        bits: objects (single points) that make up the bits of the signal, from bit 0 on.
        flags: objects (single points) -> state code; the first that is set tells the state,
            none of them makes it invalid.
        low, high: plausible range in the signal's unit.
    """

    object: str = ""
    first: StrictInt = Field(default=1, ge=0)
    value: str = "mag.f"
    scale: StrictFloat = 1.0
    offset: StrictFloat = 0.0
    states: Mapping[int, int] | None = None
    bits: tuple[str, ...] = ()
    flags: Mapping[str, StrictInt] = Field(default_factory=dict)
    low: StrictFloat | None = None
    high: StrictFloat | None = None

    @model_validator(mode="after")
    def _has_a_source(self) -> "SignalSource":
        if bool(self.object) + bool(self.bits) + bool(self.flags) != 1:
            raise ValueError("one of object, bits and flags must be given")
        return self

    def objects(self, repeat: int) -> tuple[str, ...]:
        """Return the objects of a signal of `repeat` values, or those of its bits or flags."""
        if repeat == 1:
            return self.bits or tuple(self.flags) or (self.object,)
        return tuple(
            self.object.replace(_NUMBER, str(n)) for n in range(self.first, self.first + repeat)
        )


class CommandTarget(_Strict):
    """Which controllable object a command point operates.

    Attributes:
        object: controllable data object.
        scale: device unit per signal unit (1000 for kW to W).
        percent_of: attribute of the device that is 100 %, in the device's unit
            (``DSTO1.WMaxRtg.setMag.f``): the object is set in per cent of it. It is read when
            the link stands.
        constraint: functional constraint of that attribute.
        value: written by verbs whatever the command's value is; a whole number for enumerations.
        low, high: allowed range in the signal's unit.
    """

    object: str
    scale: StrictFloat = 1.0
    percent_of: str = ""
    constraint: Literal["SP", "CF", "MX", "ST"] = "SP"
    value: bool | int | None = None
    low: StrictFloat | None = None
    high: StrictFloat | None = None


class SignalMap(_Strict):
    """The whole file.

    Attributes:
        layout: layout of the readings.
        device: instance of the logical device whose objects are named.
        time: object whose time stamp is the sample's time; a reading is made of each report
            that brings it with a time not seen before. Left out for devices that stamp no
            values: then each report of measurements makes a reading of the report's own time.
        silence_s: after so long without a report the data set is read.
        integrity_s: the data set is read so often anyway, to notice lost reports.
        max_error_s: a device clock that is further off makes values questionable.
        needs_synchronized_clock: so does one that says that it is not synchronized; many never
            say otherwise. One that says that it has failed always does.
    """

    title: str
    layout: str
    device: str
    time: str = ""
    silence_s: StrictFloat = Field(default=3.0, gt=0)
    integrity_s: StrictFloat = Field(default=60.0, gt=0)
    max_error_s: StrictFloat = Field(default=60.0, gt=0)
    needs_synchronized_clock: bool = False
    signals: Mapping[str, SignalSource] = Field(min_length=1)
    commands: Mapping[str, CommandTarget] = Field(default_factory=dict)


@dataclass(frozen=True)
class Leaf:
    """One attribute inside a report: data set, member, and the way through its structure."""

    data_set: str
    member: int
    way: tuple[int, ...]
    basic_type: str


@dataclass(frozen=True)
class Point:
    """A value with its quality and time stamp, where the data set carries them."""

    value: Leaf
    quality: Leaf | None
    time: Leaf | None


@dataclass(frozen=True)
class BoundSignal:
    """A signal with its points: one for each of its values, or one per bit."""

    column: int
    source: SignalSource
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Binding:
    """A mapping bound to an IED: all that is needed to read reports and to send commands.

    Attributes:
        time: where the sample's time lies; None for the report's own time.
        measurements: the data set whose reports make readings.
        reports: report blocks by data set that is used, best first; states come before
            measurements, so that a reading finds the states of its time.
        controls: complete references of controllable objects by command point.
        bases: complete references of what is 100 %, by command point in per cent.
    """

    layout: Layout
    mapping: SignalMap
    time: Leaf | None
    measurements: str
    signals: tuple[BoundSignal, ...]
    data_sets: Mapping[str, DataSet]
    reports: Mapping[str, tuple[ReportBlock, ...]]
    controls: Mapping[str, str]
    bases: Mapping[str, str]


def load(name: str) -> SignalMap:
    """Read and check a mapping file.

    Raises:
        ProfileError: naming file, key and remedy.
    """
    path = find(name or STANDARD)
    try:
        return SignalMap.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise ProfileError(
            str(path), "file", f"cannot be read ({error.strerror})", f"shipped is {STANDARD}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(str(path), "file", f"is no TOML: {error}", "mend the line") from error
    except ValidationError as error:
        where = "docs/protocols.md lists the keys of a mapping"
        raise ProfileError.of(
            [
                ProfileError(str(path), one.key, one.problem, remedy_for(one, where))
                for one in wrong_keys(error, SignalMap)
            ]
        ) from error


def check(file: str, mapping: SignalMap) -> Layout:
    """Return the layout that a mapping fills, once its signals are found to be of it.

    Raises:
        ProfileError: the layout or a signal of it is unknown; `file` is the mapping's name.
    """
    try:
        layout = layouts.get(mapping.layout)
    except ContractError as error:
        raise ProfileError(
            file,
            "layout",
            f"{mapping.layout!r} is unknown",
            f"take one of {', '.join(layouts.ALL)}",
        ) from error
    problems = list(_misfits(file, mapping, layout))
    if problems:
        raise ProfileError.of(problems)
    return layout


def _misfits(file: str, mapping: SignalMap, layout: Layout) -> Iterator[ProfileError]:
    for name, source in mapping.signals.items():
        key = f"signals.{name}"
        if name not in layout:
            known = [column.signal.name for column in layout.columns]
            near = difflib.get_close_matches(name, known, 1)
            guess = f"did you mean {near[0]!r}? " if near else ""
            yield ProfileError(
                file,
                key,
                f"is no signal of {layout.name}",
                f"{guess}take one of {', '.join(known)}",
            )
            continue
        repeat = layout.columns[layout.column(name)].repeat
        if (_NUMBER in source.object) != (repeat > 1):
            yield ProfileError(
                file, key, f"{layout.name} has {repeat} values of it",
                f"write {_NUMBER} in the object for a signal of many values, and only there",
            )  # fmt: skip


def bind(file: str, mapping: SignalMap, ied: Ied) -> Binding:
    """Bind a mapping to a device.

    Raises:
        ProfileError: a signal or object is not there; `file` is the mapping's name.
    """
    binder = _Binder(file, mapping, ied)
    layout = check(file, mapping)
    signals = []
    for name, source in mapping.signals.items():
        column = layout.column(name)
        objects = source.objects(layout.columns[column].repeat)
        points = tuple(binder.point(f"signals.{name}", o, source.value) for o in objects)
        signals.append(BoundSignal(column, source, points))
    time = binder.point("time", mapping.time, "t").value if mapping.time else None
    counts = Counter(p.value.data_set for s in signals for p in s.points)
    measurements = time.data_set if time is not None else counts.most_common(1)[0][0]
    states_first = sorted({*counts, measurements}, key=lambda data_set: data_set == measurements)
    return Binding(
        layout=layout,
        mapping=mapping,
        time=time,
        measurements=measurements,
        signals=tuple(signals),
        data_sets={d.reference: d for d in ied.data_sets if d.reference in states_first},
        reports={data_set: binder.blocks(data_set) for data_set in states_first},
        controls={
            point: binder.control(f"commands.{point}", target.object)
            for point, target in mapping.commands.items()
        },
        bases={
            point: f"{ied.name}{mapping.device}/{target.percent_of}"
            for point, target in mapping.commands.items()
            if target.percent_of
        },
    )


class _Binder:
    """Finds objects in the data sets that some report block serves."""

    def __init__(self, file: str, mapping: SignalMap, ied: Ied) -> None:
        self._file = file
        self._device = mapping.device
        self._ied = ied
        served = {block.data_set for block in ied.report_blocks}
        self._data_sets = [d for d in ied.data_sets if d.reference in served]

    def point(self, key: str, object_: str, value: str) -> Point:
        base = f"{self._device}/{object_}"
        leaf = self._leaf(f"{base}.{value}")
        if leaf is None:
            raise ProfileError(
                self._file, key, f"{base}.{value} is in no data set that is reported",
                f"check the object, or add it to a data set in the SCL file of {self._ied.name}",
            )  # fmt: skip
        return Point(leaf, self._leaf(f"{base}.q"), self._leaf(f"{base}.t"))

    def _leaf(self, path: str) -> Leaf | None:
        for data_set in self._data_sets:
            for number, member in enumerate(data_set.members):
                if path == member.path or path.startswith(f"{member.path}."):
                    found = member.node.find(path[len(member.path) + 1 :])
                    if found is not None and found[1].basic_type:
                        way, node = found
                        return Leaf(data_set.reference, number, way, node.basic_type)
        return None

    def blocks(self, data_set: str) -> tuple[ReportBlock, ...]:
        found = [block for block in self._ied.report_blocks if block.data_set == data_set]
        return tuple(sorted(found, key=lambda block: not block.buffered))

    def control(self, key: str, object_: str) -> str:
        path = f"{self._device}/{object_}"
        if path not in self._ied.controls:
            raise ProfileError(
                self._file, key, f"{path} cannot be controlled",
                f"the SCL file of {self._ied.name} has: {', '.join(sorted(self._ied.controls))}",
            )  # fmt: skip
        return self._ied.name + path
