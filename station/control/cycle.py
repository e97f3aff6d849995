"""The controller's cycle: a plan once a second, steps within it, and what both remember.

Picture -> protection -> proposals -> meter feedback -> plan; plan and fast values -> decision ->
hand-over -> split -> commands. No clock, socket or file: times and pictures are passed in,
set-points and changed commands come out.
"""

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from contract.layouts import METER, PCS
from station.config import Role, StationConfig
from station.control.act import DELIVERS, Actor, Step
from station.control.feedback import MeterFeedback, Wanted
from station.control.issue import ACTIVE_KW, REACTIVE, SETPOINT, Issuer, Points, Reason
from station.control.picture import FastPicture
from station.control.plan import Fleet, Plan, bounds_of, units_of
from station.control.reactive import ReactiveSupport
from station.control.sources import Instant, Sources, Wishes
from station.dispatch.commands import Command
from station.dispatch.control_mode import ControlMode, control_mode
from station.dispatch.regulation import RegulationSignal
from station.dispatch.tracking import FeedbackSettings
from station.image import Image
from station.plant import fresh_number, pcs_state, read_plant
from station.protection import (
    PlantState,
    ProtectionSettings,
    ProtectionState,
    Verdict,
    protect,
)

_START_GRACE_MS = 10_000
"""A station just started waits so long for racks it has not heard; then their silence counts."""


@dataclass
class ControlState:
    """What is remembered from cycle to cycle and, in part, across a restart."""

    wishes: Wishes = field(default_factory=Wishes)
    protection: ProtectionState = field(default_factory=ProtectionState)
    mode: ControlMode = ControlMode.IDLE


@dataclass(frozen=True)
class CycleResult:
    """Everything one second found and decided.

    Attributes:
        at_ms: time of the cycle.
        plan: what was allowed and asked for.
        step: what was decided and sent first.
        mode: who is in charge.
        scheduled_kw: what the schedule asks for, None without one.
        reactive_kvar: what the converters give together.
        issued: commands to be handed to the drivers now, protective ones first.
        changed: commands whose life went on.
        scheduled: somebody asks for power.
    """

    at_ms: int
    plan: Plan
    step: Step
    mode: ControlMode
    scheduled_kw: float | None
    reactive_kvar: float
    issued: tuple[Command, ...]
    changed: tuple[Command, ...]
    scheduled: bool

    @property
    def plant(self) -> PlantState:
        """The plant as protection saw it."""
        return self.plan.plant

    @property
    def verdict(self) -> Verdict:
        """What protection decided."""
        return self.plan.verdict


class ControlCycle:
    """Carries the rules and the memory of both loops."""

    def __init__(
        self,
        config: StationConfig,
        protection: ProtectionSettings,
        regulation: RegulationSignal | None,
        state: ControlState,
    ) -> None:
        """Derive every rule from the configuration."""
        self._config = config
        self._protection = protection
        self.state = state
        self._sources = Sources(config, regulation)
        self._issuer = Issuer(config)
        self._actor = Actor(config, self._sources, self._issuer)
        self._reactive = ReactiveSupport(config)
        self._fleet = Fleet.of(config, may_sleep=False)
        control = config.control
        rated_kw = math.fsum(pcs.rated_kw or 0.0 for pcs in config.with_role(Role.PCS))
        self._feedback = MeterFeedback(
            config,
            FeedbackSettings(
                gain=control.feedback_gain,
                max_kw=control.feedback_max_pct / 100 * config.station.rated_power_kw,
                arrived_kw=control.delivery_tolerance_pct / 100 * rated_kw,
            ),
        )
        self._meter = next((m.tag for m in config.with_role(Role.METER)), "")
        self._first_ms: int | None = None
        self._plan: Plan | None = None
        self._image: Image | None = None

    @property
    def points(self) -> Points:
        """Set-points in flight and in force."""
        return self._issuer.points

    @property
    def wanted(self) -> OrderedDict[int, Wanted]:
        """What was wanted at the meter, by second."""
        return self._feedback.wanted

    @property
    def correction_kw(self) -> float:
        """What the meter feedback adds."""
        return self._feedback.state.correction_kw

    def instant(self, wall_ms: int, steady_ms: int) -> Instant:
        """Return a moment with the time at which its set-points are seen at the meter."""
        return Instant(wall_ms, steady_ms, wall_ms + round(self._config.control.lead_s * 1000))

    def run(self, image: Image, now: Instant, fast: FastPicture | None = None) -> CycleResult:
        """Make the plan of a second and the first step in it."""
        last = self._actor.last
        plant = read_plant(image, self._config)
        verdict, self.state.protection = protect(
            plant, self.state.protection, self._protection, now.wall_ms
        )
        changed = self._observe(image, now.wall_ms)
        measured_kw = fresh_number(image, self._meter, METER.name, "active_power_kw")
        proposals = self._sources.slow(
            self.state.wishes, None if last is None else last.decision, measured_kw, now
        )
        self._feedback.learn(image, plant, limited=last is None or _says_nothing_of_losses(last))
        circle_kva = self._running_kva(image)
        support = self._reactive.want(image, measured_kw, circle_kva, now)
        self._plan = Plan(
            at_ms=now.wall_ms,
            plant=plant,
            verdict=verdict,
            bounds=bounds_of(verdict.limits),
            proposals=(*proposals, *support.proposals),
            correction_kw=self.correction_kw,
            units=units_of(self._fleet, plant, verdict, self._actor.setpoints),
            known=self._known(plant, now.wall_ms),
        )
        self._image = image
        step = self._actor.step(self._plan, image, fast or FastPicture(), now)
        if step.follows_meter:
            wanted = Wanted(step.wished_kw, _is_limited(step))
            self._feedback.remember(now.effect_ms // 1000, wanted)
        shares = self._reactive.share(support, step.setpoints, circle_kva)
        reactive = self._issue_reactive(shares, self._plan, now)
        self.state.mode = self._mode(verdict, step)
        issued = (*_protective(verdict, now.wall_ms), *step.issued, *reactive)
        return CycleResult(
            at_ms=now.wall_ms,
            plan=self._plan,
            step=step,
            mode=self.state.mode,
            scheduled_kw=self._sources.scheduled_kw,
            reactive_kvar=math.fsum(shares.values()),
            issued=issued,
            changed=(*changed, *issued),
            scheduled=not self._sources.alone,
        )

    def act(self, fast: FastPicture, now: Instant) -> Step | None:
        """Take one more step inside the plan of this second; None before the first plan."""
        if self._plan is None or self._image is None:
            return None
        return self._actor.step(self._plan, self._image, fast, now)

    def _issue_reactive(
        self, shares: Mapping[str, float], plan: Plan, now: Instant
    ) -> list[Command]:
        if plan.verdict.local:
            return []
        due = {tag: kvar for tag, kvar in shares.items() if tag in plan.known}
        why = Reason("voltage_support", "voltage_support", drives=True)
        return self._issuer.reactive_power(due, plan.verdict.held, why, now.wall_ms)

    def _mode(self, verdict: Verdict, step: Step) -> ControlMode:
        if verdict.emergency_stop:
            return ControlMode.EMERGENCY_STOP
        if verdict.local:
            return ControlMode.LOCAL
        before = self.state.mode
        if before in (ControlMode.LOCAL, ControlMode.EMERGENCY_STOP):
            before = ControlMode.IDLE
        return control_mode(step.decision.source, self._sources.safe.stage, before)

    def _observe(self, image: Image, now_ms: int) -> list[Command]:
        """Compare what converters do with what they were told."""
        changed: list[Command] = []
        measured = {SETPOINT: "active_power_kw", REACTIVE: "reactive_power_kvar"}
        for (tag, point), commands in self.points.items():
            row = image.get(tag, PCS.name)
            value = math.nan if row is None or row.stale else row.number(measured[point])
            measured_ms = 0 if row is None else row.sample.time_ms
            changed += commands.observe(value, measured_ms, now_ms)
        return changed

    def _known(self, plant: PlantState, now_ms: int) -> frozenset[str]:
        """Return the converters that may be told something.

        Just started, the station knows nothing and its limits are 0; a running plant must not
        be thrown to 0 for the second or two until its data are there. This grace is short.
        """
        if self._first_ms is None:
            self._first_ms = now_ms
        over = now_ms - self._first_ms >= _START_GRACE_MS
        return frozenset(
            container.converter.device
            for container in plant.containers
            if over or (container.converter.fresh and all(rack.fresh for rack in container.racks))
        )

    def _running_kva(self, image: Image) -> Mapping[str, float]:
        """Return the apparent-power circle of each converter that runs."""
        return {
            pcs.tag: pcs.rated_kw or 0.0
            for pcs in self._config.with_role(Role.PCS)
            if pcs_state(image, pcs.tag) in DELIVERS
        }


def _says_nothing_of_losses(step: Step) -> bool:
    return not step.follows_meter or _is_limited(step) or step.decision.shift_kw != 0


def _is_limited(step: Step) -> bool:
    return abs(step.target_kw - step.wished_kw) > ACTIVE_KW


def _protective(verdict: Verdict, now_ms: int) -> list[Command]:
    """Return protection's actions as commands: they wait for nobody."""
    return [
        Command(
            id=action.id,
            device=action.device,
            point=action.point,
            value=action.value,
            requester=action.cause,
            bound_by="",
            issued_ms=now_ms,
            source="protection",
        )
        for action in verdict.actions
    ]
