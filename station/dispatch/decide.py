"""The whole decision of one step: every source proposes, one arbiter decides, hand-over smooths.

A pure step from settings, memory and inputs to an outcome. The 1 s loop and the fast loop call
the same step: whoever calls it more often gets the same behaviour in finer steps, since every
rate and hold time is measured on the steady clock that is handed in.
"""

from collections.abc import Iterable

from station.dispatch.arbiter import arbitrate
from station.dispatch.commands import ACTIVE_KW
from station.dispatch.control_mode import control_mode
from station.dispatch.handover import hand_over
from station.dispatch.proposal import Proposal, Source
from station.dispatch.room import DispatchInputs, DispatchMemory, DispatchSettings, Outcome
from station.dispatch.sources import (
    AgcMemory,
    ConnectionInputs,
    ConnectionMemory,
    FastMemory,
    PrimaryInputs,
    PrimaryMemory,
    ReactiveInputs,
    SafeInputs,
    SafeStage,
    SelfTestInputs,
    SelfTestMemory,
    balance,
    bound_active,
    propose_agc,
    propose_connection,
    propose_fast,
    propose_manual,
    propose_primary,
    propose_safe_state,
    propose_schedule,
    propose_self_test,
    wanted_kvar,
)

Proposals = tuple[Proposal, ...]


def decide(
    settings: DispatchSettings, memory: DispatchMemory, inputs: DispatchInputs, now_ms: int
) -> tuple[Outcome, DispatchMemory]:
    """Return what the station is to do.

    Args:
        settings: of every source.
        memory: of the last step.
        inputs: of this step.
        now_ms: steady milliseconds.
    """
    seen = ReactiveInputs(memory.handover.base_kw, inputs.voltage, inputs.apparent_kva)
    kvar, reactive = wanted_kvar(settings.reactive, memory.reactive, seen, now_ms)
    circle = bound_active(settings.reactive, kvar, inputs.apparent_kva)
    limits, connection = _limits(settings, memory, inputs, now_ms)
    shifts, primary, fast = _shifts(settings, memory, inputs, now_ms)
    wishes, agc, self_test = _wishes(settings, memory, inputs, now_ms)
    wish_kw = wishes[0].preferred_kw if wishes else None
    before = SafeInputs(wish_kw, memory.handover.base_kw)
    rest, safe = propose_safe_state(settings.safe, memory.safe, before, now_ms)
    proposals = _present((circle, *limits, *shifts, *wishes, rest))
    decision = arbitrate(inputs.bounds, proposals)
    handed, handover = hand_over(settings.handover, memory.handover, decision, now_ms)
    mode = control_mode(decision.source, safe.stage, memory.mode)
    idle = abs(handed.power_kw) < ACTIVE_KW and not shifts
    transfer, balancing = balance(
        settings.balancing, memory.balancing, inputs.containers, now_ms, idle=idle
    )
    scheduled = inputs.schedules.power_at(inputs.effect_ms)
    regulation_kw = None
    if scheduled is not None and inputs.regulation is not None:
        regulation_kw = inputs.regulation.power_at(inputs.effect_ms)
    # Only a station that nobody has ever told anything leaves its converters as they are.
    drives = safe.stage is not SafeStage.WAITING or decision.source is not Source.NONE
    outcome = Outcome(
        decision=decision,
        power_kw=handed.power_kw,
        ramping=handed.ramping,
        scheduled_kw=None if scheduled is None else scheduled.kw,
        regulation_kw=regulation_kw,
        kvar=kvar,
        transfer=transfer,
        mode=mode,
        alone=not wishes,
        drives=drives,
        follows_meter=drives and safe.stage is not SafeStage.FALLING,
    )
    after = DispatchMemory(
        safe=safe,
        agc=agc,
        primary=primary,
        fast=fast,
        connection=connection,
        reactive=reactive,
        balancing=balancing,
        self_test=self_test,
        handover=handover,
        mode=mode,
        last=decision,
    )
    return outcome, after


def _limits(
    settings: DispatchSettings, memory: DispatchMemory, inputs: DispatchInputs, now_ms: int
) -> tuple[Proposals, ConnectionMemory]:
    if settings.connection is None:
        return (), memory.connection
    seen = ConnectionInputs(inputs.meter_kw, inputs.own_kw, inputs.meter)
    return propose_connection(settings.connection, memory.connection, seen, now_ms)


def _shifts(
    settings: DispatchSettings, memory: DispatchMemory, inputs: DispatchInputs, now_ms: int
) -> tuple[Proposals, PrimaryMemory, FastMemory]:
    slow = quick = None
    primary, fast = memory.primary, memory.fast
    if settings.primary is not None:
        seen = PrimaryInputs(inputs.frequency_hz, inputs.soc, inputs.meter)
        slow, primary = propose_primary(settings.primary, memory.primary, seen, now_ms)
    if settings.fast is not None:
        quick, fast = propose_fast(
            settings.fast, memory.fast, inputs.frequency_hz, now_ms, inputs.meter
        )
    return _present((quick, slow)), primary, fast


def _wishes(
    settings: DispatchSettings, memory: DispatchMemory, inputs: DispatchInputs, now_ms: int
) -> tuple[Proposals, AgcMemory, SelfTestMemory | None]:
    """Return who asks for a definite power, from the highest priority to the lowest."""
    centre, agc = None, memory.agc
    if settings.agc is not None and inputs.agc is not None:
        centre, agc = propose_agc(settings.agc, memory.agc, inputs.agc, now_ms)
    test, self_test = propose_self_test(
        settings.self_test, memory.self_test, _test_inputs(memory, inputs), now_ms
    )
    manual = propose_manual(inputs.manual, inputs.wall_ms)
    schedule = propose_schedule(inputs.schedules, inputs.regulation, inputs.effect_ms)
    return _present((manual, centre, test, schedule)), agc, self_test


def _test_inputs(memory: DispatchMemory, inputs: DispatchInputs) -> SelfTestInputs:
    """Say who moved the power in the last step: frequency response moves it too."""
    last = memory.last
    if last is None:
        return SelfTestInputs(inputs.meter_kw, Source.NONE)
    shifting = [step.source for step in last.steps if step.asked_shift_kw]
    return SelfTestInputs(inputs.meter_kw, shifting[0] if shifting else last.source)


def _present(proposals: Iterable[Proposal | None]) -> Proposals:
    return tuple(proposal for proposal in proposals if proposal is not None)
