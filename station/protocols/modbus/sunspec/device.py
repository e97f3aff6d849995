"""A SunSpec device as points of signals: which model fills which signal, and where it lies.

Which point is which signal says ``profiles/sunspec/points.toml``; where it lies and in which
unit, the models' own definitions.
"""

import itertools
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from station.protocols.modbus.sunspec.chain import MARKER, Found
from station.protocols.modbus.sunspec.model import FOLDER, INVALID, TYPES, Model, SunPoint

POINTS = FOLDER / "points.toml"
_STRING_ROWS, _STRINGS, _MODULES = 803, 804, 805
_HEADER = 2
"""Registers of a model that tell its id and length."""
_ONLY_OURS = {"point", "bank", "signed"}
Table = dict[str, Any]


@lru_cache(maxsize=1)
def mapping() -> Table:
    """Return which point of which model is which signal."""
    return tomllib.loads(POINTS.read_text("utf-8"))


class Device:
    """A chain, laid out from its base on, and one of its strings."""

    def __init__(self, base: int, models: Iterable[Found], string: int, sign: int) -> None:
        """Lay the chain out.

        Args:
            base: address of the marker.
            models: the chain; addresses follow from the lengths.
            string: which battery string is the rack, from 1.
            sign: 1 where positive battery currents discharge, -1 where they charge.
        """
        self.string = string
        self._sign = sign
        self._base = base
        self.found: list[Found] = []
        at = base + 2
        for one in models:
            self.found.append(replace(one, address=at))
            at += 2 + one.length
        self._used: set[Found] = set()
        self._taken: set[int] = set()

    @property
    def strings(self) -> int:
        """How many battery strings the device tells of; 1 where it tells none."""
        numbered = [one.string for one in self.found if one.id == _STRINGS]
        rows = [one.count for one in self.found if one.id == _STRING_ROWS]
        return max([*numbered, *rows, 1])

    def has(self, layout: str) -> bool:
        """Whether the chain has a model that makes the device one with this layout."""
        return any(one.id in mapping()[layout]["needs"] for one in self.found)

    def points(self, layout: str) -> Table:
        """Return what each signal of a layout reads, from the best model that has it."""
        points: Table = {}
        for signal, row, one, start in self._rows(mapping()[layout]):
            if signal not in points and (place := self._place(row, one, start)):
                points[signal] = place | self._meaning(row, one, start)
        return points

    def writes(self, layout: str) -> Table:
        """Return the command points that go with a layout."""
        writes: Table = {}
        for name, row, one, start in self._rows(mapping()[layout].get("writes", {})):
            place = self._place(row, one, start)
            if name in writes or place is None:
                continue
            symbols = _point(row, one, start).symbols
            place.pop("invalid", None)
            if isinstance(row.get("value"), str):
                place["value"] = symbols[row["value"]]
            if before := row.get("before"):
                place["before"] = [_definition(one).points[p].symbols[s] for p, s in before.items()]
            writes[name] = {**_own_keys(row, {"value", "before"}), **place}
        return writes

    def cells(self) -> Table:
        """Return the cell layout of the string, empty where its modules tell no cells.

        Modules must lie a constant stride apart and have as many cells as one another: what
        does not is a rack whose cells need points written by hand.
        """
        modules = [one for one in self.found if one.id == _MODULES and one.string == self.string]
        modules.sort(key=lambda one: one.module)
        steps = {b.address - a.address for a, b in itertools.pairwise(modules)}
        counts = {one.count for one in modules}
        if not modules or len(steps) > 1 or len(counts) > 1 or counts == {0}:
            return {}
        first, step = modules[0], steps.pop() if steps else 0
        definition = _definition(first)
        if definition.group is None:
            return {}
        cells: Table = {}
        for signal, row in mapping()["cells"][str(_MODULES)].items():
            place = self._place(row, first, definition.words)
            if place is not None:
                place |= {"repeat": [len(modules), first.count]}
                place |= {"stride": [step, definition.group.words]}
                if "scale_factor" in place:
                    place["scale_factor"] |= {"stride": step}
                cells[signal] = {**_own_keys(row, set()), **place}
        self._used.add(modules[-1])
        return {f"rack.cells/{len(modules) * first.count}": cells}

    def unmapped(self) -> Table:
        """Return the numbers of the models' fixed parts that are no signal."""
        points: Table = {}
        for one in self.found:
            for name, point in ({} if one.definition is None else one.definition.points).items():
                address = one.address + point.offset
                told = point.kind in TYPES and point.kind != "sunssf" and point.offset >= _HEADER
                inside = point.offset + point.words <= one.length + 2
                if not told or not inside or address in self._taken:
                    continue
                place = self._at(point, one, point.offset)
                if point.kind.startswith("enum"):
                    place["words"] = {code: symbol for symbol, code in point.symbols.items()}
                points[f"{_label(one)}.{name}"] = place
        return points

    def expected(self) -> Iterator[Table]:
        """Return the registers that prove that the chain is still the one that was discovered."""
        yield _expectation(self._base, MARKER, "SunSpec marker 'SunS'")
        for one in sorted(self._used, key=lambda one: one.address):
            words = f"id and length of SunSpec model {one.id} (probe the device again)"
            yield _expectation(one.address, one.id << 16 | one.length, words)

    def _rows(self, sources: Mapping[str, Any]) -> Iterator[tuple[str, Table, Found, int]]:
        """Yield signal, row, model and where the row's points begin: -1 in the fixed part."""
        for key, rows in sources.items():
            number, _, group = key.partition(".")
            one = self._model(int(number)) if number.isdecimal() else None
            if one is None:
                continue
            start = -1
            if group:
                size = _definition(one).group
                if size is None or one.count < self.string:
                    continue
                start = _definition(one).words + (self.string - 1) * size.words
            for signal, given in rows.items():
                row = {"point": given} if isinstance(given, str) else dict(given)
                if not (row.get("bank") and self.strings > 1):
                    yield signal, row, one, start

    def _model(self, number: int) -> Found | None:
        found = [one for one in self.found if one.id == number]
        if number == _STRINGS:
            found = [one for one in found if one.string == self.string]
        return found[0] if found and found[0].definition is not None else None

    def _place(self, given: Table | str, one: Found, start: int) -> Table | None:
        """Return where a point lies and its scale, None where the device's model ends before."""
        row = {"point": given} if isinstance(given, str) else given
        point = _point(row, one, start)
        offset = point.offset + max(start, 0)
        if offset + point.words > one.length + 2:
            return None
        self._used.add(one)
        self._taken.add(one.address + offset)
        place = self._at(point, one, offset)
        if row.get("signed") and self._sign < 0:
            place["scale"] = self._sign * place.get("scale", 1.0)
        return place

    def _at(self, point: SunPoint, one: Found, offset: int) -> Table:
        """Return a point's place, unit and scale, so many registers after the model's id."""
        place: Table = {"address": one.address + offset, "type": str(TYPES[point.kind])}
        if point.kind in INVALID:
            place["invalid"] = list(INVALID[point.kind])
        if point.unit:
            place["unit"] = point.unit
        if isinstance(point.factor, int):
            place["scale"] = 10.0**point.factor
        elif point.factor is not None:
            factor = _definition(one).points[point.factor]
            place["scale_factor"] = {"address": one.address + factor.offset, "type": "s16"}
        return place

    def _meaning(self, row: Table, one: Found, start: int) -> Table:
        """Return states and bits by number, and what the mapping says beside them."""
        symbols = _point(row, one, start).symbols
        meaning = _own_keys(row, {"states", "bits", "all_bits"})
        for key in ("states", "bits"):
            if key in row:
                meaning[key] = {symbols[name]: word for name, word in row[key].items()}
        if "all_bits" in row:
            meaning["all_bits"] = [symbols[name] for name in row["all_bits"]]
        return meaning


def _own_keys(given: Table | str, handled: set[str]) -> Table:
    row = {} if isinstance(given, str) else given
    return {k: v for k, v in row.items() if k not in _ONLY_OURS | handled}


def _definition(one: Found) -> Model:
    definition = one.definition
    if definition is None:  # callers choose among the models that ship
        raise KeyError(one.id)
    return definition


def _point(row: Mapping[str, Any], one: Found, start: int) -> SunPoint:
    definition = _definition(one)
    points = definition.points
    if start >= 0 and definition.group is not None:
        points = definition.group.points
    return points[row["point"]]


def _label(one: Found) -> str:
    """Return for instance ``805[2.3]``, the third module of the second string."""
    numbers = [str(n) for n in (one.string, one.module) if n]
    return f"{one.id}[{'.'.join(numbers)}]" if numbers else str(one.id)


def _expectation(address: int, value: int, meaning: str) -> Table:
    return {"address": address, "type": "u32", "equals": value, "meaning": meaning}
