import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.dispatch.split import ConverterShare, split_power

limits = st.floats(0, 2000) | st.just(0.0)
shares = st.builds(
    ConverterShare,
    device=st.uuids().map(str),
    charge_kw=limits,
    discharge_kw=limits,
    soc=st.floats(0, 1) | st.just(math.nan),
    min_load_kw=st.sampled_from([0.0, 50.0, 200.0]),
    active=st.booleans(),
)
plants = st.lists(shares, min_size=1, max_size=8, unique_by=lambda share: share.device)


@given(st.floats(-10_000, 10_000), plants, st.floats(0, 10))
def test_the_sum_is_the_clamped_target_and_no_converter_passes_its_limit(power_kw, plant, gain):
    found = split_power(power_kw, plant, gain)

    charge = math.fsum(c.charge_kw for c in plant)
    discharge = math.fsum(c.discharge_kw for c in plant)
    assert math.fsum(found.values()) == pytest.approx(
        max(-charge, min(discharge, power_kw)), abs=1e-5
    )
    for converter in plant:
        assert -converter.charge_kw <= found[converter.device] <= converter.discharge_kw


@given(st.floats(-10_000, 10_000), plants)
def test_no_converter_charges_while_another_discharges(power_kw, plant):
    found = split_power(power_kw, plant)

    assert not any(kw * power_kw < 0 for kw in found.values())


def two(**changes: float) -> list[ConverterShare]:
    return [
        ConverterShare("A", 1000, 1000, changes.get("soc_a", 0.5), changes.get("least", 0.0)),
        ConverterShare("B", 1000, 1000, changes.get("soc_b", 0.5), changes.get("least", 0.0)),
    ]


def test_equal_converters_share_equally():
    assert split_power(900, two()) == {"A": 450, "B": 450}


def test_the_fuller_battery_discharges_more_and_charges_less():
    plant = two(soc_a=0.6, soc_b=0.4)

    out, into = split_power(900, plant, 2.0), split_power(-900, plant, 2.0)

    assert out["A"] > out["B"]
    assert abs(into["A"]) < abs(into["B"])


def test_at_small_power_one_converter_works_alone():
    found = split_power(150, two(least=100.0))

    assert sorted(found.values()) == [0, 150]


def test_the_one_that_works_already_goes_on_alone():
    idle, busy = two(least=100.0)
    busy = ConverterShare("B", 1000, 1000, 0.5, 100.0, active=True)

    assert split_power(150, [idle, busy]) == {"A": 0, "B": 150}


def test_what_one_cannot_take_goes_to_the_other():
    plant = [ConverterShare("A", 1000, 100, 0.9), ConverterShare("B", 1000, 1000, 0.1)]

    assert split_power(1050, plant) == pytest.approx({"A": 100, "B": 950})
