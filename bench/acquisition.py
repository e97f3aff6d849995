"""Reading a plant of 400 racks and 40 converters: what a read costs, and what suffers.

Each family has a module of its own whose `run_rows` measures and returns its rows; the whole plant
with its station comes last and takes ten minutes.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any

from bench import _acquisition_iec61850, _acquisition_modbus, _acquisition_plant

_PLANT_S = 600.0


PARTS: Mapping[str, str] = {
    "modbus": "Modbus clients and 400 racks, a good minute",
    "iec61850": "IEC 61850 clients, 40 seconds",
    "plant": "the whole plant, {seconds:g} seconds once it has started",
}
"""What may be run alone, in the order of the table."""


def run(seconds: float = _PLANT_S, only: str | None = None) -> list[dict[str, Any]]:
    """Measure and return the rows of all families.

    Args:
        seconds: how long the whole plant is watched.
        only: the part of `PARTS` to run; all when left out.
    """
    measured: Mapping[str, Callable[[], list[dict[str, Any]]]] = {
        "modbus": _acquisition_modbus.run_rows,
        "iec61850": _acquisition_iec61850.run_rows,
        "plant": lambda: _acquisition_plant.run_rows(seconds),
    }
    rows: list[dict[str, Any]] = []
    chosen = [name for name in PARTS if only in {None, name}]
    for number, name in enumerate(chosen, 1):
        what = PARTS[name].format(seconds=seconds)
        print(f"acquisition, {number} of {len(chosen)}: {what}", file=sys.stderr, flush=True)
        rows += measured[name]()
    return rows
