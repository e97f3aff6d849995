"""`profile probe`: a device as a profile, or its own SunSpec models, make it look."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from launcher.errors import LauncherError, WrongInput

if TYPE_CHECKING:
    from station.protocols.modbus.probe import Findings
    from station.protocols.modbus.profile import Profile
    from station.protocols.modbus.sunspec.chain import Chain
    from station.protocols.modbus.target import Target

_OK, _FAILED = 0, 1
_LEAST_WIDTH = 160


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
    save: Path | None = None


def run_probe(options: ProbeOptions) -> int:
    """Ask a device once and print what it says.

    Raises:
        WrongInput: the options do not go together, or the profile is wrong.
        LauncherError: the device cannot be reached, or is no SunSpec device.
    """
    from station.protocols.errors import ProfileError, ProtocolError

    if options.sunspec == (options.profile is not None):
        raise WrongInput("give either --profile FILE, or --sunspec to ask the device itself")
    if options.save is not None and not options.sunspec:
        raise WrongInput("--save goes with --sunspec: it writes what the device tells")
    try:
        return asyncio.run(_probe(options))
    except ProfileError as error:
        raise WrongInput(str(error)) from error
    except ProtocolError as error:
        raise LauncherError(str(error)) from error


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
        findings = await look(target, profile, unmapped=options.unmapped)
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

    chain = await discover(lambda address, count: target.read(Space.HOLDING, address, count))
    _print_chain(chain)
    document: dict[str, Any] = {"title": "SunSpec device", "sunspec": section_of(chain)}
    profile, problems = profiles.of_document("the device's models", compose("device", document))
    if problems:
        raise problems[0]
    if options.save is not None:
        options.save.write_text(_text(chain), "utf-8")
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


def _text(chain: "Chain") -> str:
    """Return a profile that holds the chain, one model a line."""
    from station.protocols.modbus.sunspec.document import section_of

    section = section_of(chain)
    rows = [
        ", ".join(f"{key} = {value}" for key, value in row.items()) for row in section["models"]
    ]
    models = "".join(f"    {{ {row} }},\n" for row in rows)
    return (
        'title = "SunSpec device"\n\n[sunspec]\n'
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
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("Layout", "Signal", "Value", "Unit", "Quality", "Registers"):
        right = title == "Value"
        table.add_column(title, justify="right" if right else "left", no_wrap=True)
    for line in findings.lines:
        group = line.group or "(unmapped)"
        table.add_row(group, line.name, line.value, line.unit, line.quality, line.raw)
    console = Console(highlight=False, markup=False)
    if console.width < _LEAST_WIDTH:  # a pipe has no width, and half a register is none
        console = Console(width=_LEAST_WIDTH, highlight=False, markup=False)
    print(profile.title)
    print(f"clock of the device: {findings.clock}\n")
    console.print(table)
    for problem in findings.problems:
        print(f"problem: {problem}", file=sys.stderr)
