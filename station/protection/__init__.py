"""Limits that always win over dispatch. The public face of this room."""

from station.protection.limits import (
    Bound,
    ConverterLimits,
    LimitMargins,
    StationLimits,
    station_limits,
)
from station.protection.states import ContainerState, ConverterState, PlantState, RackState

__all__ = [
    "Bound",
    "ContainerState",
    "ConverterLimits",
    "ConverterState",
    "LimitMargins",
    "PlantState",
    "RackState",
    "StationLimits",
    "station_limits",
]
