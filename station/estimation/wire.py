"""Messages between the controller and the estimator process, in frames of `station.processes`.

A frame's header names its arrays with dtype and length; their bytes follow in that order.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from contract.words import Words
from station.processes import WireError, framing

MAX_MESSAGE_BYTES = 1 << 26
"""A hundred thousand cells with ten estimates each are 4 MB."""

_DTYPES = frozenset({"<f4", "|u1"})

Arrays = Mapping[str, npt.NDArray[Any]]
NO_WORDS = Words("", "")

RACK_NUMBERS = (
    *("elapsed_s", "current_a", "mean_current_a"),
    *("charge_current_limit_a", "discharge_current_limit_a"),
    *("bms_soc", "voltage_v", "power_kw", "rack_power_kw"),
)
RACK_FLAGS = ("current_good", "together", "available", "charge_guarded", "discharge_guarded")
CELL_NUMBERS = ("cell_voltage_v", "cell_temperature_c")
CELL_FLAGS = ("cell_good",)


@dataclass(frozen=True)
class GroupSetup:
    """The racks of one make of cell.

    Attributes:
        bundle: folder of the model in force.
        second: folder of the model that runs beside it; empty where none does.
        racks: tags, in the order of every array.
        cells: of each rack.
        parallel: cells side by side at each place.
        rated_kw: each rack's share of its converter's power.
        health_curves: file of current over health; empty: health is not told.
        stacks: number of each rack's converter: racks of one lie in parallel and share its current,
            those of another may work otherwise at any time; empty: all hang on one.
    """

    bundle: str
    second: str
    racks: tuple[str, ...]
    cells: tuple[int, ...]
    parallel: int
    rated_kw: tuple[float, ...]
    health_curves: str = ""
    stacks: tuple[int, ...] = ()


@dataclass(frozen=True)
class Setup:
    """What the process must know, once.

    Attributes:
        groups: in the order of every array; the first may have a second model.
        soc_min, soc_max: the band in which the station is worked.
        confidence: with which energy is promised.
        state_file: where the state is kept.
        state_period_s: how often.
        cells_period_s: how often the estimates of single cells are told.
    """

    groups: tuple[GroupSetup, ...]
    soc_min: float
    soc_max: float
    confidence: float
    state_file: str
    state_period_s: float
    cells_period_s: float


@dataclass(frozen=True, eq=False)
class Moment:
    """What all racks have told anew. Discharge is positive.

    Cells may be told more seldom than their racks: then current and power of a rack are told as
    they were with its newest cells, and as means since the cells before.

    Attributes:
        at_ms: the second, epoch milliseconds.
        arrays: by the names above; of racks or of cells, in the order of the setup.
    """

    at_ms: int
    arrays: Arrays


@dataclass(frozen=True)
class Arrange:
    """Another arrangement of models: `what` is "shadow", "promote" or "drop_shadow"."""

    what: str
    folder: str = ""


@dataclass(frozen=True)
class Close:
    """The host asks the process to keep its state and end."""


@dataclass(frozen=True)
class Began:
    """How the process came to its state.

    Attributes:
        how: "resumed" or "cold".
        away_s: since the moment before, of a resumed state.
        reason: why a state could not be used; empty where there was none.
        resumed: how many racks go on.
        cold: tags of those that begin from the SOC of their BMS.
    """

    how: str
    away_s: float
    reason: str
    resumed: int = 0
    cold: tuple[str, ...] = ()


@dataclass(frozen=True)
class Waiting:
    """The process lives, but a rack's SOC is not told yet."""

    at_ms: int


@dataclass(frozen=True)
class Failed:
    """The process cannot serve at all; the text names the remedy."""

    reason: str


@dataclass(frozen=True)
class ModelReport:
    """How a model did at a moment; NaN: not known.

    Attributes:
        folder, name, version: which it is.
        ratio: root mean square of voltage innovations against their expectation.
        innovation_mv: the same in mV.
        tick_s: computing time.
    """

    folder: str
    name: str
    version: int
    ratio: float
    innovation_mv: float
    tick_s: float


@dataclass(frozen=True)
class Report:
    """How the process does.

    Attributes:
        active, second: the models of the first group.
        memory_bytes: resident.
        core_share: of one processor core, since the report before.
        shadow_error: why the second model ended or could not be loaded; empty where it did not.
        soh_unused: why an SOH model in force is not used; empty where it is, or there is none.
    """

    active: ModelReport
    second: ModelReport | None
    memory_bytes: int
    core_share: float
    shadow_error: str
    soh_unused: Words = NO_WORDS


@dataclass(frozen=True)
class Finding:
    """An anomaly that begins or becomes more severe, in words.

    Attributes:
        rack: its number in the order of the setup.
        cell: from 1; 0 where it is no single cell.
        kind, level: as in the layouts.
        en, zh: the reason.
        since_ms: begin of the window that shows it.
    """

    rack: int
    cell: int
    kind: int
    level: int
    en: str
    zh: str
    since_ms: int


@dataclass(frozen=True)
class Doubt:
    """Cells of a rack whose voltages do not look like those of their make.

    Attributes:
        rack: its number in the order of the setup.
        cells: how many; cell: the first of them, from 1.
    """

    rack: int
    cells: int
    cell: int


@dataclass(frozen=True, eq=False)
class Answer:
    """What was made of a moment.

    Attributes:
        at_ms: of the moment.
        station: by signal.
        racks, cells: arrays by signal; no cells where they are not due.
        report: how the process does.
        findings: anomalies that begin with it.
        doubts: of racks whose estimates are doubtful at the moment.
    """

    at_ms: int
    station: Mapping[str, float]
    racks: Arrays
    cells: Arrays
    report: Report
    findings: tuple[Finding, ...] = ()
    doubts: tuple[Doubt, ...] = ()


Message = Setup | Moment | Arrange | Close | Began | Waiting | Failed | Answer


@dataclass(frozen=True)
class _Flat:
    """A message as header fields and arrays."""

    fields: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]] = field(default_factory=dict)


_PLAIN: Mapping[str, type[Any]] = {
    kind.__name__: kind for kind in (Arrange, Close, Waiting, Failed)
}


def encode(message: Message) -> bytes:
    """Return the frame of a message.

    Raises:
        WireError: it would pass the size limit.
    """
    flat = _flattened(message)
    arrays = {name: np.ascontiguousarray(array) for name, array in flat.arrays.items()}
    kinds = [[name, array.dtype.str, array.size] for name, array in arrays.items()]
    return framing.pack(
        type(message).__name__,
        {**flat.fields, "arrays": kinds},
        [array.tobytes() for array in arrays.values()],
        most=MAX_MESSAGE_BYTES,
    )


def decode(frame: bytes) -> Message:
    """Return the message of a whole frame.

    Raises:
        WireError: the bytes are no frame of ours.
    """
    kind, fields, blob = framing.unpack(frame)
    try:
        arrays = _arrays(fields.pop("arrays"), blob)
        if kind == Moment.__name__:
            return Moment(int(fields["at_ms"]), arrays)
        if kind == Answer.__name__:
            return _answer(fields, arrays)
        if kind == Setup.__name__:
            return _setup(fields)
        if kind == Began.__name__:
            return Began(**{**fields, "cold": tuple(map(str, fields["cold"]))})
        plain: Message = _PLAIN[kind](**fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WireError(f"a frame of {len(frame)} bytes cannot be read: {error!r}") from error
    return plain


def _flattened(message: Message) -> _Flat:
    match message:
        case Moment():
            return _Flat({"at_ms": message.at_ms}, dict(message.arrays))
        case Answer():
            racks = {f"racks.{name}": array for name, array in message.racks.items()}
            cells = {f"cells.{name}": array for name, array in message.cells.items()}
            return _Flat(
                {
                    "at_ms": message.at_ms,
                    "station": {name: _sent(value) for name, value in message.station.items()},
                    "report": _sent_report(message.report),
                    "findings": [asdict(finding) for finding in message.findings],
                    "doubts": [asdict(doubt) for doubt in message.doubts],
                },
                racks | cells,
            )
        case _:
            return _Flat(asdict(message))


def _arrays(kinds: list[list[Any]], blob: memoryview) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays, which are read-only views of the frame's own bytes."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    at = 0
    for name, dtype, count in kinds:
        if dtype not in _DTYPES:
            raise WireError(f"arrays of type {dtype!r} are not part of the agreement")
        if type(count) is not int or count < 0:
            raise WireError(f"an array has {count!r} values")
        arrays[str(name)] = np.frombuffer(blob, dtype, count, at)
        at += arrays[str(name)].nbytes
    if at != len(blob):
        raise WireError(f"{len(blob)} array bytes were announced as {at}")
    return arrays


def _answer(fields: dict[str, Any], arrays: Arrays) -> Answer:
    return Answer(
        at_ms=int(fields["at_ms"]),
        station={str(name): _received(value) for name, value in fields["station"].items()},
        racks=_under("racks.", arrays),
        cells=_under("cells.", arrays),
        report=_received_report(fields["report"]),
        findings=tuple(Finding(**finding) for finding in fields["findings"]),
        doubts=tuple(Doubt(**doubt) for doubt in fields["doubts"]),
    )


def _setup(fields: dict[str, Any]) -> Setup:
    groups = tuple(
        GroupSetup(
            **{
                **group,
                "racks": tuple(group["racks"]),
                "cells": tuple(group["cells"]),
                "rated_kw": tuple(group["rated_kw"]),
                "stacks": tuple(group["stacks"]),
            }
        )
        for group in fields.pop("groups")
    )
    return Setup(groups=groups, **fields)


def _under(prefix: str, arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _sent(value: float) -> float | None:
    """Return a number as JSON knows it: what is not known becomes null."""
    return float(value) if math.isfinite(value) else None


def _received(value: float | None) -> float:
    return math.nan if value is None else float(value)


_MEASURES = ("ratio", "innovation_mv", "tick_s")


def _sent_report(report: Report) -> dict[str, Any]:
    sent = asdict(report)
    for name in ("active", "second"):
        if sent[name] is not None:
            sent[name] |= {measure: _sent(sent[name][measure]) for measure in _MEASURES}
    return sent


def _received_report(sent: dict[str, Any]) -> Report:
    models: dict[str, ModelReport | None] = {}
    for name in ("active", "second"):
        model = sent.pop(name)
        models[name] = model and ModelReport(
            **model | {measure: _received(model[measure]) for measure in _MEASURES}
        )
    if models["active"] is None:
        raise WireError("a report names no model in force")
    unused = Words(*map(str, sent.pop("soh_unused")))
    return Report(active=models["active"], second=models["second"], soh_unused=unused, **sent)
