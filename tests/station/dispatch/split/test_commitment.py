"""Which converters work and which sleep, and how they change over."""

import math
from dataclasses import replace

import pytest

from contract.limits import LimitReason
from station.dispatch.split import LossCurve, SplitSettings, SplitUnit, equal_split, split
from tests.station.dispatch.split.converters import PLAIN, four


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
