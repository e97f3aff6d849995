"""How the racks of a converter share its power, and how they bound it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.limits import LimitReason
from station.dispatch.split import LossCurve, RackUnit, SplitUnit, split


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
