"""Tables as wide as their words: half a register or half a name is none."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

_MOST_WIDTH = 1000
_VALUE = "Value"


def print_rows(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their titles, values to the right; a last column without a word is left out.

    Args:
        titles: of the columns.
        rows: a text for each column.
    """
    from rich.table import Table

    if not any(row[-1] for row in rows):
        titles, rows = titles[:-1], [row[:-1] for row in rows]
    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, justify="right" if title == _VALUE else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    print_table(table)


def print_table(table: "Table") -> None:
    """Print a table whole, also where the terminal is narrower, or a pipe that has no width."""
    from rich.console import Console
    from rich.measure import Measurement

    wide = Console(width=_MOST_WIDTH, highlight=False, markup=False)
    width = Measurement.get(wide, wide.options, table).maximum
    Console(width=max(width, 1), highlight=False, markup=False).print(table)
