"""One step inside the plan: decide, hand over, share out, send what is due.

Called once with every new plan and then up to twenty times a second. A step in which nothing has
changed costs next to nothing; a converter that trips is left out of the next step at once, and
the others take its part.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from contract.layouts import METER, PCS
from station.config import Role, StationConfig
from station.control.issue import ACTIVE_KW, Converters, ConverterView, Issuer, Reason
from station.control.picture import FastPicture
from station.control.plan import Plan
from station.control.sources import Instant, Measured, Sources
from station.dispatch.arbiter import arbitrate
from station.dispatch.commands import Command
from station.dispatch.decision import Decision
from station.dispatch.handover import HandoverMemory, HandoverSettings, hand_over
from station.dispatch.proposal import Source
from station.dispatch.sources import (
    BalancingMemory,
    BalancingSettings,
    Reserve,
    balance,
)
from station.dispatch.split import SplitResult, SplitSettings, resplit, split
from station.image import Image
from station.plant import PcsState, fresh_number, pcs_state

DELIVERS = (PcsState.RUNNING, PcsState.DERATED)
_SETTLED_MS = 2000
"""So long after its last set-point a converter has arrived and said so in a reading."""


@dataclass(frozen=True)
class Step:
    """What one step decided and sent.

    Attributes:
        decision: who asked, what was granted, which limit bit.
        power_kw: what the converters do together, with the meter feedback's correction.
        target_kw: what is aimed at, at the meter.
        wished_kw: the same before limits.
        follows_meter: the meter must show it; otherwise it is the converters' power.
        drives: somebody wants this power.
        setpoints: kW by converter.
        issued: commands to be handed to the drivers now.
    """

    decision: Decision
    power_kw: float
    target_kw: float
    wished_kw: float
    follows_meter: bool
    drives: bool
    setpoints: Mapping[str, float]
    issued: tuple[Command, ...]


class Actor:
    """Carries the memory from step to step."""

    def __init__(self, config: StationConfig, sources: Sources, issuer: Issuer) -> None:
        """Derive the rules from the configuration."""
        self._config = config
        self._sources = sources
        self._issuer = issuer
        self._stale_ms = round(config.fast_loop.stale_s * 1000)
        self._meter = next((m.tag for m in config.with_role(Role.METER)), "")
        ramp_kw_per_s = config.handover.ramp_pct_per_s / 100 * config.station.rated_power_kw
        self._handover = HandoverSettings(ramp_kw_per_s)
        self._handed = HandoverMemory()
        self._split = SplitSettings(config.split.soc_gain, config.split.temperature_gain_per_k)
        self._balancing = BalancingSettings(**config.balancing.model_dump())
        self._balanced = BalancingMemory()
        self._divided: tuple[Plan, SplitResult] | None = None
        self.setpoints: dict[str, float] = {}
        self.last: Step | None = None
        self._moved_ms = -_SETTLED_MS

    def step(self, plan: Plan, image: Image, fast: FastPicture, now: Instant) -> Step:
        """Decide and send.

        Args:
            plan: of this second.
            image: the picture the plan was made from.
            fast: what has arrived since.
            now: the moment.
        """
        views, lost = self._converters(plan, image, fast)
        proposals = self._sources.fast(self._measured(plan, image, fast, views, now), now)
        decision = arbitrate(plan.bounds, (*plan.proposals, *proposals))
        handed, self._handed = hand_over(self._handover, self._handed, decision, now.steady_ms)
        drives = decision.source is not Source.NONE or decision.shift_kw != 0
        falling = decision.source is Source.SAFE_STATE and not self._sources.holds
        follows = drives and not falling
        power_kw = handed.power_kw + (plan.correction_kw if follows else 0.0)
        if drives:
            setpoints = self._share(plan, power_kw, lost)
            setpoints |= self._transfer(plan, decision, now)
        else:
            setpoints = _held(plan)
        self.setpoints = setpoints
        issued = self._send(plan, setpoints, views, decision, drives=drives, now=now)
        if issued:
            self._moved_ms = now.steady_ms
        self.last = Step(
            decision=decision,
            power_kw=math.fsum(setpoints.values()),
            target_kw=handed.power_kw,
            wished_kw=handed.power_kw if handed.ramping else decision.asked_kw,
            follows_meter=follows,
            drives=drives,
            setpoints=setpoints,
            issued=tuple(issued),
        )
        return self.last

    def _share(self, plan: Plan, power_kw: float, lost: frozenset[str]) -> dict[str, float]:
        """Divide the power: anew with every plan, along the plan's division in between."""
        if self._divided is None or self._divided[0] is not plan:
            division = split(power_kw, plan.units, self._split)
            self._divided = (plan, division)
            if not lost:
                return dict(division.powers)
        whole = self._divided[1]
        if not lost and math.isclose(power_kw, whole.asked_kw, abs_tol=ACTIVE_KW):
            return dict(whole.powers)
        return dict(resplit(whole, lost, power_kw).powers)

    def _transfer(self, plan: Plan, decision: Decision, now: Instant) -> Mapping[str, float]:
        """Return what an idle station moves between its containers."""
        idle = abs(decision.asked_kw) <= ACTIVE_KW and abs(decision.power_kw) <= ACTIVE_KW
        containers = {
            unit.device: Reserve(unit.soc, unit.charge_kw, unit.discharge_kw) for unit in plan.units
        }
        powers, self._balanced = balance(
            self._balancing, self._balanced, containers, now.steady_ms, idle=idle
        )
        return powers

    def _send(
        self,
        plan: Plan,
        setpoints: Mapping[str, float],
        views: Mapping[str, ConverterView],
        decision: Decision,
        *,
        drives: bool,
        now: Instant,
    ) -> list[Command]:
        if plan.verdict.local:
            return []
        why = Reason(decision.source.name.lower(), decision.requester or "none", drives)
        due = {tag: kw for tag, kw in setpoints.items() if tag in plan.known}
        held = plan.verdict.held
        picture = Converters(views, plan.limits, held)
        return self._issuer.active_power(due, picture, why, now.wall_ms)

    def _converters(
        self, plan: Plan, image: Image, fast: FastPicture
    ) -> tuple[dict[str, ConverterView], frozenset[str]]:
        """Return the converters' newest states, and which have tripped since the plan."""
        views: dict[str, ConverterView] = {}
        lost = set()
        for container in plan.plant.containers:
            tag = container.converter.device
            state = pcs_state(image, tag)
            row = image.get(tag, PCS.name)
            since_ms = 0 if row is None else row.sample.received_ms
            newer = fast.number(tag, "pcs_state", since_ms)
            if math.isfinite(newer) and int(newer) in set(PcsState):
                state = PcsState(int(newer))
                if state not in DELIVERS and container.converter.available:
                    lost.add(tag)
            views[tag] = ConverterView(state, container.converter.setpoint_kw)
        return views, frozenset(lost)

    def _measured(
        self,
        plan: Plan,
        image: Image,
        fast: FastPicture,
        views: Mapping[str, ConverterView],
        now: Instant,
    ) -> Measured:
        since_ms = now.wall_ms - self._stale_ms
        frequency_hz = fast.number(self._meter, "frequency_hz", since_ms)
        power_kw = fast.number(self._meter, "active_power_kw", since_ms)
        if not math.isfinite(frequency_hz):
            frequency_hz = fresh_number(image, self._meter, METER.name, "frequency_hz")
        if not math.isfinite(power_kw):
            power_kw = fresh_number(image, self._meter, METER.name, "active_power_kw")
        own_kw = math.fsum(
            container.converter.power_kw
            for container in plan.plant.containers
            if views[container.converter.device].state in DELIVERS
        )
        if now.steady_ms - self._moved_ms < _SETTLED_MS:
            own_kw = math.nan  # meter and converters speak of different moments
        soc = [unit.soc for unit in plan.units if math.isfinite(unit.soc)]
        mean = math.fsum(soc) / len(soc) if soc else math.nan
        return Measured(self._meter, frequency_hz, power_kw, own_kw, mean)


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
