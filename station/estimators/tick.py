"""One second of the estimators: from what the racks tell to what a trader can sell.

Everything is a pure function of settings, state and samples. SOC, counts and the limits of racks
are taken each second; the slow estimates when a rack has its turn (visit.py).
"""

from dataclasses import replace

import numpy as np

from station.estimators import (
    anomaly,
    capacity,
    dispatchable,
    efficiency,
    fused,
    resistance,
    soc,
)
from station.estimators.anomaly import Anomalies, Inputs
from station.estimators.cell_model import Floats
from station.estimators.charge_ends import step_charge_ends
from station.estimators.dispatchable import Limits, promised
from station.estimators.estimates import Estimates, estimates_of
from station.estimators.estimator_state import (
    EstimatorState,
    NetworkMemory,
    Watch,
    known_capacity,
    start,
)
from station.estimators.fused import FusedState
from station.estimators.meter import count, turned
from station.estimators.relaxation import step_relaxations
from station.estimators.resume import adopt, resume
from station.estimators.samples import Samples
from station.estimators.settings import RackFacts, Settings
from station.estimators.soc import SocEstimate, SocState
from station.estimators.soh_features import Series
from station.estimators.strings import Ageing
from station.estimators.visit import Visit, due_racks, visit

__all__ = [
    "Estimates",
    "EstimatorState",
    "RackFacts",
    "Settings",
    "adopt",
    "resume",
    "start",
    "tick",
]

_INNOVATION_S = 30.0
_LARGEST_SQUARE = 100.0
_NO_VARIANCE = 1e20
_MOST_SECONDS = 5
"""The slowest cells of a plant are told every five seconds."""
_NARROW = 0.05
"""A rack that came back is as usual again when no SOC's interval is wider to either side."""


def tick(
    settings: Settings, state: EstimatorState, samples: Samples, facts: RackFacts
) -> tuple[EstimatorState, Estimates]:
    """Take one moment of all racks, and return the state after it and what is made of it."""
    model, rack = settings.model, settings.rack
    seconds = _seconds(samples)
    capacity_ah = np.float32(model.capacity_ah) * known_capacity(settings, state).soh
    before_v = state.soc.screened.voltage_v
    of_soc, memory, estimate = _soc(settings, state, samples, capacity_ah)
    meter, moved = count(state.meter, samples, model)
    ohm = resistance.pulse(model, state.resistance, rack, samples, (before_v, estimate.soc))
    rests, told = step_relaxations(resistance.rests_of(model), state.relaxing, samples, before_v)
    if told is not None:
        inside_c = of_soc.screened.known_c + of_soc.settled.core_k
        ohm = resistance.relaxed(model, ohm, rack, told, (estimate.soc, inside_c))
    energies = efficiency.moved(state.efficiency, rack, moved, of_soc.screened.voltage_v)
    ocv_kv = energies.ocv_v * settings.by_rack.count / np.float32(1000)
    state = replace(
        state,
        ticks=state.ticks + 1,
        soc=of_soc,
        network=memory,
        meter=meter,
        resistance=ohm,
        relaxing=rests,
        efficiency=energies,
        balance=efficiency.balanced(
            state.balance, samples, facts.power_kw, ocv_kv, settings.parallel
        ),
        watch=_watched(settings, state, samples, estimate, seconds),
    )
    state, charge_ends = _charged(settings, state, samples)
    limits = _limits(settings, facts)
    racks = due_racks(state.ticks - 1, settings.racks)
    if len(racks):
        state = _visited(settings, state, visit(model, of_soc, estimate, racks), limits)
    state, anomalies = _judged(settings, state, samples, facts, estimate)
    promise = promised(state.held, limits)
    return state, estimates_of(settings, state, estimate, promise, anomalies, charge_ends)


def _seconds(samples: Samples) -> int:
    """Return how many seconds a moment stands for, from 1 on."""
    return max(1, min(_MOST_SECONDS, round(float(samples.elapsed_s.max()))))


def _charged(
    settings: Settings, state: EstimatorState, samples: Samples
) -> tuple[EstimatorState, Series | None]:
    """Return the state after the charges that go on, and the numbers of those that ended."""
    if settings.charge_health is None or state.charging is None:
        return state, None
    charging, numbers = step_charge_ends(settings.charge_health.rule, state.charging, samples)
    return replace(state, charging=charging), numbers


def _soc(
    settings: Settings, state: EstimatorState, samples: Samples, capacity_ah: Floats
) -> tuple[SocState, NetworkMemory | None, SocEstimate]:
    memory = state.network
    if settings.network is None or memory is None:
        after, estimate = soc.step(settings.model, state.soc, samples, capacity_ah)
        return after, None, estimate
    before = FusedState(state.soc, memory.network, memory.lean, memory.second)
    fused_after, estimate = fused.step(
        settings.model, settings.network, before, samples, capacity_ah
    )
    left = NetworkMemory(fused_after.network, fused_after.lean, fused_after.second)
    return fused_after.soc, left, estimate


def _judged(
    settings: Settings,
    state: EstimatorState,
    samples: Samples,
    facts: RackFacts,
    estimate: SocEstimate,
) -> tuple[EstimatorState, Anomalies | None]:
    """Return the state after the detector of anomalies has looked, and what it says."""
    if settings.anomaly is None or state.anomaly is None:
        return state, None
    innovation = estimate.innovation
    inputs = Inputs(
        elapsed_s=samples.elapsed_s,
        current_a=samples.current_a,
        current_good=samples.current_good & np.isfinite(samples.current_a),
        together=samples.together,
        voltage_v=samples.voltage_v,
        temperature_c=samples.temperature_c,
        good=samples.voltage_good & np.isfinite(samples.voltage_v),
        soc=estimate.soc,
        innovation=(innovation.volts / np.sqrt(innovation.variance)).astype(np.float32),
        rack_voltage_v=facts.voltage_v,
        rack_power_kw=(facts.rack_power_kw / settings.parallel).astype(np.float32),
    )
    after, told = anomaly.step(
        settings.anomaly, settings.model, settings.place, state.anomaly, inputs
    )
    return replace(state, anomaly=after), told


def _visited(
    settings: Settings, state: EstimatorState, turn: Visit, limits: Limits
) -> EstimatorState:
    """Return the state after the slow estimates of the racks whose turn it is."""
    model = settings.model
    cells = turn.cells
    moved = state.meter.discharged + state.meter.charged
    ohm = resistance.look(model, state.resistance, moved, turn)
    of_cells = (ohm.ratio[cells], ohm.sd[cells].astype(np.float32))
    size = capacity.look(model, state.capacity, state.meter, turn, of_cells)
    known = known_capacity(settings, replace(state, capacity=size))
    doubt = capacity.doubt(known, state.meter, turn)
    passing = np.float32(model.noise.resistance) / 2
    ageing = Ageing(
        soh=known.soh[cells],
        soh_sd=known.sd[cells].astype(np.float32),
        resistance=ohm.ratio[cells],
        resistance_sd=np.hypot(ohm.sd[cells], passing),
    )
    held = dispatchable.look(
        model, state.held, turn, ageing, (settings.bounds, limits, settings.confidence)
    )
    return replace(
        state,
        soc=soc.doubted(state.soc, cells, doubt),
        capacity=size,
        resistance=ohm,
        efficiency=efficiency.look(state.efficiency, state.meter, turn),
        held=held,
        meter=turned(state.meter, turn.racks),
    )


def _limits(settings: Settings, facts: RackFacts) -> Limits:
    none = np.zeros(settings.racks, bool)
    guarded = (facts.discharge_guarded, facts.charge_guarded)
    return Limits(
        discharge_a=facts.discharge_current_limit_a / settings.parallel,
        charge_a=facts.charge_current_limit_a / settings.parallel,
        rated_kw=settings.rack_rated_kw,
        parallel=settings.parallel,
        available=facts.available,
        guarded=np.stack([none if found is None else found for found in guarded]),
    )


def _watched(
    settings: Settings,
    state: EstimatorState,
    samples: Samples,
    estimate: SocEstimate,
    seconds: int,
) -> Watch:
    by_rack, watch = settings.by_rack, state.watch
    variance = estimate.innovation.variance
    there = variance < _NO_VARIANCE
    seen = by_rack.total(there.astype(np.float32))
    volts2 = np.where(there, estimate.innovation.volts**2, 0)
    square = np.where(there, np.minimum(volts2 / variance, _LARGEST_SQUARE), 0)
    heard = samples.current_good & (seen > 0)
    wide = by_rack.most(estimate.half_width) > _NARROW
    return Watch(
        heard=watch.heard | heard,
        silent=np.where(heard, 0, watch.silent + seconds).astype(np.float32),
        resumed=watch.resumed & wide,
        innovation_square=_smooth(watch.innovation_square, by_rack.total(square), seen, seconds),
        innovation_v2=_smooth(watch.innovation_v2, by_rack.total(volts2), seen, seconds),
    )


def _smooth(before: Floats, total: Floats, seen: Floats, seconds: int) -> Floats:
    """Return the mean of half a minute; it begins with the first value."""
    now = total / np.maximum(seen, 1)
    start_at = np.where(np.isnan(before), now, before)
    after = start_at + (now - start_at) * np.float32(seconds / _INNOVATION_S)
    return np.where(seen > 0, after, before).astype(np.float32)
