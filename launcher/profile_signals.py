"""`profile signals`: the layouts that a device may fill, and the signals of one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contract.layout import Layout

_OK = 0
_CELLS_NAME = "rack.cells/N"
_OF_DEVICES = (
    *("pcs", "rack", "chiller", "insulation", "fire", "meter", "panel", "ventilation", "room"),
    _CELLS_NAME,
)


def run_signals(name: str | None) -> int:
    """Print the layouts, or the signals of one with unit, words and what they mean.

    Raises:
        WrongInput: there is no such layout of a device.
    """
    from launcher.errors import WrongInput
    from launcher.wide_table import print_rows

    titles: tuple[str, ...] = ("Layout", "Number", "Signals")
    rows: list[tuple[str, ...]]
    if name is None:
        rows = [(one, str(len(_names(one))), ", ".join(_names(one))) for one in _OF_DEVICES]
    else:
        asked = _CELLS_NAME if name.startswith(_CELLS_NAME.rstrip("/N")) else name
        if asked not in _OF_DEVICES:
            known = ", ".join(_OF_DEVICES)
            raise WrongInput(f"{name!r} is no layout of a device; take one of {known}")
        titles = ("Signal", "Unit", "Meaning", "Words")
        rows = list(_rows(_layout(asked)))
    print_rows(titles, rows)
    return _OK


def _layout(name: str) -> "Layout":
    from contract import layouts

    return layouts.cells_layout(1) if name == _CELLS_NAME else layouts.get(name)


def _names(name: str) -> list[str]:
    return [column.signal.name for column in _layout(name).columns]


def _rows(layout: "Layout") -> Iterator[tuple[str, ...]]:
    for column in layout.columns:
        signal = column.signal
        words = ", ".join(f"{number} {english}" for number, english, _ in signal.states)
        yield signal.name, signal.unit, f"{signal.label_en}, {signal.label_zh}", words
