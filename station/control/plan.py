"""The plan of one second: what the plant may do, and who may work.

Everything that is done until the next second is done within it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from station.config import Role, StationConfig
from station.dispatch.proposal import Bounds
from station.dispatch.split import LossCurve, RackUnit, SplitUnit
from station.protection import ContainerState, PlantState, RackState, StationLimits, Verdict


@dataclass(frozen=True)
class Plan:
    """What one second allows.

    Attributes:
        at_ms: epoch time.
        steady_ms: monotonic time.
        plant: what protection saw.
        verdict: what it decided.
        bounds: what the station may do at all, kW.
        correction_kw: what the meter feedback adds to the converters.
        rest_kw: what else is behind the meter, feed-in positive; NaN when not known.
        units: the converters as the split sees them.
        known: converters whose racks have all been heard since the start.
    """

    at_ms: int
    steady_ms: int
    plant: PlantState
    verdict: Verdict
    bounds: Bounds
    correction_kw: float
    rest_kw: float
    units: tuple[SplitUnit, ...]
    known: frozenset[str]

    @property
    def limits(self) -> StationLimits:
        """The limits in force, of the station and of each converter."""
        return self.verdict.limits


def bounds_of(limits: StationLimits) -> Bounds:
    """Return the station's limits as the arbiter takes them."""
    return Bounds(
        low_kw=-limits.charge.kw,
        high_kw=limits.discharge.kw,
        low_reason=limits.charge.reason,
        high_reason=limits.discharge.reason,
        low_device=limits.charge.device,
        high_device=limits.discharge.device,
    )


@dataclass(frozen=True)
class Fleet:
    """What the configuration says of the converters.

    Attributes:
        curves: losses by tag. min_load_kw: least load by tag.
        may_sleep: converters without power save their fixed loss.
    """

    curves: Mapping[str, LossCurve]
    min_load_kw: Mapping[str, float]
    may_sleep: bool

    @classmethod
    def of(cls, config: StationConfig, *, may_sleep: bool) -> "Fleet":
        """Derive it from the configuration."""
        split = config.split
        rated = {pcs.tag: pcs.rated_kw or 0.0 for pcs in config.with_role(Role.PCS)}
        return cls(
            curves={
                tag: LossCurve.of_rating(kw, split.loss_fixed, split.loss_linear, split.loss_square)
                for tag, kw in rated.items()
            },
            min_load_kw={tag: config.control.min_load_pct / 100 * kw for tag, kw in rated.items()},
            may_sleep=may_sleep,
        )


def units_of(
    fleet: Fleet, plant: PlantState, verdict: Verdict, last: Mapping[str, float]
) -> tuple[SplitUnit, ...]:
    """Return every converter as the split sees it.

    Args:
        fleet: what the configuration says.
        plant: the plant in this second.
        verdict: what protection decided.
        last: set-points of the last step, kW by tag.
    """
    return tuple(_unit(fleet, container, verdict, last) for container in plant.containers)


def _unit(
    fleet: Fleet, container: ContainerState, verdict: Verdict, last: Mapping[str, float]
) -> SplitUnit:
    converter = container.converter
    tag = converter.device
    limits = verdict.limits.converters[tag]
    power_kw = last.get(tag, 0.0)
    return SplitUnit(
        device=tag,
        charge_kw=limits.charge.kw,
        discharge_kw=limits.discharge.kw,
        curve=fleet.curves[tag],
        soc=_mean([rack.soc for rack in container.racks if rack.fresh]),
        temperature_c=_hottest(container.racks),
        min_load_kw=fleet.min_load_kw[tag],
        power_kw=power_kw,
        active=abs(power_kw) > 0,
        available=converter.fresh and converter.available and tag not in verdict.held,
        may_sleep=fleet.may_sleep,
        racks=tuple(_rack(rack) for rack in container.racks),
    )


def _rack(rack: RackState) -> RackUnit:
    return RackUnit(
        device=rack.device,
        charge_kw=rack.charge_current_limit_a * rack.voltage_v / 1000,
        discharge_kw=rack.discharge_current_limit_a * rack.voltage_v / 1000,
        soc=rack.soc,
        voltage_v=rack.voltage_v,
        closed=rack.contactor_closed is not False,
    )


def _mean(values: list[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return math.fsum(known) / len(known) if known else math.nan


def _hottest(racks: tuple[RackState, ...]) -> float:
    known = [
        rack.cell_temperature_max_c
        for rack in racks
        if rack.fresh and math.isfinite(rack.cell_temperature_max_c)
    ]
    return max(known, default=math.nan)
