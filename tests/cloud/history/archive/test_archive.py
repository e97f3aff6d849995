"""An archived month is complete, proven, readable by others, and comes back bit by bit."""

import datetime as dt
import json

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from cloud.errors import ArchiveError
from contract import layouts
from contract.frame import Quality
from tests.cloud.history.archives import (
    CELLS,
    HOUR_MS,
    Past,
    fill,
    open_past,
)
from tests.cloud.stations import T0_MS, frame


@pytest.fixture
async def past(stored, tmp_path) -> Past:
    await fill(stored)
    found = open_past(stored, tmp_path, tmp_path / "archive")
    await found.roll_up()
    return found


async def test_a_month_is_archived_with_a_manifest_that_tells_all(past):
    manifest = await past.archive()

    told = json.loads(past.file("MANIFEST.json").read_text())
    row = (await past.rows("SELECT samples, counted, sha256, dropped_at FROM archives"))[0]
    assert sorted(p.name for p in past.file("").iterdir()) == [
        "MANIFEST.json",
        "meter.parquet",
        "pcs.parquet",
        "rack.cells-12.parquet",
        "rack.parquet",
    ]
    assert told["samples"] == row[0] == row[1] == 3 * (120 + 296 + 30 + 90)
    assert row[3] is None
    assert set(told["layouts"]) == {file["name"] for file in told["files"]}
    power = next(f for f in told["files"] if f["layout"] == "meter")["signals"]["active_power_kw"]
    assert power["values"] == 360
    assert manifest.samples == told["samples"]


async def test_duckdb_reads_the_archive_as_it_lies(past):
    await past.archive()

    month = duckdb.sql(
        f"SELECT station, year, month, device, count(*), avg(active_power_kw), min(time)"
        f" FROM read_parquet('{past.root}/*/*/*/*/meter.parquet', hive_partitioning=true)"
        f" GROUP BY ALL"
    ).fetchall()
    cell = duckdb.sql(
        f"SELECT cell_voltage_v FROM '{past.file('rack.cells-12.parquet')}'"
        " WHERE index = 7 AND device = 'C1-R01' ORDER BY time LIMIT 1"
    ).fetchall()

    mean = np.mean(
        [
            frame("METER", layouts.METER, T0_MS + k * 7 * HOUR_MS, 120).physical("active_power_kw")
            for k in range(3)
        ]
    )
    assert (month[0][0], int(month[0][1]), int(month[0][2])) == ("alpha", 2026, 1)
    assert month[0][3:5] == ("METER", 360)
    assert month[0][5] == pytest.approx(mean)
    assert month[0][6].astimezone(dt.UTC) == dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert float(cell[0][0]) == pytest.approx(
        frame("C1-R01", CELLS, T0_MS, 30, step_ms=10_000).physical("cell_voltage_v")[0, 6]
    )


async def test_pandas_reads_the_archive_as_it_lies(past):
    await past.archive()

    table = pd.read_parquet(past.file("rack.parquet"), dtype_backend="pyarrow")

    assert len(table) == 270
    assert str(table["time"].dt.tz) == "UTC"
    soc = table["soc"].astype("float64[pyarrow]").iloc[0]
    assert soc == pytest.approx(frame("C1-R01", layouts.RACK, T0_MS, 90).physical("soc")[0, 0])


async def test_a_value_that_is_not_usable_is_null_and_its_quality_is_told(past):
    await past.archive()
    file = past.file("pcs.parquet")

    table = pq.read_table(file)
    odd = [row for row in table.to_pylist() if row["quality"] is not None]

    assert odd
    assert table.num_rows == 3 * 296  # the samples that are missing have no row
    names = [column.signal.name for column in layouts.PCS.columns]
    for row in odd:
        for name, quality in zip(names, row["quality"], strict=True):
            assert (row[name] is None) == (quality >= Quality.INVALID)
    unit = table.schema.field("active_power_kw").metadata[b"unit"]
    assert unit == b"kW"


async def test_every_bit_comes_back(past):
    before = await past.frames()
    await past.archive()
    await past.run("DELETE FROM blocks")
    await past.run("UPDATE block_ledger SET samples = 0")

    done = await past.restore()

    assert await past.frames() == before
    assert done.put_back == done.manifest.samples
    assert (await past.stored.check()).findings == []


async def test_a_month_is_put_back_only_once_however_often_it_is_asked(past):
    await past.archive()

    first = await past.restore()
    again = await past.restore()

    assert (first.put_back, again.put_back) == (0, 0)
    counts = await past.rows("SELECT sum(n), sum(repeated) FROM blocks")
    assert counts == [(first.manifest.samples, 0)]


async def test_what_is_not_whole_is_not_archived(past):
    with pytest.raises(ArchiveError, match="not over"):
        await past.archive(now=dt.datetime(2026, 1, 31, tzinfo=dt.UTC))
    with pytest.raises(ArchiveError, match="nothing to archive"):
        await past.archive(month=dt.date(2025, 12, 1))
    await past.stored.put([frame("METER", layouts.METER, T0_MS + 5 * HOUR_MS, 10)])
    with pytest.raises(ArchiveError, match="wait to be compacted"):
        await past.archive()

    assert past.versions() == []


async def test_a_damaged_block_is_named_and_its_month_is_not_archived(past):
    await past.run(
        "UPDATE blocks SET body = set_byte(body, 40, get_byte(body, 40) # 1) WHERE device = 'METER'"
        f" AND hour_ms = {T0_MS}"
    )

    with pytest.raises(ArchiveError, match="METER"):
        await past.archive()

    assert past.versions() == []
    assert await past.rows("SELECT FROM archives") == []


async def test_a_store_from_an_older_backup_takes_the_newer_version_with_more_in_it(past):
    await past.archive()
    old = await past.rows("SELECT version, sha256, counted, samples, size FROM archives")
    await past.stored.put([frame("METER", layouts.METER, T0_MS + 5 * HOUR_MS, 10)])
    await past.stored.compact()
    await past.archive()
    await past.run("DELETE FROM blocks")
    await past.run(f"UPDATE block_ledger SET samples = {old[0][2]}")
    async with past.stored.pool.connection() as conn:
        await conn.execute(
            "UPDATE archives SET version = %s, sha256 = %s, counted = %s, samples = %s, size = %s",
            old[0],
        )

    done = await past.restore()

    assert not done.vouched
    assert done.put_back == old[0][3] + 10


async def test_a_version_with_less_than_was_verified_is_not_taken_for_it(past):
    await past.archive()
    await past.run("UPDATE archives SET version = '20300101T000000Z', samples = samples + 1")

    with pytest.raises(ArchiveError, match="name its place with --from"):
        await past.restore()
