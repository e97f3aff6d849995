"""The smaller parts: the station's row, latency, status file, command log, executor, supervisor."""

import asyncio
import json
import math

import pytest

from contract import frame
from contract.layouts import STATION
from contract.words import Words
from station.computed import Instant, computed_sample
from station.dispatch.commands import (
    SETPOINT,
    Command,
    CommandState,
    ConverterCommands,
    DeliveryRules,
)
from station.executor import CommandExecutor
from station.protocols import Accepted, CommandOutcome, Refused, TimedOut
from station.status import CycleClock, plain_numbers, write_status
from station.supervise import Supervisor
from station.telemetry import seconds_until
from station.uplink.latency import LatencyHistogram
from station.uplink.slabs import slabs_of
from tests.waiting import wait_for


def test_the_station_row_is_a_sample_like_any_other():
    values = {c.signal.name: 1.0 for c in STATION.columns}
    values |= {"scheduled_power_kw": math.nan, "soc": 0.51234, "target_power_kw": 1e12}

    row = computed_sample("STATION", STATION, values, Instant(5000, 5500))
    (found,) = frame.decode_batch(frame.encode_slabs(slabs_of([row])))

    assert (found.device, found.layout.name, found.t0_ms) == ("STATION", "station", 5000)
    assert math.isnan(found.physical("scheduled_power_kw")[0, 0])
    assert found.physical("soc")[0, 0] == pytest.approx(0.5123)
    assert found.physical("target_power_kw")[0, 0] == pytest.approx((2**31 - 1) * 0.1)


def test_latency_quantiles_are_right_to_ten_milliseconds():
    histogram = LatencyHistogram()
    for ms in range(1000):
        histogram.add(ms, 2)
    histogram.add(10**9, 1)

    assert histogram.count == 2001
    assert histogram.quantile_s(0.5) == pytest.approx(0.5, abs=0.011)
    assert histogram.quantile_s(0.99) == pytest.approx(0.99, abs=0.011)
    assert LatencyHistogram().quantile_s(0.5) is None


def test_a_reader_of_the_status_file_never_sees_half_of_it(tmp_path):
    file = tmp_path / "status.json"
    for n in range(20):
        write_status(file, {"n": n, "long": "x" * 100_000})
        assert json.loads(file.read_text())["n"] == n

    assert [p.name for p in tmp_path.iterdir()] == ["status.json"]


def test_unknown_numbers_are_null_in_the_status():
    assert plain_numbers({"a": math.nan, "b": 1.23456}) == {"a": None, "b": 1.2346}


def test_the_cycle_clock_reports_quantiles():
    clock = CycleClock()
    empty = clock.report()
    for ms in range(1, 101):
        clock.add(float(ms))

    assert empty["p50"] is None
    assert clock.report()["p50"] == 50.5
    assert (clock.cycles, clock.report()["max"]) == (100, 100.0)


def test_the_next_moment_of_a_period_is_never_in_the_past():
    assert 0 < seconds_until(1.0, 0.5) <= 1.0
    assert 0 < seconds_until(4.0, 0.75) <= 4.0


def command(name: str) -> Command:
    return Command(name, "C1-PCS", SETPOINT, 500.0, "order", "", 1)


RULES = DeliveryRules(1.0, 10_000, 50.0, 5_000)


async def carried_out(*outcomes: CommandOutcome):
    """An executor whose devices give these outcomes, one command each."""
    waiting = list(outcomes)
    points = {("C1-PCS", SETPOINT): ConverterCommands(RULES)}
    accepted = []

    async def carry(_):
        return waiting.pop(0)

    executor = CommandExecutor(carry, points, accepted.append, lambda _: Words("why", "原因"))
    for n in range(len(outcomes)):
        issued = command(f"c{n}")
        points["C1-PCS", SETPOINT].issue(issued)
        executor.send(issued)
        await executor.settled()
    return executor, points["C1-PCS", SETPOINT], accepted


async def test_an_accepted_command_is_in_force():
    executor, converter, accepted = await carried_out(Accepted("c0", 100))

    assert converter.in_force.accepted_ms == 100
    assert [c.state for c in executor.take_changed()] == [CommandState.ACCEPTED]
    assert accepted == [100]
    assert list(executor.conditions()) == []


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Refused("c0", 100, "interlock"), "command.refused"),
        (TimedOut("c0", 100, "silent"), "command.timed_out"),
    ],
)
async def test_a_failed_command_is_a_condition_until_one_is_accepted(outcome, code):
    executor, _, _ = await carried_out(outcome)
    failing = list(executor.conditions())
    both, _, _ = await carried_out(outcome, Accepted("c1", 200))

    assert [c.code for c in failing] == [code]
    assert outcome.reason in failing[0].detail.en
    assert list(both.conditions()) == []


async def test_a_command_after_the_close_is_settled_without_an_alarm_or_a_word(caplog):
    executor, converter, _ = await carried_out()
    await executor.close()

    late = command("late")
    converter.issue(late)
    executor.send(late)

    changed = executor.take_changed()
    assert [(c.state, c.reason) for c in changed] == [(CommandState.FAILED, "the station stops")]
    assert list(executor.conditions()) == []
    assert caplog.text == ""


async def test_a_part_that_fails_is_started_again_and_counted():
    runs = []

    async def part():
        runs.append(1)
        if len(runs) < 3:
            raise RuntimeError("boom")
        await asyncio.Event().wait()

    supervisor = Supervisor(pause_s=0.01)
    supervisor.start("part", part)
    await wait_for(lambda: len(runs) == 3, "the third start")
    await supervisor.stop()

    assert supervisor.failures == {"part": 2}
