"""Reading a plant of 400 racks and 40 converters: what a read costs, and what suffers.

Each family has a module of its own whose `run_rows` measures and returns its rows; the whole plant
with its station comes last and takes ten minutes.
"""

import sys
from typing import Any

from bench import _acquisition_iec61850, _acquisition_modbus, _acquisition_plant

_PLANT_S = 600.0


def run(seconds: float = _PLANT_S) -> list[dict[str, Any]]:
    """Measure and return the rows of all families.

    Args:
        seconds: how long the whole plant is watched.
    """
    _tell("1 of 3: Modbus clients and 400 racks, a good minute")
    rows = _acquisition_modbus.run_rows()
    _tell("2 of 3: IEC 61850 clients, 40 seconds")
    rows += _acquisition_iec61850.run_rows()
    _tell(f"3 of 3: the whole plant, {seconds:g} seconds once it has started")
    return rows + _acquisition_plant.run_rows(seconds)


def _tell(part: str) -> None:
    print(f"acquisition, {part}", file=sys.stderr, flush=True)
