"""The station's own row: what the controller computes once a cycle, as a sample like any other."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from contract.layouts import METER, RACK
from station.config import Role, StationConfig
from station.control.cycle import CycleResult
from station.image import Image
from station.plant import fresh_number

DEVICE = "STATION"
"""Tag of the controller among the devices."""


@dataclass(frozen=True)
class StationFacts:
    """What the row says beside the cycle's own result."""

    link_up: bool
    queued_batches: int
    cycle_ms: float
    devices_stale: int
    alarm_bits: int
    agc_kw: float = math.nan
    fast_loop_p99_ms: float = math.nan
    fast_loop_missed: int = 0


def station_values(
    cycle: CycleResult, image: Image, config: StationConfig, facts: StationFacts
) -> dict[str, float]:
    """Return the row in physical units, NaN for what is not known."""
    meters = config.with_role(Role.METER)
    delivered_kw = (
        fresh_number(image, meters[0].tag, METER.name, "active_power_kw") if meters else math.nan
    )
    soc, soh = _battery(image, config)
    capacity_kwh = config.station.capacity_kwh * (soh if math.isfinite(soh) else 1.0)
    scheduled = cycle.step.outcome.scheduled_kw
    limits = cycle.plan.limits
    return {
        "scheduled_power_kw": math.nan if scheduled is None else scheduled,
        "target_power_kw": cycle.step.outcome.power_kw,
        "delivered_power_kw": delivered_kw,
        "charge_limit_kw": limits.charge.kw,
        "discharge_limit_kw": limits.discharge.kw,
        "charge_limit_reason": limits.charge.reason,
        "discharge_limit_reason": limits.discharge.reason,
        "soc": soc,
        "stored_energy_kwh": soc * capacity_kwh,
        "capacity_kwh": capacity_kwh,
        "control_mode": cycle.mode,
        "link_state": float(facts.link_up),
        "queued_batches": facts.queued_batches,
        "cycle_ms": facts.cycle_ms,
        "devices_stale": facts.devices_stale,
        "station_alarms": facts.alarm_bits,
    }


def dispatch_values(cycle: CycleResult, facts: StationFacts) -> dict[str, float]:
    """Return the row of the second's decision: who asked, what was granted, which limit bit."""
    outcome = cycle.step.outcome
    decision, regulation_kw = outcome.decision, outcome.regulation_kw
    return {
        "dispatch_source": decision.source,
        "binding_limit": decision.binding,
        "protection_level": cycle.verdict.level,
        "asked_power_kw": decision.asked_kw,
        "granted_power_kw": decision.power_kw,
        "regulation_power_kw": math.nan if regulation_kw is None else regulation_kw,
        "frequency_request_kw": decision.asked_shift_kw,
        "frequency_response_kw": decision.shift_kw,
        "agc_power_kw": facts.agc_kw,
        "reactive_power_target_kvar": math.fsum(cycle.step.kvar.values()),
        "fast_loop_p99_ms": facts.fast_loop_p99_ms,
        "fast_loop_missed": facts.fast_loop_missed,
    }


def limit_values(
    cycle: CycleResult, config: StationConfig, promised: Mapping[str, str]
) -> dict[str, float]:
    """Return the row of where limits come from; NaN where no rack, or no single cell, binds.

    Args:
        cycle: of the second.
        config: who the racks are; they count from 1 in the order of their tags.
        promised: the rack that bounds dispatchable energy, by direction.
    """
    tags = sorted(rack.tag for rack in config.with_role(Role.RACK))
    number = {tag: float(place) for place, tag in enumerate(tags, 1)}
    row = {}
    for way, bound in (
        ("charge", cycle.plan.limits.charge),
        ("discharge", cycle.plan.limits.discharge),
    ):
        rack = number.get(bound.device, math.nan)
        of_cell = bound.cell is not None and math.isfinite(rack)
        row[f"{way}_limit_rack"] = rack
        row[f"{way}_limit_cell"] = float(bound.cell or 0) if of_cell else math.nan
        row[f"{way}_bound_rack"] = number.get(promised.get(way, ""), math.nan)
    return row


def _battery(image: Image, config: StationConfig) -> tuple[float, float]:
    """Return the mean (SOC, SOH) over the racks that tell them."""
    racks = image.table(RACK)
    places = [racks.place[r.tag] for r in config.with_role(Role.RACK) if r.tag in racks.place]
    means = []
    for signal in ("soc", "soh"):
        values = racks.fresh(signal)[places]
        known = values[np.isfinite(values)]
        means.append(float(known.mean()) if known.size else math.nan)
    return means[0], means[1]
