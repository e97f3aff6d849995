"""What goes, when, and that nothing goes before its archive is proven."""

import datetime as dt
import json

import numpy as np
import pytest

from cloud.config import parse
from cloud.errors import ArchiveError
from cloud.history import Resolution, SignalRef, Tier
from cloud.history.render import to_json
from cloud.history.retention import blocks as retention_blocks
from cloud.history.retention import policy
from cloud.history.rollups.job import LOCK as ROLLUP_LOCK
from cloud.history.rollups.rebuild import rebuild
from cloud.jobs import Jobs
from cloud.workers import Task
from contract import layouts
from tests.cloud.history.archives import (
    ALL_GONE,
    CELLS,
    CELLS_GONE,
    DAY_MS,
    HOUR_MS,
    OLD,
    SOON,
    Past,
    fill,
    open_past,
)
from tests.cloud.stations import T0_MS, frame

POWER = SignalRef("METER", "active_power_kw")
CELL = SignalRef("C1-R01", "cell_voltage_v", 3)


@pytest.fixture
async def past(stored, tmp_path) -> Past:
    await fill(stored)
    found = open_past(stored, tmp_path, tmp_path / "archive")
    await found.roll_up()
    await found.settle()
    return found


async def blocks(past) -> dict[str, int]:
    rows = await past.rows(
        "SELECT l.name, count(*) FROM blocks b JOIN layouts l ON l.hash = b.layout GROUP BY 1"
    )
    return dict(rows)


async def query(past, ref=POWER, resolution=Resolution.AUTO, start=T0_MS, end=T0_MS + DAY_MS):
    return await past.stored.history.query("alpha", [ref], start, end, resolution=resolution)


async def event(past, at_ms: int, severity: int = 3) -> None:
    async with past.stored.pool.connection() as conn:
        await conn.execute(
            "INSERT INTO events (station, id, device, code, severity, active, at_ms, sealed)"
            " VALUES ('alpha', %s, 'C1', 'pcs.alarm', %s, true, %s, '')",
            [f"e{at_ms}", severity, at_ms],
        )


async def test_nothing_goes_while_its_time_has_not_passed(past):
    assert await past.retain(SOON) == []

    assert len(past.versions()) == 1
    assert await blocks(past) == {"meter": 3, "pcs": 3, "rack": 3, "rack.cells/12": 3}


async def test_cells_go_before_the_others_and_the_check_goes_on_balancing(past):
    await past.retain(SOON)

    assert await past.retain(CELLS_GONE) == []

    assert await blocks(past) == {"meter": 3, "pcs": 3, "rack": 3}
    assert (await past.stored.check()).findings == []
    row = (await past.rows("SELECT dropped_at IS NOT NULL FROM archives"))[0]
    assert row == (True,)


async def test_a_month_of_which_nothing_is_kept_goes_with_its_partition(past):
    await past.retain(SOON)
    before = {r: await query(past, resolution=r) for r in (Resolution.MINUTE, Resolution.QUARTER)}

    assert await past.retain(ALL_GONE) == []

    assert await blocks(past) == {}
    assert await past.rows("SELECT to_regclass('blocks_2026_01')") == [(None,)]
    assert await past.rows("SELECT samples FROM block_ledger") == [(0,)]
    assert (await past.stored.check()).findings == []
    for resolution, result in before.items():
        after = await query(past, resolution=resolution)
        np.testing.assert_array_equal(after.series[0].values, result.series[0].values)


async def test_a_month_goes_row_by_row_while_a_reader_holds_the_table(past):
    await past.retain(SOON)
    async with past.stored.pool.connection() as reader, reader.transaction():
        await reader.execute("SELECT count(*) FROM blocks")

        assert await past.retain(ALL_GONE) == []

    assert await blocks(past) == {}
    assert await past.rows("SELECT to_regclass('blocks_2026_01') IS NULL") == [(False,)]
    assert (await past.stored.check()).findings == []


async def test_a_month_waits_for_a_rollup_pass_that_lasts_and_goes_the_next_time(past, monkeypatch):
    monkeypatch.setattr(retention_blocks, "_ROLLUP_WAIT", "100ms")
    await past.retain(SOON)
    async with past.stored.pool.connection() as job, job.transaction():
        await job.execute("SELECT pg_advisory_xact_lock(%s, hashtext('alpha'))", [ROLLUP_LOCK])

        waiting = await past.retain(ALL_GONE)

    assert waiting == ["alpha 2026-01: is due, and is busy; tried again later"]
    assert len(await blocks(past)) == 4
    assert await past.retain(ALL_GONE) == []
    assert await blocks(past) == {}


async def test_nothing_goes_that_is_not_archived(past):
    waiting = await past.retain_without_archiving(ALL_GONE)

    assert len(await blocks(past)) == 4
    assert waiting == ["alpha 2026-01: is due, and waits to be archived; [archive] says where to"]


async def test_nothing_goes_whose_archive_cannot_be_reached_any_more(past):
    await past.retain(SOON)

    waiting = await past.retain_without_archiving(ALL_GONE)

    assert len(await blocks(past)) == 4
    assert "cannot be reached" in waiting[0]
    good = past.versions()
    assert await past.retain(ALL_GONE) == []
    assert past.versions() == good, "an outage is no reason to distrust it"


@pytest.mark.parametrize("mounted", [True, False])
async def test_a_store_that_is_away_for_a_while_keeps_its_archive_and_its_trust(past, mounted):
    await past.retain(SOON)
    good, away = past.versions(), past.root.with_name("away")
    past.root.rename(away)
    if mounted:
        past.root.mkdir()

    waiting = await past.retain(ALL_GONE)

    assert "check that the store can be reached" in waiting[0]
    assert len(await blocks(past)) == 4
    if mounted:
        past.root.rmdir()
    away.rename(past.root)
    assert await past.retain(ALL_GONE) == []
    assert past.versions() == good
    assert await blocks(past) == {}


async def test_a_month_of_whose_archive_a_file_is_missing_is_archived_anew(past):
    await past.retain(SOON)
    altered = past.versions()
    past.file("pcs.parquet").unlink()

    waiting = await past.retain(ALL_GONE)

    assert "pcs.parquet: is missing" in waiting[0]
    assert len(await blocks(past)) == 4
    assert await past.retain(ALL_GONE) == []
    assert past.versions() != altered
    assert await blocks(past) == {}


async def test_nothing_goes_whose_archive_was_altered_by_one_byte(past):
    await past.retain(SOON)
    file = past.file("meter.parquet")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)

    waiting = await past.retain(ALL_GONE)

    assert "meter.parquet: was altered" in waiting[0]
    assert len(await blocks(past)) == 4
    altered = past.versions()
    assert await past.retain(ALL_GONE) == []
    assert past.versions() != altered, "all of it was here still, so it was archived anew"
    assert await blocks(past) == {}


async def test_an_altered_archive_of_a_month_that_is_partly_gone_is_told_and_nothing_more_goes(
    past,
):
    await past.retain(SOON)
    await past.retain(CELLS_GONE)
    file = past.file("rack.cells-12.parquet")
    file.write_bytes(file.read_bytes()[:-1])

    for _ in range(2):
        waiting = await past.retain(ALL_GONE)

        assert "rack.cells-12.parquet: was altered" in waiting[0]
        assert len(await blocks(past)) == 3


async def test_nothing_goes_whose_rollups_wait(past):
    await past.retain(SOON)
    await past.run(f"INSERT INTO dirty VALUES ('alpha', {T0_MS}, 1)")

    waiting = await past.retain(ALL_GONE)

    assert waiting == ["alpha 2026-01: is due, and waits for its rollups"]
    assert len(await blocks(past)) == 4


async def test_the_hours_around_an_alarm_stay_whole_and_for_ever(past):
    await past.retain(SOON)
    await event(past, T0_MS + 8 * HOUR_MS)
    await event(past, T0_MS + 15 * HOUR_MS, severity=2)

    await past.retain(OLD)

    kept = await past.rows("SELECT DISTINCT hour_ms FROM blocks")
    assert kept == [(T0_MS + 7 * HOUR_MS,)]
    assert await blocks(past) == {"meter": 1, "pcs": 1, "rack": 1, "rack.cells/12": 1}
    assert (await past.stored.check()).findings == []
    raw = await query(past, resolution=Resolution.RAW)
    assert len(raw.series[0].times_ms) == 120


async def test_space_of_deleted_rows_is_given_back(past):
    await past.retain(SOON)
    await event(past, T0_MS + 8 * HOUR_MS)
    await past.run("UPDATE blocks SET body = body || convert_to(repeat('x', 3000000), 'UTF8')")
    before = (await past.rows("SELECT pg_total_relation_size('blocks_2026_01')"))[0][0]

    assert await past.retain(ALL_GONE) == []

    after = (await past.rows("SELECT pg_total_relation_size('blocks_2026_01')"))[0][0]
    assert after < before / 2


async def test_rollups_go_by_their_own_times_and_after_the_samples(past):
    await past.retain(SOON)
    await past.retain(ALL_GONE)
    assert await past.rows("SELECT count(*) > 0 FROM rollup_blocks WHERE tier_ms = 60000") == [
        (True,)
    ]

    await past.retain(OLD)

    assert await past.rows("SELECT DISTINCT tier_ms FROM rollup_blocks") == [(900_000,)]
    assert await past.rows("SELECT count(*) > 0 FROM cell_rollups") == [(True,)]
    assert (await query(past)).tiers == (Tier.QUARTER,)


async def test_sql_rows_of_signals_that_are_not_released_any_more_go(past):
    bucket = "to_timestamp(%s / 1000.0), 1, 1, 1, 1, 1)"
    async with past.stored.pool.connection() as conn:
        for device, signal in (("METER", "active_power_kw"), ("C1", "active_power_kw")):
            await conn.execute(
                "INSERT INTO rollups_15min (station, device, signal, bucket, minimum, maximum,"
                f" mean, last, count) VALUES ('alpha', %s, %s, {bucket}",
                [device, signal, T0_MS],
            )

    await past.retain(SOON)

    assert await past.rows("SELECT device FROM rollups_15min") == [("C1",)]


async def test_late_data_of_a_dropped_month_join_it_in_a_new_version(past):
    await past.retain(SOON)
    await past.retain(ALL_GONE)
    first = past.versions()
    late = frame("METER", layouts.METER, T0_MS + 120_000, 60)
    await past.stored.put([late])
    await past.stored.compact()

    assert await past.stored.roll_up() == 0
    kept = await query(past, resolution=Resolution.QUARTER)
    assert kept.series[0].count[0] == 120

    await past.retain(ALL_GONE + dt.timedelta(hours=1))
    assert past.versions() == first, "it waits until no more comes"
    await past.settle()
    await past.retain(ALL_GONE + dt.timedelta(hours=7))
    await past.roll_up()
    joined = await query(past, resolution=Resolution.QUARTER)
    assert joined.series[0].count[0] == 180
    assert (await past.stored.check()).findings == []

    await past.retain(ALL_GONE + dt.timedelta(hours=8))

    assert await blocks(past) == {}
    assert len(past.versions()) == 1
    assert past.versions() != first
    assert (await query(past, resolution=Resolution.QUARTER)).series[0].count[0] == 180
    assert (await past.stored.check()).findings == []


async def test_a_month_put_back_by_a_person_stays_as_long_as_asked(past):
    await past.retain(SOON)
    await past.retain(ALL_GONE)
    until = ALL_GONE + dt.timedelta(days=30)
    await past.restore(until)
    await past.roll_up()

    await past.retain(ALL_GONE + dt.timedelta(days=29))
    stayed = await blocks(past)
    assert (await past.stored.check()).findings == []
    await past.retain(ALL_GONE + dt.timedelta(days=31))

    assert stayed == {"meter": 3, "pcs": 3, "rack": 3, "rack.cells/12": 3}
    assert await blocks(past) == {}


async def test_rollups_of_a_month_put_back_equal_what_they_were(past):
    refs = [POWER, SignalRef("C1", "active_power_kw"), SignalRef("C1-R01", "soc"), CELL]
    before = [await query(past, ref, Resolution.QUARTER) for ref in refs]
    await past.retain(SOON)
    await past.retain(OLD)

    await past.restore(OLD + dt.timedelta(days=30))
    await past.roll_up()

    for ref, result in zip(refs, before, strict=True):
        after = await query(past, ref, Resolution.QUARTER)
        np.testing.assert_array_equal(after.series[0].times_ms, result.series[0].times_ms)
        np.testing.assert_array_equal(after.series[0].values, result.series[0].values)
    assert (await past.stored.check()).findings == []
    await rebuild(past.stored.pool, past.stored.reader, "alpha", T0_MS, T0_MS + 31 * DAY_MS)
    assert (await past.stored.check()).findings == []


async def test_rollups_whose_samples_are_gone_are_not_rebuilt_from_nothing(past):
    await past.retain(SOON)
    await past.retain(ALL_GONE)
    before = await past.rows("SELECT count(*) FROM rollup_blocks")

    with pytest.raises(ArchiveError, match="put the months back first"):
        await rebuild(past.stored.pool, past.stored.reader, "alpha", T0_MS, T0_MS + DAY_MS)

    assert await past.rows("SELECT count(*) FROM rollup_blocks") == before


async def test_what_the_policy_does_not_archive_goes_without(stored, tmp_path):
    text = policy.DEFAULT.read_text().replace("archive = true", "archive = false")
    (tmp_path / "policy.toml").write_text(text)
    await fill(stored)
    own = policy.load(tmp_path / "policy.toml")
    past = open_past(stored, tmp_path, tmp_path / "archive", own)
    await past.roll_up()

    assert await past.retain(ALL_GONE) == []

    assert await blocks(past) == {}
    assert past.versions() == []
    await stored.put([frame("METER", layouts.METER, T0_MS + 120_000, 60)])
    await stored.compact()
    await past.roll_up()
    kept = await query(past, resolution=Resolution.QUARTER)
    assert kept.series[0].count[0] == 120
    assert await stored.count("dirty") == 0


async def test_a_range_whose_samples_are_gone_is_answered_by_what_is_kept_and_says_so(past):
    await past.retain(SOON)
    await past.retain(ALL_GONE)
    hour = T0_MS, T0_MS + HOUR_MS

    automatic = await query(past, POWER, Resolution.AUTO, *hour)
    raw = await query(past, POWER, Resolution.RAW, *hour)
    cell = await query(past, CELL, Resolution.AUTO, *hour)
    cell_raw = await query(past, CELL, Resolution.MINUTE, *hour)

    (told,) = automatic.notes
    assert automatic.resolution is told.instead is Resolution.MINUTE
    assert told.text.endswith("1 min rollups answer instead")
    assert automatic.series[0].count.tolist() == [60, 60]
    assert raw.points == 0
    assert "samples before 2026-02-01 00:00 UTC are no longer kept" in raw.notes[0].text
    assert cell.resolution is Resolution.QUARTER
    assert cell.points == 1
    assert "1 min" in cell_raw.notes[0].text
    before_ms = round(dt.datetime(2026, 2, 1, tzinfo=dt.UTC).timestamp() * 1e3)
    assert json.loads(to_json(raw))["notes"] == [
        {
            "code": "gone",
            "resolution": "raw",
            "before_ms": before_ms,
            "instead": None,
            "text": raw.notes[0].text,
        }
    ]


async def test_after_the_minutes_the_quarter_hours_answer(past):
    await past.retain(SOON)
    await past.retain(OLD)

    automatic = await query(past, POWER, Resolution.AUTO, T0_MS, T0_MS + HOUR_MS)
    minutes = await query(past, POWER, Resolution.MINUTE, T0_MS, T0_MS + HOUR_MS)

    assert automatic.resolution is Resolution.QUARTER
    assert automatic.series[0].count.tolist() == [120]
    assert minutes.points == 0
    assert "1 min rollups before 2026-01-01 15:00 UTC" in minutes.notes[0].text


async def test_around_an_event_the_samples_still_answer(past):
    await past.retain(SOON)
    await event(past, T0_MS + 8 * HOUR_MS)
    await past.retain(OLD)
    at = T0_MS + 7 * HOUR_MS

    found = await query(past, POWER, Resolution.AUTO, at, at + 600_000)

    assert found.resolution is Resolution.RAW
    assert found.points == 120


async def test_the_heat_map_of_a_dropped_time_is_that_of_its_quarter_hour(past):
    await past.retain(SOON)
    await past.retain(CELLS_GONE)

    found = await past.stored.history.cells_at("alpha", "C1-R01", T0_MS + 100_000)

    assert found.tier is Tier.QUARTER
    whole = frame("C1-R01", CELLS, T0_MS, 30, step_ms=10_000).physical("cell_voltage_v")
    np.testing.assert_allclose(found.values["cell_voltage_v"], whole.mean(axis=0), atol=5e-4)


async def test_the_jobs_archive_drop_and_release_as_configured(stored, dsn, tmp_path):
    month = (dt.datetime.now(dt.UTC) - dt.timedelta(days=250)).date().replace(day=1)
    start_ms = round(dt.datetime(month.year, month.month, 1, tzinfo=dt.UTC).timestamp() * 1000)
    await stored.put(
        [
            frame("METER", layouts.METER, start_ms, 120),
            frame("C1", layouts.PCS, start_ms, 120),
        ]
    )
    await stored.compact()
    raw = {
        "data_dir": "cloud",
        "database": {"dsn": dsn},
        "keys": {"dir": "."},
        "archive": {"url": "archive"},
    }
    jobs = Jobs(Task(parse(raw, tmp_path / "cloud.toml"), dsn, {}), stored.pool)

    await jobs.roll_up("alpha")
    await jobs.roll_up_cells("alpha")
    released = {row[0] for row in await _rows(stored, "SELECT device || signal FROM rollups_15min")}
    await jobs.retain()
    await jobs.retain()

    assert "C1active_power_kw" in released
    assert not any(name.startswith("METER") or "setpoint" in name for name in released)
    assert await stored.count("archives") == 1
    assert await stored.count("blocks") == 0
    assert len([*(tmp_path / "archive").rglob("*.parquet")]) == 2
    assert (await stored.check()).findings == []


async def _rows(stored, query: str) -> list[tuple]:
    async with stored.pool.connection() as conn:
        return await (await conn.execute(query)).fetchall()
