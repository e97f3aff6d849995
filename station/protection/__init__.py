"""Limits, levels, trips and interlocks that always win over dispatch. The room's public face."""

from station.protection.levels import Direction, Level, ResetRule, Scope
from station.protection.limits import (
    Bound,
    ConverterLimits,
    LimitMargins,
    StationLimits,
    station_limits,
)
from station.protection.states import ContainerState, ConverterState, PlantState, RackState
from station.protection.verdict import Cause, Finding, FirstOut, Moment, ProtectiveAction, Verdict

__all__ = [
    "Bound",
    "Cause",
    "ContainerState",
    "ConverterLimits",
    "ConverterState",
    "Direction",
    "Finding",
    "FirstOut",
    "Level",
    "LimitMargins",
    "Moment",
    "PlantState",
    "ProtectiveAction",
    "RackState",
    "ResetRule",
    "Scope",
    "StationLimits",
    "Verdict",
    "station_limits",
]
