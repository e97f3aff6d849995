"""Whatever the order of arrival, events end in the same state and the same journal."""

import random

import pytest

from cloud.alarms import engine as engine_module
from cloud.alarms import store
from cloud.alarms.definitions import load
from cloud.alarms.engine import Work, retell
from cloud.db import connection
from tests.cloud.alarms.happening import (
    HOUR,
    SECOND,
    T0,
    Happened,
    engine,
    everything,
    journal,
    put,
    rows,
    state_of,
)
from tests.cloud.stations import create_station

CODES = (
    ("device.lost", "C1-R01", ""),
    ("device.stale", "C1-R01", "rack"),
    ("rack.alarm", "C1-R01", "rack_alarms.2"),
    ("rack.warning", "C1-R01", "rack_warnings.2"),
    ("rack.isolated", "C1-R02", ""),
    ("protection.trip", "C1-R02", "cell_temperature"),
    ("protection.latched", "C1-R02", "cell_temperature"),
    ("protection.escalated", "C2-R01", "contactor"),
    ("control.emergency_stop", "PANEL", ""),
    ("control.safe_state", "STATION", ""),
    ("chiller.alarm", "C2-CHL", "chiller_alarms.1"),
)
GRID = (0, 1, 500, 1000, 2000, 3000, 5000, 10_000, 40_000)


def course(random_: random.Random) -> list[Happened]:
    """Edges of several conditions, now and then told twice, some at the same millisecond."""
    told = []
    for code, device, tag in random_.sample(CODES, random_.randint(2, 7)):
        at, active = random_.choice(GRID), True
        for _ in range(random_.randint(1, 7)):
            told.append(Happened(code, device, at, active, tag))
            if random_.random() < 0.2:
                told.append(Happened(code, device, at, active, tag))
            at += random_.choice(GRID)
            active = not active
    return sorted(told, key=lambda event: event.at)


async def deliver(pool, vault, station, events, random_, *, chunks):
    """Hand events over in pieces, letting the engine work after each."""
    worker = engine(pool, vault)
    cuts = sorted(random_.sample(range(len(events) + 1), min(chunks, len(events))))
    for begin, end in zip([0, *cuts], [*cuts, len(events)], strict=True):
        piece = events[begin:end]
        await put(pool, vault, piece, station)
        now = max((event.at for event in piece), default=0) + random_.choice(GRID)
        await worker.run(T0 + now)
    await worker.run(T0 + HOUR)


def renamed(found, names):
    """Event ids differ between stations: name them by their place in the course."""

    def plain(value):
        return names.get(value, value) if isinstance(value, str) else value

    return {name: [tuple(plain(v) for v in row) for row in part] for name, part in found.items()}


@pytest.mark.parametrize("seed", range(40))
async def test_events_in_any_order_end_as_those_that_came_in_time(pool, vault, seed):
    random_ = random.Random(seed)
    for station in ("punctual", "late"):
        await create_station(pool, station)
    events = course(random_)
    again = [Happened(**(vars(event) | {"id": f"late-{event.id}"})) for event in events]
    names = {event.id: str(i) for i, event in enumerate(events)}
    names |= {event.id: str(i) for i, event in enumerate(again)}

    await deliver(pool, vault, "punctual", events, random_, chunks=len(events))
    random_.shuffle(again)
    doubled = again + random_.sample(again, len(again) // 2)
    await deliver(pool, vault, "late", doubled, random_, chunks=5)

    punctual = renamed(await everything(pool, "punctual"), names)
    late = renamed(await everything(pool, "late"), names)
    assert punctual["alarms"] == late["alarms"]
    assert punctual["occurrences"] == late["occurrences"]
    assert punctual["journal"] == late["journal"]


@pytest.mark.parametrize("seed", range(12))
async def test_what_was_told_piece_by_piece_is_what_is_told_as_a_whole(pool, vault, station, seed):
    random_ = random.Random(seed)
    events = course(random_)
    random_.shuffle(events)
    await deliver(pool, vault, "haibin-1", events, random_, chunks=6)
    before = await everything(pool)

    async with connection(pool) as conn, conn.transaction():
        await store.lock(conn, "haibin-1")
        ids = [row[0] for row in await (await conn.execute("SELECT id FROM alarms")).fetchall()]
        work = Work(conn, await vault.keys("haibin-1"), load(), "haibin-1", T0 + HOUR)
        await retell(work, dict.fromkeys(ids, 0))

    assert await everything(pool) == before


async def test_an_hour_without_the_cloud_loses_nothing_and_keeps_its_own_times(
    pool, vault, station
):
    minutes = range(0, 60, 5)
    events = [
        Happened(
            "rack.alarm",
            f"C1-R{n:02}",
            n * 60 * SECOND + part,
            not part,
            "rack_alarms.2",
            received=HOUR + n,
        )
        for n in minutes
        for part in (0, 30 * SECOND)
    ]

    await put(pool, vault, events)
    await engine(pool, vault).run(T0 + HOUR + 2 * SECOND)

    told = await journal(pool)
    assert [(row[3], row[4]) for row in told] == [
        (n * 60 * SECOND + part, change)
        for n in minutes
        for part, change in ((0, "raised"), (30 * SECOND, "returned"))
    ]
    found = await rows(pool, "SELECT onset_ms, received_ms, announced_ms FROM alarm_occurrences")
    assert {(r - T0 - HOUR, o - T0) for o, r, _ in found} == {(n, n * 60 * SECOND) for n in minutes}
    assert all(received == announced for _, received, announced in found)


async def test_a_late_clearing_edge_withdraws_an_alarm_that_never_was(pool, vault, station):
    worker = engine(pool, vault)
    await put(pool, vault, [Happened("device.lost", "C1-R01", 0)])
    await worker.run(T0 + 4 * SECOND)
    assert await state_of(pool, "C1-R01", "device.lost") == "unacknowledged"

    await put(pool, vault, [Happened("device.lost", "C1-R01", 2 * SECOND, active=False)])
    await worker.run(T0 + 10 * SECOND)

    assert await state_of(pool, "C1-R01", "device.lost") == "normal"
    assert await journal(pool) == []
    assert await rows(pool, "SELECT count(*) FROM alarm_journal") == [(2,)]


async def test_a_delay_ends_by_the_clock_though_nothing_more_arrives(pool, vault, station):
    worker = engine(pool, vault)
    await put(pool, vault, [Happened("device.lost", "C1-R01", 0)])

    await worker.run(T0 + 2 * SECOND)
    assert await state_of(pool, "C1-R01", "device.lost") == "normal"

    await worker.run(T0 + 3 * SECOND)
    assert await state_of(pool, "C1-R01", "device.lost") == "unacknowledged"


async def test_a_batch_that_breaks_off_has_changed_nothing_and_is_done_anew(
    pool, vault, station, monkeypatch
):
    await put(pool, vault, [Happened("rack.alarm", "C1-R01", 0, tag="rack_alarms.2")])

    async def broken(*_: object):
        raise OSError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(engine_module.incidents, "rearrange", broken)
        with pytest.raises(OSError, match="killed"):
            await engine(pool, vault).run(T0 + SECOND)
    assert await rows(pool, "SELECT count(*) FROM alarms") == [(0,)]
    assert await rows(pool, "SELECT count(*) FROM alarm_inbox") == [(1,)]

    assert await engine(pool, vault).run(T0 + SECOND) == 1
    assert await state_of(pool, "C1-R01", "rack.alarm", "rack_alarms.2") == "unacknowledged"


async def test_journal_and_acts_are_never_changed(pool, vault, station):
    await put(pool, vault, [Happened("rack.alarm", "C1-R01", 0, tag="rack_alarms.2")])
    await engine(pool, vault).run(T0 + SECOND)

    for statement in ("UPDATE alarm_journal SET state = 'normal'", "DELETE FROM alarm_journal"):
        with pytest.raises(Exception, match="never changed or removed"):
            await rows(pool, statement)


async def test_a_restarted_controller_ends_what_it_does_not_tell_again(pool, vault, station):
    await put(
        pool,
        vault,
        [
            Happened("rack.alarm", "C1-R01", 0, tag="rack_alarms.2"),
            Happened("rack.alarm", "C1-R02", 0, tag="rack_alarms.2"),
            Happened("protection.trip", "C1-R03", 0, tag="cell_temperature"),
        ],
    )
    worker = engine(pool, vault)
    await worker.run(T0 + SECOND)

    await put(
        pool,
        vault,
        [
            Happened("station.started", "STATION", 100 * SECOND),
            Happened("rack.alarm", "C1-R02", 103 * SECOND, tag="rack_alarms.2"),
            Happened("protection.trip", "C1-R03", 0, tag="cell_temperature", received=103 * SECOND),
        ],
    )
    await worker.run(T0 + 300 * SECOND)

    states = [
        await state_of(pool, "C1-R01", "rack.alarm", "rack_alarms.2"),
        await state_of(pool, "C1-R02", "rack.alarm", "rack_alarms.2"),
        await state_of(pool, "C1-R03", "protection.trip", "cell_temperature"),
    ]
    assert states == ["returned", "unacknowledged", "unacknowledged"]
