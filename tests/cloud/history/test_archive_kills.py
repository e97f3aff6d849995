"""Archiving and putting back are killed at random moments: nothing half ever counts."""

import random
from pathlib import Path

import pytest

from cloud.catalogue import LayoutCatalogue
from cloud.history.archive import check_files
from cloud.history.archive_store import place_of
from cloud.history.archive_table import archives_of
from cloud.history.backfill import backfill
from cloud.history.vault import Vault
from cloud.keys import open_keys
from contract import layouts
from tests.cloud.history.archives import (
    ALL_GONE,
    CELLS_GONE,
    DAY_MS,
    HOUR_MS,
    MONTH,
    Past,
    open_past,
)
from tests.cloud.history.processes import Command, cloud_config, history
from tests.cloud.stations import T0_MS, frame

_KILLS = 8
_CELLS = layouts.cells_layout(200)


@pytest.fixture
async def past(stored, tmp_path) -> Past:
    keys = open_keys(tmp_path)
    for day in range(4):
        await backfill(
            stored.pool,
            Vault(stored.pool, keys),
            LayoutCatalogue(stored.pool),
            "alpha",
            [
                made
                for hour in range(24)
                for at in [T0_MS + day * DAY_MS + hour * HOUR_MS]
                for made in (
                    frame("METER", layouts.METER, at, 3_600),
                    frame("C1", layouts.PCS, at, 3_600),
                    frame("C1-R01", _CELLS, at, 360, step_ms=10_000),
                )
            ],
            mark=False,
        )
    return open_past(stored, tmp_path, tmp_path / "archive")


@pytest.fixture
def config(dsn: str, tmp_path: Path) -> Path:
    return cloud_config(tmp_path, dsn)


async def test_a_killed_archiving_leaves_nothing_that_counts_and_nothing_dropped(past, config):
    rng = random.Random(5)
    samples = await past.rows("SELECT sum(n) FROM blocks")
    killed = 0
    for _ in range(_KILLS):
        command = history(config, "archive", "--station", "alpha", "--month", "2026-01")
        command.until("writing")
        killed += command.kill_within(rng.uniform(0.0, 2.5))

        async with past.stored.pool.connection() as conn:
            rows = await archives_of(conn, "alpha")
        for version in past.versions():
            check_files(past.files, f"{place_of('alpha', MONTH)}/{version}")
        for row in rows.values():
            check_files(past.files, f"{place_of('alpha', MONTH)}/{row.version}", row.sha256)
        if not rows:
            waiting = await past.retain_without_archiving(ALL_GONE)
            assert waiting[0].startswith("alpha 2026-01: is due, and waits to be archived")
        assert await past.rows("SELECT sum(n) FROM blocks") == samples
    assert killed >= _KILLS // 2

    said = history(config, "archive", "--station", "alpha", "--month", "2026-01").finish()

    assert "verified" in said
    assert "all is well" in said
    assert len(past.versions()) == 1
    assert [p.name for p in past.root.iterdir() if any(p.rglob("*.parquet"))] == ["station=alpha"]
    assert "unaltered" in history(config, "archive", "--verify").finish()


async def test_a_killed_restore_is_finished_by_the_next_one_without_a_double_sample(past, config):
    await past.archive()
    before = await past.frames()
    rng = random.Random(6)
    assert await past.retain(ALL_GONE) == []
    assert await past.stored.count("blocks") == 0
    words = ("restore-archive", "--station", "alpha", "--month", "2026-01")
    killed = 0
    for _ in range(_KILLS // 2):
        command = history(config, *words)
        command.until("reading")
        killed += command.kill_within(rng.uniform(0.2, 2.0))
    assert killed

    said = history(config, *words).finish()

    assert "samples are here" in said
    assert await past.frames() == before
    assert await past.rows("SELECT sum(repeated) FROM blocks") == [(0,)]
    month = await past.rows(
        "SELECT l.samples, (SELECT sum(n) FROM blocks), a.dropped_at FROM block_ledger l"
        " JOIN archives a USING (station, month_ms)"
    )
    assert month[0][0] == month[0][1]
    assert month[0][2] is None
    assert await past.stored.count("dropped_blocks") == 0


async def test_a_killed_retention_drops_a_month_whole_or_not_at_all(past, config):
    await past.archive()
    rng = random.Random(7)
    whole = (await past.rows("SELECT sum(n + repeated) FROM blocks"))[0][0]
    cells = layouts.cells_layout(200).hash8
    of_cells = (await past.rows("SELECT sum(n) FROM blocks WHERE layout = %b", cells))[0][0]
    for number in range(_KILLS):
        now = (CELLS_GONE if number < _KILLS // 2 else ALL_GONE).isoformat()
        command = Command("tests.cloud.history.retaining", str(config), now)
        command.until("retaining")
        command.kill_within(rng.uniform(0.0, 0.6))

        ledger = (await past.rows("SELECT samples FROM block_ledger"))[0][0]
        left = (await past.rows("SELECT coalesce(sum(n + repeated), 0) FROM blocks"))[0][0]
        dropped = await past.rows("SELECT coalesce(sum(samples), 0) FROM dropped_blocks")
        assert ledger == left == whole - dropped[0][0]
        assert left in {whole, whole - of_cells, 0}
    Command("tests.cloud.history.retaining", str(config), ALL_GONE.isoformat()).finish()

    assert await past.stored.count("blocks") == 0
    assert (await past.restore()).put_back == whole
