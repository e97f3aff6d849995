"""The whole room, driven at random: plants, limits, faults and requests for thousands of steps."""

import datetime as dt
import math
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from contract.limits import LimitReason
from contract.schedule import Schedule
from station.dispatch.decide import decide
from station.dispatch.handover import HandoverSettings
from station.dispatch.proposal import SHIFTING, Bounds
from station.dispatch.room import DispatchInputs, DispatchMemory, DispatchSettings, Outcome
from station.dispatch.schedule import ScheduleBook
from station.dispatch.sources import (
    AgcInputs,
    AgcSettings,
    ConnectionSettings,
    FastSettings,
    ManualSetpoint,
    PrimarySettings,
    SafeSettings,
    SelfTestMemory,
    SelfTestSettings,
)
from station.dispatch.split import LossCurve, SplitResult, SplitUnit, resplit, split

DAY = dt.date(2026, 11, 24)
START_MS = Schedule(DAY, "Asia/Shanghai", 15, (0.0,) * 96).start_ms
RATED_KW = 3000.0
ENERGY_KWH = 200.0
"""Small, so that batteries run full and empty within a test."""
REST_STEPS = 80
"""Longer than every hold time and ramp of these settings together."""
NO_POWER_KW = 1e-9
"""What rounding leaves: a converter with so little sleeps if it may."""
powers = st.integers(-35, 35).map(lambda n: 100.0 * n)

SETTINGS = DispatchSettings(
    safe=SafeSettings(after_s=10.0, power_kw=0.0, ramp_kw_per_s=300.0),
    handover=HandoverSettings(rate_kw_per_s=500.0),
    self_test=SelfTestSettings(rated_kw=RATED_KW, settle_s=4.0, stay_s=1.0),
    agc=AgcSettings(hold_s=5.0),
    primary=PrimarySettings(rated_kw=RATED_KW, recovery_pct=0.0),
    fast=FastSettings(rated_kw=RATED_KW, hold_s=5.0, release_pct_per_s=20.0),
    connection=ConnectionSettings(peak_kw=4000.0, feed_in_kw=2500.0),
)


class Room(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 0
        self.memory = DispatchMemory()
        self.book = ScheduleBook()
        self.manual: ManualSetpoint | None = None
        self.agc: AgcInputs | None = None
        self.frequency_hz = 50.0
        self.rest_kw = 0.0
        self.outcome: Outcome | None = None
        self.found: SplitResult | None = None
        self.units: list[SplitUnit] = []
        self.before_kw = self.kept_kw = self.delivered_kwh = self.lost_kwh = self.begun_kwh = 0.0

    @initialize(
        plant=st.lists(
            st.tuples(
                st.sampled_from([500.0, 1000.0]),
                st.floats(0.2, 0.8),
                st.sampled_from([100.0, 400.0, math.inf]),
                st.sampled_from([0.0, 50.0]),
                st.booleans(),
            ),
            min_size=1,
            max_size=5,
        )
    )
    def build(self, plant) -> None:
        for number, (rated, soc, ramp, least, sleeps) in enumerate(plant):
            curve = LossCurve.of_rating(rated)
            unit = SplitUnit(
                f"C{number}", rated, rated, curve, soc, 25.0, least, ramp, may_sleep=sleeps
            )
            self.units.append(unit)
        self.limits = {unit.device: (unit.charge_kw, unit.discharge_kw) for unit in self.units}
        self.begun_kwh = self.stored_kwh()
        self.step()

    def stored_kwh(self) -> float:
        return math.fsum(unit.soc * ENERGY_KWH for unit in self.units)

    def limited(self) -> None:
        """Let full batteries take nothing more and empty ones give nothing more."""
        for number, unit in enumerate(self.units):
            charge, discharge = self.limits[unit.device]
            self.units[number] = replace(
                unit,
                charge_kw=charge if unit.soc < 0.98 else 0.0,
                discharge_kw=discharge if unit.soc > 0.02 else 0.0,
            )

    def bounds(self) -> Bounds:
        able = [unit for unit in self.units if unit.available]
        low = math.fsum(unit.charge_kw for unit in able)
        high = math.fsum(unit.discharge_kw for unit in able)
        reason = LimitReason.SOC_BAND
        return Bounds(-min(RATED_KW, low), min(RATED_KW, high), reason, reason)

    def step(self, *, battery: bool = True) -> None:
        self.now_ms += 1000
        self.limited()
        self.before_kw = 0.0 if self.found is None else self.found.power_kw
        self.kept_kw = math.fsum(
            max(-unit.charge_kw, min(unit.discharge_kw, unit.power_kw)) * unit.available
            for unit in self.units
        )
        wall_ms = START_MS + self.now_ms
        inputs = DispatchInputs(
            bounds=self.bounds(),
            wall_ms=wall_ms,
            effect_ms=wall_ms,
            schedules=self.book,
            manual=self.manual,
            agc=self.agc,
            frequency_hz=self.frequency_hz,
            meter_kw=self.rest_kw + self.before_kw,
            own_kw=self.before_kw,
            soc=0.5,
        )
        self.outcome, self.memory = decide(SETTINGS, self.memory, inputs, self.now_ms)
        self.found = split(self.outcome.power_kw, self.units)
        self.take(self.found, 1.0 if battery else 0.0)

    def take(self, found: SplitResult, seconds: float) -> None:
        """Let the batteries give what was divided, losses included."""
        hours = seconds / 3600
        self.delivered_kwh += found.power_kw * hours
        self.lost_kwh += found.loss_kw * hours
        for number, unit in enumerate(self.units):
            kw = found.powers[unit.device]
            awake = abs(kw) > NO_POWER_KW or (unit.available and not unit.may_sleep)
            dc_kw = kw + (unit.curve.loss_kw(kw) if awake else 0.0)
            self.units[number] = replace(
                unit,
                soc=unit.soc - dc_kw * hours / ENERGY_KWH,
                power_kw=kw,
                active=bool(kw),
            )

    @rule(count=st.integers(1, 20))
    def time_passes(self, count) -> None:
        for _ in range(count):
            self.step()
            self.everything_holds()

    @rule(kw=powers)
    def a_schedule_arrives(self, kw) -> None:
        limited = max(-RATED_KW, min(RATED_KW, kw))
        self.book.put(Schedule(DAY, "Asia/Shanghai", 15, (limited,) * 96), "order-s", START_MS)
        self.step()

    @rule()
    def the_schedule_ends(self) -> None:
        self.book.days.clear()
        self.step()

    @rule(kw=powers, seconds=st.integers(1, 15))
    def a_person_decides(self, kw, seconds) -> None:
        until_ms = START_MS + self.now_ms + 1000 * seconds
        self.manual = ManualSetpoint(kw, until_ms, "order-m")
        self.step()

    @rule(kw=powers | st.none(), alive=st.booleans(), in_control=st.booleans())
    def the_centre_speaks(self, kw, alive, in_control) -> None:
        self.agc = AgcInputs(in_control, alive, kw)
        self.step()

    @rule(hz=st.sampled_from([50.0, 49.97, 49.9, 49.7, 50.1, 50.3, math.nan]))
    def the_frequency_moves(self, hz) -> None:
        self.frequency_hz = hz
        self.step()

    @rule(kw=st.integers(-50, 30).map(lambda n: 100.0 * n))
    def the_load_behind_the_meter_changes(self, kw) -> None:
        self.rest_kw = kw
        self.step()

    @rule(data=st.data(), part=st.sampled_from([0.0, 0.3, 1.0]))
    def a_limit_changes(self, data, part) -> None:
        unit = data.draw(st.sampled_from(self.units))
        rated = {u.device: u.curve.fixed_kw / 0.003 for u in self.units}[unit.device]
        self.limits[unit.device] = data.draw(
            st.sampled_from([(part * rated, rated), (rated, part * rated), (part * rated,) * 2])
        )
        self.step()

    @rule(data=st.data())
    def a_converter_trips(self, data) -> None:
        unit = data.draw(st.sampled_from(self.units))
        number = self.units.index(unit)
        wanted_kw = self.found.asked_kw

        at_once = resplit(
            self.found, [u.device for u in self.units if not u.available or u is unit]
        )

        assert at_once.powers[unit.device] == 0
        room = math.fsum(
            (u.discharge_kw if wanted_kw >= 0 else u.charge_kw)
            for u in self.units
            if u.available and u is not unit
        )
        assert abs(at_once.power_kw) == pytest.approx(min(abs(wanted_kw), room), abs=1e-6)
        self.units[number] = replace(unit, available=False, power_kw=0.0, active=False)
        self.step()

    @rule()
    @precondition(lambda self: any(not unit.available for unit in self.units))
    def converters_come_back(self) -> None:
        self.units = [replace(unit, available=True) for unit in self.units]
        self.step()

    @rule()
    def a_self_test_is_ordered(self) -> None:
        self.memory = replace(self.memory, self_test=SelfTestMemory("order-t"))
        self.step()

    @rule()
    def everything_stands_still_and_so_does_the_power(self) -> None:
        """With constant inputs no two sources pull the power to and fro."""
        seen = []
        for _ in range(REST_STEPS):
            self.step(battery=False)
            self.everything_holds()
            seen.append((self.outcome.power_kw, self.outcome.decision.source, self.found.powers))

        last = seen[-10:]
        assert len({source for _, source, _ in last}) == 1
        assert max(kw for kw, _, _ in last) - min(kw for kw, _, _ in last) < 1e-6
        assert all(powers == pytest.approx(last[-1][2], abs=1e-6) for _, _, powers in last)

    @invariant()
    def everything_holds(self) -> None:
        if self.found is None:
            return
        decision, found = self.outcome.decision, self.found
        bounds = self.bounds()
        assert decision.low_kw - 1e-9 <= self.outcome.power_kw <= decision.high_kw + 1e-9
        self.the_sum_keeps_its_limits(decision.low_kw, decision.high_kw)
        for unit in self.units:
            kw = found.powers[unit.device]
            assert unit.available or kw == 0
            charge, discharge = self.limits[unit.device]
            assert -charge - 1e-6 <= kw <= discharge + 1e-6
        assert not (min(found.powers.values()) < -1e-9 and max(found.powers.values()) > 1e-9)
        assert bounds.low_kw <= 0 <= bounds.high_kw
        for one in decision.steps:
            if one.source in SHIFTING:
                assert abs(one.granted_kw) <= abs(one.asked_shift_kw) + 1e-9

    def the_sum_keeps_its_limits(self, low_kw: float, high_kw: float) -> None:
        """Beyond a limit that has just moved, the sum comes back by the ramp in each step.

        What is left of the last step's power once tripped units and tightened limits are taken
        off it is where the sum comes from.
        """
        kw, before_kw = self.found.power_kw, self.kept_kw
        ramp_kw = min(unit.ramp_kw for unit in self.units)
        for excess, before in (
            (kw - high_kw, before_kw - high_kw),
            (low_kw - kw, low_kw - before_kw),
        ):
            assert excess <= max(0.0, before - ramp_kw) + 1e-6

    @invariant()
    def energy_balances(self) -> None:
        if self.units:
            given_kwh = self.begun_kwh - self.stored_kwh()
            assert given_kwh == pytest.approx(self.delivered_kwh + self.lost_kwh, abs=1e-6)


TestRoom = Room.TestCase
TestRoom.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
