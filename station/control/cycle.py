"""The controller's cycle: a plan once a second, steps within it, and what both remember.

Picture -> protection -> meter feedback -> plan; plan and fast values -> decision -> split ->
commands. No clock, socket or file: times and pictures are passed in,
set-points and changed commands come out.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass, field

from contract.layouts import PCS
from station.config import Role, StationConfig
from station.control.act import Actor, Step
from station.control.feedback import MeterFeedback, Wanted
from station.control.issue import Issuer, Points
from station.control.picture import FastPicture
from station.control.plan import Fleet, Plan, bounds_of, units_of
from station.control.wishes import Instant, Wishes
from station.dispatch.commands import REACTIVE, SETPOINT, Command
from station.dispatch.control_mode import ControlMode
from station.dispatch.regulation import RegulationSignal
from station.dispatch.sources import SelfTestMemory
from station.dispatch.tracking import FeedbackSettings
from station.image import Image
from station.plant import PcsState, pcs_state, read_plant
from station.protection import (
    PlantState,
    ProtectionSettings,
    ProtectionState,
    Verdict,
    protect,
)

_FOLLOWS = (None, PcsState.RUNNING, PcsState.DERATED)
"""States in which a converter follows set-points; None: not known, so it may."""
_PLAN_HOLDS_MS = 3_000
"""A plan outlives two seconds in which none was made; after that the fast loop stands still."""
_START_GRACE_MS = 10_000
"""A station just started waits so long for racks it has not heard; then their silence counts."""


@dataclass
class ControlState:
    """What is remembered from cycle to cycle and, in part, across a restart."""

    wishes: Wishes = field(default_factory=Wishes)
    protection: ProtectionState = field(default_factory=ProtectionState)


@dataclass(frozen=True)
class Protected:
    """What protection decided in one second.

    Attributes:
        plant: what it saw.
        verdict: limits, findings, what is held.
        commands: to be handed to the drivers at once.
    """

    plant: PlantState
    verdict: Verdict
    commands: tuple[Command, ...]


@dataclass(frozen=True)
class CycleResult:
    """Everything one second found and decided.

    Attributes:
        at_ms: time of the cycle.
        plan: what was allowed and asked for.
        step: what was decided and sent first.
        mode: who is in charge.
        issued: commands to be handed to the drivers now, beside protection's own.
        changed: commands whose life went on.
    """

    at_ms: int
    plan: Plan
    step: Step
    mode: ControlMode
    issued: tuple[Command, ...]
    changed: tuple[Command, ...]

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
        self._issuer = Issuer(config)
        self._actor = Actor(config, regulation, state.wishes, self._issuer)
        self._fleet = Fleet.of(config, may_sleep=self._actor.rest.after_ms is not None)
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
        self._first_ms: int | None = None
        self._plan: Plan | None = None
        self._image: Image | None = None

    @property
    def points(self) -> Points:
        """Set-points in flight and in force."""
        return self._issuer.points

    @property
    def plan(self) -> Plan | None:
        """The plan of this second, None before the first."""
        return self._plan

    @property
    def wanted(self) -> OrderedDict[int, Wanted]:
        """What was wanted at the meter, by second."""
        return self._feedback.wanted

    @property
    def correction_kw(self) -> float:
        """What the meter feedback adds."""
        return self._feedback.state.correction_kw

    @property
    def self_test(self) -> SelfTestMemory | None:
        """The self-test under way, or the result of the last one."""
        return self._actor.self_test

    def begin_self_test(self, order_id: str) -> None:
        """Let a self-test begin with the next step."""
        self._actor.begin_self_test(order_id)

    def forget_self_test(self) -> None:
        """The result has been told."""
        self._actor.forget_self_test()

    def instant(self, wall_ms: int, steady_ms: int) -> Instant:
        """Return a moment with the time at which its set-points are seen at the meter."""
        return Instant(wall_ms, steady_ms, wall_ms + round(self._config.control.lead_s * 1000))

    def protect(self, image: Image, now: Instant) -> Protected:
        """Let protection judge a second; its commands are sent whatever becomes of the rest."""
        plant = read_plant(image, self._config, self._actor.rest.asleep)
        verdict, self.state.protection = protect(
            plant, self.state.protection, self._protection, now.wall_ms
        )
        return Protected(plant, verdict, tuple(_protective(verdict, now.wall_ms)))

    def plan_second(
        self, image: Image, protected: Protected, now: Instant, fast: FastPicture | None = None
    ) -> CycleResult:
        """Make the plan of a second inside what protection allows, and the first step in it."""
        last = self._actor.last
        plant, verdict = protected.plant, protected.verdict
        changed = self._observe(image, now.wall_ms)
        self._feedback.learn(image, plant, limited=last is None or _says_nothing_of_losses(last))
        self._plan = Plan(
            at_ms=now.wall_ms,
            steady_ms=now.steady_ms,
            plant=plant,
            verdict=verdict,
            bounds=bounds_of(verdict.limits),
            correction_kw=self.correction_kw,
            rest_kw=self._feedback.rest_kw,
            units=units_of(self._fleet, plant, verdict, self._actor.setpoints),
            known=self._known(plant, verdict, now.wall_ms),
        )
        self._image = image
        step = self._actor.step(self._plan, image, fast or FastPicture(), now)
        if step.outcome.follows_meter:
            wanted = Wanted(step.wished_kw, step.limited)
            self._feedback.remember(now.effect_ms // 1000, wanted)
        return CycleResult(
            at_ms=now.wall_ms,
            plan=self._plan,
            step=step,
            mode=_mode(verdict, step),
            issued=step.issued,
            changed=tuple(changed),
        )

    def act(self, fast: FastPicture, now: Instant) -> Step | None:
        """Take one more step inside the plan of this second.

        None before the first plan, and while there is none of the last seconds: nobody acts on
        limits that nobody has looked after.
        """
        plan, image = self._plan, self._image
        if plan is None or image is None or now.steady_ms - plan.steady_ms > _PLAN_HOLDS_MS:
            return None
        return self._actor.step(plan, image, fast, now)

    def stand_down(self, now: Instant) -> tuple[Command, ...]:
        """Return commands that bring every converter to no power, when no plan can be made.

        The way of last resort: it looks at nothing but what is in force.
        """
        if self._plan is not None and now.steady_ms - self._plan.steady_ms <= _PLAN_HOLDS_MS:
            return ()
        return tuple(self._issuer.stand_down(now.wall_ms))

    def _observe(self, image: Image, now_ms: int) -> list[Command]:
        """Compare what converters do with what they were told."""
        changed: list[Command] = []
        measured = {SETPOINT: "active_power_kw", REACTIVE: "reactive_power_kvar"}
        for (tag, point), commands in self.points.items():
            row = image.get(tag, PCS.name)
            if pcs_state(image, tag) not in _FOLLOWS:
                changed += commands.stop(now_ms)
                continue
            value = math.nan if row is None or row.stale else row.number(measured[point])
            measured_ms = 0 if row is None else row.sample.time_ms
            changed += commands.observe(value, measured_ms, now_ms)
        return changed

    def _known(self, plant: PlantState, verdict: Verdict, now_ms: int) -> frozenset[str]:
        """Return the converters that may be told something.

        Just started, the station knows nothing and its limits are 0; a running plant must not
        be thrown to 0 for the second or two until its data are there. This grace is short.
        """
        if self._first_ms is None:
            self._first_ms = now_ms
        if not verdict.control_known:
            return frozenset()  # the panel has not said yet who has control
        over = now_ms - self._first_ms >= _START_GRACE_MS
        return frozenset(
            container.converter.device
            for container in plant.containers
            if over or (container.converter.fresh and all(rack.fresh for rack in container.racks))
        )


def _mode(verdict: Verdict, step: Step) -> ControlMode:
    if verdict.emergency_stop:
        return ControlMode.EMERGENCY_STOP
    return ControlMode.LOCAL if verdict.local else step.outcome.mode


def _says_nothing_of_losses(step: Step) -> bool:
    outcome = step.outcome
    return not outcome.follows_meter or step.limited or outcome.decision.shift_kw != 0


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
