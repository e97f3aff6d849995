"""Which commands leave now: starts, and set-points that are due.

A converter that stands is started while somebody wants power, but never before protection has
seen it standing; one that tripped only a few times an hour, then a person must look. A set-point is
due when it differs from the one in force by more than the dead band, when its refresh is due, or
when a limit has tightened beneath it. Nothing at all is sent to a converter that protection holds.
"""

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from contract.limits import LimitReason
from station.config import Role, StationConfig
from station.dispatch.commands import (
    ACTIVE_KW,
    REACTIVE,
    SETPOINT,
    Command,
    ConverterCommands,
    DeliveryRules,
)
from station.plant import PcsState
from station.protection import Bound, StationLimits

START = "start"
STOP = "stop"
_RESTART_PAUSE_MS = 30_000
"""A converter takes up to half a minute to synchronise; asking again earlier helps nobody."""
_HOUR_MS = 3_600_000
_STARTABLE = (PcsState.OFF, PcsState.STANDBY, PcsState.FAULT)

Points = dict[tuple[str, str], ConverterCommands]
"""Set-points in flight and in force, by (device, point)."""


@dataclass(frozen=True)
class ConverterView:
    """What is known of a converter at this moment; `setpoint_kw` is what it says it follows."""

    state: PcsState | None
    setpoint_kw: float


@dataclass(frozen=True)
class Converters:
    """All converters at this moment.

    Attributes:
        views: how they are.
        limits: what they may do.
        held: neither started nor given power.
        asleep: stopped by the station to save their losses.
        lost: have stopped since the last plan; protection has yet to look at them.
    """

    views: Mapping[str, ConverterView]
    limits: StationLimits
    held: frozenset[str]
    asleep: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Reason:
    """Why a power is what it is.

    Attributes:
        source: name of the source that decided.
        requester: the order or program behind it.
        drives: somebody wants this power; else only what passes a limit is corrected.
    """

    source: str
    requester: str
    drives: bool


@dataclass
class Issuer:
    """Makes commands and remembers starts; lives as long as the controller.

    Attributes:
        points: set-points in flight and in force.
        started_ms: when each converter was started within the last hour.
    """

    config: StationConfig
    points: Points = field(default_factory=dict)
    started_ms: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the rules of every converter."""
        control = self.config.control
        for pcs in self.config.with_role(Role.PCS):
            rated_kw = pcs.rated_kw or 0.0
            rules = DeliveryRules(
                dead_band_kw=control.dead_band_pct / 100 * rated_kw,
                refresh_ms=round(control.refresh_s * 1000),
                tolerance_kw=control.delivery_tolerance_pct / 100 * rated_kw,
                deliver_within_ms=round(control.deliver_within_s * 1000),
            )
            for point in (SETPOINT, REACTIVE):
                self.points.setdefault((pcs.tag, point), ConverterCommands(rules))

    def active_power(
        self,
        setpoints: Mapping[str, float],
        converters: Converters,
        why: Reason,
        now_ms: int,
    ) -> list[Command]:
        """Return the commands that bring these active powers (kW by converter) about."""
        issued: list[Command] = []
        limits = converters.limits
        resting = converters.asleep | converters.lost
        for tag, kw in setpoints.items():
            if tag in converters.held:
                continue
            view = converters.views[tag]
            wanted = why.drives and tag not in resting
            if wanted and view.state in _STARTABLE and not _interlocked(limits, tag):
                issued += self._start(tag, view.state, why, now_ms)
            if view.state is not None and view.state not in (PcsState.RUNNING, PcsState.DERATED):
                continue
            if not why.drives and not abs(view.setpoint_kw - kw) > ACTIVE_KW:
                continue
            issued += self._set(tag, kw, limits, why, now_ms)
        return issued

    def stand_down(self, now_ms: int) -> list[Command]:
        """Return set-points of 0 kW for every converter that is not known to follow one."""
        why = Reason("safe_state", "cycle_failed", drives=True)
        issued = []
        for (tag, point), commands in self.points.items():
            if point == SETPOINT and commands.wants(0.0, 0.0, now_ms):
                issued.append(_command((tag, SETPOINT), 0.0, why, now_ms))
                commands.issue(issued[-1])
        return issued

    def stop(self, tag: str, now_ms: int) -> Command:
        """Return the command that sends a converter to sleep."""
        return _command((tag, STOP), 1.0, Reason("balancing", "rest", drives=True), now_ms)

    def reactive_power(
        self, setpoints: Mapping[str, float], held: frozenset[str], why: Reason, now_ms: int
    ) -> list[Command]:
        """Return the commands that bring these reactive powers (kvar by converter) about."""
        issued = []
        for tag, kvar in setpoints.items():
            commands = self.points[tag, REACTIVE]
            if tag in held or not commands.wants(kvar, math.inf, now_ms):
                continue
            issued.append(_command((tag, REACTIVE), round(kvar, 3), why, now_ms))
            commands.issue(issued[-1])
        return issued

    def _set(
        self, tag: str, kw: float, limits: StationLimits, why: Reason, now_ms: int
    ) -> list[Command]:
        commands = self.points[tag, SETPOINT]
        in_force = commands.in_force.value if commands.in_force is not None else kw
        if not commands.wants(kw, side(limits, tag, in_force).kw, now_ms):
            return []
        bound = side(limits, tag, kw)
        binds = bound.reason is not LimitReason.NONE and abs(kw) >= bound.kw - ACTIVE_KW
        by = bound.reason.words.en if binds else ""
        command = _command((tag, SETPOINT), round(kw, 3), why, now_ms, bound_by=by)
        commands.issue(command)
        return [command]

    def _start(self, tag: str, state: PcsState | None, why: Reason, now_ms: int) -> list[Command]:
        started = [ms for ms in self.started_ms.get(tag, []) if now_ms - ms < _HOUR_MS]
        if started and now_ms - started[-1] < _RESTART_PAUSE_MS:
            return []
        if state is PcsState.FAULT and len(started) >= self.config.control.restarts_per_hour:
            return []
        self.started_ms[tag] = [*started, now_ms]
        return [_command((tag, START), 1.0, why, now_ms)]


def side(limits: StationLimits, tag: str, kw: float) -> Bound:
    """Return a converter's bound on the side of a power: a power of 0 passes neither."""
    return limits.converters[tag].discharge if kw >= 0 else limits.converters[tag].charge


def _interlocked(limits: StationLimits, tag: str) -> bool:
    """Whether something forbids this converter to be started."""
    return limits.converters[tag].discharge.reason in _NO_START


_NO_START = frozenset(
    {
        LimitReason.FIRE,
        LimitReason.GAS,
        LimitReason.INSULATION,
        LimitReason.PROTECTION_STOP,
        LimitReason.PROTECTION_TRIP,
        LimitReason.EMERGENCY_STOP,
        LimitReason.LOCAL_CONTROL,
    }
)


def _command(
    place: tuple[str, str], value: float, why: Reason, now_ms: int, *, bound_by: str = ""
) -> Command:
    device, point = place
    return Command(
        id=str(uuid.uuid4()),
        device=device,
        point=point,
        value=value,
        requester=why.requester,
        bound_by=bound_by,
        issued_ms=now_ms,
        source=why.source,
    )
