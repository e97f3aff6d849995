import pytest

from cloud import alarms
from cloud.alarms import Cursor
from cloud.db import connection
from cloud.errors import BadQuery
from cloud.vault.rows import EventContent, seal_event

STATION = "haibin-1"


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


async def ids(pool, vault, *, limit, start_ms=0, end_ms=10_000):
    """Ids page by page until there is no next page."""
    pages, before = [], None
    while True:
        page = await alarms.between(
            pool, vault, STATION, start_ms, end_ms, limit=limit, before=before
        )
        pages.append([event.id for event in page.events])
        if page.following is None:
            return pages
        before = Cursor.parse(str(page.following))


@pytest.mark.usefixtures("station")
async def test_events_come_newest_first_and_those_of_one_millisecond_by_id(pool, vault):
    for name, at_ms in (("b", 2000), ("a", 1000), ("d", 2000), ("c", 2000), ("e", 3000)):
        await happen(pool, vault, name, at_ms, active=True)

    assert await ids(pool, vault, limit=10) == [["e", "d", "c", "b", "a"]]
    assert await ids(pool, vault, limit=2) == [["e", "d"], ["c", "b"], ["a"]]
    assert await ids(pool, vault, limit=5) == [["e", "d", "c", "b", "a"]]


@pytest.mark.usefixtures("station")
async def test_a_page_goes_on_where_the_one_before_ended_whatever_arrives_meanwhile(pool, vault):
    for name, at_ms in (("a", 1000), ("b", 2000), ("c", 3000)):
        await happen(pool, vault, name, at_ms, active=True)
    first = await alarms.between(pool, vault, STATION, 0, 10_000, limit=2)
    await happen(pool, vault, "late", 2500, active=True)

    rest = await alarms.between(pool, vault, STATION, 0, 10_000, limit=2, before=first.following)

    assert [event.id for event in (*first.events, *rest.events)] == ["c", "b", "a"]


@pytest.mark.usefixtures("station")
async def test_the_range_holds_its_begin_and_not_its_end(pool, vault):
    for name, at_ms in (("a", 1000), ("b", 2000), ("c", 3000)):
        await happen(pool, vault, name, at_ms, active=True)

    assert await ids(pool, vault, limit=10, start_ms=1000, end_ms=3000) == [["b", "a"]]


@pytest.mark.usefixtures("station")
async def test_an_event_says_what_appeared_or_cleared_and_information_is_no_alarm(pool, vault):
    await happen(pool, vault, "a", 1000, active=True)
    await happen(pool, vault, "b", 2000, active=False)
    await happen(pool, vault, "c", 3000, active=True, severity=1, code="station.started")

    page = await alarms.between(pool, vault, STATION, 0, 10_000, limit=10)

    told = [(event.code, event.priority, event.active) for event in page.events]
    assert told == [
        ("station.started", None, True),
        ("rack.alarm", 2, False),
        ("rack.alarm", 2, True),
    ]
    assert (page.events[2].text_zh, page.events[2].value) == ("电池簇告警", 3.66)


@pytest.mark.usefixtures("station")
async def test_an_event_that_was_altered_is_named_and_not_shown(pool, vault):
    await happen(pool, vault, "a", 1000, active=True)
    await happen(pool, vault, "b", 2000, active=True)
    async with connection(pool) as conn:
        await conn.execute(
            "UPDATE events SET sealed = set_byte(sealed, length(sealed) - 1,"
            " get_byte(sealed, length(sealed) - 1) # 1) WHERE id = 'b'"
        )

    page = await alarms.between(pool, vault, STATION, 0, 10_000, limit=10)

    assert [event.id for event in page.events] == ["a"]
    assert page.damaged == ("b",)


@pytest.mark.parametrize("text", ["", "x", ":a", "-1:a", "1.5:a", "9" * 30 + ":a", "1:\0"])
def test_a_cursor_of_another_form_is_refused(text):
    with pytest.raises(BadQuery):
        Cursor.parse(text)
