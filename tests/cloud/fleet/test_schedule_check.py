import math

from hypothesis import given
from hypothesis import strategies as st

from cloud.fleet.schedule_check import (
    ROUND_TRIP_EFFICIENCY,
    Bounds,
    FindingCode,
    check,
    fingerprint,
    soc_step,
)

BOUNDS = Bounds(rated_kw=3450, capacity_kwh=7450, soc_min=0.05, soc_max=0.95)
POWERS = st.lists(st.floats(-3450, 3450), min_size=1, max_size=100)


def codes(found):
    return [finding.code for finding in found.findings]


def test_a_calm_day_breaks_nothing():
    found = check([0.0] * 96, 0.25, BOUNDS, soc=0.5)

    assert not found.findings
    assert found.soc == (0.5,) * 97


def test_power_beyond_the_rating_blocks_and_names_the_first_point_and_the_worst_value():
    powers = [0.0] * 96
    powers[10], powers[11] = -3500.0, 3460.0

    found = check(powers, 0.25, BOUNDS, soc=0.5)

    finding = found.findings[0]
    assert found.blocked
    assert (finding.code, finding.first, finding.count) == (FindingCode.OVER_RATING, 10, 2)
    assert (finding.worst, finding.limit) == (-3500.0, 3450)


def test_points_that_are_past_are_not_judged():
    powers = [9999.0] * 10 + [0.0] * 86

    found = check(powers, 0.25, BOUNDS, soc=0.5, first=10)

    assert not found.findings
    assert found.soc[:10] == (None,) * 10


def test_emptying_the_station_warns_and_does_not_block():
    found = check([3000.0] * 16, 0.25, BOUNDS, soc=0.5)

    assert codes(found) == [FindingCode.BELOW_SOC_BAND]
    assert not found.blocked


def test_charging_into_the_upper_end_warns():
    found = check([-3000.0] * 16, 0.25, BOUNDS, soc=0.5)

    assert codes(found) == [FindingCode.ABOVE_SOC_BAND]


def test_without_a_known_soc_nothing_is_projected():
    found = check([3000.0] * 96, 0.25, BOUNDS, soc=None)

    assert not found.findings
    assert set(found.soc) == {None}


def test_only_the_rest_of_the_present_point_counts():
    whole = check([3000.0, 0.0], 0.25, BOUNDS, soc=0.5)
    half = check([3000.0, 0.0], 0.25, BOUNDS, soc=0.5, first_share=0.5)

    assert math.isclose(0.5 - half.soc[-1], (0.5 - whole.soc[-1]) / 2)


@given(st.floats(1, 3450), st.floats(0.1, 8))
def test_a_round_trip_loses_exactly_the_stated_share(power_kw, hours):
    stored = soc_step(0.0, -power_kw, hours, 7450) * 7450

    back_kwh = stored * math.sqrt(ROUND_TRIP_EFFICIENCY)

    assert math.isclose(back_kwh / (power_kw * hours), ROUND_TRIP_EFFICIENCY, rel_tol=1e-9)


@given(POWERS, st.floats(0, 1))
def test_the_energies_are_those_of_the_powers_and_charging_never_lowers_the_soc(powers, soc):
    found = check(powers, 0.25, BOUNDS, soc=soc)

    net_kwh = found.discharged_kwh - found.charged_kwh
    assert math.isclose(net_kwh, math.fsum(powers) * 0.25, abs_tol=1e-6)
    for power, before, after in zip(powers, found.soc, found.soc[1:], strict=False):
        assert (after - before) * power <= 0


@given(POWERS, st.data())
def test_the_fingerprint_names_station_day_and_powers(powers, data):
    index = data.draw(st.integers(0, len(powers) - 1))
    other = [*powers]
    other[index] += 1.0

    name = fingerprint("haibin-1", "2026-11-24", powers)

    assert name == fingerprint("haibin-1", "2026-11-24", [p + 0.0 for p in powers])
    assert name != fingerprint("haibin-1", "2026-11-24", other)
    assert name != fingerprint("haibin-2", "2026-11-24", powers)
    assert name != fingerprint("haibin-1", "2026-11-25", powers)
