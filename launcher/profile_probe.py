"""`profile probe`: a device as a profile, or its own SunSpec models, make it look."""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from launcher.errors import LauncherError, WrongInput

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from station.protocols.modbus.gather import Registers
    from station.protocols.modbus.probe import Findings
    from station.protocols.modbus.profile import Profile
    from station.protocols.modbus.sunspec.chain import Chain
    from station.protocols.modbus.target import Target

_OK, _FAILED = 0, 1


@dataclass(frozen=True)
class ProbeOptions:
    """What to ask, and how; see `launcher.profile.probe`."""

    host: str
    port: int
    unit: int
    profile: str | None
    sunspec: bool
    timeout_s: float
    unmapped: bool = False
    cells: bool = False
    save: Path | None = None


def run_probe(options: ProbeOptions) -> int:
    """Ask a device once and print what it says.

    Raises:
        WrongInput: the options do not go together, or the profile is wrong.
        LauncherError: the device cannot be reached, or is no SunSpec device.
    """
    from launcher.reach import known
    from station.protocols.errors import ProfileError, ProtocolError

    if options.sunspec == (options.profile is not None):
        raise WrongInput("give either --profile FILE, or --sunspec to ask the device itself")
    if options.save is not None and not options.sunspec:
        raise WrongInput("--save goes with --sunspec: it writes what the device tells")
    if options.save is not None and options.save.exists():
        raise WrongInput(f"--save {options.save}: is there already; name another, or remove it")
    if options.profile is not None:
        _see_kind(options.profile)
    known(options.host)
    try:
        return asyncio.run(_probe(options))
    except ProfileError as error:
        raise WrongInput(str(error)) from error
    except ProtocolError as error:
        raise LauncherError(str(error)) from error


def _see_kind(name: str) -> None:
    """See that a file is the profile of a Modbus device.

    Raises:
        WrongInput: it is a mapping of IEC 61850, or of an MQTT sensor.
    """
    from station.protocols.errors import ProfileError
    from station.protocols.modbus import profile as profiles

    try:
        signals = profiles.read(name)[1].get("signals")
    except ProfileError as error:
        raise WrongInput(str(error)) from error
    if isinstance(signals, list):
        raise WrongInput(
            f"--profile {name}: is of an MQTT sensor, which speaks to a broker and cannot be "
            f"asked; ./stationmaster profile check {name} tells what is wrong in it"
        )
    if signals is not None:
        raise WrongInput(
            f"--profile {name}: is a mapping of IEC 61850; take --iec61850 --mapping {name}"
        )


async def _probe(options: ProbeOptions) -> int:
    from station.protocols.errors import DeviceUnreachable
    from station.protocols.modbus import profile as profiles
    from station.protocols.modbus.client import Connection
    from station.protocols.modbus.probe import look
    from station.protocols.modbus.target import Target

    profile = None if options.profile is None else profiles.load(options.profile)
    connection = Connection(options.host, options.port)
    try:
        await connection.connect(options.timeout_s)
    except DeviceUnreachable as error:
        raise LauncherError(
            f"{error}: see whether host and --port are right, the network reaches it, and the "
            "device has a connection free (some allow one only)"
        ) from error
    target = Target(connection, options.unit, options.timeout_s)
    try:
        if profile is None:
            profile = await _by_models(target, options)
        if profile is None:
            return _OK
        findings = await look(target, profile, unmapped=options.unmapped, cells=options.cells)
    finally:
        connection.close()
    _print(profile, findings)
    return _FAILED if findings.problems else _OK


async def _by_models(target: "Target", options: ProbeOptions) -> "Profile | None":
    """Print the device's chain of models and return the profile that it makes, if any."""
    from station.protocols.modbus import profile as profiles
    from station.protocols.modbus.place import Space
    from station.protocols.modbus.sunspec.chain import discover
    from station.protocols.modbus.sunspec.document import compose, section_of
    from station.protocols.modbus.sunspec.plate import type_plate

    def read(address: int, count: int) -> "Awaitable[Registers]":
        return target.read(Space.HOLDING, address, count)

    chain = await discover(read)
    plate = await type_plate(read, chain)
    title = " ".join(filter(None, (plate.maker, plate.model))) or "SunSpec device"
    if plate.maker or plate.model:
        serial = f", serial number {plate.serial}" if plate.serial else ""
        print(f"{title}{serial}")
    _print_chain(chain)
    document: dict[str, Any] = {"title": title, "sunspec": section_of(chain)}
    profile, problems = profiles.of_document("the device's models", compose("device", document))
    if problems:
        raise problems[0]
    if options.save is not None:
        options.save.write_text(_text(chain, title), "utf-8")
        print(f"written: {options.save}\n")
    if profile is None or not profile.layouts:
        print("no signal of the station comes from these models")
        return None
    return profile


def _print_chain(chain: "Chain") -> None:
    print(f"SunSpec marker at holding {chain.base}\n")
    print("  model  address  length  what")
    for one in chain.models:
        definition = one.definition
        what = "unknown here; stepped over" if definition is None else definition.label
        if definition is not None and definition.group is not None:
            what += f", {one.count} x {definition.group.name}"
        if one.string:
            what += f", string {one.string}" + (f" module {one.module}" if one.module else "")
        print(f"  {one.id:>5}  {one.address:>7}  {one.length:>6}  {what}")
    for note in chain.notes:
        print(f"  note: {note}")
    print()


def _text(chain: "Chain", title: str) -> str:
    """Return a profile that holds the chain, one model a line."""
    from station.protocols.modbus.sunspec.document import section_of

    section = section_of(chain)
    rows = [
        ", ".join(f"{key} = {value}" for key, value in row.items()) for row in section["models"]
    ]
    models = "".join(f"    {{ {row} }},\n" for row in rows)
    return (
        f"title = {json.dumps(title, ensure_ascii=False)}\n\n[sunspec]\n"
        f'base = {section["base"]}\ncurrent = "discharge" # what a positive battery current '
        f'does, or "charge"\nmodels = [\n{models}]\n' + _slow_cells(section)
    )


def _slow_cells(section: dict[str, Any]) -> str:
    """Return lines that let cells be read slowly, where all strings have equally many."""
    from station.protocols.modbus.sunspec.document import compose

    strings = max([row.get("string", 0) for row in section["models"]], default=0)
    made = [compose("device", {"sunspec": section}, n + 1)["layouts"] for n in range(strings)]
    names = {name for layouts in made for name in layouts if name.startswith("rack.cells/")}
    if len(names) != 1 or not all(names <= set(layouts) for layouts in made):
        return ""
    return f'\n[polling.classes]\n"{names.pop()}" = "slow"\n'


def _print(profile: "Profile", findings: "Findings") -> None:
    from launcher.wide_table import print_rows

    rows = [
        (
            line.group or "(unmapped)",
            line.name,
            line.value,
            line.unit,
            line.quality,
            line.raw,
            line.why,
        )
        for line in findings.lines
    ]
    print(profile.title)
    print(f"clock of the device: {findings.clock}\n")
    titles = ("Layout", "Signal", "Value", "Unit", "Quality", "Registers", "Why")
    print_rows(titles, rows)
    for problem in findings.problems:
        print(f"problem: {problem}", file=sys.stderr)
