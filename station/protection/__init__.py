"""Limits, levels, trips and interlocks that always win over dispatch. The room's public face."""

from station.protection.authority import Allowed, Denied, Deployment, may_take
from station.protection.cell_maps import CellMaps, load_cell_maps
from station.protection.levels import Direction, Level, ResetRule, Scope
from station.protection.limits import (
    Bound,
    ConverterLimits,
    LimitMargins,
    StationLimits,
    station_limits,
)
from station.protection.matrix import Matrix, check_matrix, load_matrix
from station.protection.protect import ProtectionSettings, protect
from station.protection.reset import STATION, Done, Refused, reset
from station.protection.rules import Rules, load_rules
from station.protection.state import LatchError, ProtectionState
from station.protection.states import ContainerState, ConverterState, PlantState, RackState
from station.protection.verdict import Cause, Finding, FirstOut, Moment, ProtectiveAction, Verdict

__all__ = [
    "STATION",
    "Allowed",
    "Bound",
    "Cause",
    "CellMaps",
    "ContainerState",
    "ConverterLimits",
    "ConverterState",
    "Denied",
    "Deployment",
    "Direction",
    "Done",
    "Finding",
    "FirstOut",
    "LatchError",
    "Level",
    "LimitMargins",
    "Matrix",
    "Moment",
    "PlantState",
    "ProtectionSettings",
    "ProtectionState",
    "ProtectiveAction",
    "RackState",
    "Refused",
    "ResetRule",
    "Rules",
    "Scope",
    "StationLimits",
    "Verdict",
    "check_matrix",
    "load_cell_maps",
    "load_matrix",
    "load_rules",
    "may_take",
    "protect",
    "reset",
    "station_limits",
]
