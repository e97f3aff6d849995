"""Both loops as they run: what survives a failing cycle, and a wall clock that jumps."""

import pytest

from contract.layouts import METER
from station.alarms import AlarmBook, Condition
from station.control.picture import FastPicture
from station.dispatch.commands import SETPOINT
from station.image import ProcessImage
from station.loops import LoopPorts, Loops
from tests.station.control.test_cycle import T0, Run
from tests.station.plant_samples import sample


class Watched:
    """Loops over a real cycle, and what they sent and told."""

    def __init__(self, run: Run) -> None:
        self.sent: list = []
        self.told: list[bool] = []
        self.results: list = []
        ports = LoopPorts(
            self.sent.extend,
            lambda _image, result: self.results.append(result),
            lambda *, active: self.told.append(active),
        )
        self.run = run
        self.loops = Loops(run.config, run.cycle, run.plant.image, ports)

    def second(self, at: int) -> None:
        """Make the cycle of a second, as `run_seconds` does."""
        self.run.plant.second(T0 + at * 1000)
        now_ms = T0 + at * 1000 + 500
        self.loops._guarded(self.run.cycle.instant(now_ms, now_ms))


def fail(*_: object) -> None:
    raise RuntimeError("a defect")


def test_protection_acts_though_everything_behind_it_fails(tmp_path, monkeypatch):
    run = Run(tmp_path)
    run.seconds(0, 5)
    watched = Watched(run)
    monkeypatch.setattr(run.cycle, "_observe", fail)
    run.plant.fire_state = 2

    watched.second(5)

    assert {c.point for c in watched.sent if c.source == "protection"} == {"stop", "open_contactor"}
    assert watched.results == []


def test_a_failing_cycle_is_told_once_and_brings_the_power_to_nothing(tmp_path, monkeypatch):
    run = Run(tmp_path)
    run.seconds(0, 30)
    watched = Watched(run)
    watched.second(30)
    monkeypatch.setattr(run.cycle, "_observe", fail)

    for at in range(31, 36):
        watched.second(at)
    zero = [c for c in watched.sent if c.point == SETPOINT and c.value == 0.0]
    alive = watched.loops.alive
    monkeypatch.undo()
    watched.second(36)

    assert (alive, watched.loops.alive) == (False, True)
    assert watched.told == [True, False]
    assert watched.loops.failures == 5
    assert [c.requester for c in zero] == ["cycle_failed"]


def test_the_fast_loop_stands_still_on_a_plan_that_nobody_renews(tmp_path):
    run = Run(tmp_path)
    run.seconds(0, 10)
    young, old = run.now_ms + 1_000, run.now_ms + 4_000

    assert run.cycle.act(FastPicture(), run.cycle.instant(young, young)) is not None
    assert run.cycle.act(FastPicture(), run.cycle.instant(old, old)) is None


@pytest.mark.parametrize("step_ms", [-3_600_000, 3_600_000])
def test_a_wall_clock_that_jumps_makes_nothing_stale(step_ms):
    image = ProcessImage({METER.name: 5.0})
    steady_ms = 50_000
    before = sample("METER", "meter", T0)
    image.update(before, steady_ms)
    # From here on the drivers stamp arrivals by the new wall clock; the device goes on as it was.
    after = sample("METER", "meter", T0 + 1000)
    object.__setattr__(after, "received_ms", T0 + 1000 + step_ms)
    image.update(after, steady_ms + 1000)

    row = image.freeze(T0 + 1500, steady_ms + 1500).get("METER", "meter")

    assert not row.stale
    assert row.age_s == pytest.approx(0.5)


def test_a_device_that_falls_silent_is_stale_by_the_steady_clock():
    image = ProcessImage({METER.name: 5.0})
    image.update(sample("METER", "meter", T0), 50_000)

    assert not image.freeze(T0, 54_000).get("METER", "meter").stale
    assert image.freeze(T0, 56_000).get("METER", "meter").stale


def test_the_end_of_a_failure_is_an_event_too():
    book, condition = AlarmBook("s"), Condition("control.cycle_failed", "STATION", T0)

    told = [book.tell(condition), book.tell(condition, active=False)]

    assert [event.active for event in told] == [True, False]
