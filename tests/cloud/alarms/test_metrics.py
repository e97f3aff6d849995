"""The measures of ISA-18.2 over events of known times."""

import tomllib
from typing import Any

import pytest

from cloud.access import Role, User
from cloud.alarms import Change, Desk, Lists, Wanted, chattering, fleeting, load, metrics
from cloud.alarms.definitions import SHIPPED, Definitions, Flood, parse
from cloud.alarms.metrics import floods_of
from cloud.errors import BadQuery
from tests.cloud.alarms.happening import (
    HOUR,
    MINUTE,
    SECOND,
    T0,
    Happened,
    engine,
    id_of,
    put,
)

ANN = User("1", "ann", frozenset({Role.OPERATOR}))
pytestmark = pytest.mark.usefixtures("station")


def often(device, code, at, times, *, every, lasting):
    """A condition that comes and goes."""
    return [
        Happened(code, device, at + n * every + part, not part, "x")
        for n in range(times)
        for part in (0, lasting)
    ]


def with_own(tag: str, **own: Any) -> Definitions:
    """The shipped definitions, with one of its own for a tag of `rack.alarm`."""
    raw = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    usual = next(r for r in raw["alarm"] if r["code"] == "rack.alarm" and r.get("tag", "*") == "*")
    raw["alarm"].insert(0, usual | {"tag": tag} | own)
    return parse(raw, SHIPPED)


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        ([0, 10, 3], []),
        ([0, 11, 5, 4, 0], [(1, 3)]),
        ([11, 7, 12, 6], [(0, 4)]),
        ([11, 0, 11], [(0, 1), (2, 3)]),
        ([], []),
    ],
)
def test_a_flood_begins_over_ten_and_ends_under_five(counted, expected):
    assert floods_of(counted, Flood()) == expected


async def test_figures_of_an_hour_are_those_of_its_alarms(pool, vault):
    events = [
        *often("C1-R01", "rack.alarm", 0, 12, every=30 * SECOND, lasting=15 * SECOND),
        *often("C1-R02", "pcs.trip", 20 * MINUTE, 2, every=MINUTE, lasting=30 * SECOND),
        *often("C1-R03", "rack.warning", 30 * MINUTE, 6, every=5 * MINUTE, lasting=MINUTE),
    ]
    await put(pool, vault, events)
    await engine(pool, vault).run(T0 + 2 * HOUR)
    desk = Desk(pool, vault, load())
    await desk.act(
        ANN,
        [await id_of(pool, "C1-R02", "pcs.trip", "x")],
        Wanted(Change.ACKNOWLEDGED),
        T0 + 23 * MINUTE,
    )

    found = await metrics(pool, load(), T0, T0 + HOUR, positions=1)

    assert found.alarms == 20
    assert found.per_hour == found.per_operator_hour == 20
    assert found.split == {1: 0, 2: 2, 3: 12, 4: 6}
    assert [(one.code, one.count, one.share) for one in found.top] == [
        ("rack.alarm", 12, 0.6),
        ("rack.warning", 6, 0.3),
        ("pcs.trip", 2, 0.1),
    ]
    assert found.top_share == pytest.approx(1.0)
    assert found.most_per_10_min == 12
    assert found.average_per_10_min == pytest.approx(20 / 6)
    assert found.floods == ((T0, T0 + 10 * MINUTE),)
    assert found.flood_share == pytest.approx(1 / 6)
    assert (found.answered.count, found.answered.median_s) == (1, 120.0)
    assert found.answered.within_respond_time == 1.0

    shared = await metrics(pool, load(), T0, T0 + HOUR, positions=2)
    assert (shared.per_operator_hour, shared.flood_share) == (10, 0)
    elsewhere = await metrics(pool, load(), T0, T0 + HOUR, station="nowhere")
    assert (elsewhere.alarms, elsewhere.top, elsewhere.top_share) == (0, (), 0)


async def test_answered_in_time_is_by_the_time_to_respond_of_the_alarms_own_tag(pool, vault):
    definitions = with_own("fan.*", respond_min=1)
    tags = ("fan.7", "x", "y")
    await put(pool, vault, [Happened("rack.alarm", "C1-R01", 0, tag=tag) for tag in tags])
    await engine(pool, vault, definitions).run(T0 + MINUTE)
    ids = [await id_of(pool, "C1-R01", "rack.alarm", tag) for tag in ("fan.7", "x")]
    await Desk(pool, vault, definitions).act(ANN, ids, Wanted(Change.ACKNOWLEDGED), T0 + 3 * MINUTE)

    found = await metrics(pool, definitions, T0, T0 + HOUR)

    assert (found.answered.count, found.answered.within_respond_time) == (2, 0.5)
    usual = await metrics(pool, load(), T0, T0 + HOUR)
    assert usual.answered.within_respond_time == 1.0


async def test_an_hour_without_the_cloud_counts_when_its_alarms_arrive(pool, vault):
    events = [
        Happened("rack.alarm", f"C1-R{n}", n * MINUTE, tag="x", received=HOUR) for n in range(30)
    ]
    await put(pool, vault, events)
    await engine(pool, vault).run(T0 + HOUR)

    assert (await metrics(pool, load(), T0, T0 + HOUR)).alarms == 0
    after = await metrics(pool, load(), T0 + HOUR, T0 + 2 * HOUR)
    assert (after.alarms, after.most_per_10_min) == (30, 30)


async def test_a_suppressed_alarm_is_none_for_the_operator(pool, vault):
    await put(
        pool,
        vault,
        [Happened("device.lost", "C1-R01", 0), Happened("device.stale", "C1-R01", 0, tag="rack")],
    )
    await engine(pool, vault).run(T0 + MINUTE)

    found = await metrics(pool, load(), T0, T0 + HOUR)

    assert [one.code for one in found.top] == ["device.lost"]


async def test_what_comes_thrice_a_minute_chatters(pool, vault):
    await put(
        pool,
        vault,
        [
            *often("C1-R01", "rack.alarm", 0, 3, every=30 * SECOND, lasting=SECOND),
            *often("C1-R02", "rack.alarm", 0, 3, every=31 * SECOND, lasting=SECOND),
            *often("C1-R03", "rack.alarm", 0, 5, every=20 * SECOND, lasting=SECOND),
        ],
    )
    await engine(pool, vault).run(T0 + HOUR)

    found = await chattering(pool, load(), T0, T0 + HOUR)

    assert [(one.device, one.count) for one in found] == [("C1-R03", 3), ("C1-R01", 1)]


async def test_a_tag_may_have_its_own_measure_of_chattering(pool, vault):
    definitions = with_own("fan.*", chattering={"count": 2, "within_s": 300})
    await put(
        pool,
        vault,
        [
            Happened("rack.alarm", "C1-R01", n * MINUTE + part, not part, tag)
            for tag in ("fan.7", "x")
            for n in range(2)
            for part in (0, SECOND)
        ],
    )
    await engine(pool, vault, definitions).run(T0 + HOUR)

    found = await chattering(pool, definitions, T0, T0 + HOUR)

    assert [(one.tag, one.count) for one in found] == [("fan.7", 1)]


async def test_only_the_tag_that_merely_happens_is_left_out_of_what_is_fleeting(pool, vault):
    definitions = with_own("fan.*", momentary=True)
    await put(
        pool,
        vault,
        [
            Happened("rack.alarm", "C1-R01", part, not part, tag)
            for tag in ("fan.7", "x")
            for part in (0, SECOND)
        ],
    )
    await engine(pool, vault, definitions).run(T0 + HOUR)

    found = await fleeting(pool, definitions, T0, T0 + HOUR)

    assert [one.tag for one in found] == ["x"]


async def test_what_is_gone_at_once_is_fleeting_and_what_only_happens_is_not(pool, vault):
    await put(
        pool,
        vault,
        [
            *often("C1-R01", "rack.alarm", 0, 2, every=10 * MINUTE, lasting=9 * SECOND),
            *often("C1-R02", "rack.alarm", 0, 2, every=10 * MINUTE, lasting=10 * SECOND),
            Happened("protection.escalated", "C1-R03", 0, tag="x"),
        ],
    )
    await engine(pool, vault).run(T0 + HOUR)

    found = await fleeting(pool, load(), T0, T0 + HOUR)

    assert [(one.device, one.count) for one in found] == [("C1-R01", 2)]


async def test_what_has_stood_for_a_day_is_listed(pool, vault):
    await put(
        pool,
        vault,
        [
            Happened("rack.alarm", "C1-R01", 0, tag="x"),
            Happened("rack.alarm", "C1-R02", 0, tag="x"),
            Happened("rack.alarm", "C1-R02", HOUR, active=False, tag="x"),
            Happened("rack.alarm", "C1-R03", 2 * HOUR, tag="x"),
        ],
    )
    await engine(pool, vault).run(T0 + 3 * HOUR)
    lists = Lists(pool, vault, load())

    page = await lists.standing(T0 + 24 * HOUR + 1)

    assert [alarm.device for alarm in page.alarms] == ["C1-R01"]
    assert page.total == 1


@pytest.mark.parametrize("end_ms", [T0, T0 - 1, T0 + 367 * 24 * HOUR])
async def test_an_empty_range_and_one_of_years_are_refused(pool, end_ms):
    with pytest.raises(BadQuery, match="at most a year"):
        await metrics(pool, load(), T0, end_ms)
