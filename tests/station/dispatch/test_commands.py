import math

from station.dispatch.commands import Command, CommandState, ConverterCommands, DeliveryRules

RULES = DeliveryRules(
    dead_band_kw=2.0, refresh_ms=10_000, tolerance_kw=50.0, deliver_within_ms=5_000
)
FREE = 1725.0


def command(value: float, at_ms: int, name: str = "c") -> Command:
    return Command(name, "C1-PCS", "active_power_setpoint_kw", value, "order", "", at_ms)


def accepted(value: float, at_ms: int = 100_000) -> ConverterCommands:
    commands = ConverterCommands(RULES)
    commands.issue(command(value, at_ms))
    commands.accept(at_ms + 10)
    return commands


def states(changed: list[Command]) -> list[CommandState]:
    return [c.state for c in changed]


def test_a_command_is_issued_accepted_and_delivered():
    commands = ConverterCommands(RULES)

    commands.issue(command(500.0, 100_000))
    taken = commands.accept(100_010)
    done = commands.observe(495.0, 101_000, 101_500)

    assert states(taken) == [CommandState.ACCEPTED]
    assert states(done) == [CommandState.DELIVERED]
    assert (done[0].issued_ms, done[0].accepted_ms, done[0].settled_ms) == (
        100_000,
        100_010,
        101_500,
    )


def test_a_measurement_of_before_the_acceptance_delivers_nothing():
    commands = accepted(500.0)

    assert commands.observe(500.0, 100_000, 100_500) == []


def test_one_command_is_in_flight_at_a_time():
    commands = ConverterCommands(RULES)
    commands.issue(command(500.0, 100_000))

    assert not commands.wants(900.0, FREE, 101_000)


def test_a_change_inside_the_dead_band_waits_for_the_refresh():
    commands = accepted(500.0)

    assert not commands.wants(501.5, FREE, 101_000)
    assert commands.wants(503.0, FREE, 101_000)
    assert commands.wants(500.0, FREE, 110_000)


def test_a_tighter_limit_is_sent_at_once_even_inside_the_dead_band():
    commands = accepted(500.0)

    assert commands.wants(499.0, 499.0, 101_000)


def test_a_refusal_fails_the_command_with_its_reason_and_is_retried_after_a_pause():
    commands = ConverterCommands(RULES)
    commands.issue(command(500.0, 100_000))

    failed = commands.fail(100_020, "select refused")

    assert states(failed) == [CommandState.FAILED]
    assert failed[0].reason == "select refused"
    assert not commands.wants(500.0, FREE, 101_000)
    assert commands.wants(500.0, FREE, 102_100)


def test_a_set_point_that_was_replaced_before_it_was_seen_is_superseded():
    commands = accepted(500.0)
    commands.issue(command(800.0, 100_500, "next"))

    changed = commands.accept(100_510)

    assert [(c.id, c.state) for c in changed] == [
        ("next", CommandState.ACCEPTED),
        ("c", CommandState.SUPERSEDED),
    ]


def test_power_that_never_comes_fails_the_command_and_names_both_figures():
    commands = accepted(500.0)

    early = commands.observe(0.0, 103_000, 103_000)
    late = commands.observe(0.0, 106_000, 106_000)

    assert early == []
    assert states(late) == [CommandState.FAILED]
    assert "0.0 kW measured, 500.0 kW commanded" in late[0].reason
    assert commands.undelivered


def test_a_stream_of_new_set_points_does_not_hide_a_converter_that_stands_still():
    commands = accepted(100.0)
    commands.observe(100.0, 101_000, 101_000)
    failures = []

    for second in range(102, 115):
        commands.issue(command(100.0 + (second - 101) * 60, second * 1000, f"c{second}"))
        commands.accept(second * 1000 + 10)
        failures += commands.observe(100.0, (second + 1) * 1000, (second + 1) * 1000)

    assert CommandState.FAILED in states(failures)
    assert commands.undelivered


def test_a_converter_that_follows_one_second_late_is_no_failure():
    commands = accepted(0.0)

    for second in range(101, 130):
        commands.issue(command(100.0 * (second % 2), second * 1000, f"c{second}"))
        commands.accept(second * 1000 + 10)
        commands.observe(100.0 * ((second - 1) % 2), (second + 1) * 1000, (second + 1) * 1000)

    assert not commands.undelivered


def test_a_trip_after_delivery_is_noticed_and_recovery_too():
    commands = accepted(500.0)
    commands.observe(500.0, 101_000, 101_000)

    commands.observe(0.0, 102_000, 102_000)
    quiet = commands.undelivered
    commands.observe(0.0, 107_000, 107_000)
    loud = commands.undelivered
    commands.observe(500.0, 108_000, 108_000)

    assert (quiet, loud, commands.undelivered) == (False, True, False)


def test_an_unknown_measurement_is_not_taken_for_delivery():
    commands = accepted(0.0)

    assert commands.observe(math.nan, 101_000, 101_000) == []
    (failed,) = commands.observe(math.nan, 106_000, 106_000)
    assert failed.state is CommandState.FAILED
    assert failed.reason == "not delivered: nothing measured, 0.0 kW commanded, for 6 s"


def test_a_converter_that_is_back_and_does_what_it_is_told_has_missed_nothing():
    commands = accepted(0.0)
    commands.observe(math.nan, 101_000, 101_000)
    commands.issue(command(0.0, 105_500, "again"))
    commands.accept(105_510)

    back = commands.observe(0.0, 105_000, 106_000)
    confirmed = commands.observe(0.0, 106_000, 107_000)

    assert (back, states(confirmed)) == ([], [CommandState.DELIVERED])
    assert not commands.undelivered


def test_a_converter_that_stops_follows_nothing_and_has_not_delivered():
    commands = accepted(500.0)

    (failed,) = commands.stop(100_500)

    assert (failed.state, failed.settled_ms) == (CommandState.FAILED, 100_500)
    assert "stopped" in failed.reason
    assert commands.wants(500.0, FREE, 100_600)
    assert commands.stop(100_700) == []
