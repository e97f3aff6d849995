"""Incidents: first-out by the device's clock, consequences by their definitions."""

import random

from cloud.alarms.definitions import load
from cloud.alarms.groups import Member, arrange, by_place, container_of, incidents

DEFINITIONS = load()


def member(number, code, device, onset, end=None):
    priority = DEFINITIONS.find(code).priority
    return Member(number, onset, end, priority, device, code, "")


def placed(*members: Member):
    return arrange(members, by_place(members), DEFINITIONS)


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
