import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.limits import LimitReason
from station.protection import (
    ContainerState,
    ConverterState,
    PlantState,
    RackState,
    station_limits,
)
from tests.station.protection.world import MARGINS

RACK = RackState(
    device="C1-R01",
    fresh=True,
    contactor_closed=True,
    faulted=False,
    voltage_v=1372.8,
    current_a=0.0,
    soc=0.5,
    charge_current_limit_a=280,
    discharge_current_limit_a=280,
    cell_voltage_max_v=3.32,
    cell_voltage_min_v=3.28,
    cell_temperature_max_c=28,
    cell_temperature_min_c=24,
    cell_voltage_max_index=7,
    cell_voltage_min_index=9,
    cell_temperature_max_index=11,
    cell_temperature_min_index=13,
)
PCS = ConverterState("C1-PCS", 1725.0, True, True, 0.0, 0.0)


def plant(*racks: RackState, pcs: ConverterState = PCS, **more: str) -> PlantState:
    named = [replace(rack, device=f"C1-R{i:02d}") for i, rack in enumerate(racks, start=1)]
    return PlantState((ContainerState("C1", pcs, tuple(named), **more),))


def racks(n: int = 10, **changes: object) -> list[RackState]:
    return [replace(RACK, **changes) for _ in range(n)]


def test_healthy_racks_leave_the_converter_rating_as_the_bound():
    limits = station_limits(plant(*racks()), MARGINS)

    assert limits.charge.kw == 1725.0
    assert limits.charge.reason is LimitReason.PCS_RATING
    assert limits.discharge.device == "C1-PCS"


def test_the_weakest_rack_bounds_the_container_through_its_share():
    weak = replace(RACK, discharge_current_limit_a=100.0)

    limits = station_limits(plant(*racks(9), weak), MARGINS)

    rack_kw = 100.0 * 1372.8 / 1000 * 0.98
    share = 0.1 * 1.1
    assert limits.discharge.kw == pytest.approx(rack_kw / share * 0.97)
    assert limits.discharge.reason is LimitReason.RACK_CURRENT
    assert limits.discharge.device == "C1-R10"
    assert limits.charge.kw == 1725.0


def test_a_rack_that_is_measured_to_carry_more_bounds_more():
    greedy = replace(RACK, current_a=100.0, discharge_current_limit_a=140.0)
    others = racks(9, current_a=50.0, discharge_current_limit_a=140.0)

    limits = station_limits(plant(greedy, *others), MARGINS)

    rack_kw = 140.0 * 1372.8 / 1000 * 0.98
    assert limits.discharge.kw == pytest.approx(rack_kw / (100 / 550) * 0.97)
    assert limits.discharge.device == "C1-R01"


def test_an_isolated_rack_is_left_out_and_the_others_go_on():
    limits = station_limits(
        plant(*racks(9), replace(RACK, contactor_closed=False, soc=math.nan)), MARGINS
    )

    assert limits.discharge.kw == 1725.0


def test_a_container_without_a_closed_rack_does_nothing():
    limits = station_limits(plant(*racks(contactor_closed=False)), MARGINS)

    assert limits.discharge.kw == 0
    assert limits.discharge.reason is LimitReason.RACK_UNAVAILABLE


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"fresh": False}, LimitReason.STALE_DATA, id="stale"),
        pytest.param({"faulted": True}, LimitReason.RACK_UNAVAILABLE, id="fault"),
        pytest.param({"cell_temperature_max_c": 55.0}, LimitReason.CELL_TEMPERATURE, id="hot"),
        pytest.param({"cell_temperature_min_c": -20.0}, LimitReason.CELL_TEMPERATURE, id="cold"),
    ],
)
def test_a_rack_that_shares_the_current_but_cannot_be_trusted_forbids_it(changes, reason):
    limits = station_limits(plant(*racks(9), replace(RACK, **changes)), MARGINS)

    assert (limits.charge.kw, limits.discharge.kw) == (0, 0)
    assert limits.charge.reason is reason
    assert limits.charge.device == "C1-R10"


@pytest.mark.parametrize(
    ("signal", "untold"),
    [
        ("contactor_closed", None),
        *(
            (signal, math.nan)
            for signal in ("voltage_v", "soc", "cell_temperature_max_c", "cell_temperature_min_c")
        ),
    ],
)
def test_a_rack_that_does_not_tell_what_limits_need_is_named_with_the_signal(signal, untold):
    limits = station_limits(plant(*racks(9), replace(RACK, **{signal: untold})), MARGINS)

    for bound in (limits.charge, limits.discharge):
        assert (bound.kw, bound.reason) == (0, LimitReason.RACK_SIGNALS)
        assert (bound.device, bound.missing) == ("C1-R10", (signal,))


@pytest.mark.parametrize(
    ("signal", "charge", "discharge"),
    [
        ("charge_current_limit_a", True, False),
        ("discharge_current_limit_a", False, True),
        ("cell_voltage_max_v", True, False),
        ("cell_voltage_min_v", False, True),
    ],
)
def test_what_one_direction_needs_forbids_that_direction_alone(signal, charge, discharge):
    limits = station_limits(plant(*racks(9), replace(RACK, **{signal: math.nan})), MARGINS)

    assert limits.charge.missing == ((signal,) if charge else ())
    assert limits.discharge.missing == ((signal,) if discharge else ())
    assert (limits.charge.kw == 0, limits.discharge.kw == 0) == (charge, discharge)


def test_a_full_rack_forbids_charging_only():
    limits = station_limits(plant(*racks(9), replace(RACK, soc=0.95)), MARGINS)

    assert limits.charge.kw == 0
    assert limits.charge.reason is LimitReason.SOC_BAND
    assert limits.discharge.kw == 1725.0


def test_power_fades_out_over_the_last_stretch_of_the_band():
    halfway = station_limits(plant(*racks(soc=0.055)), MARGINS).discharge

    assert halfway.reason is LimitReason.SOC_BAND
    assert halfway.kw == pytest.approx(280 * 1.3728 * 0.98 * 0.5 / 0.11 * 0.97)


def test_a_full_cell_is_named():
    limits = station_limits(plant(*racks(9), replace(RACK, cell_voltage_max_v=3.65)), MARGINS)

    assert limits.charge.kw == 0
    assert limits.charge.reason is LimitReason.CELL_VOLTAGE
    assert (limits.charge.device, limits.charge.cell) == ("C1-R10", 7)


def test_a_limit_that_the_bms_lowers_for_a_warm_cell_names_the_cell():
    warm = replace(RACK, discharge_current_limit_a=50.0, cell_temperature_max_c=48.0)

    bound = station_limits(plant(*racks(9), warm), MARGINS).discharge

    assert bound.reason is LimitReason.CELL_TEMPERATURE
    assert (bound.device, bound.cell) == ("C1-R10", 11)
    assert 0 < bound.kw < 1725


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (plant(*racks(), pcs=replace(PCS, fresh=False)), LimitReason.STALE_DATA),
        (plant(*racks(), pcs=replace(PCS, available=False)), LimitReason.PCS_UNAVAILABLE),
        (plant(*racks(), interlock="C1-IMD"), LimitReason.INSULATION),
        (replace(plant(*racks()), fire="FIRE"), LimitReason.FIRE),
    ],
)
def test_interlocks_and_converters_forbid_everything(state, reason):
    limits = station_limits(state, MARGINS)

    assert (limits.charge.kw, limits.discharge.kw) == (0, 0)
    assert limits.discharge.reason is reason


def test_the_station_rating_binds_when_converters_could_do_more():
    small = replace(MARGINS, rated_power_kw=1000.0)

    bound = station_limits(plant(*racks()), small).charge

    assert bound.kw == 1000.0
    assert bound.reason is LimitReason.STATION_CONFIG


def test_a_station_without_converters_does_nothing():
    limits = station_limits(PlantState(()), MARGINS)

    assert (limits.charge.kw, limits.discharge.kw) == (0, 0)


currents = st.floats(0, 600) | st.just(math.nan)
odd = st.floats(-2, 2) | st.just(math.nan)
any_rack = st.builds(
    RackState,
    device=st.just("x"),
    fresh=st.booleans(),
    contactor_closed=st.sampled_from([True, True, True, False, None]),
    faulted=st.booleans(),
    voltage_v=st.floats(0, 1600) | st.just(math.nan),
    current_a=st.floats(-500, 500) | st.just(math.nan),
    soc=odd,
    charge_current_limit_a=currents,
    discharge_current_limit_a=currents,
    cell_voltage_max_v=st.floats(0, 5) | st.just(math.nan),
    cell_voltage_min_v=st.floats(0, 5) | st.just(math.nan),
    cell_temperature_max_c=st.floats(-60, 120) | st.just(math.nan),
    cell_temperature_min_c=st.floats(-60, 120) | st.just(math.nan),
)


@given(st.lists(any_rack, max_size=12))
def test_whatever_devices_say_limits_are_finite_and_never_beyond_what_racks_allow(found):
    limits = station_limits(plant(*found), MARGINS)

    for bound, name in (
        (limits.charge, "charge_current_limit_a"),
        (limits.discharge, "discharge_current_limit_a"),
    ):
        allowed = [
            getattr(r, name) * r.voltage_v / 1000 for r in found if r.contactor_closed is not False
        ]
        assert math.isfinite(bound.kw)
        assert bound.kw >= 0
        if bound.kw > 0:
            assert all(math.isfinite(kw) for kw in allowed)
            assert bound.kw <= min(sum(allowed), 1725.0)
