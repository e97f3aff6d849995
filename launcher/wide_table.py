"""A table as wide as its words: half a register or half a name is none."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

_MOST_WIDTH = 1000


def print_table(table: "Table") -> None:
    """Print a table whole, also where the terminal is narrower, or a pipe that has no width."""
    from rich.console import Console
    from rich.measure import Measurement

    wide = Console(width=_MOST_WIDTH, highlight=False, markup=False)
    width = Measurement.get(wide, wide.options, table).maximum
    Console(width=max(width, 1), highlight=False, markup=False).print(table)
