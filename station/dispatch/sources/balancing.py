"""Balancing the state of charge of containers.

While the station works, the split alone balances: the fuller container discharges more and the
emptier one charges more, so nothing circulates. Only a station that has stood idle for a
while, and only where the owner has allowed it, moves energy from the fullest container into
the emptiest; each such kilowatt-hour pays the losses of two conversions.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class BalancingSettings:
    """When an idle station balances.

    Attributes:
        allowed: energy may be moved between containers.
        idle_s: the station must have stood idle this long.
        start_spread, stop_spread: difference of SOC at which it begins and ends, 0..1.
        power_kw: power of the transfer, small.
    """

    allowed: bool = False
    idle_s: float = 600.0
    start_spread: float = 0.05
    stop_spread: float = 0.01
    power_kw: float = 50.0


@dataclass(frozen=True)
class Reserve:
    """What one container could do: state of charge 0..1 and limits, positive kW."""

    soc: float
    charge_kw: float
    discharge_kw: float


@dataclass(frozen=True)
class BalancingMemory:
    """Since when the station is idle (steady ms, None: it works), and the pair under way."""

    idle_since_ms: int | None = None
    pair: tuple[str, str] | None = None


def balance(
    settings: BalancingSettings,
    memory: BalancingMemory,
    containers: Mapping[str, Reserve],
    now_ms: int,
    *,
    idle: bool,
) -> tuple[Mapping[str, float], BalancingMemory]:
    """Return the power of each converter of a transfer, empty when there is none.

    Args:
        settings: whether and when.
        memory: of the last step.
        containers: what each converter's container could do.
        now_ms: steady time.
        idle: nobody asks for power, and no frequency response is under way.
    """
    if not settings.allowed or not idle:
        return {}, BalancingMemory()
    since_ms = now_ms if memory.idle_since_ms is None else memory.idle_since_ms
    if now_ms - since_ms < settings.idle_s * 1000:
        return {}, BalancingMemory(since_ms)
    pair = _kept(settings, memory.pair, containers) or _found(settings, containers)
    if pair is None:
        return {}, BalancingMemory(since_ms)
    full, empty = pair
    kw = min(settings.power_kw, containers[full].discharge_kw, containers[empty].charge_kw)
    return ({full: kw, empty: -kw} if kw > 0 else {}), BalancingMemory(since_ms, pair)


def _kept(
    settings: BalancingSettings,
    pair: tuple[str, str] | None,
    containers: Mapping[str, Reserve],
) -> tuple[str, str] | None:
    """Return the pair under way until its two have met: no change of pairs in between."""
    if pair is None or not all(tag in containers for tag in pair):
        return None
    difference = containers[pair[0]].soc - containers[pair[1]].soc
    return pair if difference > settings.stop_spread else None


def _found(
    settings: BalancingSettings, containers: Mapping[str, Reserve]
) -> tuple[str, str] | None:
    known = {tag: c.soc for tag, c in sorted(containers.items()) if math.isfinite(c.soc)}
    givers = [tag for tag in known if containers[tag].discharge_kw > 0]
    takers = [tag for tag in known if containers[tag].charge_kw > 0]
    if not givers or not takers:
        return None
    full, empty = max(givers, key=known.__getitem__), min(takers, key=known.__getitem__)
    return (full, empty) if known[full] - known[empty] >= settings.start_spread else None
