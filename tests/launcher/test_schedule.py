"""The demo's sample schedule keeps what the console checks, whenever the demo is started."""

import pytest

from cloud.fleet.schedule_check import Bounds, check
from launcher import demo_config
from launcher.stack import default_schedule

BOUNDS = Bounds(
    rated_kw=demo_config.CONTAINERS * demo_config.PCS_RATED_KW,
    capacity_kwh=demo_config.CAPACITY_KWH,
    soc_min=0.05,
    soc_max=0.95,
)


@pytest.mark.parametrize("first", range(96))
def test_a_half_full_plant_keeps_its_band_today_and_tomorrow_whenever_it_starts(first: int):
    two_days = default_schedule() * 2

    checked = check(two_days, 0.25, BOUNDS, soc=0.5, first=first)

    assert checked.findings == ()


def test_the_day_ends_as_full_as_it_began():
    checked = check(default_schedule(), 0.25, BOUNDS, soc=0.5)

    assert checked.soc[-1] == pytest.approx(0.5, abs=0.01)


def test_the_day_uses_most_of_what_a_half_full_plant_can_give():
    path = [soc for soc in check(default_schedule(), 0.25, BOUNDS, soc=0.5).soc if soc is not None]

    assert max(path) - min(path) > 0.38
