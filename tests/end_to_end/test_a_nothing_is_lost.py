"""Cables are pulled and processes killed; afterwards every acknowledged sample is counted."""

import signal

import pytest

from tests.end_to_end.house import House
from tests.waiting import wait_until


def test_the_meter_follows_the_schedule_and_every_sample_arrives(house: House):
    house.wait_cycles(10)

    missing, doubled = house.missing_and_doubled()

    assert missing == {}
    assert doubled == 0
    wait_until(
        lambda: house.stack.status()["orders"]["accepted"] >= 1, "the schedule's receipt", 60
    )


def test_a_pulled_cable_stops_nothing_and_costs_nothing(house: House):
    relay = house.stack.relay
    assert relay is not None

    relay.pull()
    house.wait_cycles(15)
    queued = house.stack.status()["queue"]
    relay.plug()
    house.wait_drained()
    missing, doubled = house.missing_and_doubled()

    assert queued >= 3, "the queue grew while the cable was out"
    assert missing == {}
    assert doubled == 0


def test_a_hanging_protocol_process_is_replaced_and_the_station_goes_on(house: House):
    worker = house.worker("station.protocols.worker", "iec61850")

    worker.send_signal(signal.SIGSTOP)
    house.wait_cycles(5)
    wait_until(lambda: not worker.is_running(), "the watchdog's kill of the hanging process", 30)
    replacement = house.worker("station.protocols.worker", "iec61850")
    house.wait_cycles(5)
    missing, doubled = house.missing_and_doubled()

    assert replacement.pid != worker.pid
    assert missing == {}
    assert doubled == 0


def test_a_killed_protocol_process_loses_no_buffered_report(house: House):
    worker = house.worker("station.protocols.worker", "iec61850")

    house.kill(worker)
    house.worker("station.protocols.worker", "iec61850")
    house.wait_cycles(8)
    missing, doubled = house.missing_and_doubled()

    assert {stream.device for stream in missing} <= set()
    assert doubled == 0


@pytest.mark.parametrize("round_number", [1, 2])
def test_killed_cloud_workers_lose_nothing(house: House, round_number: int):
    house.wait_acknowledged()

    house.kill(house.worker("cloud.worker"))
    house.wait_acknowledged(3)
    missing, doubled = house.missing_and_doubled()

    assert missing == {}, f"round {round_number}"
    assert doubled == 0


@pytest.mark.parametrize("round_number", [1, 2])
def test_a_killed_database_loses_nothing_that_was_acknowledged(house: House, round_number: int):
    house.wait_acknowledged()

    house.kill(house.worker("postgres", "-D"))
    house.wait_acknowledged(3)
    house.wait_drained()
    missing, doubled = house.missing_and_doubled()

    assert missing == {}, f"round {round_number}"
    assert doubled == 0


@pytest.mark.parametrize("round_number", [1, 2])
def test_a_killed_station_doubles_nothing_and_loses_nothing_it_had_queued(
    house: House, round_number: int
):
    house.wait_acknowledged()

    house.kill_station()
    house.wait_acknowledged(3)
    missing, doubled = house.missing_and_doubled()

    assert missing == {}, f"round {round_number}"
    assert doubled == 0


@pytest.mark.long
def test_many_kills_in_a_row_lose_nothing(house: House):
    for number in range(30):
        if number % 3 == 0:
            house.kill_station()
        elif number % 3 == 1:
            house.kill(house.worker("cloud.worker"))
        else:
            house.kill(house.worker("postgres", "-D"))
        house.wait_acknowledged(2)
    house.wait_drained()

    missing, doubled = house.missing_and_doubled()

    assert missing == {}
    assert doubled == 0
