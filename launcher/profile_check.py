"""`profile check`: everything that is wrong in a profile at once, or what it makes of a device."""

import sys
import textwrap
import tomllib
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from station.protocols.modbus.profile import Profile
    from station.protocols.modbus.survey import Fill

_OK, _WRONG = 0, 2
_WIDTH = 100


def run_check(file: str) -> int:
    """Print what a profile fills and asks; problems go to standard error. Returns the status."""
    from station.protocols.errors import ProfileError
    from station.protocols.modbus import profile as profiles
    from station.protocols.modbus.fast_plan import compile_fast
    from station.protocols.modbus.tables import split_instance

    if _is_point_list(file):
        return _check_points(file)
    try:
        path, raw = profiles.read(file)
        if isinstance(raw.get("signals"), list):
            return _check_sensor(file)
        if "signals" in raw and "layouts" not in raw:
            return _check_mapping(file)
        profile, problems = profiles.of_document(path, raw, split_instance(file)[1])
        if profile is not None and not problems:
            compile_fast(path, profile)
    except ProfileError as error:
        path, profile, problems = file, None, [error, *error.also]
    for problem in problems:
        print(f"{problem.key}: {problem.problem}\n    remedy: {problem.remedy}", file=sys.stderr)
    if profile is None or problems:
        plural = "problem" if len(problems) == 1 else "problems"
        print(f"{path}: {len(problems)} {plural}", file=sys.stderr)
        return _WRONG
    _print(path, profile)
    return _OK


def _is_point_list(file: str) -> bool:
    """Whether a file is the point list of a dispatch centre."""
    from station.iec104.point_list import find_points

    try:
        return "points" in tomllib.loads(find_points(file).read_text("utf-8"))
    except (OSError, ValueError):
        return False


def _check_points(file: str) -> int:
    """Print what a point list tells and takes; whose devices are meant only a station knows.

    Returns the status.
    """
    from station.config_errors import ConfigError
    from station.iec104.point_list import ControlPoint, load_points

    try:
        found = load_points(file, None)
    except ConfigError as error:
        print("\n".join(str(fault) for fault in error.faults), file=sys.stderr)
        plural = "problem" if len(error.faults) == 1 else "problems"
        print(f"{file}: {len(error.faults)} {plural}", file=sys.stderr)
        return _WRONG
    asked = [point for point in found.points if isinstance(point, ControlPoint)]
    devices = sorted({d for point in found.points if (d := getattr(point, "device", ""))})
    print(f"{file}: {found.title} (IEC 60870-5-104)\n")
    print(f"common address {found.common_address}, sign of life: {found.sign_of_life}")
    print(f"tells {len(found.points) - len(asked)} points, takes {len(asked)}:")
    _print_names("takes: ", [f"{point.ioa} {point.signal}" for point in asked])
    if devices:
        print("devices that the station must have (it looks when it starts):")
        _print_names("", devices)
    return _OK


def _check_mapping(file: str) -> int:
    """Print what an IEC 61850 mapping fills; whether a device has its objects its SCL file says.

    Raises:
        ProfileError: the mapping is wrong.
    """
    from station.protocols.iec61850 import mapping as mappings
    from station.protocols.modbus.survey import fill_of

    found = mappings.load(file)
    print(f"{file}: {found.title} (IEC 61850)\n")
    fill = fill_of(mappings.check(file, found), found.signals)
    _print_fill(fill)
    print(f"commands: {', '.join(found.commands) or 'none'}")
    _print_warnings({fill.layout: fill.filled}, found.commands)
    return _OK


def _check_sensor(file: str) -> int:
    """Print what an MQTT sensor's profile fills, and what is listened to.

    Raises:
        ProfileError: the profile is wrong.
    """
    from station.protocols.modbus.survey import fill_of
    from station.protocols.mqtt import profile as sensors

    found = sensors.load(file)
    print(f"{file}: {found.title} (MQTT)\n")
    _print_fill(fill_of(found.columns, [source.signal for source in found.signals]))
    print(f"topics: {', '.join(sorted({source.topic for source in found.signals}))}")
    clock = "none: a value is as old as its arrival" if found.time is None else "its own"
    print(f"clock of the sensor: {clock}")
    return _OK


def _print(path: str, profile: "Profile") -> None:
    from station.protocols.modbus.hints import hints
    from station.protocols.modbus.survey import survey

    found = survey(profile)
    print(f"{path}: {profile.title}\n")
    for fill in found.fills:
        _print_fill(fill)
    if profile.unmapped:
        print(f"unmapped: {len(profile.unmapped)} points of the device are no signal")
        _print_names("", list(profile.unmapped))
    print(f"commands: {', '.join(profile.writes) or 'none'}")
    clock = "its own" if profile.time is not None else "none: the second of the poll counts"
    print(f"clock of the device: {clock}")
    print(f"\nrequests: {found.per_second:.3g} per second")
    for ask in found.asks:
        print(f"  every {ask.period_s:g} s {', '.join(ask.layouts)}:")
        for block in ask.blocks:
            last = block.address + block.count - 1
            print(f"    {block.space} {block.address} to {last} ({block.count})")
    if profile.fast is not None:
        print(f"  every {profile.fast.period_s:g} s {', '.join(profile.fast.signals)}")
    _print_warnings({fill.layout: fill.filled for fill in found.fills}, profile.writes)
    for hint in hints(profile):
        print(f"hint: {hint}")


def _print_warnings(told: dict[str, Collection[str]], commands: Collection[str]) -> None:
    """Print what the station will not do with such a device."""
    from station.protocols.needs import warnings

    for warning in warnings(told, commands):
        print(f"warning: {warning}")


def _print_fill(fill: "Fill") -> None:
    of = len(fill.filled) + len(fill.missing)
    print(f"{fill.layout}: {len(fill.filled)} of {of} signals, {fill.values} values")
    _print_names("filled: ", fill.filled)
    if fill.missing:
        _print_names("missing: ", fill.missing)


def _print_names(title: str, names: Sequence[str]) -> None:
    indent = " " * (2 + len(title))
    text = textwrap.fill(
        ", ".join(names), _WIDTH, initial_indent=f"  {title}", subsequent_indent=indent,
        break_on_hyphens=False, break_long_words=False,
    )  # fmt: skip
    print(text)
