"""What converters do at once between two plans: one of them is lost, or the power steps."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.limits import LimitReason
from station.dispatch.split import SplitUnit, resplit, split
from tests.station.dispatch.split.converters import PLAIN, allowed, four, plants, powers


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


def pair(**fields: object) -> list[SplitUnit]:
    return four(may_sleep=False, **fields)[:2]


def loaded(powers: dict[str, float]) -> set[str]:
    return {device for device, kw in powers.items() if kw}


def after_it(units: list[SplitUnit], powers: dict[str, float]) -> list[SplitUnit]:
    """The units as the next plan sees them."""
    return [
        replace(unit, power_kw=powers[unit.device], active=bool(powers[unit.device]))
        for unit in units
    ]


@given(st.floats(1, 100), st.floats(-1900, 1900))
def test_a_step_is_shared_at_once_as_the_next_plan_shares_it(planned_kw, step_kw):
    before = split(planned_kw, pair())

    after = resplit(before, power_kw=step_kw)

    assert len(loaded(before.powers)) == 1
    assert after.power_kw == pytest.approx(step_kw)
    following = split(step_kw, after_it(pair(), after.powers))
    assert following.powers == pytest.approx(after.powers, abs=1e-6)


def test_a_small_step_stays_with_the_converter_that_has_load():
    before = split(50, pair())

    after = resplit(before, power_kw=150)

    assert loaded(after.powers) == loaded(before.powers)


def test_who_came_in_stays_in_until_the_next_plan():
    before = split(50, pair())
    stepped = resplit(before, power_kw=600)

    back = resplit(before, power_kw=150, since=stepped.powers)

    assert back.powers == pytest.approx({"C1": 75.0, "C2": 75.0})


def test_a_step_does_not_wake_who_sleeps_nor_load_anyone_below_its_least():
    sleepers = [*pair()[:1], replace(pair()[1], may_sleep=True)]
    careful = pair(min_load_kw=400.0)

    woken = resplit(split(50, sleepers), power_kw=900)
    at_least = resplit(split(50, careful), power_kw=700)

    assert sorted(woken.powers.values()) == [0.0, 900.0]
    assert sorted(at_least.powers.values()) == [0.0, 700.0]


def test_those_that_run_without_load_come_in_before_one_is_woken():
    units = [*four(may_sleep=False)[:3], four()[3]]
    before = split(50, units)

    after = resplit(before, power_kw=2400)

    assert after.powers == pytest.approx({"C1": 800, "C2": 800, "C3": 800, "C4": 0})


@given(powers, powers, plants(), st.data())
def test_a_step_is_answered_whole_within_the_limits(planned_kw, step_kw, units, data):
    before = split(planned_kw, units)
    lost = data.draw(st.sets(st.sampled_from([u.device for u in units])))
    since = resplit(before, power_kw=data.draw(powers)).powers

    after = resplit(before, lost, step_kw, since)

    rest = [u for u in units if u.device not in lost]
    wanted = math.copysign(min(abs(step_kw), allowed(rest, step_kw or 1.0)), step_kw)
    assert after.power_kw == pytest.approx(wanted, abs=1e-6)
    for unit in units:
        kw = after.powers[unit.device]
        assert unit.device not in lost or kw == 0
        assert -unit.charge_kw - 1e-9 <= kw <= unit.discharge_kw + 1e-9
        assert kw * step_kw >= 0
