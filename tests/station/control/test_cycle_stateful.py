"""Both loops, driven at random: faults, limits, requests and people, for thousands of seconds."""

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contract.schedule import Schedule
from station.control.issue import START
from station.control.picture import FastPicture
from station.dispatch.commands import ACTIVE_KW, SETPOINT
from station.dispatch.sources import AgcInputs, ManualSetpoint
from station.plant import PcsState
from station.protection import Done, load_rules, reset
from tests.station.control.test_cycle import SCHEDULE, T0, Run

RUNNING = (PcsState.RUNNING, PcsState.DERATED)
SECTIONS = {
    "primary_frequency": {"dead_band_hz": 0.05, "droop_pct": 2.0},
    "fast_frequency": {"hold_s": 3.0, "release_pct_per_s": 20.0},
    "centre": {"port": 0},
    "safe_state": {"after_s": 5, "power_kw": 0, "ramp_kw_per_s": 200},
}
RACK_KWH = 60.0
"""Small, so that racks run full and empty within a test."""
powers = st.integers(-25, 25).map(lambda n: 100.0 * n)
racks = st.sampled_from(["C1-R01", "C1-R02", "C2-R01", "C2-R02"])
converters = st.sampled_from(["C1-PCS", "C2-PCS"])


@dataclass(frozen=True)
class Said:
    """A fast reading."""

    device: str
    received_ms: int
    values: dict[str, float]


class Station(RuleBasedStateMachine):
    @initialize(soc=st.lists(st.floats(0.2, 0.8), min_size=4, max_size=4))
    def build(self, soc) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.run = Run(Path(self.folder.name), containers=2, **SECTIONS)
        self.run.state.wishes.schedules.days.clear()
        self.fast = FastPicture()
        self.at = 0
        names = ["C1-R01", "C1-R02", "C2-R01", "C2-R02"]
        self.soc = dict(zip(names, soc, strict=True))
        self.broken: set[str] = set()
        self.latched: set[object] = set()
        self.sent: list = []
        self.result = None
        self.pass_second()

    def teardown(self) -> None:
        self.folder.cleanup()

    # What happens to the station ------------------------------------------------------------

    @rule(count=st.integers(1, 15))
    def time_passes(self, count) -> None:
        for _ in range(count):
            self.pass_second()
            self.everything_holds()

    @rule(kw=powers)
    def a_schedule_comes(self, kw) -> None:
        kw = max(-2000.0, min(2000.0, kw))
        day = Schedule(SCHEDULE.date, SCHEDULE.timezone, 15, (kw,) * 96)
        self.run.state.wishes.schedules.put(day, "order-s", T0)

    @rule()
    def the_schedule_is_gone(self) -> None:
        self.run.state.wishes.schedules.days.clear()

    @rule(kw=powers, seconds=st.integers(1, 20))
    def a_person_decides(self, kw, seconds) -> None:
        until_ms = self.run.now_ms + 1000 * seconds
        self.run.state.wishes.manual = ManualSetpoint(kw, until_ms, "order-m")

    @rule(kw=powers | st.none(), alive=st.booleans())
    def the_centre_speaks(self, kw, alive) -> None:
        self.run.state.wishes.agc = AgcInputs(kw is not None, alive, kw)

    @rule(hz=st.sampled_from([50.0, 50.02, 49.9, 49.7, 50.3]))
    def the_frequency_moves(self, hz) -> None:
        self.run.plant.frequency_hz = hz

    @rule(rack=racks, amperes=st.sampled_from([0.0, 20.0, 150.0, 450.0]))
    def a_battery_limits_its_current(self, rack, amperes) -> None:
        limits = {"charge_current_limit_a": amperes, "discharge_current_limit_a": amperes}
        self.run.plant.rack.setdefault(rack, {}).update(limits)

    @rule(rack=racks, celsius=st.sampled_from([25.0, 48.0, 70.0]))
    def a_cell_warms(self, rack, celsius) -> None:
        self.run.plant.rack.setdefault(rack, {})["cell_temperature_max_c"] = celsius

    @rule(rack=racks)
    def a_rack_falls_silent_or_speaks_again(self, rack) -> None:
        self.run.plant.silent ^= {rack}

    @rule(state=st.sampled_from([0, 0, 0, 1, 2]))
    def the_fire_panel_says(self, state) -> None:
        self.run.plant.fire_state = state

    @rule(tag=converters)
    def a_converter_trips(self, tag) -> None:
        self.broken.add(tag)
        self.run.plant.pcs[tag] = {"pcs_state": PcsState.FAULT}
        self.run.plant.power[tag] = 0.0
        self.say(tag, pcs_state=float(PcsState.FAULT))
        self.act()
        assert not [c for c in self.sent if c.device == tag and c.point == SETPOINT]

    @rule(tag=converters)
    def a_converter_is_mended(self, tag) -> None:
        self.broken.discard(tag)

    @rule()
    def somebody_resets(self) -> None:
        protection, outcome = reset(
            self.run.state.protection, "station", self.run.now_ms, load_rules()
        )
        self.run.state.protection = protection
        if isinstance(outcome, Done):
            self.latched = set(protection.latched)

    # How the plant answers ------------------------------------------------------------------

    def say(self, device: str, **values: float) -> None:
        self.fast.update(Said(device, self.run.now_ms + 1, values))

    def act(self) -> None:
        """Make a pass of the fast loop."""
        now = self.run.cycle.instant(self.run.now_ms + 1, self.run.now_ms + 1)
        step = self.run.cycle.act(self.fast, now)
        self.sent = [] if step is None else list(step.issued)
        self.carry_out(self.sent, self.run.now_ms + 2)

    def pass_second(self) -> None:
        self.follow_batteries()
        ms = T0 + self.at * 1000
        self.at += 1
        self.run.now_ms = now_ms = ms + 500
        self.run.plant.second(ms)
        image = self.run.plant.image.freeze(now_ms, now_ms)
        cycle = self.run.cycle
        now = cycle.instant(now_ms, now_ms)
        protected = cycle.protect(image, now)
        self.result = cycle.plan_second(image, protected, now, self.fast)
        self.sent = [*protected.commands, *self.result.issued]
        self.carry_out(self.sent, now_ms + 10)
        self.say("METER", frequency_hz=self.run.plant.frequency_hz)
        self.act()

    def carry_out(self, commands, at_ms: int) -> None:
        plant = self.run.plant
        for command in commands:
            tag, place = command.device, (command.device, command.point)
            match command.point:
                case "open_contactor" | "close_contactor":
                    closed = int(command.point == "close_contactor")
                    plant.rack.setdefault(tag, {})["contactor_closed"] = closed
                case "stop":
                    plant.pcs[tag] = {"pcs_state": PcsState.STANDBY}
                    plant.power[tag] = 0.0
                case "start" if tag not in self.broken:
                    plant.pcs.pop(tag, None)
                case point if point == SETPOINT:
                    assert self.state_of(tag) in RUNNING
                    self.run.cycle.points[place].accept(at_ms)
                    plant.power[tag] = command.value

    def state_of(self, tag: str) -> PcsState:
        return PcsState(self.run.plant.pcs.get(tag, {}).get("pcs_state", PcsState.RUNNING))

    def follow_batteries(self) -> None:
        for tag, kw in self.run.plant.power.items():
            closed = [r for r in self.soc if r[:2] == tag[:2] and self.is_closed(r)]
            for rack in closed:
                self.soc[rack] -= kw / len(closed) / 3600 / RACK_KWH
        for rack, soc in self.soc.items():
            self.run.plant.rack.setdefault(rack, {})["soc"] = min(1.0, max(0.0, soc))

    def is_closed(self, rack: str) -> bool:
        return bool(self.run.plant.rack.get(rack, {}).get("contactor_closed", 1))

    # What must always hold ------------------------------------------------------------------

    @invariant()
    def everything_holds(self) -> None:
        if self.result is None:
            return
        limits = self.result.plan.limits
        running = [tag for tag in self.run.plant.power if self.state_of(tag) in RUNNING]
        followed = {tag: self.run.cycle.points[tag, SETPOINT].in_force for tag in running}
        powers_kw = {tag: c.value for tag, c in followed.items() if c is not None}
        for tag, kw in powers_kw.items():
            bound = limits.converters[tag].discharge if kw > 0 else limits.converters[tag].charge
            if tag in self.followers():
                assert abs(kw) <= bound.kw + 1.0 + ACTIVE_KW, (tag, kw, bound)
        self.no_two_converters_oppose_each_other(powers_kw)
        self.nothing_latched_has_cleared()

    def followers(self) -> set[str]:
        """Converters that ran when the plan was made, and which the station may command."""
        plan = self.result.plan
        able = {c.converter.device for c in plan.plant.containers if c.converter.available}
        return (able & plan.known) - self.result.verdict.held

    def no_two_converters_oppose_each_other(self, powers_kw) -> None:
        held = self.result.verdict.held
        signs = {
            math.copysign(1, kw)
            for tag, kw in powers_kw.items()
            if abs(kw) > 1.0 + ACTIVE_KW and tag not in held
        }
        assert len(signs) < 2, powers_kw

    def nothing_latched_has_cleared(self) -> None:
        now = set(self.run.state.protection.latched)
        assert self.latched <= now, self.latched - now
        self.latched = now

    @invariant()
    def a_held_converter_is_neither_started_nor_given_power(self) -> None:
        if self.result is None:
            return
        for command in self.sent:
            if command.device in self.result.verdict.held:
                assert command.point not in (SETPOINT, START), command

    @invariant()
    def no_battery_leaves_its_band(self) -> None:
        if self.result is None:
            return
        # One cycle at rated power moves a rack of this size by half a per cent.
        assert all(0.04 <= soc <= 0.96 for soc in self.soc.values()), self.soc


TestStation = Station.TestCase
# Without shrinking: a course of hundreds of seconds takes longer to shorten than to read.
TestStation.settings = settings(
    max_examples=15, stateful_step_count=30, deadline=None, phases=(Phase.generate,)
)
