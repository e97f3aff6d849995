"""The division loses least: against all sets of converters, and against equal shares."""

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.dispatch.split import LossCurve, SplitUnit, equal_split, split
from station.dispatch.split.water_fill import usable_slope, water_fill
from tests.station.dispatch.split.converters import PLAIN, fleet, plants


@given(st.floats(0, 5000), st.floats(0, 5000), plants())
def test_with_the_same_units_running_more_power_takes_nothing_from_anyone(one, other, units):
    able = [u for u in units if u.discharge_kw > 0]
    if not able:
        return
    high = np.array([u.discharge_kw for u in able])
    slope = usable_slope(np.array([2 * u.curve.square_per_kw for u in able]), high)
    marginal = np.array([u.curve.linear for u in able])
    everyone = np.ones((1, len(able)), dtype=np.bool_)

    small, large = (
        water_fill(everyone, np.zeros(len(able)), high, marginal, slope, total)[0]
        for total in sorted((one, other))
    )

    assert (large >= small - 1e-9).all()


def cheapest(power_kw: float, units: list[SplitUnit]) -> float:
    """Return the least loss over all sets of running units, each on a fine grid of levels."""
    best = math.inf
    for count in range(1, len(units) + 1):
        for chosen in itertools.combinations(units, count):
            least = math.fsum(u.min_load_kw for u in chosen)
            most = math.fsum(u.discharge_kw for u in chosen)
            if least <= power_kw <= most:
                best = min(best, loss_of(chosen, power_kw))
    return best


def loss_of(chosen: tuple[SplitUnit, ...], power_kw: float) -> float:
    """Bisect the common marginal loss: another way to the optimum than the code's own."""
    low, high = -1.0, 2.0
    for _ in range(200):
        level = (low + high) / 2
        loads = [
            min(
                u.discharge_kw,
                max(u.min_load_kw, (level - u.curve.linear) / (2 * u.curve.square_per_kw)),
            )
            for u in chosen
        ]
        low, high = (level, high) if math.fsum(loads) < power_kw else (low, level)
    return math.fsum(
        u.curve.fixed_kw + load * (u.curve.linear + load * u.curve.square_per_kw)
        for u, load in zip(chosen, loads, strict=True)
    )


@settings(max_examples=150)
@given(st.data())
def test_the_split_loses_no_more_than_the_best_of_all_sets_of_units(data):
    units = [
        SplitUnit(
            f"C{number}",
            0.0,
            rating := data.draw(st.sampled_from([500.0, 1000.0, 2500.0])),
            LossCurve.of_rating(
                rating,
                data.draw(st.floats(0.001, 0.006)),
                data.draw(st.floats(0.001, 0.01)),
                data.draw(st.floats(0.002, 0.02)),
            ),
            min_load_kw=data.draw(st.sampled_from([0.0, 0.05, 0.2])) * rating,
        )
        for number in range(data.draw(st.integers(1, 6)))
    ]
    power_kw = data.draw(st.floats(0.05, 1.0)) * math.fsum(u.discharge_kw for u in units)
    best = cheapest(power_kw, units)

    found = split(power_kw, units, PLAIN)

    if math.isfinite(best):
        assert found.loss_kw == pytest.approx(best, rel=1e-6)
        for unit in units:
            load = found.powers[unit.device]
            assert load == 0 or load >= unit.min_load_kw - 1e-6


def test_the_search_over_many_units_nearly_always_finds_the_best_of_all_sets():
    rng = random.Random(3)
    gaps = []

    for _ in range(60):
        units = fleet(rng, 11)
        power_kw = rng.uniform(0.05, 1.0) * math.fsum(u.discharge_kw for u in units)
        best = cheapest_of_all(power_kw, units)
        gaps.append(split(power_kw, units, PLAIN).loss_kw / best - 1.0)

    assert max(gaps) < 0.01
    assert sum(gap < 1e-9 for gap in gaps) >= 57


def cheapest_of_all(power_kw: float, units: list[SplitUnit]) -> float:
    """Return the least loss over all sets, by the code's own exact division of each set."""
    high = np.array([u.discharge_kw for u in units])
    slope = np.array([2 * u.curve.square_per_kw for u in units])
    linear = np.array([u.curve.linear for u in units])
    fixed = np.array([u.curve.fixed_kw for u in units])
    masks = np.array(list(itertools.product([False, True], repeat=len(units))))
    masks = masks[masks @ high >= power_kw]
    loads = water_fill(masks, np.zeros(len(units)), high, linear, slope, power_kw)
    return float((masks @ fixed + (loads * (linear + slope * loads / 2)).sum(axis=1)).min())


@given(st.integers(1, 40), st.integers(0, 2**32), st.floats(-1.0, 1.0))
def test_the_split_never_loses_more_than_an_equal_split(count, seed, part):
    units = fleet(random.Random(seed), count)
    power_kw = part * math.fsum(u.discharge_kw for u in units)

    found, plain = split(power_kw, units, PLAIN), equal_split(power_kw, units)

    assert found.power_kw == pytest.approx(plain.power_kw, abs=1e-6)
    assert found.loss_kw <= plain.loss_kw + 1e-6
