"""The engine and its lists on a real database: suppression, acts, links, floods, workers."""

import asyncio
import sys

import pytest

from cloud.access import Role, User
from cloud.alarms import (
    Change,
    Desk,
    Filter,
    Lists,
    State,
    Wanted,
    counts,
    flood_now,
    incident,
    load,
    look_at_links,
)
from cloud.alarms.acts import ActForbidden, ActRefused
from cloud.db import connection
from cloud.errors import KeyStoreError
from cloud.fleet import LINK_LIMIT_MS
from cloud.keys import open_keys
from cloud.vault.vault import Vault
from tests.cloud.alarms.happening import (
    HOUR,
    MINUTE,
    SECOND,
    T0,
    Happened,
    engine,
    everything,
    id_of,
    journal,
    put,
    rows,
    state_of,
)
from tests.cloud.stations import create_station

ANN = User("1", "ann", frozenset({Role.OPERATOR}))
EVE = User("2", "eve", frozenset({Role.ENGINEER}))
pytestmark = pytest.mark.usefixtures("station")


@pytest.fixture
def worker(pool, vault):
    return engine(pool, vault)


@pytest.fixture
def desk(pool, vault):
    return Desk(pool, vault, load())


@pytest.fixture
def lists(pool, vault):
    return Lists(pool, vault, load())


async def test_a_consequence_is_hidden_while_its_cause_stands_and_listed_meanwhile(
    pool, vault, worker, lists
):
    await put(pool, vault, [Happened("device.stale", "C1-R01", 0, tag="rack")])
    await worker.run(T0 + 6 * SECOND)
    assert await state_of(pool, "C1-R01", "device.stale", "rack") == "unacknowledged"

    await put(pool, vault, [Happened("device.lost", "C1-R01", 7 * SECOND)])
    await worker.run(T0 + 11 * SECOND)

    assert [a.code for a in (await lists.find()).alarms] == ["device.lost"]
    silent = await lists.find(Filter(states=frozenset({State.SUPPRESSED})))
    assert [(a.code, a.active) for a in silent.alarms] == [("device.stale", True)]

    await put(pool, vault, [Happened("device.lost", "C1-R01", 20 * SECOND, active=False)])
    await worker.run(T0 + 30 * SECOND)

    assert await state_of(pool, "C1-R01", "device.stale", "rack") == "unacknowledged"
    assert [row[4:6] for row in await journal(pool) if row[1] == "device.stale"] == [
        ("raised", "unacknowledged"),
        ("suppressed", "suppressed"),
        ("unsuppressed", "unacknowledged"),
    ]


async def test_a_shelf_life_ends_by_itself_and_the_alarm_is_back(pool, vault, worker, desk, lists):
    await put(pool, vault, [Happened("rack.alarm", "C1-R01", 0, tag="rack_alarms.2")])
    await worker.run(T0 + SECOND)
    alarm = await id_of(pool, "C1-R01", "rack.alarm", "rack_alarms.2")
    shelved = Wanted(Change.SHELVED, "known, fan ordered", T0 + HOUR)

    await desk.act(ANN, [alarm], shelved, T0 + 2 * SECOND)
    await worker.run(T0 + HOUR - 1)
    assert (await lists.find()).total == 0
    (seen,) = (await lists.find(Filter(states=frozenset({State.SHELVED})))).alarms
    assert (seen.silenced.actor, seen.silenced.reason) == ("ann", "known, fan ordered")
    assert seen.shelved_until_ms == T0 + HOUR

    await worker.run(T0 + HOUR)
    assert await state_of(pool, "C1-R01", "rack.alarm", "rack_alarms.2") == "unacknowledged"
    assert [row[4] for row in await journal(pool)] == ["raised", "shelved", "shelf_expired"]


async def test_acts_are_refused_with_the_reason_and_change_nothing(pool, vault, worker, desk):
    await put(
        pool,
        vault,
        [Happened("fire.alarm", "C1-FIRE", 0), Happened("rack.alarm", "C1-R01", 0, tag="x")],
    )
    await worker.run(T0 + SECOND)
    fire, rack = (
        await id_of(pool, "C1-FIRE", "fire.alarm"),
        await id_of(pool, "C1-R01", "rack.alarm", "x"),
    )
    before = await everything(pool)
    late = T0 + HOUR

    for user, alarm, wanted, error, text in (
        (ANN, fire, Wanted(Change.SHELVED, "why", late + 1), ActRefused, "class safety"),
        (ANN, rack, Wanted(Change.SHELVED, " ", late + 1), ActRefused, "give a reason"),
        (ANN, rack, Wanted(Change.SHELVED, "why", late + 9 * HOUR), ActRefused, "at most 8 h"),
        (ANN, rack, Wanted(Change.SHELVED, "why", late), ActRefused, "at most 8 h"),
        (ANN, rack, Wanted(Change.TAKEN_OUT, "why"), ActForbidden, "no role of operator"),
        (ANN, rack, Wanted(Change.UNSHELVED), ActRefused, "is not shelved"),
        (ANN, rack, Wanted(Change.RESET), ActRefused, "condition still stands"),
        (EVE, rack, Wanted(Change.PUT_BACK, "why"), ActRefused, "in service already"),
    ):
        with pytest.raises(error, match=text):
            await desk.act(user, [alarm], wanted, late)

    assert await everything(pool) == before
    assert await rows(pool, "SELECT count(*) FROM audit") == [(0,)]


async def test_of_many_alarms_those_that_can_be_answered_are(pool, vault, worker, desk):
    await put(pool, vault, [Happened("rack.alarm", f"C1-R{n}", 0, tag="x") for n in range(3)])
    await worker.run(T0 + SECOND)
    ids = [await id_of(pool, f"C1-R{n}", "rack.alarm", "x") for n in range(3)]
    await desk.act(ANN, ids[:1], Wanted(Change.ACKNOWLEDGED), T0 + 2 * SECOND)

    outcome = await desk.act(ANN, ids, Wanted(Change.ACKNOWLEDGED), T0 + 3 * SECOND)

    assert outcome.done == tuple(ids[1:])
    assert list(outcome.refused) == ids[:1]
    assert "nothing to acknowledge" in outcome.refused[ids[0]].text


async def test_what_comes_to_light_after_an_acknowledgement_is_not_answered_by_it(
    pool, vault, worker, desk
):
    await put(pool, vault, [Happened("rack.alarm", "C1-R01", 0, tag="x")])
    await worker.run(T0 + SECOND)
    alarm = await id_of(pool, "C1-R01", "rack.alarm", "x")
    await desk.act(ANN, [alarm], Wanted(Change.ACKNOWLEDGED), T0 + 60 * SECOND)

    await put(
        pool,
        vault,
        [
            Happened("rack.alarm", "C1-R01", 10 * SECOND, active=False, tag="x"),
            Happened("rack.alarm", "C1-R01", 20 * SECOND, tag="x"),
        ],
    )
    await worker.run(T0 + 61 * SECOND)

    assert await state_of(pool, "C1-R01", "rack.alarm", "x") == "unacknowledged"
    assert [(row[4], row[5], row[7]) for row in await journal(pool)] == [
        ("raised", "unacknowledged", None),
        ("returned", "returned", None),
        ("raised", "unacknowledged", None),
        ("acknowledged", "unacknowledged", "ann"),
    ]


async def test_an_acknowledgement_counts_though_the_device_clock_is_ahead(
    pool, vault, worker, desk
):
    ahead = 5 * MINUTE
    await put(pool, vault, [Happened("rack.alarm", "C1-R01", ahead, tag="x", received=0)])
    await worker.run(T0 + ahead + SECOND)
    alarm = await id_of(pool, "C1-R01", "rack.alarm", "x")

    await desk.act(ANN, [alarm], Wanted(Change.ACKNOWLEDGED), T0 + SECOND)

    assert await state_of(pool, "C1-R01", "rack.alarm", "x") == "acknowledged"


async def seen_live(pool, station, received_ms):
    async with connection(pool) as conn:
        await conn.execute(
            "INSERT INTO live (station, epoch, sequence, at_ms, received_at, body)"
            " VALUES (%s, 1, 1, 0, to_timestamp(%s / 1000.0), ''::bytea)"
            " ON CONFLICT (station) DO UPDATE SET received_at = excluded.received_at",
            [station, received_ms],
        )


async def test_a_lost_link_is_one_alarm_dated_when_the_last_news_came(pool, worker, lists):
    await create_station(pool, "silent")
    await seen_live(pool, "haibin-1", T0)
    lost = T0 + LINK_LIMIT_MS + 1

    assert await look_at_links(pool, lost - 1) == 0
    assert await look_at_links(pool, lost) == 1
    assert await look_at_links(pool, lost + 1) == 0
    await worker.run(lost + 1)

    (alarm,) = (await lists.find()).alarms
    assert (alarm.code, alarm.onset_ms, alarm.station) == ("cloud.link_lost", T0, "haibin-1")
    assert alarm.text("zh") == "通信中断，无新数据"

    await seen_live(pool, "haibin-1", T0 + MINUTE)
    assert await look_at_links(pool, T0 + MINUTE) == 1
    await worker.run(T0 + 2 * MINUTE)
    assert await state_of(pool, "", "cloud.link_lost") == "returned"


async def test_two_workers_share_the_stations_and_take_every_row_once(pool, vault):
    for n in range(6):
        await create_station(pool, f"s{n}")
        events = [Happened("rack.alarm", f"C1-R{r:02}", r, tag="x") for r in range(20)]
        await put(pool, vault, events, f"s{n}")
    two = engine(pool, vault), engine(pool, vault)

    taken = await asyncio.gather(*(one.run(T0 + MINUTE) for one in two))
    while any(await asyncio.gather(*(one.run(T0 + MINUTE) for one in two))):
        pass

    assert sum(taken) <= 120
    assert await rows(pool, "SELECT count(*), count(DISTINCT alarm) FROM alarm_journal") == [
        (120, 120)
    ]
    assert await rows(pool, "SELECT count(*) FROM alarm_inbox") == [(0,)]


async def test_a_worker_that_is_killed_in_its_transaction_has_lost_nothing(
    pool, vault, dsn, tmp_path, worker
):
    await put(pool, vault, [Happened("rack.alarm", f"C1-R{n:02}", n, tag="x") for n in range(50)])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.cloud.alarms.hold", dsn, str(tmp_path / "keys")),
        str(T0 + MINUTE),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"written, not committed\n"
    assert await worker.run(T0 + MINUTE) == 0  # the station is being worked at

    process.kill()
    await process.wait()

    taken = 0

    async def finish():
        nonlocal taken
        taken += await worker.run(T0 + MINUTE)

    deadline = asyncio.get_running_loop().time() + 30
    while taken == 0 and asyncio.get_running_loop().time() < deadline:
        await finish()
    assert taken == 50
    assert await rows(pool, "SELECT count(*) FROM alarm_journal") == [(50,)]


async def test_a_flood_of_5000_alarms_in_a_minute_has_its_first_out_on_top(
    pool, vault, worker, lists
):
    codes = ("rack.alarm", "rack.warning", "cell.voltage", "pcs.alarm", "rack.isolated")
    flood = [
        Happened(
            codes[n % 5],
            f"C{n % 40 + 1}-R{n // 40 % 20:02}",
            10 + n * 12,
            tag=f"{n}",
            received=90_000,
        )
        for n in range(4_999)
    ]
    first = Happened("pcs.trip", "C1-PCS", 0, received=95_000)
    urgent = [Happened("fire.prealarm", "C1-FIRE", 55_000, received=90_000)]

    await put(pool, vault, [*flood, *urgent])
    await worker.run(T0 + 2 * MINUTE)
    await put(pool, vault, [first])
    await worker.run(T0 + 2 * MINUTE)

    page = await lists.find(limit=50)
    assert (page.alarms[0].code, page.alarms[0].first_out) == ("pcs.trip", True)
    assert page.alarms[1].code == "fire.prealarm"
    assert (
        page.total + (await lists.find(Filter(states=frozenset({State.SUPPRESSED})))).total == 5_001
    )
    counted = await counts(pool)
    assert sum(counted.open.values()) == page.total
    now = await flood_now(pool, load(), T0 + 2 * MINUTE)
    assert (now.flooded, now.count) == (True, page.total)


async def test_the_banner_and_the_counts_read_indexes_only(pool, vault, worker):
    await put(pool, vault, [Happened("rack.alarm", f"C1-R{n}", n, tag="x") for n in range(50)])
    await worker.run(T0 + MINUTE)
    async with connection(pool) as conn, conn.transaction():
        await conn.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        plan = await (
            await conn.execute(
                "EXPLAIN SELECT a.id FROM alarms a WHERE a.state IN ('unacknowledged',"
                " 'acknowledged', 'returned', 'latched') ORDER BY a.answered, a.list_priority,"
                " a.first_out DESC, a.onset_ms DESC, a.id LIMIT 4"
            )
        ).fetchall()

    text = "\n".join(row[0] for row in plan)
    assert "alarms_open" in text
    assert "Sort" not in text


async def test_the_story_of_an_incident_is_in_the_order_of_the_devices(pool, vault, worker):
    told = [
        Happened("rack.isolated", "C1-R07", 4_300),
        Happened("protection.confirmed", "C1-R07", 4_200),
        Happened("protection.action", "C1-R07", 4_100),
        Happened("protection.trip", "C1-R07", 4_000, tag="cell_temperature"),
        Happened("cell.temperature", "C1-R07", 1_000, value=61.0, limit=55.0),
        Happened("control.safe_state", "STATION", 4_500),
        Happened("rack.warning", "C2-R01", 4_500, tag="x"),
    ]
    await put(pool, vault, told)
    await worker.run(T0 + MINUTE)

    story = await incident(pool, vault, "haibin-1", "C1", T0 + 1_000)

    assert [event.at_ms - T0 for event in story.events] == [1_000, *range(4_000, 4_400, 100), 4_500]
    assert [part.code for part in story.parts] == [
        *("cell.temperature", "protection.trip", "rack.isolated"),
    ]
    assert story.parts[0].first_out
    assert story.events[0].value == 61.0


async def test_an_emergency_stop_is_one_incident_with_one_first_out_and_one_story(
    pool, vault, worker
):
    """It comes last and is told in whole seconds; what it did is told in milliseconds before it."""
    await put(pool, vault, [Happened("command.refused", "C1-PCS", 19_700, tag="start")])
    await worker.run(T0 + 25 * SECOND)
    await put(pool, vault, [Happened("pcs.trip", "C1-PCS", 19_900)])
    await worker.run(T0 + 26 * SECOND)
    await put(pool, vault, [Happened("pcs.trip", "C2-PCS", 20_300)])
    await worker.run(T0 + 27 * SECOND)
    leads = "SELECT device FROM alarms WHERE first_out ORDER BY device"
    assert await rows(pool, leads) == [("C1-PCS",)]

    await put(pool, vault, [Happened("control.emergency_stop", "PANEL", 20_000)])
    await worker.run(T0 + MINUTE)

    assert await rows(pool, leads) == [("PANEL",)]
    whole = await incident(pool, vault, "haibin-1", "", T0 + 20_000)
    assert [part.device for part in whole.parts] == ["C1-PCS", "C1-PCS", "PANEL", "C2-PCS"]
    assert (whole.first_ms, whole.stands) == (T0 + 20_000, True)
    assert await incident(pool, vault, "haibin-1", "C1", T0 + 19_700) == whole
    assert await incident(pool, vault, "haibin-1", "C2", T0 + 20_300) == whole


async def test_a_code_that_this_version_does_not_know_is_an_alarm_all_the_same(
    pool, vault, worker, lists
):
    async with connection(pool) as conn:
        await conn.execute(
            "INSERT INTO events (station, id, device, code, severity, active, at_ms, sealed)"
            " VALUES ('haibin-1', 'n', 'C1-R01', 'cell.leaking', 4, true, %s, '')",
            [T0],
        )
    await worker.run(T0 + MINUTE)

    (alarm,) = (await lists.find()).alarms

    assert (alarm.code, alarm.priority, alarm.damaged) == ("cell.leaking", 1, True)


async def test_what_has_returned_is_open_until_it_is_answered_and_active_no_more(
    pool, vault, worker
):
    lost = [Happened("rack.alarm", f"C1-R{n}", n, tag="x") for n in range(3)]
    back = [Happened(one.code, one.device, one.at + MINUTE, False, "x") for one in lost[:2]]
    await put(pool, vault, [*lost, *back])
    await worker.run(T0 + 5 * MINUTE)

    counted = await counts(pool)

    assert (sum(counted.open.values()), counted.active) == (3, 1)
    assert sum(counted.by_station["haibin-1"].values()) == 1


async def test_counts_of_one_station_are_of_it_alone(pool, vault, worker):
    await create_station(pool, "other")
    await put(pool, vault, [Happened("rack.alarm", "C1-R01", 0, tag="x")])
    others = [Happened("rack.alarm", f"C2-R{n}", n, tag="x") for n in range(3)]
    await put(pool, vault, others, "other")
    await worker.run(T0 + MINUTE)

    own, every = await counts(pool, "haibin-1"), await counts(pool)

    assert sum(own.open.values()) == 1
    assert {station for station, _ in own.worst} == set(own.by_station) == {"haibin-1"}
    assert sum(every.open.values()) == 4


async def test_a_station_whose_keys_do_not_open_stops_no_other(pool, vault, tmp_path):
    await create_station(pool, "a-damaged-one")
    for name in ("a-damaged-one", "haibin-1"):
        await put(pool, vault, [Happened("rack.alarm", "C1-R01", 0, tag="x")], name)
    async with connection(pool) as conn:
        await conn.execute(
            "UPDATE station_keys SET wrapped = set_byte(wrapped, 20, 255 - get_byte(wrapped, 20))"
            " WHERE station = 'a-damaged-one'"
        )
    worker = engine(pool, Vault(pool, open_keys(tmp_path / "keys")))

    with pytest.raises(KeyStoreError):
        await worker.run(T0 + MINUTE)

    assert await rows(pool, "SELECT station FROM alarm_inbox") == [("a-damaged-one",)]
    assert await state_of(pool, "C1-R01", "rack.alarm", "x") == "unacknowledged"
