import datetime as dt
import math
from dataclasses import replace

import pytest

from contract.limits import LimitReason
from contract.schedule import Schedule
from station.dispatch.control_mode import ControlMode
from station.dispatch.decide import decide
from station.dispatch.handover import HandoverSettings
from station.dispatch.proposal import Bounds, Source
from station.dispatch.regulation import RegulationSignal
from station.dispatch.room import DispatchInputs, DispatchMemory, DispatchSettings
from station.dispatch.schedule import ScheduleBook
from station.dispatch.sources import (
    AgcInputs,
    AgcSettings,
    BalancingSettings,
    ConnectionSettings,
    FastSettings,
    ManualSetpoint,
    PrimarySettings,
    ReactiveMode,
    ReactiveSettings,
    Reserve,
    SafeSettings,
    SelfTestMemory,
    SelfTestOutcome,
    SelfTestSettings,
)

DAY = Schedule(dt.date(2026, 11, 24), "Asia/Shanghai", 15, (400.0,) * 96)
SETTINGS = DispatchSettings(
    safe=SafeSettings(after_s=10.0, power_kw=0.0, ramp_kw_per_s=100.0),
    handover=HandoverSettings(rate_kw_per_s=100.0),
    self_test=SelfTestSettings(rated_kw=1000.0, settle_s=10.0, stay_s=2.0),
    agc=AgcSettings(hold_s=5.0),
    primary=PrimarySettings(rated_kw=1000.0),
    fast=FastSettings(rated_kw=1000.0),
)


class Station:
    """Steps `decide` once a second and lets the meter follow."""

    def __init__(self, settings: DispatchSettings = SETTINGS, **inputs: object) -> None:
        self.settings = settings
        self.memory = DispatchMemory()
        self.second = 0
        self.inputs = DispatchInputs(
            Bounds(-1000.0, 1000.0), 0, 0, ScheduleBook(), frequency_hz=50.0, soc=0.5
        )
        self.inputs = replace(self.inputs, **inputs)
        self.own_kw = 0.0

    def schedule(self) -> "Station":
        self.inputs.schedules.put(DAY, "order-1", DAY.start_ms)
        return self

    def step(self, count: int = 1, **changes: object):
        self.inputs = replace(self.inputs, **changes)
        for _ in range(count):
            wall_ms = DAY.start_ms + 1000 * self.second
            rest_kw = self.inputs.meter_kw if math.isfinite(self.inputs.meter_kw) else 0.0
            seen = replace(
                self.inputs,
                wall_ms=wall_ms,
                effect_ms=wall_ms,
                meter_kw=rest_kw + self.own_kw,
                own_kw=self.own_kw,
            )
            outcome, self.memory = decide(self.settings, self.memory, seen, 1000 * self.second)
            self.own_kw = outcome.power_kw
            self.second += 1
        return outcome


def test_a_new_station_without_orders_drives_nothing():
    outcome = Station().step()

    assert (outcome.drives, outcome.mode, outcome.alone) == (False, ControlMode.IDLE, True)


def test_the_schedule_is_followed_at_the_meter_with_the_regulation_on_top():
    station = Station(regulation=RegulationSignal((0.5,), 100.0, 4.0)).schedule()

    outcome = station.step()

    assert (outcome.power_kw, outcome.scheduled_kw, outcome.regulation_kw) == (450.0, 400.0, 50.0)
    assert (outcome.mode, outcome.follows_meter, outcome.drives) == (
        ControlMode.SCHEDULE,
        True,
        True,
    )


def test_the_regulation_is_told_only_where_there_is_a_schedule_and_a_signal():
    signal = RegulationSignal((0.5,), 100.0, 4.0)

    assert Station(regulation=signal).step().regulation_kw is None
    assert Station().schedule().step().regulation_kw is None


@pytest.mark.parametrize("high_kw", [1000.0, -980.0])
def test_schedule_regulation_and_frequency_response_add_up_to_what_is_asked(high_kw):
    station = Station(regulation=RegulationSignal((-0.5,), 100.0, 4.0)).schedule()

    outcome = station.step(frequency_hz=49.9, bounds=Bounds(-1000.0, high_kw))

    decision = outcome.decision
    parts = (outcome.scheduled_kw, outcome.regulation_kw, decision.asked_shift_kw)
    assert parts[:2] == (400.0, -50.0)
    assert decision.asked_shift_kw > 40.0
    assert decision.asked_kw == pytest.approx(sum(parts))
    assert (decision.shift_kw < decision.asked_shift_kw) is (high_kw < 0)


def test_a_person_takes_over_smoothly_and_hands_back():
    station = Station().schedule()
    station.step()
    manual = ManualSetpoint(0.0, DAY.start_ms + 8000, "order-2")

    moving = station.step(manual=manual)
    there = station.step(4)
    back = station.step(5)

    assert (moving.power_kw, moving.ramping, moving.binding) == (300.0, True, LimitReason.RAMP)
    assert (there.power_kw, there.mode) == (0.0, ControlMode.MANUAL)
    assert back.mode is ControlMode.SCHEDULE
    assert back.power_kw == 300.0


def test_a_schedule_that_ends_is_held_and_then_the_station_falls_to_its_safe_power():
    station = Station().schedule()
    station.step()
    station.inputs.schedules.days.clear()

    holding = station.step(9)
    assert (holding.power_kw, holding.mode) == (400.0, ControlMode.SCHEDULE)
    assert holding.decision.source is Source.SAFE_STATE

    falling = station.step(10)
    assert (falling.power_kw, falling.mode) == (0.0, ControlMode.SAFE_STATE)
    assert falling.follows_meter is False


def test_the_centre_outranks_the_schedule_and_the_schedule_comes_back_when_it_is_lost():
    station = Station().schedule()
    station.step()

    led = station.step(10, agc=AgcInputs(True, True, -300.0))
    held = station.step(4, agc=AgcInputs(True, False, None))
    back = station.step(10)

    assert (led.power_kw, led.mode) == (-300.0, ControlMode.AGC)
    assert held.power_kw == -300.0
    assert (back.power_kw, back.mode) == (400.0, ControlMode.SCHEDULE)


def test_a_lost_centre_with_nobody_behind_it_leads_no_more_while_its_power_is_held():
    station = Station()

    led = station.step(10, agc=AgcInputs(True, True, -300.0))
    held = station.step(4, agc=AgcInputs(True, False, None))
    handed_back = station.step(10)

    assert [one.power_kw for one in (led, held, handed_back)] == [-300.0] * 3
    assert [one.mode for one in (led, held, handed_back)] == [
        *(ControlMode.AGC, ControlMode.AGC, ControlMode.IDLE),
    ]


def test_frequency_response_rides_on_whoever_decides():
    station = Station().schedule()
    station.step()

    outcome = station.step(frequency_hz=49.85)

    assert outcome.power_kw == pytest.approx(500.0)
    assert outcome.decision.source is Source.SCHEDULE


def test_frequency_response_wakes_a_station_that_nobody_told_anything():
    outcome = Station().step(frequency_hz=49.85)

    assert outcome.drives
    assert outcome.power_kw == pytest.approx(100.0)
    assert outcome.decision.source is Source.PRIMARY_FREQUENCY


def test_a_feed_in_limit_at_the_meter_holds_against_schedule_and_response():
    settings = replace(SETTINGS, connection=ConnectionSettings(feed_in_kw=150.0))
    station = Station(settings, meter_kw=-100.0).schedule()

    outcome = station.step(frequency_hz=49.0)

    assert outcome.power_kw == 250.0
    assert outcome.binding is LimitReason.FEED_IN_LIMIT


def test_reactive_power_with_priority_bounds_the_schedule():
    settings = replace(
        SETTINGS,
        reactive=ReactiveSettings(ReactiveMode.FIXED, fixed_kvar=480.0, active_first=False),
    )
    station = Station(settings, apparent_kva=500.0).schedule()

    outcome = station.step()

    assert outcome.kvar == 480.0
    assert outcome.power_kw == pytest.approx(140.0)


def test_a_self_test_runs_through_when_nobody_else_decides():
    station = Station()
    station.memory = replace(station.memory, self_test=SelfTestMemory("order-9"))

    station.step(2)
    assert station.memory.mode is ControlMode.SELF_TEST
    station.step(30)

    assert station.memory.self_test.outcome is SelfTestOutcome.PASSED


def test_a_self_test_gives_way_to_the_centre_and_to_the_frequency():
    for changes in ({"agc": AgcInputs(True, True, 100.0)}, {"frequency_hz": 49.85}):
        station = Station()
        station.memory = replace(station.memory, self_test=SelfTestMemory("order-9"))
        station.step(2)

        station.step(2, **changes)

        assert station.memory.self_test.outcome is SelfTestOutcome.ABORTED


def test_an_idle_station_balances_where_its_owner_has_allowed_it():
    settings = replace(SETTINGS, balancing=BalancingSettings(allowed=True, idle_s=5.0))
    uneven = {"A": Reserve(0.6, 1000, 1000), "B": Reserve(0.5, 1000, 1000)}
    station = Station(settings, containers=uneven)

    idle = station.step(10)
    working = station.schedule().step()

    assert idle.transfer == {"A": 50.0, "B": -50.0}
    assert working.transfer == {}


def test_the_fast_loop_gets_the_same_course_in_finer_steps():
    def course(step_ms: int) -> float:
        book, memory = ScheduleBook(), DispatchMemory()
        book.put(DAY, "order-1", DAY.start_ms)
        for now_ms in range(0, 3001, step_ms):
            wall_ms = DAY.start_ms + now_ms
            manual = ManualSetpoint(0.0, wall_ms + 9000, "order-2") if now_ms >= 1000 else None
            inputs = DispatchInputs(
                Bounds(-1000.0, 1000.0), wall_ms, wall_ms, book, manual=manual, frequency_hz=50.0
            )
            outcome, memory = decide(SETTINGS, memory, inputs, now_ms)
        return outcome.power_kw

    assert course(50) == pytest.approx(course(1000), abs=100.0)
