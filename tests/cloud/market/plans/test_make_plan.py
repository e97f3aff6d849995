from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.market.battery import Battery
from cloud.market.bid import Direction
from cloud.market.plans import (
    CapacityProduct,
    CycleBudget,
    EndSoc,
    Hold,
    OfferAtLeast,
    PlanFailed,
    PlanRequest,
    Run,
    SideMarket,
    SocBetween,
    explain,
    make_plan,
)
from cloud.market.plans.request import BadRequest

TWO_HOURS = Battery(
    charge_mw=1.0,
    discharge_mw=1.0,
    energy_mwh=2.0,
    charge_efficiency=0.9,
    discharge_efficiency=0.9,
)
NEAR = 1e-6


def test_it_buys_in_the_cheap_hour_and_sells_in_the_dear_one():
    price = np.array([90.0, 10.0, 90.0, 100.0])

    plan = make_plan(PlanRequest(TWO_HOURS, price, 1.0))

    # One MW bought for an hour gives 0.9 MWh in the cells and 0.81 MWh back: 0.81 x 100 - 10.
    assert plan.power_mw == pytest.approx([0.0, -1.0, 0.0, 0.81])
    assert plan.revenue == pytest.approx(71.0)
    assert plan.gap == 0.0
    assert plan.broken == ()


def test_wear_forbids_a_trade_whose_spread_is_too_small():
    price = np.array([10.0, 100.0])
    worn = replace(TWO_HOURS, wear_per_mwh=88.0)

    plan = make_plan(PlanRequest(worn, price, 1.0))

    # 0.81 x (100 - 88) is less than the 10 that charging costs.
    assert plan.power_mw == pytest.approx([0.0, 0.0])


def test_a_negative_price_is_not_burnt_by_charging_and_discharging_at_once():
    price = np.array([-30.0, -30.0, -30.0])

    plan = make_plan(PlanRequest(TWO_HOURS, price, 1.0))

    stored = np.diff([0.0, *(plan.soc * TWO_HOURS.energy_mwh)])
    inflow = np.where(plan.power_mw < 0, -plan.power_mw * 0.9, -plan.power_mw / 0.9)
    assert stored == pytest.approx(inflow)
    assert plan.revenue > 0


@settings(max_examples=30, deadline=None)
@given(
    prices=st.lists(st.floats(-150, 400), min_size=2, max_size=12),
    soc=st.floats(0.1, 0.9),
    share=st.floats(0.0, 1.0),
)
def test_no_plan_leaves_the_limits_of_the_battery(prices: list[float], soc: float, share: float):
    battery = replace(TWO_HOURS, soc=soc, soc_min=0.1, soc_max=0.9, wear_per_mwh=5.0)
    available = np.full(len(prices), share)
    regulation = CapacityProduct("regulation", Direction.BOTH, np.full(len(prices), 9.0), 0.5)

    plan = make_plan(
        PlanRequest(
            battery,
            np.array(prices),
            0.5,
            capacity=(regulation,),
            wishes=(EndSoc(0.5),),
            available=available,
        )
    )

    held = plan.capacity["regulation"].offered_mw
    assert (np.abs(plan.power_mw) + held <= share + NEAR).all()
    assert (plan.soc >= 0.1 - NEAR).all()
    assert (plan.soc <= 0.9 + NEAR).all()
    assert (plan.soc * 2.0 - held * 0.5 / 0.9 >= 0.2 - NEAR).all()
    assert (plan.soc * 2.0 + held * 0.5 * 0.9 <= 1.8 + NEAR).all()


def test_regulation_keeps_energy_free_on_both_sides():
    price = np.full(4, 20.0)
    regulation = CapacityProduct("regulation", Direction.BOTH, np.full(4, 50.0), hours=1.0)
    half = replace(TWO_HOURS, soc=0.5)

    plan = make_plan(PlanRequest(half, price, 1.0, capacity=(regulation,)))

    # One MWh lies in the cells; an hour of one MW takes 1/0.9: so 0.9 MW can be promised, and
    # more only after charging with what is left of the power.
    assert plan.capacity["regulation"].offered_mw[0] == pytest.approx(0.9)
    assert plan.capacity["regulation"].offered_mw.max() < 1.0
    assert plan.capacity["regulation"].earned == pytest.approx(
        50.0 * plan.capacity["regulation"].offered_mw.sum()
    )


def test_reserve_up_may_count_on_stopping_to_charge():
    price = np.array([10.0, 100.0])
    reserve = CapacityProduct("raise", Direction.UP, np.array([0.0, 300.0]), hours=0.25)
    full = replace(TWO_HOURS, soc=1.0)

    plan = make_plan(PlanRequest(full, price, 1.0, capacity=(reserve,)))

    # From charging with 1 MW to discharging with 1 MW the grid gets 2 MW more.
    assert plan.power_mw[1] == pytest.approx(-1.0)
    assert plan.capacity["raise"].offered_mw[1] == pytest.approx(2.0)


def test_wishes_that_contradict_one_another_are_broken_by_name():
    wishes = (Run(0, 1.0, name="sold a day ahead"), SocBetween(0, 0.4, 1.0, name="island supply"))
    battery = replace(TWO_HOURS, soc=0.5)

    plan = make_plan(PlanRequest(battery, np.array([50.0, 60.0]), 1.0, wishes=wishes))

    # From 1 MWh down to 0.8 MWh there are 0.2 MWh: 0.18 MW for an hour of the 1 MW sold.
    names = {one.name for one in plan.broken}
    assert names <= {"sold a day ahead", "island supply"}
    assert len(names) == 1
    assert plan.broken[0].by > 0.8
    assert plan.broken[0].unit in plan.broken[0].sentence


def test_a_wish_that_can_be_met_is_met_whatever_it_costs():
    price = np.array([10.0, 100.0, 400.0])
    full = replace(TWO_HOURS, soc=0.5)

    plan = make_plan(
        PlanRequest(full, price, 1.0, wishes=(EndSoc(0.5), Hold(2, 3), CycleBudget(0.2)))
    )

    assert plan.broken == ()
    assert plan.power_mw[2] == pytest.approx(0.0)
    assert plan.soc[-1] >= 0.5 - NEAR
    assert max(plan.power_mw[1], 0.0) / 0.9 <= 0.2 * 2.0 + NEAR


def test_the_warranty_of_the_battery_bounds_every_plan():
    price = np.tile([10.0, 300.0], 12)
    warranted = replace(TWO_HOURS, cycles_per_day=1.0)

    plan = make_plan(PlanRequest(warranted, price, 1.0))

    assert np.clip(plan.power_mw, 0, None).sum() / 0.9 == pytest.approx(2.0)


def test_capacity_promised_already_is_offered_at_the_least():
    price = np.array([10.0, 200.0])
    poor = CapacityProduct("regulation", Direction.DOWN, np.array([0.0, 0.0]), hours=0.1)

    plan = make_plan(
        PlanRequest(
            TWO_HOURS, price, 1.0, capacity=(poor,), wishes=(OfferAtLeast("regulation", 0, 0.4),)
        )
    )

    assert plan.capacity["regulation"].offered_mw[0] >= 0.4 - NEAR
    assert plan.power_mw[0] == pytest.approx(-0.6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"price": np.array([1.0, np.nan])}, "interval 1 is nan"),
        ({"price": np.array([])}, "0 values"),
        ({"available": np.ones(3)}, "available: 3 values, 2 asked for"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change: dict[str, object], words: str):
    good = {"battery": TWO_HOURS, "price": np.array([1.0, 2.0]), "step_h": 1.0}

    with pytest.raises(BadRequest, match=words):
        PlanRequest(**{**good, **change})  # type: ignore[arg-type]


@pytest.mark.parametrize("wish", [Hold(1, 5), Run(-1, 1.0), OfferAtLeast("fcr", 0, 1.0)])
def test_a_wish_for_what_is_not_there_is_refused_by_its_name(wish: Hold | Run | OfferAtLeast):
    with pytest.raises(BadRequest, match=wish.name):
        make_plan(PlanRequest(TWO_HOURS, np.array([1.0, 2.0]), 1.0, wishes=(wish,)))


def test_no_time_at_all_is_a_failure_that_says_so():
    price = np.sin(np.arange(500)) * 100

    with pytest.raises(PlanFailed, match="allow more time"):
        make_plan(PlanRequest(TWO_HOURS, price, 0.25, limit_s=0.0))


def test_each_interval_says_at_which_prices_the_battery_would_act():
    price = np.array([50.0, 10.0, 50.0, 100.0, 20.0])
    request = PlanRequest(replace(TWO_HOURS, wear_per_mwh=4.0), price, 1.0)
    plan = make_plan(request)

    reasons = explain(request, plan)

    for reason in reasons:
        if reason.power_mw > 0:
            assert reason.price >= reason.discharge_above - NEAR
            assert reason.words.en.startswith("discharges")
            assert "放电" in reason.words.zh
        elif reason.power_mw < 0:
            assert reason.price <= reason.charge_below + NEAR
            assert reason.words.en.startswith("charges")
        else:
            assert reason.charge_below - NEAR <= reason.price <= reason.discharge_above + NEAR
    assert {reason.words.en.split(" at ")[0].split(":")[0] for reason in reasons} == {
        "discharges",
        "charges",
        "stands still",
    }


def test_an_hour_of_rest_names_the_prices_at_which_it_would_act_and_the_better_hours():
    price = np.array([80.0, 10.0, 60.0, 100.0])
    request = PlanRequest(replace(TWO_HOURS, wear_per_mwh=4.0), price, 1.0)
    plan = make_plan(request)

    first, *_, last = explain(request, plan, times=("00:00", "03:00", "12:00", "18:00"))

    below, above = first.charge_below, first.discharge_above
    assert first.words.en.startswith(
        f"stands still: 80.00 is expected, more charging would pay below {below:.2f} and more "
        f"discharging above {above:.2f}; the plan buys next at 03:00 (10.00 expected) and sells "
        "next at 18:00 (100.00 expected); "
    )
    assert first.words.en.endswith("which makes a MWh in store worth 68.40 then")
    assert "计划下一次于 03:00 买入（预计 10.00）、18:00 卖出（预计 100.00）；" in first.words.zh
    assert "库存每 MWh 价值" in first.words.zh
    assert (last.power_mw > 0, last.later.en) == (True, "")


def test_a_day_on_which_nothing_pays_names_its_cheapest_and_dearest_hours():
    price = np.array([50.0, 48.0, 53.0])
    request = PlanRequest(replace(TWO_HOURS, wear_per_mwh=20.0), price, 1.0, end_value=45.0)
    plan = make_plan(request)

    first, second, _ = explain(request, plan, times=("00:00", "01:00", "02:00"))

    assert np.abs(plan.power_mw).max() < NEAR
    assert (
        "no later interval of the plan pays either: the cheapest is 01:00 (48.00 expected), the "
        "dearest 02:00 (53.00 expected)"
    ) in first.words.en
    assert "最低为 02:00（预计 53.00）" in second.words.zh
    assert first.short_of == pytest.approx(
        min(50.0 - first.charge_below, first.discharge_above - 50.0)
    )


def test_a_trader_can_reckon_a_reason_from_the_figures_in_it():
    price = np.array([10.0, 90.0, 100.0])
    battery = replace(TWO_HOURS, wear_per_mwh=4.0)
    request = PlanRequest(battery, price, 1.0)
    plan = make_plan(request)

    buys, _, sells = explain(request, plan, times=("03:00", "12:00", "18:00"))

    brings, costs = (100 - 4) * 0.81, 10 / 0.81 + 4
    assert (buys.charge_below, sells.discharge_above) == pytest.approx((brings, costs))
    assert buys.words.en == (
        "charges at 77.76 or less (10.00 expected): of each MWh bought 81.0% is sold again, at "
        "100.00 or more (18:00); less wear of 4.00 that brings 77.76 per MWh bought"
    )
    assert sells.words.en == (
        "discharges at 16.35 or more (100.00 expected): bought at 10.00 or less (03:00), 81.0% of "
        "it comes back, which with wear of 4.00 costs 16.35 per MWh sold"
    )
    assert buys.words.zh.endswith("扣除损耗成本 4.00，每买入 1 MWh 收益 77.76")
    assert sells.words.zh.endswith("计入损耗成本 4.00，每售出 1 MWh 成本 16.35")


def reason_of(request: PlanRequest, index: int):
    times = ("03:00", "09:00", "12:00", "18:00", "22:00")
    plan = make_plan(request)
    return explain(request, plan, times=times)[index], float(plan.energy_value[index])


def test_the_next_best_use_names_its_hour_in_both_languages():
    price = np.array([80.0, 75.0, 80.0, 100.0, 90.0])
    stored = replace(TWO_HOURS, wear_per_mwh=4.0, soc=0.8)

    still, worth = reason_of(PlanRequest(stored, price, 1.0), 1)

    # 1.11 of the 1.6 MWh are all that the power can sell at 18:00; the rest is sold at 22:00.
    assert (still.power_mw, worth) == (0.0, pytest.approx((90 - 4) * 0.9))
    assert still.discharge_why.en.startswith(
        "its next best use is a sale at 22:00 (90.00 expected), which makes a MWh in store worth "
        "77.40 then; 90.0% of it comes out"
    )
    assert still.charge_why.zh.startswith("次优用途为 22:00 售出（预计 90.00），届时库存每 MWh")


def test_a_purchase_that_is_spared_is_a_next_best_use_too_and_so_is_power_held_ready():
    price = np.array([20.0, 25.0, 30.0, 100.0, 20.0])
    empty = PlanRequest(TWO_HOURS, price, 1.0)
    held = CapacityProduct("regulation", Direction.BOTH, np.full(5, 60.0), hours=0.5)

    spared, worth = reason_of(empty, 2)
    ready, _ = reason_of(replace(empty, capacity=(held,)), 1)

    assert worth == pytest.approx(25.0 / 0.9)
    assert "is to spare a purchase at 09:00 (25.00 expected)" in spared.discharge_why.en
    assert "少在 09:00 买入（预计 25.00）" in spared.discharge_why.zh
    assert "with the power that is held ready at " in ready.discharge_why.en
    assert "的预留功率" in ready.discharge_why.zh


def test_energy_that_is_kept_says_what_it_is_kept_for():
    price = np.array([30.0, 32.0])
    empty = replace(TWO_HOURS, soc=0.0)
    kept, _ = explain(at_end := PlanRequest(empty, price, 1.0, end_value=50.0), make_plan(at_end))
    asked, _ = explain(
        wish := PlanRequest(empty, price, 1.0, wishes=(EndSoc(0.4),)), make_plan(wish)
    )

    assert kept.charge_below == pytest.approx(45.0)
    assert "kept to the end, where a MWh in store is worth 50.00; 90.0%" in kept.words.en
    assert asked.charge_below >= 30.0 - NEAR
    assert "an SOC is asked for at the end" in asked.words.en
    assert "期末要求的 SOC" in asked.words.zh


def test_three_kinds_of_market_never_promise_the_same_power_twice():
    spot = np.array([10.0, 12.0, 90.0, 110.0])
    local = SideMarket("local", np.array([30.0, 30.0, 95.0, 100.0]), most_mw=0.4)
    regulation = CapacityProduct("regulation", Direction.BOTH, np.full(4, 15.0), hours=0.25)

    plan = make_plan(
        PlanRequest(replace(TWO_HOURS, soc=0.5), spot, 1.0, capacity=(regulation,), side=(local,))
    )

    sold, held = plan.side_mw["local"], plan.capacity["regulation"].offered_mw
    assert (np.abs(plan.power_mw) + held <= 1.0 + NEAR).all()
    assert (np.abs(sold) <= np.minimum(np.abs(plan.power_mw), 0.4) + NEAR).all()
    assert sold[2] == pytest.approx(0.4)
    assert sold[3] == pytest.approx(0.0)
    money = plan.power_mw @ spot + sold @ (local.price - spot) + held.sum() * 15.0
    assert plan.revenue == pytest.approx(money)


def test_a_cheaper_place_beside_the_spot_market_is_no_reason_to_run_both_ways_at_once():
    spot = np.array([90.0, 95.0])
    local = SideMarket("local", np.array([10.0, 10.0]), most_mw=1.0)

    plan = make_plan(PlanRequest(TWO_HOURS, spot, 1.0, side=(local,)))

    assert plan.power_mw == pytest.approx([-1.0, 0.81])
    assert plan.side_mw["local"] == pytest.approx([-1.0, 0.0])
