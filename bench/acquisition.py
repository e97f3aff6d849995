"""Reading a plant of 400 racks and 40 converters: what a read costs, and what suffers.

Each family has a module of its own whose `run_rows` measures and returns its rows; the whole plant
with its station comes last and takes ten minutes.
"""

from typing import Any

from bench import _acquisition_iec61850, _acquisition_modbus, _acquisition_plant


def run() -> list[dict[str, Any]]:
    """Measure and return the rows of all families."""
    return [
        *_acquisition_modbus.run_rows(),
        *_acquisition_iec61850.run_rows(),
        *_acquisition_plant.run_rows(),
    ]
