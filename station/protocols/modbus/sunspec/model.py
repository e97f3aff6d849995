"""SunSpec models: what lies where inside each block of a SunSpec device.

Read from the SunSpec Alliance's own definitions (``profiles/sunspec/model_*.json``, Apache-2.0).
Offsets count from the register with the model's id.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from station.protocols.errors import ProfileError
from station.protocols.modbus.place import RegisterType
from station.protocols.profile_files import PROFILE_FOLDER

FOLDER = PROFILE_FOLDER / "sunspec"

TYPES: Mapping[str, RegisterType] = {
    **dict.fromkeys(("uint16", "enum16", "bitfield16", "acc16", "count"), RegisterType.U16),
    **dict.fromkeys(("int16", "sunssf"), RegisterType.S16),
    **dict.fromkeys(("uint32", "enum32", "bitfield32", "acc32"), RegisterType.U32),
    **dict.fromkeys(("uint64", "bitfield64", "acc64"), RegisterType.U64),
    "int32": RegisterType.S32,
    "int64": RegisterType.S64,
    "float32": RegisterType.F32,
    "float64": RegisterType.F64,
}
"""Types with a number in them; texts, addresses and paddings have none."""

INVALID: Mapping[str, tuple[int, ...]] = {
    "acc16": (0,),
    "acc32": (0,),
    "acc64": (0,),
    "count": (0,),
    # A bit field whose highest bit is set says nothing, whatever its other bits are.
    "bitfield16": (0xFFFF, 0x8000),
    "bitfield32": (0xFFFF_FFFF, 0x8000_0000),
}
"""What means "not implemented" where it is not the register type's usual marker.

SunSpec Device Information Model Specification, table of types.
"""

_UNITS: Mapping[str, str] = {
    "C": "degC",
    "Pct": "%",
    "cos()": "",
    "Secs": "s",
    "WH": "Wh",
    "ohms": "ohm",
    "Var": "var",
}
"""Units of the models by the names that profiles know them by; "%WHRtg" and the like are "%"."""


@dataclass(frozen=True)
class SunPoint:
    """One point: `offset` registers after the model's id, or after its group's first register.

    Attributes:
        kind: SunSpec's type.
        words: how many registers it takes.
        unit: of its value; empty where the model gives none.
        factor: name of the point with its power of ten, that power itself, or None.
        symbols: codes (enumerations) or bit numbers (bit fields) by name.
    """

    name: str
    kind: str
    offset: int
    words: int
    unit: str
    factor: str | int | None
    symbols: Mapping[str, int]


@dataclass(frozen=True)
class Group:
    """What repeats at the end of a model.

    Attributes:
        count: the point that tells how often; empty where the length alone does.
        words: registers from one to the next.
    """

    name: str
    count: str
    words: int
    points: Mapping[str, SunPoint]


@dataclass(frozen=True)
class Model:
    """One model: points by name (those of groups inside it as ``group.point``).

    Attributes:
        words: registers before the repeating group, id and length included.
    """

    id: int
    label: str
    words: int
    points: Mapping[str, SunPoint]
    group: Group | None

    def room(self, length: int) -> int:
        """Return how many repetitions a block of this length holds; `length` without header."""
        return 0 if self.group is None else max(0, (length + 2 - self.words) // self.group.words)


def known_models() -> list[int]:
    """Return the ids of the models that ship with the station."""
    return sorted(int(path.stem.removeprefix("model_")) for path in FOLDER.glob("model_*.json"))


@lru_cache(maxsize=256)
def model(number: int) -> Model:
    """Return a model by its id.

    Raises:
        ProfileError: it does not ship with the station.
    """
    path = FOLDER / f"model_{number}.json"
    if not path.is_file():
        known = ", ".join(map(str, known_models()))
        raise ProfileError(
            str(path), "model", f"SunSpec model {number} does not ship with the station",
            f"known are {known}; write its points into a profile by hand",
        )  # fmt: skip
    group = json.loads(path.read_text("utf-8"))["group"]
    points, words = _points(group["points"], 0, "")
    repeating: Group | None = None
    for below in group.get("groups", ()):
        count = below.get("count", 1)
        if count == 1:
            inner, words = _points(below["points"], words, f"{below['name']}.")
            points |= inner
            continue
        inner, size = _points(below["points"], 0, "")
        repeating = Group(below["name"], count if isinstance(count, str) else "", size, inner)
    return Model(number, group.get("label", ""), words, points, repeating)


def _points(rows: list[dict[str, Any]], start: int, prefix: str) -> tuple[dict[str, SunPoint], int]:
    """Return points by name and where the register after the last one lies."""
    found: dict[str, SunPoint] = {}
    for point in _each(rows, start, prefix):
        found[point.name] = point
        start = point.offset + point.words
    return found, start


def _each(rows: list[dict[str, Any]], start: int, prefix: str) -> Iterator[SunPoint]:
    for row in rows:
        unit = str(row.get("units", "")).strip()
        yield SunPoint(
            name=prefix + row["name"],
            kind=row["type"],
            offset=start,
            words=int(row["size"]),
            unit=_UNITS.get(unit, "%" if unit.startswith("%") else unit),
            factor=row.get("sf"),
            symbols={s["name"]: int(s["value"]) for s in row.get("symbols", ())},
        )
        start += int(row["size"])
