"""One control cycle: from a frozen picture to the set-points of this second.

Picture -> limits -> target -> feedback -> split -> commands. No clock, socket or file: time
and picture are passed in, set-points and changed commands come out. What is remembered from
cycle to cycle (who decides, the feedback's correction, the commands in force) lives here.
"""

import math
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from contract.layouts import METER, PCS
from contract.limits import LimitReason
from station.config import Role, StationConfig
from station.dispatch.commands import Command, ConverterCommands, DeliveryRules
from station.dispatch.mode import (
    ControlMode,
    ManualSetpoint,
    ModeState,
    SafeState,
    Target,
    Wishes,
    decide_target,
)
from station.dispatch.regulation import RegulationSignal
from station.dispatch.schedule import ScheduleBook
from station.dispatch.split import ConverterShare, split_power
from station.dispatch.tracking import (
    FeedbackSettings,
    FeedbackState,
    MeterSecond,
    learn_correction,
)
from station.image import Image
from station.plant import PcsState, mean_soc, pcs_state, read_plant
from station.protection import (
    Bound,
    ContainerState,
    LimitMargins,
    PlantState,
    StationLimits,
    station_limits,
)

SETPOINT = "active_power_setpoint_kw"
START = "start"
_START_RETRY_MS = 30_000
_HOUR_MS = 3_600_000
_STARTABLE = (PcsState.OFF, PcsState.STANDBY, PcsState.FAULT)
_START_GRACE_MS = 10_000
_REMEMBERED_SECONDS = 30
_ACTIVE_KW = 0.05
"""Resolution of a set-point; less than this is no power."""


@dataclass(frozen=True)
class Wanted:
    """What the station wanted at the meter in one second.

    Attributes:
        kw: schedule and regulation (or the manual set-point), before limits.
        limited: a limit kept the station from it.
    """

    kw: float
    limited: bool


@dataclass(frozen=True)
class CycleResult:
    """Everything one cycle found and decided.

    Attributes:
        at_ms: time of the cycle.
        plant: what protection saw.
        limits: what was allowed.
        target: what was asked for, and by whom.
        target_kw: what is aimed at, inside the limits.
        setpoints: kW of each converter.
        correction_kw: what the meter feedback adds.
        issued: commands to be handed to the drivers now.
        changed: commands whose life went on.
        scheduled: somebody asks for power: a schedule or a person.
    """

    at_ms: int
    plant: PlantState
    limits: StationLimits
    target: Target
    target_kw: float
    setpoints: Mapping[str, float]
    correction_kw: float
    issued: tuple[Command, ...]
    changed: tuple[Command, ...]
    scheduled: bool = True


@dataclass
class ControlState:
    """What is remembered from cycle to cycle."""

    schedules: ScheduleBook = field(default_factory=ScheduleBook)
    manual: ManualSetpoint | None = None
    mode: ModeState = field(default_factory=ModeState)
    feedback: FeedbackState = field(default_factory=FeedbackState)
    commands: dict[str, ConverterCommands] = field(default_factory=dict)
    started_ms: dict[str, list[int]] = field(default_factory=dict)
    active: frozenset[str] = frozenset()


class ControlCycle:
    """Carries the rules and the memory of the 1 s loop."""

    def __init__(
        self, config: StationConfig, regulation: RegulationSignal | None, state: ControlState
    ) -> None:
        """Derive every rule from the configuration."""
        self._config = config
        self._regulation = regulation
        self.state = state
        self._margins = LimitMargins(
            rated_power_kw=config.station.rated_power_kw,
            soc_min=config.station.soc_min,
            soc_max=config.station.soc_max,
            **config.limits.model_dump(),
        )
        control = config.control
        rated = {pcs.tag: pcs.rated_kw or 0.0 for pcs in config.with_role(Role.PCS)}
        self._safe = SafeState(**config.safe_state.model_dump())
        self._feedback = FeedbackSettings(
            gain=control.feedback_gain,
            max_kw=control.feedback_max_pct / 100 * config.station.rated_power_kw,
            arrived_kw=control.delivery_tolerance_pct / 100 * sum(rated.values()),
        )
        self._min_load = {tag: control.min_load_pct / 100 * kw for tag, kw in rated.items()}
        for tag, rated_kw in rated.items():
            rules = DeliveryRules(
                dead_band_kw=control.dead_band_pct / 100 * rated_kw,
                refresh_ms=round(control.refresh_s * 1000),
                tolerance_kw=control.delivery_tolerance_pct / 100 * rated_kw,
                deliver_within_ms=round(control.deliver_within_s * 1000),
            )
            state.commands.setdefault(tag, ConverterCommands(rules))
        self._first_ms: int | None = None
        self._sums: OrderedDict[int, tuple[float, float]] = OrderedDict()
        self.wanted: OrderedDict[int, Wanted] = OrderedDict()

    def run(self, image: Image, now_ms: int) -> CycleResult:
        """Carry out one cycle on a frozen picture."""
        effect_ms = now_ms + round(self._config.control.lead_s * 1000)
        plant = read_plant(image, self._config)
        limits = station_limits(plant, self._margins)
        changed = self._observe(image, now_ms)
        target, self.state.mode = decide_target(self.state.mode, self._wishes(), now_ms, effect_ms)
        target_kw = _clamp(target.kw, limits.charge, limits.discharge)
        limited = abs(target_kw - target.kw) > _ACTIVE_KW
        self._learn(image, plant, limited=limited)
        if target.follows_meter:
            self._remember(effect_ms // 1000, Wanted(target.kw, limited))
        correction_kw = self.state.feedback.correction_kw if target.follows_meter else 0.0
        setpoints = self._split(target_kw + correction_kw, target, plant, limits)
        known = self._known(plant, setpoints, now_ms)
        issued = self._issue(image, known, target, limits, now_ms)
        return CycleResult(
            now_ms,
            plant,
            limits,
            target,
            target_kw,
            setpoints,
            correction_kw,
            tuple(issued),
            (*changed, *issued),
            scheduled=self.state.mode.alone_since_ms is None,
        )

    def _wishes(self) -> Wishes:
        return Wishes(self.state.schedules, self.state.manual, self._regulation, self._safe)

    def _observe(self, image: Image, now_ms: int) -> list[Command]:
        """Compare what converters do with what they were told."""
        changed: list[Command] = []
        for tag, commands in self.state.commands.items():
            row = image.get(tag, PCS.name)
            measured = math.nan if row is None or row.stale else row.number("active_power_kw")
            measured_ms = 0 if row is None else row.sample.time_ms
            changed += commands.observe(measured, measured_ms, now_ms)
        return changed

    def _learn(self, image: Image, plant: PlantState, *, limited: bool) -> None:
        """Feed the meter back: sums of converters and meter of one and the same second."""
        second = _converter_second(image, plant)
        if second is not None:
            self._sums[second[0]] = second[1:]
            _trim(self._sums)
        for meter in self._config.with_role(Role.METER)[:1]:
            row = image.get(meter.tag, METER.name)
            if row is None or row.stale:
                return
            time_ms = row.sample.time_ms
            converters_kw, setpoints_kw = self._sums.get(time_ms // 1000, (math.nan, math.nan))
            self.state.feedback = learn_correction(
                self.state.feedback,
                MeterSecond(time_ms, row.number("active_power_kw"), converters_kw, setpoints_kw),
                self._feedback,
                limited=limited,
            )

    def _remember(self, second: int, wanted: Wanted) -> None:
        self.wanted[second] = wanted
        _trim(self.wanted)

    def _split(
        self, power_kw: float, target: Target, plant: PlantState, limits: StationLimits
    ) -> Mapping[str, float]:
        if not target.drives:
            return {
                c.converter.device: _held(c, limits)
                for c in plant.containers
                if math.isfinite(c.converter.setpoint_kw)
            }
        shares = [
            ConverterShare(
                device=container.converter.device,
                charge_kw=limits.converters[container.converter.device].charge.kw,
                discharge_kw=limits.converters[container.converter.device].discharge.kw,
                soc=mean_soc(container.racks),
                min_load_kw=self._min_load[container.converter.device],
                active=container.converter.device in self.state.active,
            )
            for container in plant.containers
        ]
        setpoints = split_power(power_kw, shares, self._config.control.soc_balance_gain)
        self.state.active = frozenset(t for t, kw in setpoints.items() if abs(kw) > _ACTIVE_KW)
        return setpoints

    def _known(
        self, plant: PlantState, setpoints: Mapping[str, float], now_ms: int
    ) -> Mapping[str, float]:
        """Leave out converters whose racks have not all been heard since the start.

        Just started, the station knows nothing and its limits are 0; a running plant must not
        be thrown to 0 for the second or two until its data are there. This grace is short.
        """
        if self._first_ms is None:
            self._first_ms = now_ms
        if now_ms - self._first_ms >= _START_GRACE_MS:
            return setpoints
        heard = {
            container.converter.device
            for container in plant.containers
            if container.converter.fresh and all(rack.fresh for rack in container.racks)
        }
        return {tag: kw for tag, kw in setpoints.items() if tag in heard}

    def _issue(
        self,
        image: Image,
        setpoints: Mapping[str, float],
        target: Target,
        limits: StationLimits,
        now_ms: int,
    ) -> list[Command]:
        issued: list[Command] = []
        for tag, value in setpoints.items():
            state = pcs_state(image, tag)
            if target.drives and state in _STARTABLE and not _interlocked(limits, tag):
                issued += self._start(tag, state, target, now_ms)
            if state is not None and state not in (PcsState.RUNNING, PcsState.DERATED):
                continue
            commands = self.state.commands[tag]
            in_force = commands.in_force.value if commands.in_force is not None else value
            bound = _side(limits, tag, in_force)
            if not target.drives and not _passes(image, tag, value):
                continue
            if commands.wants(value, bound.kw, now_ms):
                why = bound.reason.words.en if _binds(limits, tag, value) else ""
                command = _command(
                    (tag, SETPOINT), round(value, 3), (target.requester, why), now_ms
                )
                commands.issue(command)
                issued.append(command)
        return issued

    def _start(self, tag: str, state: PcsState, target: Target, now_ms: int) -> list[Command]:
        """Start a converter; one that tripped only some times an hour, then a person must look."""
        started = [ms for ms in self.state.started_ms.get(tag, []) if now_ms - ms < _HOUR_MS]
        if started and now_ms - started[-1] < _START_RETRY_MS:
            return []
        if state is PcsState.FAULT and len(started) >= self._config.control.restarts_per_hour:
            return []
        self.state.started_ms[tag] = [*started, now_ms]
        return [_command((tag, START), 1.0, (target.requester, ""), now_ms)]


def _command(point: tuple[str, str], value: float, why: tuple[str, str], now_ms: int) -> Command:
    """Make a command for (device, point), asked for and bound by (requester, limit)."""
    return Command(str(uuid.uuid4()), *point, value, *why, now_ms)


def _clamp(kw: float, charge: Bound, discharge: Bound) -> float:
    return max(-charge.kw, min(discharge.kw, kw))


def _side(limits: StationLimits, tag: str, kw: float) -> Bound:
    """Return the bound on the side of a power: a power of 0 passes neither."""
    return limits.converters[tag].discharge if kw >= 0 else limits.converters[tag].charge


def _interlocked(limits: StationLimits, tag: str) -> bool:
    """Whether a fire or an insulation alarm forbids this converter to work."""
    reason = limits.converters[tag].discharge.reason
    return reason in (LimitReason.FIRE, LimitReason.INSULATION)


def _binds(limits: StationLimits, tag: str, kw: float) -> bool:
    bound = _side(limits, tag, kw)
    return bound.reason is not LimitReason.NONE and abs(kw) >= bound.kw - _ACTIVE_KW


def _held(container: ContainerState, limits: StationLimits) -> float:
    """Return what a converter follows already, cut to what it may do."""
    bounds = limits.converters[container.converter.device]
    return _clamp(container.converter.setpoint_kw, bounds.charge, bounds.discharge)


def _passes(image: Image, tag: str, allowed_kw: float) -> bool:
    """Whether a converter follows more than it is allowed to."""
    row = image.get(tag, PCS.name)
    return row is not None and abs(row.number(SETPOINT) - allowed_kw) > _ACTIVE_KW


def _converter_second(image: Image, plant: PlantState) -> tuple[int, float, float] | None:
    """Return (second, power, set-point) summed over the converters, when all speak of one."""
    seconds = set()
    power_kw = setpoints_kw = 0.0
    for container in plant.containers:
        converter = container.converter
        row = image.get(converter.device, PCS.name)
        if row is None or not converter.fresh:
            return None
        seconds.add(row.sample.time_ms // 1000)
        power_kw += converter.power_kw
        # One that cannot follow its set-point is no error of the others.
        setpoints_kw += converter.setpoint_kw if converter.available else converter.power_kw
    if len(seconds) != 1:
        return None
    return seconds.pop(), power_kw, setpoints_kw


def _trim(seconds: "OrderedDict[int, tuple[float, float]] | OrderedDict[int, Wanted]") -> None:
    while len(seconds) > _REMEMBERED_SECONDS:
        seconds.popitem(last=False)


__all__ = ["ControlCycle", "ControlMode", "ControlState", "CycleResult", "Wanted"]
