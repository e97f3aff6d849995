import logging

from station.protocols.driver import DeviceStatus
from station.protocols.health import Health

REFUSED = "127.0.0.1:45020 accepts no connection"
WRONG_UNIT = "unit 99 answers in place of unit 3: mend the unit ids or the gateway's routes"


def lost(reasons, caplog):
    """Lose a device that answered, for one reason after the other: its states and log lines."""
    caplog.set_level(logging.INFO)
    told = []
    health = Health("BMS")
    health.answered(told.append)
    for reason in reasons:
        health.failed(reason, told.append, at_once=True)
    health.answered(told.append)
    states = [status for status in told if isinstance(status, DeviceStatus)]
    lines = [record.getMessage() for record in caplog.records]
    return [status for status in states if not status.connected], lines


def test_a_lost_device_is_told_with_the_newest_cause_and_the_time_of_its_loss(caplog):
    states, lines = lost([REFUSED, REFUSED, WRONG_UNIT, WRONG_UNIT], caplog)

    assert [status.reason for status in states] == [REFUSED, WRONG_UNIT]
    assert len({status.since_ms for status in states}) == 1
    assert [("unreachable" in line, "back" in line) for line in lines] == [
        (True, False),
        (True, False),
        (False, True),
    ]


def test_causes_that_take_turns_are_told_each_time_and_logged_once(caplog):
    states, lines = lost([REFUSED, WRONG_UNIT] * 3, caplog)

    assert [status.reason for status in states] == [REFUSED, WRONG_UNIT] * 3
    assert len(lines) == 2 + 1


def test_silence_is_one_cause_whoever_tells_of_it(caplog):
    silence = ["the server answers none of its units", "unit 2 input 0..29: no answer in time"]

    states, lines = lost(silence, caplog)

    assert [status.reason for status in states] == silence[:1]
    assert len(lines) == 1 + 1


def test_a_cause_that_differs_in_its_numbers_alone_is_the_same(caplog):
    states, lines = lost([f"no reply for {ms} ms" for ms in (900, 950, 1200)], caplog)

    assert [status.reason for status in states] == ["no reply for 900 ms"]
    assert len(lines) == 1 + 1
