"""`profile probe --iec61850`: a device as its SCL file, or it itself, and a mapping show it."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from launcher.errors import LauncherError, WrongInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from station.protocols.driver import Reading
    from station.protocols.iec61850.bindings import Bindings, Bound
    from station.protocols.iec61850.connection import Association
    from station.protocols.iec61850.mapping import Binding

PORT = 102
"""The port of MMS (RFC 1006)."""
_OK, _FAILED = 0, 1


@dataclass(frozen=True)
class Iec61850Options:
    """What to ask; `scl`, `mapping`, `ied` empty: the device itself, and the standard mapping."""

    host: str
    port: int
    scl: str
    mapping: str
    ied: str
    timeout_s: float = 2.0


def run_iec61850(options: Iec61850Options) -> int:
    """Bind a device, read its data sets once and print what the mapping makes of them.

    Raises:
        WrongInput: file or mapping is wrong.
        LauncherError: the device cannot be reached, or the mapping finds nothing in it.
    """
    from launcher.reach import answers_mms
    from station.protocols.driver import ONLINE, DeviceSpec
    from station.protocols.errors import ProfileError, ProtocolError
    from station.protocols.iec61850 import mapping as mappings
    from station.protocols.iec61850 import scl
    from station.protocols.iec61850.bindings import Bindings
    from station.protocols.iec61850.connection import Association
    from station.protocols.profile_files import find

    try:
        mapping = mappings.load(options.mapping)
        if options.scl:
            scl.names(find(options.scl))
    except ProfileError as error:
        raise WrongInput(str(error)) from error
    answers_mms(options.host, options.port, options.timeout_s)
    try:
        association = Association(options.host, options.port, lambda: None)
    except ProtocolError as error:
        raise LauncherError(
            f"{error}: see whether the device has an association free, and whether what answers "
            "there speaks MMS"
        ) from error
    try:
        ied = _ied_of(association, mapping.device, options.ied)
        bindings = Bindings(
            DeviceSpec(
                "device",
                options.scl or ONLINE,
                options.host,
                options.port,
                ied=ied,
                mapping=options.mapping,
            )
        )
        return _look(association, bindings, _bound_by_file(bindings))
    except ProtocolError as error:
        _print_objects(association, mapping.device, options.ied)
        raise LauncherError(str(error)) from error
    finally:
        association.retire()
        association.close()


def _ied_of(association: "Association", device: str, asked: str) -> str:
    """Return the IED's name as the device itself says it; empty where it does not tell one.

    Raises:
        LauncherError: another one is asked for, or there are several.
    """
    from station.protocols.iec61850.discovery import ied_names

    found = sorted(ied_names(association.logical_devices(), device))
    known = ", ".join(found)
    if asked and found and asked not in found:
        raise LauncherError(f"--ied {asked}: is not there; the device has: {known}")
    if not asked and len(found) > 1:
        raise LauncherError(f"the device has several IEDs ({known}): name one by --ied")
    return asked or next(iter(found), "")


def _bound_by_file(bindings: "Bindings") -> "Binding | None":
    """Return the binding that the SCL file gives, if there is one.

    Raises:
        WrongInput: file or mapping is wrong.
    """
    from station.protocols.errors import ProfileError

    try:
        return bindings.by_file()
    except ProfileError as error:
        raise WrongInput(str(error)) from error


def _look(association: "Association", bindings: "Bindings", by_file: "Binding | None") -> int:
    bound = bindings.fit(association, by_file, vouched=True)
    print(f"{bindings.mapping.title}\n")
    if by_file is not None and bound.changed:
        print(f"problem: {bound.changed}", file=sys.stderr)
    _print_sources(bound)
    _print_values(association, bound.binding)
    for point, reference in bound.binding.controls.items():
        base = bound.binding.bases.get(point)
        print(f"command {point}: {reference}{f', in per cent of {base}' if base else ''}")
    return _OK if bound.vouched else _FAILED


def _print_sources(bound: "Bound") -> None:
    for data_set, candidates in bound.candidates.items():
        size = len(bound.binding.data_sets[data_set].members)
        print(f"{data_set}: {size} members, reported by")
        for candidate in candidates:
            state = candidate.state
            kind = "buffered" if candidate.buffered else "unbuffered"
            use = ", serves a client" if state.enabled else ""
            print(f"  {state.rcb} ({kind}, configuration revision {state.conf_rev}{use})")
        if not candidates:
            print("  nothing that this device offers")
    print()


def _print_values(association: "Association", binding: "Binding") -> None:
    """Print each signal with value, unit, quality and object."""
    from launcher.wide_table import print_rows
    from station.protocols.iec61850.reports import ReadingMaker

    maker = ReadingMaker("device", binding)
    for data_set in binding.reports:
        if data_set != maker.measurements:
            maker.read(data_set, association.read_data_set(data_set))
    measured = association.read_data_set(maker.measurements)
    stamp_ms = maker.time_of(measured)
    reading = maker.checked(maker.measurements, measured)
    print(f"time of the values: {_time(stamp_ms)}")
    titles = ("Signal", "Value", "Unit", "Quality", "Object", "Why")
    print_rows(titles, [] if reading is None else list(_rows(binding, reading)))


def _rows(binding: "Binding", reading: "Reading") -> "Iterator[tuple[str, ...]]":
    """Yield a row for each value: signal, value, unit, quality, object, why it is not good."""
    from contract.frame import Quality
    from station.protocols.words import in_words, outside

    sources = {signal.column: signal.source for signal in binding.signals}
    for number, column in enumerate(binding.layout.columns):
        source, signal = sources.get(number), column.signal
        paths = () if source is None else source.objects(column.repeat)
        first = binding.layout.offset(signal.name)[0]
        for k, raw in enumerate(reading.values[number].tolist()):
            quality = Quality(int(reading.quality[first + k]))
            physical = raw * signal.scale
            shown = in_words(signal, physical, signal.scale)
            why = ""
            if quality is Quality.QUESTIONABLE and source is not None:
                low, high = source.low, source.high
                inside = (low is None or physical >= low) and (high is None or physical <= high)
                why = "marked by the device or its clock" if inside else outside(low, high)
            yield (
                signal.name if column.repeat == 1 else f"{signal.name}[{k + 1}]",
                shown if quality < Quality.INVALID else "-",
                signal.unit,
                quality.name.lower(),
                ", ".join(paths) if column.repeat == 1 else paths[k] if paths else "",
                why,
            )


def _time(stamp_ms: int) -> str:
    from datetime import UTC, datetime

    if not stamp_ms:
        return "the device gives none"
    return datetime.fromtimestamp(stamp_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _print_objects(association: "Association", device: str, ied: str) -> None:
    """Print what the device reports, for whoever writes a mapping of it."""
    from station.protocols.errors import ProtocolError
    from station.protocols.iec61850.discovery import discover

    try:
        found = discover(association, device, ied)
    except ProtocolError:
        return
    print(f"{found.name}{device} reports:")
    for data_set in found.data_sets:
        for member in data_set.members:
            print(f"  {member.path} [{member.constraint}] in {data_set.reference}")
    for path in sorted(found.controls):
        print(f"  {path} can be commanded")
    print()
