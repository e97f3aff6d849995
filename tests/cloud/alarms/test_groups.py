"""Incidents: first-out by the device's clock, consequences by their definitions."""

import random

from cloud.alarms.definitions import load
from cloud.alarms.groups import Member, arrange, by_place, incidents
from contract.tags import container_of

DEFINITIONS = load()


def member(number, code, device, onset, end=None, *, tag=""):
    priority = DEFINITIONS.find(code, tag).priority
    return Member(number, onset, end, priority, device, code, tag)


def placed(*members: Member):
    scopes = {}
    for one in members:
        scopes.setdefault(one.scope, []).append(one)
    return arrange(scopes, by_place(members), DEFINITIONS)


def leads(*members: Member):
    """Devices of the first-outs, whatever the order in which alarms came."""
    found = set()
    for seed in range(6):
        told = list(members)
        random.Random(seed).shuffle(told)
        places = placed(*told)
        found.add(tuple(sorted(one.device for one in told if places[one.key].lead)))
    assert len(found) == 1
    return list(found.pop())


def test_the_first_by_device_time_is_first_out_whatever_came_first():
    told = [
        member(1, "protection.trip", "C1-R07", 5_000),
        member(2, "rack.isolated", "C1-R07", 5_300),
        member(3, "cell.temperature", "C1-R07", 1_000),
        member(4, "rack.warning", "C1-R08", 6_000),
    ]
    for seed in range(10):
        random.Random(seed).shuffle(told)

        places = placed(*told)

        assert [key for key, place in places.items() if place.lead] == [(3, 1_000)]
        assert {place.group_ms for place in places.values()} == {1_000}
        assert {place.urgency for place in places.values()} == {2}


def test_stops_that_follow_from_a_loss_of_devices_are_no_first_outs():
    told = [
        member(2 * at + number, code, f"C{at}-R01", at + number * 5_000, tag=tag)
        for at in range(1, 5)
        for number, (code, tag) in enumerate(
            [("device.lost", ""), ("protection.stop", "rack_silent")]
        )
    ]

    assert leads(*told) == []
    assert DEFINITIONS.find("protection.stop", "cell_temperature").may_be_first


def test_an_alarm_on_its_own_leads_nobody():
    assert not placed(member(1, "rack.alarm", "C1-R01", 0))[1, 0].lead


def test_a_pause_begins_another_incident_and_a_long_one_is_cut():
    limits = DEFINITIONS.incident
    every = [member(i, "rack.alarm", "C1-R01", i * 20_000) for i in range(40)]
    pause = round(limits.gap_s * 1000)

    assert [len(group) for group in incidents(every, limits)] == [31, 9]
    late = member(50, "rack.alarm", "C1-R01", 39 * 20_000 + pause + 1)
    assert [len(group) for group in incidents([*every, late], limits)] == [31, 9, 1]


def test_the_earliest_alarm_that_explains_another_is_its_cause():
    places = placed(
        member(1, "chiller.alarm", "C1-CHL", 0),
        member(2, "cell.temperature", "C1-R07", 10_000),
        member(3, "protection.derate", "C1-R07", 11_000),
        member(4, "rack.alarm", "C1-R07", 12_000),
        member(5, "rack.isolated", "C1-R07", 13_000),
        member(6, "rack.isolated", "C1-R08", 13_000),
    )

    assert {key[0]: place.cause for key, place in places.items()} == {
        1: None,
        2: (1, 0),
        3: (1, 0),
        4: (1, 0),
        5: (2, 10_000),
        6: None,
    }


def test_an_alarm_that_was_over_long_before_explains_nothing():
    longest = round(DEFINITIONS.incident.longest_s * 1000)
    lost = member(2, "pcs.alarm", "C1-PCS", longest + 5_001)

    assert placed(member(1, "pcs.trip", "C1-PCS", 0, 5_000), lost)[lost.key].cause is None
    assert placed(member(1, "pcs.trip", "C1-PCS", 0, 5_001), lost)[lost.key].cause == (1, 0)


def test_what_concerns_only_computers_is_no_part_of_an_incident():
    assert placed(member(1, "driver.restarted", "STATION", 0)) == {}


def test_a_container_is_read_from_the_tag():
    assert [container_of(tag) for tag in ("C1-R07", "B12-PCS", "METER", "FIRE", "")] == [
        *("C1", "B12", "", "", ""),
    ]


def test_an_emergency_stop_is_the_one_first_out_of_all_that_follows_it():
    """The panel tells whole seconds, the devices milliseconds."""
    told = [
        member(1, "control.emergency_stop", "PANEL", 60_000),
        member(2, "command.refused", "C1-PCS", 59_300),
        member(3, "pcs.trip", "C1-PCS", 59_600),
        member(4, "pcs.trip", "C2-PCS", 60_700),
        member(5, "rack.isolated", "C2-R01", 61_000),
    ]

    assert leads(*told) == ["PANEL"]
    places = placed(*told)
    assert [places[one.key].cause for one in told[2:]] == [(1, 60_000)] * 3
    assert {place.urgency for place in places.values()} == {2}


def test_a_trip_before_an_emergency_stop_stays_the_first_out():
    told = [
        member(1, "cell.temperature", "C1-R07", 40_250),
        member(2, "control.emergency_stop", "PANEL", 60_000),
        member(3, "pcs.trip", "C2-PCS", 60_100),
    ]

    assert leads(*told) == ["C1-R07"]


def test_a_container_long_before_a_station_trip_keeps_its_own_first_out():
    told = [
        member(1, "cell.temperature", "C1-R07", 1_250),
        member(2, "protection.trip", "C1-R07", 2_000),
        member(3, "fire.alarm", "FIRE", 60_000),
        member(4, "pcs.trip", "C2-PCS", 60_100),
    ]

    assert leads(*told) == ["C1-R07", "FIRE"]


def test_what_only_follows_is_never_a_first_out():
    assert (
        leads(member(1, "command.refused", "C1-PCS", 10), member(2, "device.lost", "C1", 20)) == []
    )
    late = member(3, "rack.alarm", "C1-R01", 9_000)
    assert leads(member(1, "command.refused", "C1-PCS", 10), late) == ["C1-R01"]


def test_only_a_whole_second_makes_a_tie():
    stop, warned = "protection.stop", "insulation.alarm"

    assert leads(member(1, stop, "C1-R01", 5_100), member(2, warned, "C1-BAT", 5_900)) == ["C1-R01"]
    assert leads(member(1, stop, "C1-R01", 5_100), member(2, warned, "C1-BAT", 6_000)) == ["C1-BAT"]
    assert leads(member(1, stop, "C1-R01", 5_000), member(2, warned, "C1-BAT", 6_000)) == ["C1-R01"]
