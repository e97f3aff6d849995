from cloud.alarms import course, incident, load
from tests.cloud.alarms.happening import MINUTE, SECOND, T0, Happened, engine, put


async def test_the_past_is_told_newest_first_with_its_answer_and_end(pool, vault, station):
    events = [
        Happened("pcs.alarm", "C1-PCS", 0),
        Happened("pcs.alarm", "C1-PCS", 2 * MINUTE, active=False),
        Happened("fire.alarm", "FIRE", 3 * MINUTE),
    ]
    await put(pool, vault, events)
    await engine(pool, vault).run(T0 + 5 * MINUTE)

    page = await course.raised(pool, vault, load())

    assert [(one.device, one.onset_ms - T0) for one in page.rows] == [
        ("FIRE", 3 * MINUTE),
        ("C1-PCS", 0),
    ]
    assert page.rows[0].returned_ms is None
    assert page.rows[1].returned_ms is not None
    assert page.rows[1].text("en") == "PCS alarm"
    assert page.rows[1].text("zh-Hans") == "PCS 告警"
    assert page.total == 2


async def test_the_past_is_found_by_place_and_by_what_alarms_mean(pool, vault, station):
    await put(
        pool, vault, [Happened("pcs.alarm", "C1-PCS", 0), Happened("fire.alarm", "FIRE", SECOND)]
    )
    await engine(pool, vault).run(T0 + MINUTE)

    async def devices(text: str) -> list[str]:
        found = await course.raised(pool, vault, load(), text=text)
        return [one.device for one in found.rows]

    assert await devices("c1-p") == ["C1-PCS"]
    assert await devices("火警") == ["FIRE"]
    assert await devices("100 %_") == []


async def test_pages_of_the_past_neither_repeat_nor_miss(pool, vault, station):
    events = [Happened("pcs.alarm", f"C{n}-PCS", n * SECOND) for n in range(7)]
    await put(pool, vault, events)
    await engine(pool, vault).run(T0 + MINUTE)

    pages = [
        await course.raised(pool, vault, load(), limit=3, offset=offset) for offset in (0, 3, 6)
    ]

    seen = [one.device for page in pages for one in page.rows]
    assert seen == [f"C{n}-PCS" for n in reversed(range(7))]


async def test_rates_count_alarms_in_the_step_in_which_they_were_announced(pool, vault, station):
    events = [
        Happened("pcs.alarm", "C1-PCS", 0),
        Happened("pcs.alarm", "C2-PCS", 11 * MINUTE),
        Happened("pcs.alarm", "C3-PCS", 12 * MINUTE, received=25 * MINUTE),
    ]
    await put(pool, vault, events)
    await engine(pool, vault).run(T0 + 30 * MINUTE)

    counts = await course.rates(pool, T0, T0 + 30 * MINUTE, 10 * MINUTE)

    assert counts == [1, 1, 1]


async def test_a_story_that_is_cut_keeps_what_protection_did(pool, vault, station):
    events = [Happened("rack.alarm", "C1-R01", n, tag=f"rack_alarms.{n}") for n in range(50)]
    events.append(Happened("protection.action", "C1-R01", 200))
    await put(pool, vault, events)
    await engine(pool, vault).run(T0 + MINUTE)

    story = await incident(pool, vault, "haibin-1", "C1", T0, most=10)

    assert story.cut
    assert [event.at_ms - T0 for event in story.events] == [*range(9), 200]
