"""What the others do at once when a converter is lost."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.limits import LimitReason
from station.dispatch.split import resplit, split
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
