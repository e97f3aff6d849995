"""`profile probe --iec61850`: a device as its SCL file, or it itself, and a mapping show it."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from launcher.errors import LauncherError, WrongInput

if TYPE_CHECKING:
    from station.protocols.iec61850.bindings import Bindings, Bound
    from station.protocols.iec61850.connection import Association
    from station.protocols.iec61850.mapping import Binding

PORT = 102
"""The port of MMS (RFC 1006)."""
_OK, _FAILED = 0, 1
_LEAST_WIDTH = 160


@dataclass(frozen=True)
class Iec61850Options:
    """What to ask; `scl` and `mapping` empty: the device itself, and the standard mapping."""

    host: str
    port: int
    scl: str
    mapping: str
    ied: str


def run_iec61850(options: Iec61850Options) -> int:
    """Bind a device, read its data sets once and print what the mapping makes of them.

    Raises:
        WrongInput: file or mapping is wrong.
        LauncherError: the device cannot be reached, or the mapping finds nothing in it.
    """
    from station.protocols.driver import ONLINE, DeviceSpec
    from station.protocols.errors import ProfileError, ProtocolError
    from station.protocols.iec61850.bindings import Bindings
    from station.protocols.iec61850.connection import Association

    spec = DeviceSpec(
        "device",
        options.scl or ONLINE,
        options.host,
        options.port,
        ied=options.ied,
        mapping=options.mapping,
    )
    try:
        bindings = Bindings(spec)
        by_file = bindings.by_file()
    except ProfileError as error:
        raise WrongInput(str(error)) from error
    try:
        association = Association(options.host, options.port, lambda: None)
    except ProtocolError as error:
        raise LauncherError(
            f"{error}: see whether host and --port are right, the network reaches it, and the "
            "device has an association free"
        ) from error
    try:
        return _look(association, bindings, by_file)
    except ProtocolError as error:
        _print_objects(association, bindings.mapping.device, options.ied)
        raise LauncherError(str(error)) from error
    finally:
        association.retire()
        association.close()


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
    from rich.console import Console
    from rich.table import Table

    from contract.frame import Quality
    from station.protocols.iec61850.reports import ReadingMaker

    maker = ReadingMaker("device", binding)
    for data_set in binding.reports:
        if data_set != maker.measurements:
            maker.read(data_set, association.read_data_set(data_set))
    measured = association.read_data_set(maker.measurements)
    stamp_ms = maker.time_of(measured)
    reading = maker.checked(maker.measurements, measured)
    table = Table(box=None, pad_edge=False)
    for title in ("Signal", "Value", "Unit", "Quality", "Object"):
        table.add_column(title, justify="right" if title == "Value" else "left", no_wrap=True)
    if reading is not None:
        objects = {signal.column: signal.source for signal in binding.signals}
        for number, column in enumerate(binding.layout.columns):
            source = objects.get(number)
            name, first = column.signal.name, binding.layout.offset(column.signal.name)[0]
            for k, raw in enumerate(reading.values[number].tolist()):
                quality = Quality(int(reading.quality[first + k])).name.lower()
                scale = 1.0 if column.signal.dtype == "f4" else column.signal.scale
                shown = f"{raw * scale:.6g}" if quality in {"good", "questionable"} else "-"
                where = ""
                if source is not None:
                    paths = source.objects(column.repeat)
                    where = ", ".join(paths) if column.repeat == 1 else paths[k]
                table.add_row(
                    name if column.repeat == 1 else f"{name}[{k + 1}]",
                    shown,
                    column.signal.unit,
                    quality,
                    where,
                )
    console = Console(highlight=False, markup=False)
    if console.width < _LEAST_WIDTH:
        console = Console(width=_LEAST_WIDTH, highlight=False, markup=False)
    print(f"time of the values: {_time(stamp_ms)}")
    console.print(table)


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
