"""What is wrong with a profile, in words: each problem names file, key and remedy."""

import difflib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from contract import layouts
from contract.errors import ContractError
from contract.layouts import Layout
from contract.signals import SIGNALS
from station.protocols.errors import ProfileError
from station.protocols.modbus.place import RegisterType, Space
from station.protocols.modbus.point import DeviceTime, Point
from station.protocols.modbus.write import ReadBack, Write

if TYPE_CHECKING:
    from station.protocols.modbus.profile import Profile

_UNION_PARTS = frozenset({"int", "str", "float", "constrained-int", ReadBack.__name__})
_UNION_BEGINNINGS = ("tuple[", "literal[")
"""How pydantic names the kind of value that it tried; no key of a profile."""
_KEYS = sorted(
    {key for table in (Point, Write, ReadBack, DeviceTime) for key in table.model_fields}
)


def wrong_values(file: str, error: ValidationError) -> list[ProfileError]:
    """Return what pydantic found, once for each key."""
    found: dict[str, ProfileError] = {}
    for first in error.errors():
        parts = [str(part) for part in first["loc"]]
        key = ".".join(part for part in parts if not _is_kind(part)) or "file"
        near = difflib.get_close_matches(parts[-1] if parts else "", _KEYS, 1)
        remedy = "docs/protocols.md lists the keys of a profile"
        if first["type"] == "extra_forbidden" and near:
            remedy = f"did you mean {near[0]!r}? {remedy}"
        if key not in found:
            found[key] = ProfileError(file, key, _problem(first), remedy)
    return list(found.values())


def _is_kind(part: str) -> bool:
    return part in _UNION_PARTS or part.startswith(_UNION_BEGINNINGS)


def _problem(first: Mapping[str, Any]) -> str:
    text = str(first["msg"])
    given = first.get("input")
    return text if isinstance(given, Mapping) else f"{text} (given: {given!r})"


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
            yield ProfileError(
                file, f"layouts.{name}", "is no layout of the contract",
                f"take one of {known}, rack.cells/N",
            )  # fmt: skip
            continue
        for signal, point in points.items():
            yield from _wrong_point(file, profile, layout, signal, point)


def _wrong_point(
    file: str, profile: "Profile", layout: Layout, signal: str, point: Point
) -> Iterator[ProfileError]:
    key = f"layouts.{layout.name}.{signal}"
    if signal not in layout:
        names = [c.signal.name for c in layout.columns]
        near = difflib.get_close_matches(signal, names, 1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        yield ProfileError(
            file, key, "is no signal of this layout", f"{guess}take one of {', '.join(names)}"
        )
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
            write.resolved(SIGNALS.get(name))
        except ValueError as error:
            yield ProfileError(file, f"{key}.unit", "cannot be converted", str(error))
