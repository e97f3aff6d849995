import pytest

from cloud import alarms, fleet
from cloud.db import connection
from cloud.fleet import LINK_LIMIT_MS, StationFacts


@pytest.fixture
async def station(pool):
    facts = StationFacts("haibin-1", "Haibin 1", "", "UTC", 3450, 7450)
    return (await fleet.create(pool, facts, "admin")).station


async def happen(pool, event, at_ms, *, active, severity=3, device="C1-R07", code="rack.alarm"):
    async with connection(pool) as conn:
        await conn.execute(
            "INSERT INTO events (station, id, device, code, severity, active, at_ms, text_en,"
            " text_zh) VALUES ('haibin-1', %s, %s, %s, %s, %s, %s, 'rack alarm', '电池簇告警')",
            (event, device, code, severity, active, at_ms),
        )


async def test_a_condition_stands_until_its_clearing_edge(pool, station):
    await happen(pool, "a", 1000, active=True)
    await happen(pool, "b", 2000, active=True, device="C1-R08")

    assert {a.device for a in await alarms.of_stations(pool)} == {"C1-R07", "C1-R08"}

    await happen(pool, "c", 3000, active=False)

    standing = await alarms.of_stations(pool, "haibin-1")
    assert [(a.device, a.priority, a.text("en"), a.text("zh-Hans")) for a in standing] == [
        ("C1-R08", 2, "Rack alarm", "电池簇告警")
    ]


async def test_a_clearing_edge_that_arrives_before_its_alarm_is_not_undone_by_it(pool, station):
    await happen(pool, "b", 2000, active=False)
    await happen(pool, "a", 1000, active=True)

    assert await alarms.of_stations(pool) == []


async def test_information_is_no_alarm_and_the_most_urgent_comes_first(pool, station):
    await happen(pool, "a", 5000, active=True, severity=1, code="station.started")
    await happen(pool, "b", 4000, active=True, severity=2, code="device.stale")
    await happen(pool, "c", 1000, active=True, severity=4, code="fire.alarm")
    await happen(pool, "d", 2000, active=True, severity=3, code="rack.alarm")

    assert [a.priority for a in await alarms.of_stations(pool)] == [1, 2, 3]


def test_a_silent_station_is_an_alarm_and_one_that_never_spoke_is_none():
    now = 1_000_000

    found = alarms.of_links(
        [("fresh", now - LINK_LIMIT_MS), ("lost", now - LINK_LIMIT_MS - 1), ("new", None)], now
    )

    assert [(a.station, a.since_ms) for a in found] == [("lost", now - LINK_LIMIT_MS - 1)]
