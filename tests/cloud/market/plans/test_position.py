import numpy as np
import pytest

from cloud.market.battery import Battery
from cloud.market.plans import PlanFailed, ScenarioRequest, plan_position
from cloud.market.plans.request import BadRequest

BATTERY = Battery(
    charge_mw=1.0,
    discharge_mw=1.0,
    energy_mwh=2.0,
    charge_efficiency=0.95,
    discharge_efficiency=0.95,
)


def _request(day_ahead: float, cap: float | None = None, step: int = 1) -> ScenarioRequest:
    rng = np.random.default_rng(3)
    paths = 40.0 + rng.normal(0.0, 20.0, (40, 8))
    return ScenarioRequest(
        BATTERY, np.full(8, day_ahead), paths, 1.0, position_step=step, cvar_cap=cap
    )


def test_what_is_dearer_a_day_ahead_is_sold_there():
    assert plan_position(_request(90.0)).position_mw == pytest.approx(np.ones(8))
    assert plan_position(_request(-20.0)).position_mw == pytest.approx(-np.ones(8))


def test_a_cap_of_cvar_costs_expected_revenue_and_holds():
    free = plan_position(_request(44.0))

    capped = plan_position(_request(44.0, cap=free.cvar - 20.0))

    assert capped.cvar <= free.cvar - 20.0 + 1e-6
    assert capped.expected < free.expected
    assert np.abs(capped.position_mw).sum() < np.abs(free.position_mw).sum()


def test_the_revenue_of_a_scenario_is_what_two_settlements_pay():
    path = np.array([[10.0, 100.0]])
    request = ScenarioRequest(BATTERY, np.array([60.0, 60.0]), path, 1.0)

    plan = plan_position(request)

    # Sold 1 MW at 60 and bought 1 MW at 60; the battery charges at 10 and sells 0.9025 at 100.
    assert plan.position_mw == pytest.approx([1.0, -1.0])
    assert plan.revenue == pytest.approx([(60 - 10) - (60 - 100) - 10 + 90.25])


def test_hourly_positions_are_shared_by_quarter_hours():
    assert plan_position(_request(90.0, step=4)).position_mw.shape == (2,)


def test_a_cap_that_no_battery_can_keep_is_a_failure():
    with pytest.raises(PlanFailed):
        plan_position(_request(40.0, cap=-1e6))


def test_scenarios_of_another_length_are_refused_by_number():
    with pytest.raises(BadRequest, match="scenario 1: 3 values, 2 asked for"):
        ScenarioRequest(BATTERY, np.ones(2), [np.ones(2), np.ones(3)], 1.0)  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match="positions of 3"):
        ScenarioRequest(BATTERY, np.ones(4), np.ones((1, 4)), 1.0, position_step=3)
