"""What goes into one step of dispatch, what it remembers, and what comes out of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from contract.limits import LimitReason
from station.dispatch.control_mode import ControlMode
from station.dispatch.decision import Decision
from station.dispatch.handover import HandoverMemory, HandoverSettings
from station.dispatch.proposal import Bounds
from station.dispatch.regulation import RegulationSignal
from station.dispatch.schedule import ScheduleBook
from station.dispatch.sources import (
    AgcInputs,
    AgcMemory,
    AgcSettings,
    BalancingMemory,
    BalancingSettings,
    ConnectionMemory,
    ConnectionSettings,
    FastMemory,
    FastSettings,
    ManualSetpoint,
    PrimaryMemory,
    PrimarySettings,
    ReactiveMemory,
    ReactiveSettings,
    Reserve,
    SafeMemory,
    SafeSettings,
    SelfTestMemory,
    SelfTestSettings,
)


@dataclass(frozen=True)
class DispatchSettings:
    """What each source is set to; None: the station does not have that source.

    `self_test` may be asked for at any station; the others are there for those who need them.
    """

    safe: SafeSettings
    handover: HandoverSettings
    self_test: SelfTestSettings
    agc: AgcSettings | None = None
    primary: PrimarySettings | None = None
    fast: FastSettings | None = None
    connection: ConnectionSettings | None = None
    reactive: ReactiveSettings = field(default_factory=ReactiveSettings)
    balancing: BalancingSettings = field(default_factory=BalancingSettings)


@dataclass(frozen=True)
class DispatchInputs:
    """Everything the sources look at in one step; NaN: not known.

    Attributes:
        bounds: what protection allows the station.
        wall_ms: time that dispatch follows (see `clock`). effect_ms: when set-points of now
            will be seen at the meter, on the same clock.
        schedules, regulation, manual, agc: who may ask for power.
        frequency_hz: of the grid. voltage: in parts of its rated value.
        meter_kw, own_kw: at the connection, and the station's part of it.
        soc: mean of the station. containers: by converter, for balancing at rest.
        apparent_kva: circle of the running converters together.
        meter: tag of the meter.
    """

    bounds: Bounds
    wall_ms: int
    effect_ms: int
    schedules: ScheduleBook
    regulation: RegulationSignal | None = None
    manual: ManualSetpoint | None = None
    agc: AgcInputs | None = None
    frequency_hz: float = math.nan
    voltage: float = math.nan
    meter_kw: float = math.nan
    own_kw: float = math.nan
    soc: float = math.nan
    containers: Mapping[str, Reserve] = field(default_factory=dict)
    apparent_kva: float = 0.0
    meter: str = ""


@dataclass(frozen=True)
class DispatchMemory:
    """What every source remembers, and the last step's decision."""

    safe: SafeMemory = field(default_factory=SafeMemory)
    agc: AgcMemory = field(default_factory=AgcMemory)
    primary: PrimaryMemory = field(default_factory=PrimaryMemory)
    fast: FastMemory = field(default_factory=FastMemory)
    connection: ConnectionMemory = field(default_factory=ConnectionMemory)
    reactive: ReactiveMemory = field(default_factory=ReactiveMemory)
    balancing: BalancingMemory = field(default_factory=BalancingMemory)
    self_test: SelfTestMemory | None = None
    handover: HandoverMemory = field(default_factory=HandoverMemory)
    mode: ControlMode = ControlMode.IDLE
    last: Decision | None = None


@dataclass(frozen=True)
class Outcome:
    """What the station is to do now.

    Attributes:
        decision: who asked, what was granted, which limit bit.
        power_kw: the power to drive at the meter, after the smooth hand-over.
        ramping: a hand-over is under way.
        scheduled_kw: the schedule's part, None without one.
        regulation_kw: what the regulation signal adds to it, None without signal or schedule.
        kvar: reactive power to give.
        transfer: powers of an idle station's balancing, by converter; empty: none.
        mode: who is in charge. alone: nobody asks for power.
        drives: set-points are to be sent at all.
        follows_meter: the meter must show the power; else it is the converters' power.
    """

    decision: Decision
    power_kw: float
    ramping: bool
    scheduled_kw: float | None
    regulation_kw: float | None
    kvar: float
    transfer: Mapping[str, float]
    mode: ControlMode
    alone: bool
    drives: bool
    follows_meter: bool

    @property
    def binding(self) -> LimitReason:
        """The limit that keeps the station from what was asked, a hand-over included."""
        if self.decision.binding is LimitReason.NONE and self.ramping:
            return LimitReason.RAMP
        return self.decision.binding
