"""What the fast loop does between two seconds: answers the frequency, makes up for a lost unit."""

from dataclasses import dataclass

import pytest

from contract.limits import LimitReason
from station.control.issue import START
from station.dispatch.commands import REACTIVE, SETPOINT
from station.dispatch.proposal import Source
from station.dispatch.sources import AgcInputs, ManualSetpoint
from station.plant import PcsState
from tests.station.control.test_cycle import T0, Run

PRIMARY = {"primary_frequency": {"dead_band_hz": 0.05, "droop_pct": 2.0}}


@dataclass(frozen=True)
class Said:
    """A fast reading."""

    device: str
    received_ms: int
    values: dict[str, float]


def act(run: Run, device: str, after_ms: int, **values: float):
    """Let a device say something between the seconds, and make the pass that follows it."""
    at_ms = run.now_ms + after_ms
    run.fast.update(Said(device, at_ms, values))
    return run.cycle.act(run.fast, run.cycle.instant(at_ms, at_ms))


def steady(tmp_path, kw: float = 400.0, **sections: dict) -> Run:
    run = Run(tmp_path, containers=2, **sections)
    run.state.wishes.manual = ManualSetpoint(kw, T0 + 3_600_000, "by-hand")
    run.seconds(0, 40)
    return run


@pytest.mark.parametrize(
    ("hz", "shift_kw"),
    [(49.85, 200.0), (49.75, 400.0), (50.15, -200.0), (49.96, 0.0)],
)
def test_the_frequency_is_answered_in_the_same_pass_by_the_droop(tmp_path, hz, shift_kw):
    run = steady(tmp_path, **PRIMARY)

    step = act(run, "METER", 450, frequency_hz=hz)

    # 2000 kW rated, 2 % droop: 2000 kW per hertz beyond the dead band of 0.05 Hz.
    assert step.outcome.decision.shift_kw == pytest.approx(shift_kw, abs=0.5)
    assert step.outcome.power_kw == pytest.approx(400.0 + shift_kw, abs=0.5)
    assert bool(step.issued) is bool(shift_kw)
    assert {c.point for c in step.issued} <= {SETPOINT}


def test_near_no_power_a_step_is_shared_by_all_that_run_in_the_same_pass(tmp_path):
    run = steady(tmp_path, kw=0.0, **PRIMARY)
    one_at_work = {tag for tag, kw in run.plant.power.items() if abs(kw) > 1.0}

    step = act(run, "METER", 450, frequency_hz=49.7)
    run.carry_out(step.issued, run.now_ms + 460)
    run.plant.frequency_hz = 49.7
    before = len(run.commands)
    run.seconds(40, 41)

    assert len(one_at_work) == 1
    assert {c.device for c in step.issued} == {"C1-PCS", "C2-PCS"}
    assert step.setpoints == pytest.approx(dict.fromkeys(step.setpoints, 260.0), abs=10.0)
    later = [c for c in run.commands[before:] if c.point == SETPOINT]
    assert all(abs(c.value - step.setpoints[c.device]) < 25.0 for c in later)


def test_a_frequency_that_is_old_counts_as_unknown(tmp_path):
    run = steady(tmp_path, **PRIMARY)
    run.plant.silent = {"METER"}
    run.seconds(40, 50)
    run.fast.update(Said("METER", run.now_ms - 5_000, {"frequency_hz": 49.0}))

    step = run.cycle.act(run.fast, run.cycle.instant(run.now_ms + 1, run.now_ms + 1))

    assert step.outcome.decision.shift_kw == 0.0


def test_a_unit_that_trips_is_made_up_for_in_the_next_pass(tmp_path):
    run = steady(tmp_path, kw=900.0)
    shares = dict(run.plant.power)

    step = act(run, "C1-PCS", 450, pcs_state=float(PcsState.FAULT))

    assert shares["C1-PCS"] == pytest.approx(450.0, abs=60.0)
    assert {c.device for c in step.issued if c.point == SETPOINT} == {"C2-PCS"}
    assert step.setpoints["C2-PCS"] == pytest.approx(sum(shares.values()), abs=10.0)
    assert step.setpoints["C1-PCS"] == 0.0


def test_what_one_unit_cannot_do_alone_is_cut_at_its_limit(tmp_path):
    run = steady(tmp_path, kw=1600.0)

    step = act(run, "C1-PCS", 450, pcs_state=float(PcsState.FAULT))

    assert step.setpoints == {"C1-PCS": 0.0, "C2-PCS": pytest.approx(1000.0, abs=1.0)}


def test_a_limit_at_the_meter_holds_there_and_says_so(tmp_path):
    run = steady(tmp_path, connection={"feed_in_kw": 500.0})
    run.state.wishes.manual = ManualSetpoint(900.0, T0 + 3_600_000, "by-hand")

    decision = run.seconds(40, 60).step.outcome.decision

    assert run.cycle.correction_kw == pytest.approx(20.0, abs=2.0)
    assert run.meter_kw == pytest.approx(500.0, abs=2.0)
    assert decision.binding is LimitReason.FEED_IN_LIMIT
    assert decision.source is Source.MANUAL
    assert (decision.asked_kw, decision.power_kw) == (900.0, pytest.approx(500.0, abs=2.0))


def test_a_limit_at_the_meter_is_not_blind_while_set_points_move(tmp_path):
    run = steady(tmp_path, connection={"feed_in_kw": 1500.0, "peak_kw": 1500.0})
    seen = []

    for second in range(40, 70):
        kw = 400.0 + 100.0 * (second % 2)
        run.state.wishes.manual = ManualSetpoint(kw, T0 + 3_600_000, "by-hand")
        decision = run.seconds(second, second + 1).step.outcome.decision
        seen.append((decision.asked_kw, decision.power_kw))

    assert all(power == pytest.approx(asked) for asked, power in seen), seen


def test_reactive_power_of_the_dispatch_centre_is_followed_while_it_decides(tmp_path):
    run = Run(tmp_path, containers=2, centre={"port": 0})
    run.state.wishes.agc = AgcInputs(in_control=True, alive=True, power_kw=600.0)
    run.state.wishes.agc_kvar = 300.0

    result = run.seconds(0, 10)
    given = {c.device for c in run.commands if c.point == REACTIVE}
    run.state.wishes.agc = AgcInputs(in_control=False, alive=True, power_kw=None)
    before = len(run.commands)
    later = run.seconds(10, 12)

    assert sum(result.step.kvar.values()) == pytest.approx(300.0)
    assert given == {"C1-PCS", "C2-PCS"}
    assert later.step.outcome.decision.source is Source.SCHEDULE
    assert later.step.kvar == {"C1-PCS": 0.0, "C2-PCS": 0.0}
    assert {c.value for c in run.commands[before:] if c.point == REACTIVE} == {0.0}


def test_a_unit_that_has_just_tripped_is_not_started_before_protection_has_seen_it(tmp_path):
    run = steady(tmp_path, kw=900.0)

    first = act(run, "C1-PCS", 450, pcs_state=float(PcsState.FAULT))
    run.fast.update(Said("C2-PCS", run.now_ms + 452, {"pcs_state": float(PcsState.FAULT)}))
    second = run.cycle.act(run.fast, run.cycle.instant(run.now_ms + 500, run.now_ms + 500))

    assert START not in {c.point for c in (*first.issued, *second.issued)}
    assert second.setpoints == {"C1-PCS": 0.0, "C2-PCS": 0.0}
