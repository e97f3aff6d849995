"""Whole cycles on a plant that follows its set-points: what comes out at the meter."""

import math

import pytest

from contract.layouts import DISPATCH
from contract.limits import LimitReason
from contract.schedule import Schedule
from station.alarms import limit_condition
from station.control.cycle import ControlCycle, ControlState
from station.control.issue import START
from station.control.picture import FastPicture
from station.dispatch.commands import REACTIVE, SETPOINT, CommandState
from station.dispatch.control_mode import ControlMode
from station.dispatch.proposal import Source
from station.dispatch.regulation import RegulationSignal
from station.dispatch.sources import ManualSetpoint
from station.protection import LimitMargins, ProtectionSettings
from station.station_row import StationFacts, dispatch_values, limit_values
from station.tracking_error import TrackingError
from tests.station.plant_samples import sample
from tests.station.site import Plant, site_config

SCHEDULE = Schedule.from_payload(
    {
        "date": "2026-11-24",
        "timezone": "Asia/Shanghai",
        "interval_min": 15,
        "power_kw": [400.0, -600.0, 5000.0, *[0.0] * 93],
    }
)
T0 = SCHEDULE.start_ms


def settings(config) -> ProtectionSettings:
    """The shipped rules with this site's margins."""
    site = config.station
    return ProtectionSettings.shipped(
        LimitMargins(
            rated_power_kw=site.rated_power_kw,
            soc_min=site.soc_min,
            soc_max=site.soc_max,
            **config.limits.model_dump(),
        )
    )


class Run:
    """The controller's cycle and a plant that follows a command in the next second."""

    def __init__(self, tmp_path, containers: int = 1, regulation=None, **sections: dict) -> None:
        self.config = site_config(tmp_path, containers, **sections)
        self.plant = Plant(self.config)
        self.state = ControlState()
        self.state.wishes.schedules.put(SCHEDULE, "order-1", T0)
        self.cycle = ControlCycle(self.config, settings(self.config), regulation, self.state)
        self.error = TrackingError(self.config.station.rated_power_kw)
        self.follows = True
        self.starts = False
        self.commands = []
        self.changed = []
        self.now_ms = T0
        self.fast = FastPicture()

    def seconds(self, first: int, last: int):
        """Run cycles from second `first` to `last` after midnight; return the last result."""
        for second in range(first, last):
            self.now_ms = now_ms = T0 + second * 1000 + 500
            self.plant.second(T0 + second * 1000)
            image = self.plant.image.freeze(now_ms, now_ms)
            now = self.cycle.instant(now_ms, now_ms)
            protected = self.cycle.protect(image, now)
            self.carry_out(protected.commands, now_ms + 5)
            result = self.cycle.plan_second(image, protected, now, self.fast)
            self.error.add(image.get("METER", "meter"), self.cycle.wanted)
            self.changed += result.changed
            self.carry_out(result.issued, now_ms + 10)
            # The fast loop has its passes too; the last one before the second ends is enough.
            late_ms = T0 + second * 1000 + 900
            step = self.cycle.act(self.fast, self.cycle.instant(late_ms, late_ms))
            self.carry_out(step.issued, late_ms + 10)
        return result

    def carry_out(self, commands, at_ms: int) -> None:
        for command in commands:
            self.commands.append(command)
            if command.point == "open_contactor":
                self.plant.rack.setdefault(command.device, {})["contactor_closed"] = 0
            if command.point == "stop":
                self.plant.pcs.setdefault(command.device, {})["pcs_state"] = 1
                self.plant.power[command.device] = 0.0
            if command.point == START and self.starts:
                self.plant.pcs.pop(command.device, None)
            if command.point not in (SETPOINT, REACTIVE):
                continue
            place = command.device, command.point
            self.changed += self.cycle.points[place].accept(at_ms)
            self.error.accepted(at_ms)
            if self.follows and command.point == SETPOINT:
                self.plant.power[command.device] = command.value

    @property
    def meter_kw(self) -> float:
        return sum(self.plant.power.values()) - self.plant.losses_kw


def test_the_meter_shows_the_schedule_not_the_converter(tmp_path):
    run = Run(tmp_path)

    run.seconds(0, 60)

    assert run.meter_kw == pytest.approx(400.0, abs=1.0)
    assert run.plant.power["C1-PCS"] == pytest.approx(420.0, abs=1.0)


def test_a_step_of_the_schedule_is_followed_in_its_own_second(tmp_path):
    run = Run(tmp_path)
    run.seconds(0, 899)
    before = run.meter_kw

    run.seconds(899, 900)

    assert before == pytest.approx(400.0, abs=1.0)
    assert run.meter_kw == pytest.approx(-600.0, abs=1.0)
    assert run.error.report()["rms_error_pct_of_rated"] < 0.5


def test_schedule_and_regulation_together_stay_within_two_percent(tmp_path):
    signal = RegulationSignal((0.3, 0.5, -0.2, -0.4, 0.1), capacity_kw=100, period_s=4)
    run = Run(tmp_path, containers=2, regulation=signal)

    run.seconds(0, 1200)
    report = run.error.report()

    assert report["n"] > 1100
    assert report["rms_error_pct_of_rated"] < 2.0


def test_the_rows_of_a_second_add_up_to_what_was_asked(tmp_path):
    signal = RegulationSignal((0.9,), capacity_kw=100, period_s=4)
    facts = StationFacts(
        link_up=True, queued_batches=0, cycle_ms=1.0, devices_stale=0, alarm_bits=0
    )
    run = Run(tmp_path, regulation=signal, primary_frequency={"droop_pct": 5.0})
    run.plant.frequency_hz = 49.9

    result = run.seconds(0, 5)
    row = dispatch_values(result, facts)

    assert row.keys() == {column.signal.name for column in DISPATCH.columns}
    assert (row["dispatch_source"], row["regulation_power_kw"]) == (Source.SCHEDULE, 90.0)
    assert row["frequency_request_kw"] == row["frequency_response_kw"] > 0
    assert row["asked_power_kw"] == pytest.approx(
        400.0 + row["regulation_power_kw"] + row["frequency_request_kw"]
    )


def test_power_beyond_what_racks_allow_is_cut_and_says_which_limit(tmp_path):
    run = Run(tmp_path)
    run.plant.rack["C1-R02"] = {"discharge_current_limit_a": 50.0}

    result = run.seconds(0, 30)

    allowed_kw = 50.0 * 1372.8 / 1000 / 0.5
    assert run.plant.power["C1-PCS"] < allowed_kw
    assert result.plan.limits.discharge.reason is LimitReason.RACK_CURRENT
    assert result.plan.limits.discharge.device == "C1-R02"
    assert run.commands[-1].bound_by == "rack current limit (BMS)"
    assert run.error.report()["n_with_start"] > 0


def test_a_limit_that_falls_is_obeyed_in_the_same_cycle(tmp_path):
    run = Run(tmp_path)
    run.seconds(0, 30)
    run.plant.rack["C1-R01"] = {"discharge_current_limit_a": 0.0}

    run.seconds(30, 31)

    assert run.plant.power["C1-PCS"] == 0.0


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda p: setattr(p, "fire_state", 2), LimitReason.FIRE),
        (lambda p: setattr(p, "insulation_alarms", 2), LimitReason.INSULATION),
        (lambda p: p.silent.update({"C1-R01", "C1-R02"}), LimitReason.STALE_DATA),
    ],
)
def test_fire_insulation_and_a_silent_bms_bring_the_power_to_zero(tmp_path, spoil, reason):
    run = Run(tmp_path)
    run.seconds(0, 30)
    spoil(run.plant)

    result = run.seconds(30, 40)

    assert run.plant.power["C1-PCS"] == 0.0
    assert result.plan.limits.discharge.reason is reason


def test_the_other_container_takes_over_when_one_may_not(tmp_path):
    run = Run(tmp_path, containers=2)
    run.plant.rack["C1-R01"] = {"soc": 0.05}

    run.seconds(0, 60)

    assert run.plant.power["C1-PCS"] == 0.0
    assert run.meter_kw == pytest.approx(400.0, abs=2.0)


def test_a_converter_in_fault_gets_no_set_point_and_none_is_counted_as_undelivered(tmp_path):
    run = Run(tmp_path, containers=2)
    run.seconds(0, 30)
    run.plant.pcs["C1-PCS"] = {"pcs_state": 4, "active_power_kw": 0.0}
    run.plant.power["C1-PCS"] = 0.0
    sent = len(run.commands)

    result = run.seconds(30, 60)

    later = [c.point for c in run.commands[sent:] if c.device == "C1-PCS"]
    assert later == [START]
    assert result.plan.limits.converters["C1-PCS"].discharge.reason is LimitReason.PCS_UNAVAILABLE
    assert run.meter_kw == pytest.approx(400.0, abs=2.0)


def test_a_converter_in_standby_is_started_and_not_every_second(tmp_path):
    run = Run(tmp_path)
    run.plant.pcs["C1-PCS"] = {"pcs_state": 1}

    run.seconds(0, 45)

    assert [c.point for c in run.commands] == [START, START]


def test_a_tripped_converter_is_restarted_a_few_times_an_hour_and_then_left_to_people(tmp_path):
    run = Run(tmp_path, control={"restarts_per_hour": 2})
    run.plant.pcs["C1-PCS"] = {"pcs_state": 4}

    run.seconds(0, 200)

    assert [(c.point, c.issued_ms // 1000 - T0 // 1000) for c in run.commands] == [
        (START, 0),
        (START, 30),
    ]


def test_nothing_is_started_into_a_fire(tmp_path):
    run = Run(tmp_path)
    run.plant.pcs["C1-PCS"] = {"pcs_state": 1}
    run.plant.fire_state = 2

    run.seconds(0, 40)

    assert START not in {command.point for command in run.commands}
    assert SETPOINT not in {command.point for command in run.commands}


def test_power_that_is_not_delivered_fails_the_command(tmp_path):
    run = Run(tmp_path)
    run.follows = False

    run.seconds(0, 40)

    failed = [c for c in run.changed if c.state is CommandState.FAILED]
    assert "commanded" in failed[0].reason
    assert run.cycle.points["C1-PCS", SETPOINT].undelivered


def test_a_correction_does_not_wind_up_while_nothing_is_delivered(tmp_path):
    run = Run(tmp_path)
    run.seconds(0, 60)
    learned = run.cycle.correction_kw
    run.follows = False
    run.plant.power["C1-PCS"] = 0.0
    run.plant.pcs["C1-PCS"] = {"active_power_setpoint_kw": 420.0}

    run.seconds(60, 120)

    assert run.cycle.correction_kw == pytest.approx(learned, abs=0.5)


def test_without_a_schedule_the_safe_state_comes_after_its_delay(tmp_path):
    run = Run(tmp_path, safe_state={"after_s": 20, "power_kw": 0, "ramp_kw_per_s": 100})
    run.seconds(0, 30)
    run.state.wishes.schedules.days.clear()

    held = run.seconds(30, 45)
    power_held = run.meter_kw
    safe = run.seconds(45, 70)

    assert held.mode is ControlMode.SCHEDULE
    assert power_held == pytest.approx(400.0, abs=1.0)
    assert safe.mode is ControlMode.SAFE_STATE
    assert run.plant.power["C1-PCS"] == 0.0
    assert safe.step.outcome.alone


def test_a_manual_set_point_is_followed_at_the_meter(tmp_path):
    run = Run(tmp_path)
    run.state.wishes.manual = ManualSetpoint(-250.0, T0 + 3_600_000, "by-hand")

    result = run.seconds(0, 60)

    assert result.mode is ControlMode.MANUAL
    assert run.meter_kw == pytest.approx(-250.0, abs=1.0)
    assert run.commands[-1].requester == "by-hand"


def test_a_station_just_started_leaves_a_running_plant_alone_until_it_knows_it(tmp_path):
    run = Run(tmp_path)
    run.plant.silent = {"C1-R01"}
    run.plant.power["C1-PCS"] = 420.0

    run.seconds(0, 5)
    untouched = list(run.commands)
    run.plant.silent = set()
    run.seconds(5, 8)

    assert untouched == []
    assert run.commands
    assert all(c.value > 300 for c in run.commands)


def test_a_rack_that_stays_silent_after_the_start_stops_the_container(tmp_path):
    run = Run(tmp_path)
    run.plant.silent = {"C1-R01"}
    run.plant.power["C1-PCS"] = 420.0

    run.seconds(0, 15)

    assert run.plant.power["C1-PCS"] == 0.0


def test_a_station_without_any_schedule_only_cuts_what_is_beyond_a_limit(tmp_path):
    run = Run(tmp_path)
    run.state.wishes.schedules.days.clear()
    run.plant.power["C1-PCS"] = 420.0

    run.seconds(0, 20)
    quiet = list(run.commands)
    run.plant.fire_state = 2
    run.seconds(20, 22)

    assert quiet == []
    assert run.plant.power["C1-PCS"] == 0.0


def test_a_converter_that_is_not_needed_sleeps_and_wakes_when_it_is(tmp_path):
    run = Run(tmp_path, containers=2, split={"sleep_after_s": 20})
    run.starts = True

    run.seconds(0, 60)
    asleep = [c.device for c in run.commands if c.point == "stop"]
    meter_kw = run.meter_kw
    run.state.wishes.manual = ManualSetpoint(1500.0, T0 + 3_600_000, "by-hand")
    before = len(run.commands)
    run.seconds(60, 100)

    assert len(asleep) == 1
    assert meter_kw == pytest.approx(400.0, abs=2.0)
    assert [c.device for c in run.commands[before:] if c.point == START] == asleep
    assert run.meter_kw == pytest.approx(1500.0, abs=2.0)


def test_no_converter_sleeps_at_a_station_that_answers_the_frequency(tmp_path):
    sections = {"split": {"sleep_after_s": 20}, "primary_frequency": {}}
    run = Run(tmp_path, containers=2, **sections)

    run.seconds(0, 60)

    assert "stop" not in {command.point for command in run.commands}


def worn(run, device="C1-R02", share=0.5, at_ms=None):
    """The estimators say that a rack's cell 5 leaves so much of its current."""
    row = {"charge_health_share": share, "discharge_health_share": share}
    cells = {"charge_health_cell": 5, "discharge_health_cell": 5}
    told = sample(device, "estimate.limit", at_ms or T0, {**row, **cells})
    run.plant.image.update(told, at_ms or T0)


ESTIMATING = {"bundle": "models/any"}


def test_a_worn_cell_narrows_dispatch_and_is_named_in_the_decision(tmp_path):
    run = Run(tmp_path, estimators=ESTIMATING)
    before = run.seconds(0, 3)
    run.state.wishes.manual = ManualSetpoint(900.0, T0 + 3_600_000, "by-hand")
    worn(run, at_ms=T0 + 3000)
    after = run.seconds(3, 6)

    limits = after.plan.limits
    decision = after.step.outcome.decision
    assert limits.discharge.kw < before.plan.limits.discharge.kw
    assert limits.charge.kw < before.plan.limits.charge.kw
    assert (limits.discharge.device, limits.discharge.cell) == ("C1-R02", 5)
    assert decision.power_kw == pytest.approx(limits.discharge.kw)
    assert (decision.binding, decision.binding_device) == (LimitReason.CELL_HEALTH, "C1-R02")
    row = limit_values(after, run.config, {"charge": "C1-R01"})
    assert (row["discharge_limit_rack"], row["discharge_limit_cell"]) == (2, 5)
    assert row["charge_bound_rack"] == 1
    (told,) = limit_condition("discharge", limits.discharge, run.now_ms)
    assert "C1-R02, cell 5" in told.detail.en


def test_estimates_of_health_that_are_stale_or_not_to_be_heeded_limit_nothing(
    tmp_path,
):
    told_only = Run(tmp_path, estimators={**ESTIMATING, "health_limits": False})
    unknown = Run(tmp_path, estimators=ESTIMATING)
    stale = Run(tmp_path, estimators=ESTIMATING)
    worn(told_only)
    worn(unknown, share=math.nan)
    worn(stale, at_ms=T0 - 3_600_000)
    plain = Run(tmp_path).seconds(0, 2).plan.limits

    for run in (told_only, unknown, stale):
        limits = run.seconds(0, 2).plan.limits
        assert (limits.charge, limits.discharge) == (plain.charge, plain.discharge)
