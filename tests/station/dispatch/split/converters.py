"""Converters to divide power among: any that may be, four alike, and a fleet of three sizes."""

import math
import random

from hypothesis import strategies as st

from station.dispatch.split import LossCurve, SplitSettings, SplitUnit

PLAIN = SplitSettings(soc_gain=0.0, temperature_gain_per_k=0.0, start_loss=0.0)
limits = st.one_of(st.just(0.0), st.floats(1.0, 2000.0))
curves = st.builds(
    LossCurve, st.floats(0, 10), st.floats(0, 0.02), st.floats(1e-6, 3e-5) | st.just(0.0)
)


@st.composite
def plants(draw: st.DrawFn, most: int = 10, *, ramps: bool = False) -> list[SplitUnit]:
    count = draw(st.integers(1, most))
    side = draw(st.sampled_from([-1.0, 1.0]))
    units = []
    for number in range(count):
        charge, discharge = draw(limits), draw(limits)
        units.append(
            SplitUnit(
                device=f"C{number}",
                charge_kw=charge,
                discharge_kw=discharge,
                curve=draw(curves),
                soc=draw(st.floats(0, 1) | st.just(math.nan)),
                temperature_c=draw(st.floats(-10, 60) | st.just(math.nan)),
                min_load_kw=draw(st.sampled_from([0.0, 30.0, 200.0])),
                ramp_kw=draw(st.floats(1, 500)) if ramps else math.inf,
                power_kw=side * draw(st.floats(0, 2000)) if ramps else 0.0,
                active=draw(st.booleans()),
                available=draw(st.sampled_from([True, True, True, False])),
                may_sleep=draw(st.booleans()),
            )
        )
    return units


powers = st.floats(-12_000, 12_000) | st.floats(-300, 300)


def allowed(units: list[SplitUnit], sign: float) -> float:
    return math.fsum((u.discharge_kw if sign > 0 else u.charge_kw) for u in units if u.available)


def four(**fields: object) -> list[SplitUnit]:
    curve = LossCurve.of_rating(1000.0)
    return [SplitUnit(f"C{n}", 1000, 1000, curve, **fields) for n in range(1, 5)]


def fleet(rng: random.Random, count: int) -> list[SplitUnit]:
    units = []
    for number in range(count):
        rating = rng.choice([500.0, 1000.0, 2500.0])
        curve = LossCurve.of_rating(
            rating, rng.uniform(0.002, 0.005), rng.uniform(0.002, 0.008), rng.uniform(0.004, 0.012)
        )
        units.append(SplitUnit(f"C{number}", rating, rating, curve))
    return units
