"""What is wrong with a profile, in words: each problem names file, key and remedy."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from contract import layouts
from contract.errors import ContractError
from contract.layouts import Layout
from contract.signals import SIGNALS
from station.protocols.errors import ProfileError
from station.protocols.modbus.impossible import (
    Fault,
    meant_command,
    of_expectation,
    of_place,
    of_point,
    of_time,
    of_write,
)
from station.protocols.modbus.place import Place, RegisterType, Space
from station.protocols.modbus.point import Point
from station.wrong_keys import remedy_for, wrong_keys

if TYPE_CHECKING:
    from station.protocols.modbus.profile import Profile

_KEYS_ARE_LISTED = "docs/protocols.md lists the keys of a profile"


def wrong_values(
    file: str, error: ValidationError, root: type[BaseModel]
) -> tuple[list[ProfileError], list[tuple[int | str, ...]]]:
    """Return what is wrong with keys and values, once for each key, and where it stands."""
    faults = wrong_keys(error, root)
    problems = [
        ProfileError(file, one.key, one.problem, remedy_for(one, _KEYS_ARE_LISTED))
        for one in faults
    ]
    return problems, [one.path for one in faults]


def wrong_names(
    file: str, document: Mapping[str, Any], paths: Iterable[tuple[int | str, ...]]
) -> Iterator[ProfileError]:
    """Tell names that are wrong, of tables that are wrong already and so looked at no more."""
    for table, *rest in dict.fromkeys(path[:3] for path in paths if len(path) > 1):
        name = str(rest[0])
        if table == "writes" and (meant := meant_command(name)) is not None:
            yield ProfileError(
                file, f"writes.{name}", "is no command of the station", f"did you mean {meant!r}?"
            )
        if table == "layouts" and len(rest) > 1:
            try:
                layout = layouts.get(name.format_map(document.get("parameters", {})))
            except (KeyError, ValueError, TypeError, ContractError):
                continue
            if (signal := str(rest[1])) not in layout:
                yield _no_signal(file, f"layouts.{layout.name}.{signal}", layout, signal)


def _no_signal(file: str, key: str, layout: Layout, signal: str) -> ProfileError:
    names = [c.signal.name for c in layout.columns]
    near = difflib.get_close_matches(signal, names, 1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return ProfileError(
        file, key, "is no signal of this layout", f"{guess}take one of {', '.join(names)}"
    )


def wrong_requests(file: str, profile: "Profile") -> Iterator[ProfileError]:
    """Tell values that are wider than what the device gives in one reply."""
    places: list[tuple[str, Place]] = [(f"expect.{n}", p) for n, p in enumerate(profile.expect)]
    places += [] if profile.time is None else [("time", profile.time)]
    places += [(f"unmapped.{name}", place) for name, place in profile.unmapped.items()]
    for layout, points in profile.layouts.items():
        places += [(f"layouts.{layout}.{signal}", point) for signal, point in points.items()]
    most = profile.polling.max_registers
    key, widest = max(places, key=lambda one: one[1].type.words, default=("", None))
    if widest is not None and widest.type.words > most:
        yield ProfileError(
            file, "polling.max_registers",
            f"is {most}, and {key} ({widest.type}) takes {widest.type.words}",
            "a value is read whole: see what the manual says of the longest reply",
        )  # fmt: skip
    for number, place in enumerate(profile.expect):
        faults = (*of_place(place), *of_expectation(place, place.equals))
        yield from _told(file, f"expect.{number}", faults)
    if profile.time is not None:
        yield from _told(file, "time", (*of_place(profile.time), *of_time(profile.time)))
    for name, told in profile.unmapped.items():
        yield from _told(file, f"unmapped.{name}", of_place(told))


def _told(file: str, table: str, faults: Iterable[Fault]) -> Iterator[ProfileError]:
    for key, problem, how in faults:
        yield ProfileError(file, f"{table}.{key}" if key else table, problem, how)


def wrong_layouts(file: str, profile: "Profile") -> Iterator[ProfileError]:
    """Tell layouts and signals that the contract does not know, and points that do not fit."""
    for template, points in profile.layouts.items():
        try:
            name = template.format_map(profile.parameters)
            layout = layouts.get(name)
        except (KeyError, ValueError) as error:
            yield ProfileError(
                file, f"layouts.{template}", f"parameter {error} is unknown",
                "define it under [parameters]",
            )  # fmt: skip
            continue
        except ContractError:
            known = ", ".join(layouts.ALL)
            most = f"N from 1 to {layouts.MOST_CELLS}"
            yield ProfileError(
                file, f"layouts.{name}", "is no layout of the contract",
                f"a rack has cells/N, {most}" if name.startswith(layouts.CELLS)
                else f"take one of {known}, {layouts.CELLS}N with {most}",
            )  # fmt: skip
            continue
        for signal, point in points.items():
            yield from _wrong_point(file, profile, layout, signal, point)


def _wrong_point(
    file: str, profile: "Profile", layout: Layout, signal: str, point: Point
) -> Iterator[ProfileError]:
    key = f"layouts.{layout.name}.{signal}"
    if signal not in layout:
        yield _no_signal(file, key, layout, signal)
        return
    try:
        filled = point.resolved(layout.signal(signal), profile.parameters)
    except KeyError as error:
        yield ProfileError(
            file, f"{key}.repeat", f"parameter {error} is unknown", "define it under [parameters]"
        )
        return
    except ValueError as error:
        yield ProfileError(file, key, "does not fit its signal", str(error))
        return
    start, stop = layout.offset(signal)
    if filled.count != stop - start:
        yield ProfileError(
            file, f"{key}.repeat", f"gives {filled.count} values",
            f"this layout has {stop - start} values of it",
        )  # fmt: skip
    if profile.space_of(point).is_bit != (point.type is RegisterType.BIT):
        yield ProfileError(
            file, f"{key}.type", f"{point.type} cannot lie there",
            "type bit belongs to the spaces coil and discrete, the others to registers",
        )  # fmt: skip
    yield from _told(file, key, of_point(layout.signal(signal), filled))


def wrong_writes(file: str, profile: "Profile") -> Iterator[ProfileError]:
    """Tell command points that cannot be written or whose unit is not their signal's."""
    for name, write in profile.writes.items():
        key = f"writes.{name}"
        space = write.space or Space.HOLDING
        if space not in {Space.HOLDING, Space.COIL}:
            yield ProfileError(
                file, f"{key}.space", f"{space} can only be read", "take holding or coil"
            )
        elif space.is_bit != (write.type is RegisterType.BIT):
            yield ProfileError(
                file, f"{key}.type", f"{write.type} cannot be written there",
                "type bit belongs to the space coil, the others to holding",
            )  # fmt: skip
        try:
            filled = write.resolved(SIGNALS.get(name))
        except ValueError as error:
            meant = meant_command(name)
            guess = "" if meant is None else f"did you mean the command {meant!r}? "
            yield ProfileError(file, f"{key}.unit", "cannot be converted", f"{guess}{error}")
        else:
            yield from _told(file, key, of_write(name, filled))
