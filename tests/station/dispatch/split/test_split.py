import itertools
import math
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.limits import LimitReason
from station.dispatch.split import (
    LossCurve,
    RackUnit,
    SplitSettings,
    SplitUnit,
    equal_split,
    resplit,
    split,
)
from station.dispatch.split.water_fill import usable_slope, water_fill

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


@given(powers, plants())
def test_the_sum_is_exactly_the_request_or_what_the_limits_allow(power_kw, units):
    found = split(power_kw, units)

    wanted = math.copysign(min(abs(power_kw), allowed(units, power_kw or 1.0)), power_kw)
    assert found.power_kw == pytest.approx(wanted, abs=1e-6)
    assert math.fsum(found.powers.values()) == pytest.approx(wanted, abs=1e-6)


@given(powers, plants(ramps=True))
def test_no_unit_passes_its_limit_and_none_works_against_another(power_kw, units):
    found = split(power_kw, units)

    for unit in units:
        assert -unit.charge_kw - 1e-9 <= found.powers[unit.device] <= unit.discharge_kw + 1e-9
        assert unit.available or found.powers[unit.device] == 0
    working = [kw for kw in found.powers.values() if abs(kw) > 1e-9]
    assert all(kw > 0 for kw in working) or all(kw < 0 for kw in working)


@given(powers, plants(ramps=True))
def test_a_unit_moves_by_its_ramp_at_most_unless_a_limit_has_tightened(power_kw, units):
    found = split(power_kw, units)

    for unit in units:
        reach = max(-unit.charge_kw, min(unit.discharge_kw, unit.power_kw))
        if unit.available:
            assert abs(found.powers[unit.device] - reach) <= unit.ramp_kw + 1e-9


@given(powers, plants(ramps=True))
def test_ramps_bring_the_sum_to_the_request_in_the_end(power_kw, units):
    free = split(power_kw, [replace_ramp(unit, math.inf) for unit in units])

    for _ in range(4100):
        found = split(power_kw, units)
        if abs(found.power_kw - free.power_kw) < 1e-6:
            break
        units = [moved(unit, found.powers[unit.device], max(unit.ramp_kw, 100)) for unit in units]

    assert found.power_kw == pytest.approx(free.power_kw, abs=1e-6)


def replace_ramp(unit: SplitUnit, ramp_kw: float) -> SplitUnit:
    return moved(unit, unit.power_kw, ramp_kw)


def moved(unit: SplitUnit, power_kw: float, ramp_kw: float) -> SplitUnit:
    return replace(unit, power_kw=power_kw, ramp_kw=ramp_kw)


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


@given(powers, plants(), st.randoms(use_true_random=False))
def test_the_order_of_the_units_does_not_matter(power_kw, units, rng):
    shuffled = list(units)
    rng.shuffle(shuffled)

    assert split(power_kw, shuffled).powers == split(power_kw, units).powers


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
                max(
                    u.min_load_kw,
                    (level - u.curve.linear) / (2 * u.curve.square_per_kw),
                ),
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


def fleet(rng: random.Random, count: int) -> list[SplitUnit]:
    units = []
    for number in range(count):
        rating = rng.choice([500.0, 1000.0, 2500.0])
        curve = LossCurve.of_rating(
            rating, rng.uniform(0.002, 0.005), rng.uniform(0.002, 0.008), rng.uniform(0.004, 0.012)
        )
        units.append(SplitUnit(f"C{number}", rating, rating, curve))
    return units


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


@given(st.integers(1, 40), st.integers(0, 2**32), st.floats(-1.0, 1.0))
def test_the_split_never_loses_more_than_an_equal_split(count, seed, part):
    units = fleet(random.Random(seed), count)
    power_kw = part * math.fsum(u.discharge_kw for u in units)

    found, plain = split(power_kw, units, PLAIN), equal_split(power_kw, units)

    assert found.power_kw == pytest.approx(plain.power_kw, abs=1e-6)
    assert found.loss_kw <= plain.loss_kw + 1e-6


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


def four(**fields: object) -> list[SplitUnit]:
    curve = LossCurve.of_rating(1000.0)
    return [SplitUnit(f"C{n}", 1000, 1000, curve, **fields) for n in range(1, 5)]


def test_at_small_power_one_converter_works_and_the_others_may_sleep():
    found = split(300, four(), PLAIN)

    assert sorted(found.powers.values()) == [0, 0, 0, 300]
    assert len(found.sleeping) == 3
    assert found.loss_kw < equal_split(300, four()).loss_kw


def test_converters_that_may_not_sleep_share_small_power():
    found = split(300, four(may_sleep=False), PLAIN)

    assert list(found.powers.values()) == pytest.approx([75] * 4)
    assert not found.sleeping


def test_units_do_not_flap_when_the_power_swings_about_the_point_of_change():
    rules = SplitSettings(soc_gain=0, temperature_gain_per_k=0, start_loss=0.0005)
    units = four()
    running, changes = None, 0

    for step in range(200):
        found = split(612 + 20 * math.sin(step), units, rules)
        now = {tag for tag, kw in found.powers.items() if kw}
        changes += running is not None and now != running
        running = now
        units = [replace(unit, active=unit.device in now) for unit in four()]

    assert changes <= 1


def test_nobody_starts_on_one_side_while_another_is_still_on_the_other():
    curve = LossCurve.of_rating(1000.0)
    units = [
        SplitUnit("A", 1000, 1000, curve, ramp_kw=50, power_kw=-100),
        SplitUnit("B", 1000, 1000, curve, ramp_kw=50),
    ]

    found = split(100, units)

    assert found.powers == {"A": -50, "B": 0}
    assert found.limited is LimitReason.RAMP


def test_units_that_should_not_run_are_brought_down_along_their_ramps():
    units = [replace(unit, ramp_kw=50.0, power_kw=150.0, active=True) for unit in four()]
    sums = []

    for _ in range(12):
        found = split(300, units, PLAIN)
        sums.append(found.power_kw)
        units = [
            replace(u, power_kw=found.powers[u.device], active=bool(found.powers[u.device]))
            for u in units
        ]

    assert sorted(found.powers.values()) == [0, 0, 0, 300]
    assert sums[0] == 400
    assert sums[1:] == pytest.approx([300] * 11)
    assert len(found.sleeping) == 3


def test_the_fuller_battery_discharges_more_and_charges_less():
    units = [
        SplitUnit("A", 1000, 1000, LossCurve.of_rating(1000), soc=0.6, may_sleep=False),
        SplitUnit("B", 1000, 1000, LossCurve.of_rating(1000), soc=0.5, may_sleep=False),
    ]

    out, into = split(1000, units), split(-1000, units)

    assert out.powers == pytest.approx({"A": 600, "B": 400})
    assert into.powers == pytest.approx({"A": -400, "B": -600})


def test_the_hotter_converter_does_less_in_both_directions():
    units = [
        SplitUnit("A", 1000, 1000, LossCurve.of_rating(1000), temperature_c=45, may_sleep=False),
        SplitUnit("B", 1000, 1000, LossCurve.of_rating(1000), temperature_c=35, may_sleep=False),
    ]

    for power_kw in (1000, -1000):
        found = split(power_kw, units)

        assert abs(found.powers["A"]) < abs(found.powers["B"])


def test_a_converter_that_trips_is_replaced_at_once():
    before = split(3000, four())

    after = resplit(before, ["C2"])

    assert after.powers["C2"] == 0
    assert after.power_kw == pytest.approx(3000)
    assert after.limited is LimitReason.NONE


def test_the_running_ones_take_the_part_of_the_lost_one_before_a_sleeping_one_is_woken():
    before = split(1500, four(), PLAIN)
    running = [tag for tag, kw in before.powers.items() if kw]

    after = resplit(before, [running[0]])

    assert after.power_kw == pytest.approx(1500)
    assert after.powers[running[0]] == 0


def test_what_the_remaining_ones_cannot_take_is_told_as_missing():
    before = split(3800, four())

    after = resplit(before, ["C1"])

    assert after.power_kw == pytest.approx(3000)
    assert after.limited is LimitReason.PCS_UNAVAILABLE


@given(powers, plants(), st.data())
def test_a_resplit_never_uses_a_lost_unit_nor_passes_a_limit(power_kw, units, data):
    before = split(power_kw, units)
    lost = data.draw(st.sets(st.sampled_from([u.device for u in units])))

    after = resplit(before, lost)

    rest = [u for u in units if u.device not in lost]
    wanted = math.copysign(min(abs(power_kw), allowed(rest, power_kw or 1.0)), power_kw)
    assert after.power_kw == pytest.approx(wanted, abs=1e-6)
    for unit in units:
        assert unit.device not in lost or after.powers[unit.device] == 0
        assert -unit.charge_kw - 1e-9 <= after.powers[unit.device] <= unit.discharge_kw + 1e-9


def racks(**last: float) -> tuple[RackUnit, ...]:
    usual = {"soc": 0.5, "resistance_ohm": 0.05, "voltage_v": 1300.0}
    return (
        RackUnit("R1", 300, 300, **usual),
        RackUnit("R2", 300, 300, **usual),
        RackUnit("R3", 300, 300, **{**usual, **last}),
    )


def test_the_rack_with_the_least_resistance_carries_most_and_bounds_its_converter():
    unit = SplitUnit("C1", 900, 900, LossCurve(0, 0, 1e-9), racks=racks(resistance_ohm=0.025))

    found = split(900, [unit])

    assert found.racks["R3"] == pytest.approx(300, abs=0.01)
    assert found.racks["R1"] == pytest.approx(150, abs=0.01)
    assert found.power_kw == pytest.approx(600, abs=0.01)
    assert found.limited is LimitReason.RACK_CURRENT


def test_a_fuller_rack_gives_more_and_takes_less():
    unit = SplitUnit("C1", 900, 900, LossCurve(0, 0, 1e-9), racks=racks(soc=0.53))

    out, into = split(300, [unit]), split(-300, [unit])

    assert out.racks["R3"] > out.racks["R1"]
    assert abs(into.racks["R3"]) < abs(into.racks["R1"])
    assert math.fsum(out.racks.values()) == pytest.approx(300, abs=0.01)


def test_a_rack_with_an_open_contactor_carries_nothing_and_the_others_stay_in_their_limits():
    closed = racks()[:2]
    gone = RackUnit("R3", 300, 300, 0.5, 0.05, 1300.0, closed=False)
    unit = SplitUnit("C1", 900, 900, LossCurve(0, 0, 1e-9), racks=(*closed, gone))

    found = split(900, [unit])

    assert "R3" not in found.racks
    assert found.power_kw == pytest.approx(600, abs=0.01)


@given(
    st.floats(-4000, 4000),
    st.lists(
        st.lists(
            st.builds(
                RackUnit,
                st.uuids().map(str),
                st.floats(50, 400),
                st.floats(50, 400),
                st.floats(0.45, 0.55) | st.just(math.nan),
                st.floats(0.03, 0.1) | st.just(math.nan),
                st.floats(1000, 1500) | st.just(math.nan),
                st.booleans(),
            ),
            min_size=1,
            max_size=5,
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_no_rack_passes_its_limit_once_power_flows(power_kw, containers):
    units = [
        SplitUnit(f"C{n}", 1500, 1500, LossCurve.of_rating(1500), racks=tuple(found))
        for n, found in enumerate(containers)
    ]

    found = split(power_kw, units)

    for unit in units:
        if abs(found.powers[unit.device]) < 1e-6:
            continue
        for rack in unit.racks:
            if rack.closed:
                kw = found.racks[rack.device]
                assert (
                    kw <= rack.discharge_kw + 1e-6 if power_kw > 0 else kw >= -rack.charge_kw - 1e-6
                )


def test_an_equal_split_gives_all_the_same_as_far_as_limits_go():
    units = [*four()[:2], SplitUnit("C9", 1000, 100, LossCurve.of_rating(1000))]

    assert equal_split(1000, units).powers == pytest.approx({"C1": 450, "C2": 450, "C9": 100})


def test_a_station_without_converters_has_no_power_and_says_so():
    found = split(100, [])

    assert found.powers == {}
    assert found.limited is LimitReason.PCS_RATING
