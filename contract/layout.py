"""What a layout is: an ordered, immutable set of columns with a hash for its identity.

The hash is over what a decoder needs (name, and of every column name, unit, scale, dtype and
repeat): changing any of these makes another layout, so data written years ago stays readable.
Labels and grades may be improved without a new layout.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from contract.errors import LayoutError
from contract.signals import Grade, Kind, Signal

HASH_BYTES = 8
MAX_COLUMNS = 512
MAX_WIDTH = 16_384
DTYPES = ("i1", "i2", "i4", "f4")
_MAX_NAME = 64
_MAX_JSON = 1 << 20


@dataclass(frozen=True, slots=True)
class Column:
    """One signal of a layout, `repeat` times side by side (the cells of a rack)."""

    signal: Signal
    repeat: int = 1


@dataclass(frozen=True)
class Layout:
    """An ordered set of columns with a name; equal when name and columns are equal."""

    name: str
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        """Refuse a layout that no decoder could hold."""
        _check(self)

    def __hash__(self) -> int:
        """Return a hash that is reckoned once: layouts are keys of much that is remembered."""
        return hash(self.hash8)

    @cached_property
    def hash8(self) -> bytes:
        """The first 8 bytes of the SHA-256 over what a decoder needs to read values."""
        return hashlib.sha256(_canonical(self)).digest()[:HASH_BYTES]

    @cached_property
    def width(self) -> int:
        """Number of values in one row."""
        return sum(c.repeat for c in self.columns)

    @cached_property
    def dtypes(self) -> tuple[np.dtype[np.generic], ...]:
        """The raw dtype of each column."""
        return tuple(np.dtype(c.signal.dtype) for c in self.columns)

    @cached_property
    def _offsets(self) -> Mapping[str, tuple[int, int, int]]:
        found, start = {}, 0
        for index, column in enumerate(self.columns):
            found[column.signal.name] = (index, start, start + column.repeat)
            start += column.repeat
        return found

    def __contains__(self, signal_name: str) -> bool:
        """Whether the layout has a column of this signal."""
        return signal_name in self._offsets

    def offset(self, signal_name: str) -> tuple[int, int]:
        """Return (start, stop) of a signal among the `width` values of a row."""
        return self._find(signal_name)[1:]

    def column(self, signal_name: str) -> int:
        """Return the index of a signal's column."""
        return self._find(signal_name)[0]

    def signal(self, signal_name: str) -> Signal:
        """Return a signal as this layout scales it."""
        return self.columns[self.column(signal_name)].signal

    def _find(self, signal_name: str) -> tuple[int, int, int]:
        try:
            return self._offsets[signal_name]
        except KeyError:
            msg = f"layout {self.name!r} has no signal {signal_name!r}; it has {[*self._offsets]}"
            raise LayoutError(msg) from None

    def to_json(self) -> str:
        """Return the layout as JSON, with labels, so that a reader needs no catalogue."""
        columns = [
            {
                "name": c.signal.name,
                "unit": c.signal.unit,
                "scale": c.signal.scale,
                "dtype": c.signal.dtype,
                "repeat": c.repeat,
                "kind": c.signal.kind.value,
                "grade": int(c.signal.grade),
                "label_en": c.signal.label_en,
                "label_zh": c.signal.label_zh,
                "states": [list(s) for s in c.signal.states],
            }
            for c in self.columns
        ]
        return json.dumps({"name": self.name, "columns": columns}, ensure_ascii=False)

    @staticmethod
    def from_json(text: str | bytes) -> "Layout":
        """Read `to_json`'s text; LayoutError when it is not such a text."""
        if len(text) > _MAX_JSON:
            msg = f"layout text of {len(text)} bytes is over the limit of {_MAX_JSON}"
            raise LayoutError(msg)
        try:
            found = json.loads(text)
            return Layout(found["name"], tuple(_column(c) for c in found["columns"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            msg = f"this is no layout: {error!r}"
            raise LayoutError(msg) from error


def _column(found: Mapping[str, Any]) -> Column:
    states = tuple((int(v), str(en), str(zh)) for v, en, zh in found["states"])
    signal = Signal(
        name=found["name"],
        unit=found["unit"],
        dtype=found["dtype"],
        scale=float(found["scale"]),
        kind=Kind(found["kind"]),
        grade=Grade(found["grade"]),
        label_en=str(found["label_en"]),
        label_zh=str(found["label_zh"]),
        states=states,
    )
    return Column(signal, found["repeat"])


def _canonical(layout: Layout) -> bytes:
    columns = [
        [c.signal.name, c.signal.unit, c.signal.scale, c.signal.dtype, c.repeat]
        for c in layout.columns
    ]
    text = json.dumps([layout.name, columns], ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def _check(layout: Layout) -> None:
    names = [c.signal.name for c in layout.columns]
    problem = None
    if not _is_name(layout.name):
        problem = f"its name must be 1..{_MAX_NAME} printable characters"
    elif not 1 <= len(names) <= MAX_COLUMNS:
        problem = f"it has {len(names)} columns, allowed are 1..{MAX_COLUMNS}"
    elif not all(_is_name(n) for n in names):
        problem = f"a signal name must be 1..{_MAX_NAME} printable characters"
    elif len(set(names)) != len(names):
        problem = f"signal {next(n for n in names if names.count(n) > 1)!r} appears twice"
    elif bad := [c for c in layout.columns if not _is_column(c)]:
        problem = f"column {bad[0]} needs dtype {DTYPES}, a finite scale > 0, repeat >= 1"
    elif sum(c.repeat for c in layout.columns) > MAX_WIDTH:
        problem = f"its rows are wider than {MAX_WIDTH} values"
    if problem:
        msg = f"layout {layout.name!r} is refused: {problem}"
        raise LayoutError(msg)


def _is_name(text: object) -> bool:
    return isinstance(text, str) and 1 <= len(text) <= _MAX_NAME and text.isprintable()


def _is_column(column: Column) -> bool:
    signal, repeat = column.signal, column.repeat
    return (
        signal.dtype in DTYPES
        and 0 < signal.scale < float("inf")
        and isinstance(signal.unit, str)
        and type(repeat) is int
        and 1 <= repeat <= MAX_WIDTH
    )
