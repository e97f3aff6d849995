"""How the station's power is divided among converters and racks, with the least loss."""

from station.dispatch.split.divide import equal_split, resplit, split
from station.dispatch.split.units import (
    LossCurve,
    RackUnit,
    SplitResult,
    SplitSettings,
    SplitUnit,
)

__all__ = [
    "LossCurve",
    "RackUnit",
    "SplitResult",
    "SplitSettings",
    "SplitUnit",
    "equal_split",
    "resplit",
    "split",
]
