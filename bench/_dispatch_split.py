"""How long the split of a large station takes: 40 converters, 400 racks, random situations."""

import random
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from station.dispatch.split import (
    LossCurve,
    RackUnit,
    SplitResult,
    SplitUnit,
    equal_split,
    resplit,
    split,
)

_CONVERTERS = 40
_RACKS = 10
_RATED_KW = 1725.0
_RACK_KW = 200.0
_CURVE = LossCurve.of_rating(_RATED_KW)
_CASES = 400
_WARM_UP = 10
_STEP_PART = 0.1
"""A station's power moves by so much of its rating from one case to the next, at most."""


def cases(count: int, seed: int = 7) -> list[tuple[float, list[SplitUnit]]]:
    """Return powers and units: a day's charge, heat, outages and limits, drawn at random."""
    rng = random.Random(seed)
    found: list[tuple[float, list[SplitUnit]]] = []
    part = 0.0
    for _ in range(count):
        part = max(-1.0, min(1.0, part + rng.uniform(-_STEP_PART, _STEP_PART)))
        before_kw = part * _RATED_KW
        units = [_unit(k, before_kw, rng) for k in range(_CONVERTERS)]
        found.append((part * _RATED_KW * _CONVERTERS, units))
    return found


def _unit(number: int, before_kw: float, rng: random.Random) -> SplitUnit:
    soc = rng.uniform(0.15, 0.9)
    racks = tuple(_rack(f"C{number}-R{n:02d}", soc, rng) for n in range(_RACKS))
    active = rng.random() < 0.6
    return SplitUnit(
        device=f"C{number}-PCS",
        charge_kw=_RATED_KW * rng.choice((1.0, 1.0, 0.5)),
        discharge_kw=_RATED_KW * rng.choice((1.0, 1.0, 0.5)),
        curve=_CURVE,
        soc=soc,
        temperature_c=rng.uniform(20, 40),
        power_kw=before_kw if active else 0.0,
        active=active,
        available=rng.random() < 0.95,
        may_sleep=rng.random() < 0.5,
        racks=racks,
    )


def _rack(tag: str, soc: float, rng: random.Random) -> RackUnit:
    own = min(1.0, max(0.0, soc + rng.uniform(-0.06, 0.06)))
    return RackUnit(
        device=tag,
        charge_kw=_RACK_KW,
        discharge_kw=_RACK_KW,
        soc=own,
        resistance_ohm=0.1 * rng.uniform(0.8, 1.2),
        voltage_v=1331.0 + 40 * (own - 0.5),
        closed=rng.random() < 0.98,
    )


def split_times_ms(count: int = _CASES) -> dict[str, tuple[float, float]]:
    """Return (median, 99th percentile) of our split, of a re-split, and of equal parts."""
    drawn = cases(count)
    done = [split(power_kw, units) for power_kw, units in drawn]
    return {
        "split": _quantiles([_timed(partial(split, *case)) for case in drawn]),
        "resplit": _quantiles([_timed(partial(resplit, r, [_working(r)])) for r in done]),
        "equal": _quantiles([_timed(partial(equal_split, *case)) for case in drawn]),
    }


def _working(result: SplitResult) -> str:
    """Return a converter that has power, to be lost."""
    return max(result.powers, key=lambda device: abs(result.powers[device]))


def _timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return (time.perf_counter() - begun) * 1000


def _quantiles(times_ms: Sequence[float]) -> tuple[float, float]:
    p50, p99 = np.percentile(times_ms[_WARM_UP:], [50, 99])
    return float(p50), float(p99)
