"""Faults that are put into racks, each in three sizes."""

from dataclasses import dataclass
from enum import StrEnum


class FaultType(StrEnum):
    """What goes wrong; the names of the table."""

    TEMPERATURE_JUMP = "temperature jump"
    CURRENT_PULSE = "current pulse"
    SOC_DRIFT = "SOC drift"
    INTERNAL_SHORT = "internal short"
    LOOSE_CONNECTION = "loose connection"
    FROZEN_SENSOR = "frozen sensor"
    BIASED_SENSOR = "biased sensor"
    LOW_CAPACITY = "low capacity"
    HIGH_RESISTANCE = "high resistance"
    COOLING_LOSS = "cooling loss"


SIZES: dict[FaultType, tuple[float, float, float]] = {
    FaultType.TEMPERATURE_JUMP: (0.5, 1.0, 2.0),
    FaultType.CURRENT_PULSE: (0.02, 0.05, 0.1),
    FaultType.SOC_DRIFT: (0.2, 0.5, 1.0),
    FaultType.INTERNAL_SHORT: (10.0, 3.0, 1.0),
    FaultType.LOOSE_CONNECTION: (0.05, 0.1, 0.2),
    FaultType.FROZEN_SENSOR: (60.0, 600.0, 3600.0),
    FaultType.BIASED_SENSOR: (3.0, 6.0, 12.0),
    FaultType.LOW_CAPACITY: (3.0, 6.0, 12.0),
    FaultType.HIGH_RESISTANCE: (20.0, 40.0, 80.0),
    FaultType.COOLING_LOSS: (50.0, 75.0, 95.0),
}
UNITS: dict[FaultType, str] = {
    FaultType.TEMPERATURE_JUMP: "K",
    FaultType.CURRENT_PULSE: "C for 3 s",
    FaultType.SOC_DRIFT: "%/h",
    FaultType.INTERNAL_SHORT: "ohm at 280 Ah",
    FaultType.LOOSE_CONNECTION: "mohm at 280 Ah",
    FaultType.FROZEN_SENSOR: "s",
    FaultType.BIASED_SENSOR: "mV",
    FaultType.LOW_CAPACITY: "% less",
    FaultType.HIGH_RESISTANCE: "% more",
    FaultType.COOLING_LOSS: "% less heat carried away",
}
"""What a size is; shorts and contacts are told for a 280 Ah cell and scale with capacity."""
NOT_CLAIMED = (FaultType.COOLING_LOSS,)
"""What the sensors cannot show: one temperature sensor for four cells."""
REFERENCE_AH = 280.0
FROM_THE_START = (FaultType.LOW_CAPACITY, FaultType.HIGH_RESISTANCE, FaultType.COOLING_LOSS)


@dataclass(frozen=True)
class Fault:
    """One fault in one cell, or in the current of one rack.

    Attributes:
        type, size: see SIZES and UNITS.
        rack: number of the rack.
        cell: number of the cell in all cells of all racks.
        at_block: when it begins.
    """

    type: FaultType
    size: float
    rack: int
    cell: int
    at_block: int
