from cloud import alarms
from cloud.db import connection
from cloud.fleet import LINK_LIMIT_MS
from cloud.vault.rows import EventContent, seal_event


async def happen(
    pool, vault, event, at_ms, *, active, severity=3, device="C1-R07", code="rack.alarm"
):
    content = EventContent("rack alarm", "电池簇告警", 3.66, 3.65)
    sealed = seal_event(await vault.keys("haibin-1"), "haibin-1", event, content)
    async with connection(pool) as conn:
        await conn.execute(
            "INSERT INTO events (station, id, device, code, severity, active, at_ms, sealed)"
            " VALUES ('haibin-1', %s, %s, %s, %s, %s, %s, %b)",
            (event, device, code, severity, active, at_ms, sealed),
        )


async def test_a_condition_stands_until_its_clearing_edge(pool, vault, station):
    await happen(pool, vault, "a", 1000, active=True)
    await happen(pool, vault, "b", 2000, active=True, device="C1-R08")

    assert {a.device for a in await alarms.of_stations(pool, vault)} == {"C1-R07", "C1-R08"}

    await happen(pool, vault, "c", 3000, active=False)

    standing = await alarms.of_stations(pool, vault, "haibin-1")
    assert [(a.device, a.priority, a.text("en"), a.text("zh-Hans")) for a in standing] == [
        ("C1-R08", 2, "Rack alarm", "电池簇告警")
    ]
    assert [(a.value, a.limit) for a in standing] == [(3.66, 3.65)]


async def test_a_clearing_edge_that_arrives_before_its_alarm_is_not_undone_by_it(
    pool, vault, station
):
    await happen(pool, vault, "b", 2000, active=False)
    await happen(pool, vault, "a", 1000, active=True)

    assert await alarms.of_stations(pool, vault) == []


async def test_an_alarm_whose_row_was_altered_stands_by_its_code_and_is_told_once(
    pool, vault, station, caplog
):
    await happen(pool, vault, "altered", 1000, active=True)
    await happen(pool, vault, "sound", 2000, active=True, device="C1-R08")
    async with connection(pool) as conn:
        await conn.execute("UPDATE events SET sealed = sealed || 'x' WHERE id = 'altered'")

    for _ in range(2):
        sound, altered = await alarms.of_stations(pool, vault)

    assert (sound.device, sound.value, sound.damaged) == ("C1-R08", 3.66, False)
    assert (altered.device, altered.priority, altered.value) == ("C1-R07", 2, None)
    assert altered.damaged
    assert altered.text("en") == "rack.alarm: damaged in the store"
    assert altered.text("zh-Hans") == "rack.alarm：存储已损坏"
    assert caplog.text.count("row damaged table=events key=haibin-1/altered") == 1


async def test_information_is_no_alarm_and_the_most_urgent_comes_first(pool, vault, station):
    await happen(pool, vault, "a", 5000, active=True, severity=1, code="station.started")
    await happen(pool, vault, "b", 4000, active=True, severity=2, code="device.stale")
    await happen(pool, vault, "c", 1000, active=True, severity=4, code="fire.alarm")
    await happen(pool, vault, "d", 2000, active=True, severity=3, code="rack.alarm")

    assert [a.priority for a in await alarms.of_stations(pool, vault)] == [1, 2, 3]


def test_a_silent_station_is_an_alarm_and_one_that_never_spoke_is_none():
    now = 1_000_000

    found = alarms.of_links(
        [("fresh", now - LINK_LIMIT_MS), ("lost", now - LINK_LIMIT_MS - 1), ("new", None)], now
    )

    assert [(a.station, a.since_ms) for a in found] == [("lost", now - LINK_LIMIT_MS - 1)]
