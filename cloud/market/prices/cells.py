"""Lines of a CSV file that cannot be read as they stand, found by the numbers editors show."""

import csv
import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from cloud.market.prices.findings import Code, Finding

_SHOWN: Final = 5
_LONGEST: Final = 24
"""Characters that are shown of a cell."""


class Cell(NamedTuple):
    """A cell and the line that it stands in, counted from 1."""

    line: int
    text: str

    def __str__(self) -> str:
        """Return it as a finding names it."""
        return f"line {self.line} has {self.text[:_LONGEST]!r}"


def no_numbers(file: Path, column: str, delimiter: str, decimal: str) -> list[Cell]:
    """Return the cells of a column that are neither empty nor finite numbers, in order."""
    point = re.escape(decimal)
    number = re.compile(rf"\s*([+-]?(\d+{point}?\d*|{point}\d+)([eE][+-]?\d+)?)?\s*")
    rows = _rows(file, delimiter)
    _, head = next(rows, (0, []))
    if column not in head:
        return []
    place = head.index(column)
    return [
        Cell(line, row[place])
        for line, row in rows
        if place < len(row) and not number.fullmatch(row[place])
    ]


def not_numbers(cells: list[Cell], rows: int, column: str) -> Finding:
    """Return the finding that names cells without a number; of `rows` rows."""
    more = f" and {len(cells) - _SHOWN:,} more" if len(cells) > _SHOWN else ""
    text = (
        f"{len(cells):,} of {rows:,} cells of {column!r} are no numbers: "
        f"{', '.join(map(str, cells[:_SHOWN]))}{more}; correct them, leave a cell empty where there"
        " is no value, or name the file's decimal point (--decimal)"
    )
    return Finding(Code.NOT_A_NUMBER, len(cells), 0, 0, text)


def odd_line(file: Path, delimiter: str) -> str:
    """Name the first line that has more or fewer cells than the head; empty: none has."""
    rows = _rows(file, delimiter)
    _, head = next(rows, (0, []))
    for line, row in rows:
        if len(row) != len(head):
            said = delimiter.join(row)[: 2 * _LONGEST]
            return f"line {line} has {len(row)} cells, the head {len(head)}: {said!r}"
    return ""


def _rows(file: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not empty, each with its last line."""
    opened = gzip.open if file.suffix.lower() == ".gz" else open
    with opened(file, "rt", encoding="utf-8-sig", errors="replace", newline="") as text:
        reader = csv.reader(text, delimiter=delimiter)
        yield from ((reader.line_num, row) for row in reader if row)
