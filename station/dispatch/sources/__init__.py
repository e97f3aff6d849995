"""Everything that may ask for power: pure steps from settings, memory and inputs to proposals.

Times that are compared with one another (`now_ms`) are steady milliseconds; only schedules and
ends of set-points are read by the wall clock.
"""

from station.dispatch.sources.agc import AgcInputs, AgcMemory, AgcSettings, propose_agc
from station.dispatch.sources.balancing import (
    BalancingMemory,
    BalancingSettings,
    Reserve,
    balance,
)
from station.dispatch.sources.connection import (
    ConnectionInputs,
    ConnectionMemory,
    ConnectionSettings,
    propose_connection,
)
from station.dispatch.sources.fast_frequency import FastMemory, FastSettings, propose_fast
from station.dispatch.sources.manual import ManualSetpoint, propose_manual
from station.dispatch.sources.primary_frequency import (
    PrimaryInputs,
    PrimaryMemory,
    PrimarySettings,
    droop_kw,
    propose_primary,
)
from station.dispatch.sources.reactive import (
    ReactiveInputs,
    ReactiveMemory,
    ReactiveMode,
    ReactiveSettings,
    bound_active,
    split_reactive,
    wanted_kvar,
)
from station.dispatch.sources.safe_state import (
    SafeInputs,
    SafeMemory,
    SafeSettings,
    SafeStage,
    propose_safe_state,
)
from station.dispatch.sources.schedule import propose_schedule
from station.dispatch.sources.self_test import (
    SelfTestInputs,
    SelfTestMemory,
    SelfTestOutcome,
    SelfTestSettings,
    StepResult,
    propose_self_test,
)

__all__ = [
    "AgcInputs",
    "AgcMemory",
    "AgcSettings",
    "BalancingMemory",
    "BalancingSettings",
    "ConnectionInputs",
    "ConnectionMemory",
    "ConnectionSettings",
    "FastMemory",
    "FastSettings",
    "ManualSetpoint",
    "PrimaryInputs",
    "PrimaryMemory",
    "PrimarySettings",
    "ReactiveInputs",
    "ReactiveMemory",
    "ReactiveMode",
    "ReactiveSettings",
    "Reserve",
    "SafeInputs",
    "SafeMemory",
    "SafeSettings",
    "SafeStage",
    "SelfTestInputs",
    "SelfTestMemory",
    "SelfTestOutcome",
    "SelfTestSettings",
    "StepResult",
    "balance",
    "bound_active",
    "droop_kw",
    "propose_agc",
    "propose_connection",
    "propose_fast",
    "propose_manual",
    "propose_primary",
    "propose_safe_state",
    "propose_schedule",
    "propose_self_test",
    "split_reactive",
    "wanted_kvar",
]
