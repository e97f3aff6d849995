"""How the station's power is divided among its converters.

Rules:

* The sum is what was asked for, clamped to what the converters may do together.
* No converter gets more than its own limit, and never a sign against the station's: one does
  not charge while another discharges.
* Shares go by what each converter may do, tilted so that the fuller battery discharges more
  and the emptier one charges more; their states of charge draw together.
* A converter below its least load wastes energy, so at small power fewer converters work,
  preferring those that work already, then those that balance the state of charge.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_EXACT_KW = 1e-9
_LEAST_LIMIT_KW = 1e-6
"""A limit below a milliwatt is none."""


@dataclass(frozen=True)
class ConverterShare:
    """What one converter may take.

    Attributes:
        device: tag of the converter.
        charge_kw, discharge_kw: limits, positive magnitudes.
        soc: mean state of charge behind it, 0..1; NaN when not known.
        min_load_kw: least magnitude worth running it for.
        active: it had a power other than 0 in the last cycle.
    """

    device: str
    charge_kw: float
    discharge_kw: float
    soc: float
    min_load_kw: float = 0.0
    active: bool = False


def split_power(
    power_kw: float, converters: Sequence[ConverterShare], balance_gain: float = 2.0
) -> Mapping[str, float]:
    """Return the power of each converter by tag, kW, discharge positive.

    Args:
        power_kw: what the station should do.
        converters: what each converter may do.
        balance_gain: tilt of the shares per unit of SOC above or below the mean.
    """
    sign = 1.0 if power_kw >= 0 else -1.0
    limits = {c.device: _limit(c.discharge_kw if sign > 0 else c.charge_kw) for c in converters}
    wanted = min(abs(power_kw), math.fsum(limits.values()))
    weights = _weights(converters, limits, sign * balance_gain)
    ranking = sorted(converters, key=lambda c: (not c.active, -weights[c.device], c.device))
    least = {c.device: c.min_load_kw for c in converters}
    chosen = [c.device for c in ranking if limits[c.device] > 0]
    shares = _fill(wanted, chosen, limits, weights)
    for count in range(len(chosen), 0, -1):
        candidate = _fill(wanted, chosen[:count], limits, weights)
        if math.fsum(candidate.values()) < wanted - _EXACT_KW:
            break
        shares = candidate
        if all(kw >= least[tag] for tag, kw in candidate.items()):
            break
    return {c.device: sign * shares.get(c.device, 0.0) for c in converters}


def _limit(kw: float) -> float:
    return kw if kw >= _LEAST_LIMIT_KW else 0.0


def _weights(
    converters: Sequence[ConverterShare], limits: Mapping[str, float], tilt: float
) -> dict[str, float]:
    known = [c.soc for c in converters if math.isfinite(c.soc) and limits[c.device] > 0]
    mean = math.fsum(known) / len(known) if known else 0.0
    return {
        c.device: limits[c.device]
        * (min(2.0, max(0.1, 1.0 + tilt * (c.soc - mean))) if math.isfinite(c.soc) else 1.0)
        for c in converters
    }


def _fill(
    wanted_kw: float,
    tags: Sequence[str],
    limits: Mapping[str, float],
    weights: Mapping[str, float],
) -> dict[str, float]:
    """Divide by weight; what a converter cannot take goes to the others, to the last watt."""
    shares = dict.fromkeys(tags, 0.0)
    open_tags = [tag for tag in tags if limits[tag] > 0]
    rest = wanted_kw
    # Each round either places the whole rest or fills one converter at least.
    for _ in range(len(tags) + 1):
        if not open_tags or rest <= _EXACT_KW:
            break
        total = math.fsum(weights[tag] for tag in open_tags)
        for tag in open_tags:
            share = shares[tag] + rest * weights[tag] / total
            shares[tag] = min(limits[tag], share)
        rest = wanted_kw - math.fsum(shares.values())
        open_tags = [tag for tag in open_tags if shares[tag] < limits[tag]]
    return shares
