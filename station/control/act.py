"""One step inside the plan: decide, share out, send what is due.

Called once with every new plan and then up to twenty times a second. A step in which nothing has
changed costs next to nothing; a converter that trips is left out of the next step at once, and
the others take its part.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from contract.layouts import METER, PCS
from station.config import Role, StationConfig
from station.control.issue import Converters, ConverterView, Issuer, Reason
from station.control.picture import FastPicture
from station.control.plan import Plan
from station.control.rest import Rest
from station.control.settings import dispatch_settings, rated_voltage_v
from station.control.wishes import Instant, Wishes
from station.dispatch.commands import ACTIVE_KW, Command
from station.dispatch.decide import decide
from station.dispatch.proposal import Source
from station.dispatch.regulation import RegulationSignal
from station.dispatch.room import DispatchInputs, DispatchMemory, Outcome
from station.dispatch.sources import Reserve, SelfTestMemory, split_reactive
from station.dispatch.split import SplitResult, SplitSettings, resplit, split
from station.image import Image
from station.plant import PcsState, fresh_number, pcs_state

DELIVERS = (PcsState.RUNNING, PcsState.DERATED)
_STATES = frozenset(PcsState)
_SETTLED_MS = 2000
"""So long after its last set-point a converter has arrived and said so in a reading."""


@dataclass(frozen=True)
class _Seen:
    """The converters at this moment.

    Attributes:
        views: how they are.
        lost: have tripped since the plan.
        running: apparent power, kVA, of each that delivers.
    """

    views: Mapping[str, ConverterView]
    lost: frozenset[str]
    running: Mapping[str, float]


@dataclass(frozen=True)
class Step:
    """What one step decided and sent.

    Attributes:
        outcome: who asked, what was granted, which limit bit.
        wished_kw: what was asked for, before limits.
        setpoints: kW by converter.
        kvar: by converter that runs.
        issued: commands to be handed to the drivers now.
    """

    outcome: Outcome
    wished_kw: float
    setpoints: Mapping[str, float]
    kvar: Mapping[str, float]
    issued: tuple[Command, ...]

    @property
    def limited(self) -> bool:
        """Whether something kept the station from what was asked for."""
        return abs(self.outcome.power_kw - self.wished_kw) > ACTIVE_KW


class Actor:
    """Carries the memory from step to step.

    Attributes:
        setpoints: kW by converter, of the last step.
        last: the last step.
        rest: converters that are stopped to save their losses.
    """

    def __init__(
        self,
        config: StationConfig,
        regulation: RegulationSignal | None,
        wishes: Wishes,
        issuer: Issuer,
    ) -> None:
        """Derive the rules from the configuration."""
        self._settings = dispatch_settings(config)
        self._regulation = regulation
        self._wishes = wishes
        self._issuer = issuer
        self._stale_ms = round(config.fast_loop.stale_s * 1000)
        self._meter = next((m.tag for m in config.with_role(Role.METER)), "")
        self._rated_v = rated_voltage_v(config)
        self._gives_kvar = config.reactive is not None
        self._circle_kva = {pcs.tag: pcs.rated_kw or 0.0 for pcs in config.with_role(Role.PCS)}
        self._split = SplitSettings(config.split.soc_gain, config.split.temperature_gain_per_k)
        self._memory = DispatchMemory()
        asked_s = config.split.sleep_after_s
        self.rest = Rest(None if asked_s is None or self.responds else round(asked_s * 1000))
        self._divided: tuple[Plan, SplitResult] | None = None
        self._moved_ms = -_SETTLED_MS
        self.setpoints: dict[str, float] = {}
        self.last: Step | None = None

    @property
    def responds(self) -> bool:
        """Whether converters must stay running for frequency response."""
        return self._settings.primary is not None or self._settings.fast is not None

    @property
    def self_test(self) -> SelfTestMemory | None:
        """The self-test under way, or the result of the last one."""
        return self._memory.self_test

    def begin_self_test(self, order_id: str) -> None:
        """Let a self-test begin with the next step."""
        self._memory = replace(self._memory, self_test=SelfTestMemory(order_id))

    def forget_self_test(self) -> None:
        """The result has been told."""
        self._memory = replace(self._memory, self_test=None)

    def step(self, plan: Plan, image: Image, fast: FastPicture, now: Instant) -> Step:
        """Decide and send.

        Args:
            plan: of this second.
            image: the picture the plan was made from.
            fast: what has arrived since.
            now: the moment.
        """
        seen = self._converters(plan, image, fast)
        inputs = self._inputs(plan, image, fast, seen.running, now)
        outcome, self._memory = decide(self._settings, self._memory, inputs, now.steady_ms)
        if outcome.drives:
            correction_kw = plan.correction_kw if outcome.follows_meter else 0.0
            self.setpoints = self._share(plan, outcome.power_kw + correction_kw, seen.lost)
            self.setpoints |= outcome.transfer
        else:
            self.setpoints = _held(plan)
        kvar = self._share_kvar(outcome, seen.running)
        issued = self._send(plan, outcome, seen, kvar, now)
        if issued:
            self._moved_ms = now.steady_ms
        asked_kw = outcome.power_kw if outcome.ramping else outcome.decision.asked_kw
        self.last = Step(outcome, asked_kw, self.setpoints, kvar, tuple(issued))
        return self.last

    def _share_kvar(self, outcome: Outcome, running: Mapping[str, float]) -> dict[str, float]:
        """Divide reactive power: the dispatch centre's while it decides, else the support's.

        A station that has ever given any goes on telling its converters, so that they return to 0.
        """
        asked = self._wishes.agc_kvar if outcome.decision.source is Source.AGC else None
        self._gives_kvar |= asked is not None
        if not self._gives_kvar:
            return {}
        kvar = outcome.kvar if asked is None else asked
        return split_reactive(kvar, self.setpoints, running)

    def _share(self, plan: Plan, power_kw: float, lost: frozenset[str]) -> dict[str, float]:
        """Divide the power: anew with every plan, along the plan's division in between."""
        if self._divided is None or self._divided[0] is not plan:
            self._divided = (plan, split(power_kw, plan.units, self._split))
        whole = self._divided[1]
        if not lost and math.isclose(power_kw, whole.asked_kw, abs_tol=ACTIVE_KW):
            return dict(whole.powers)
        return dict(resplit(whole, lost, power_kw, self.setpoints).powers)

    def _send(
        self,
        plan: Plan,
        outcome: Outcome,
        seen: _Seen,
        kvar: Mapping[str, float],
        now: Instant,
    ) -> list[Command]:
        if plan.verdict.local:
            return []
        decision = outcome.decision
        why = Reason(decision.source.name.lower(), decision.requester or "none", outcome.drives)
        due = {tag: kw for tag, kw in self.setpoints.items() if tag in plan.known}
        stops = self._rest(seen.running, now)
        asleep = frozenset(self.rest.asleep)
        converters = Converters(seen.views, plan.limits, plan.verdict.held, asleep, seen.lost)
        active = self._issuer.active_power(due, converters, why, now.wall_ms)
        support = Reason("voltage_support", "voltage_support", drives=True)
        known = {tag: one for tag, one in kvar.items() if tag in plan.known}
        reactive = self._issuer.reactive_power(known, plan.verdict.held, support, now.wall_ms)
        return [*active, *reactive, *stops]

    def _rest(self, running: Collection[str], now: Instant) -> list[Command]:
        """Send to sleep what the split can do without."""
        sleeping = frozenset() if self._divided is None else self._divided[1].sleeping
        tired = self.rest.fall_asleep(sleeping, self.setpoints, running, now.steady_ms)
        return [self._issuer.stop(tag, now.wall_ms) for tag in tired]

    def _converters(self, plan: Plan, image: Image, fast: FastPicture) -> _Seen:
        """Return the converters by their newest states."""
        views: dict[str, ConverterView] = {}
        lost = set()
        for container in plan.plant.containers:
            tag = container.converter.device
            state = pcs_state(image, tag)
            row = image.get(tag, PCS.name)
            since_ms = 0 if row is None else row.arrived_ms
            newer = fast.number(tag, "pcs_state", since_ms)
            if math.isfinite(newer) and int(newer) in _STATES:
                state = PcsState(int(newer))
                awake = container.converter.available and tag not in self.rest.asleep
                if state not in DELIVERS and awake:
                    lost.add(tag)
            views[tag] = ConverterView(state, container.converter.setpoint_kw)
        running = {tag: self._circle_kva[tag] for tag, v in views.items() if v.state in DELIVERS}
        return _Seen(views, frozenset(lost), running)

    def _inputs(
        self,
        plan: Plan,
        image: Image,
        fast: FastPicture,
        running: Mapping[str, float],
        now: Instant,
    ) -> DispatchInputs:
        soc = [unit.soc for unit in plan.units if math.isfinite(unit.soc)]
        meter_kw = self._newest(image, fast, "active_power_kw", now)
        voltage_v = fresh_number(image, self._meter, METER.name, "voltage_ab_v")
        wishes = self._wishes
        return DispatchInputs(
            bounds=plan.bounds,
            wall_ms=now.wall_ms,
            effect_ms=now.effect_ms,
            schedules=wishes.schedules,
            regulation=self._regulation,
            manual=wishes.manual,
            agc=wishes.agc,
            frequency_hz=self._newest(image, fast, "frequency_hz", now),
            voltage=voltage_v / self._rated_v,
            meter_kw=meter_kw,
            own_kw=self._own_kw(plan, running, meter_kw, now),
            soc=math.fsum(soc) / len(soc) if soc else math.nan,
            containers={
                unit.device: Reserve(unit.soc, unit.charge_kw, unit.discharge_kw)
                for unit in plan.units
            },
            apparent_kva=math.fsum(running.values()),
            meter=self._meter,
        )

    def _own_kw(
        self, plan: Plan, running: Mapping[str, float], meter_kw: float, now: Instant
    ) -> float:
        """Return the station's part of the meter's power at this moment, NaN when not known.

        While set-points move, the newest words of meter and converters are of different moments:
        then it is the meter's power less the rest of the second that both have told.
        """
        if now.steady_ms - self._moved_ms < _SETTLED_MS:
            return meter_kw - plan.rest_kw
        converters_kw = math.fsum(
            container.converter.power_kw
            for container in plan.plant.containers
            if container.converter.device in running
        )
        return converters_kw - plan.correction_kw

    def _newest(self, image: Image, fast: FastPicture, signal: str, now: Instant) -> float:
        """Return what the meter says: between the seconds if it does, else in the second."""
        value = fast.number(self._meter, signal, now.steady_ms - self._stale_ms)
        if math.isfinite(value):
            return value
        return fresh_number(image, self._meter, METER.name, signal)


def _held(plan: Plan) -> dict[str, float]:
    """Return what the converters follow already, cut to what they may do."""
    found = {}
    for container in plan.plant.containers:
        converter = container.converter
        bounds = plan.limits.converters[converter.device]
        if math.isfinite(converter.setpoint_kw):
            kw = max(-bounds.charge.kw, min(bounds.discharge.kw, converter.setpoint_kw))
            found[converter.device] = kw
    return found
