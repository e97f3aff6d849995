"""Archiving, putting back and dropping are killed at every step: nothing half ever counts.

A lock that each of them needs to end is held here, so that none ends before it is killed.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from cloud.catalogue import LayoutCatalogue
from cloud.history.archive.month import check_files
from cloud.history.archive.store import place_of
from cloud.history.archive.table import archives_of
from cloud.history.blocks.backfill import backfill
from cloud.keys import open_keys
from cloud.vault.vault import Vault
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
from tests.waiting import wait_until

Reached = Callable[[Command], None]

_IDLE = """
SELECT NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND database = (
    SELECT oid FROM pg_database WHERE datname = current_database()))
"""
_STUCK = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = %s::regclass)"
_LEDGER = "SELECT FROM block_ledger WHERE station = 'alpha' FOR UPDATE"
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


def said(text: str) -> Reached:
    """Reached when it says so."""
    return lambda command: command.until(text)


def found(dsn: str, query: str, *values: object) -> Reached:
    """Reached when the database says so."""

    def reached(_: Command) -> None:
        with psycopg.connect(dsn, autocommit=True) as conn:
            wait_until(lambda: (conn.execute(query, values).fetchone() or [None])[0], query)

    return reached


@asynccontextmanager
async def holding(past: Past, dsn: str, statement: str) -> AsyncIterator[None]:
    """Hold a lock; on return nobody works at the months any more."""
    async with past.stored.pool.connection() as conn, conn.transaction():
        await conn.execute(statement)
        yield
    with psycopg.connect(dsn, autocommit=True) as conn:
        wait_until(lambda: (conn.execute(_IDLE).fetchone() or [None])[0], "no lock is held")


async def test_a_killed_archiving_leaves_nothing_that_counts_and_nothing_dropped(past, config, dsn):
    samples = await past.rows("SELECT sum(n) FROM blocks")
    words = ("archive", "--station", "alpha", "--month", "2026-01")
    steps: list[Reached] = [
        lambda _: None,
        *(
            lambda _, name=name: wait_until(lambda: any(past.root.rglob(name)), name)
            for name in ("meter.parquet", "pcs.parquet", "rack.cells-200.parquet")
        ),
        said("reading it back"),
        lambda _: wait_until(past.versions, "it is published, and not entered"),
    ]
    for reached in steps:
        async with holding(past, dsn, _LEDGER):
            command = history(config, *words)
            command.until("writing")  # what an earlier one has left is cleared away then
            reached(command)
            command.kill()

        async with past.stored.pool.connection() as conn:
            assert await archives_of(conn, "alpha") == {}
        for version in past.versions():
            check_files(past.files, f"{place_of('alpha', MONTH)}/{version}")
        waiting = await past.retain_without_archiving(ALL_GONE)
        assert waiting[0].startswith("alpha 2026-01: is due, and waits to be archived")
        assert await past.rows("SELECT sum(n) FROM blocks") == samples

    told = history(config, *words).finish()

    assert "verified" in told
    assert "all is well" in told
    assert len(past.versions()) == 1
    assert [p.name for p in past.root.iterdir() if any(p.rglob("*.parquet"))] == ["station=alpha"]
    assert "unaltered" in history(config, "archive", "--verify").finish()


async def test_a_killed_restore_is_finished_by_the_next_one_without_a_double_sample(
    past, config, dsn
):
    await past.archive()
    before = await past.frames()
    whole = await past.stored.count("blocks")
    assert await past.retain(ALL_GONE) == []
    assert await past.stored.count("blocks") == 0
    words = ("restore-archive", "--station", "alpha", "--month", "2026-01")
    for reached in (
        said("reading"),
        found(dsn, "SELECT count(*) > 0 FROM blocks"),
        found(dsn, "SELECT count(*) > %s FROM blocks", whole // 2),
        said("comparing"),
        found(dsn, _STUCK, "archives"),
    ):
        async with holding(past, dsn, "LOCK TABLE archives IN SHARE MODE"):
            command = history(config, *words)
            reached(command)
            command.kill()

        assert await past.stored.count("dropped_blocks") > 0

    told = history(config, *words).finish()

    assert "samples are here" in told
    assert await past.frames() == before
    assert await past.rows("SELECT sum(repeated) FROM blocks") == [(0,)]
    month = await past.rows(
        "SELECT l.samples, (SELECT sum(n) FROM blocks), a.dropped_at FROM block_ledger l"
        " JOIN archives a USING (station, month_ms)"
    )
    assert month[0][0] == month[0][1]
    assert month[0][2] is None
    assert await past.stored.count("dropped_blocks") == 0


async def test_a_killed_retention_drops_a_month_whole_or_not_at_all(past, config, dsn):
    await past.archive()
    whole = (await past.rows("SELECT sum(n + repeated) FROM blocks"))[0][0]
    words = "tests.cloud.history.retaining", str(config)
    for now in (CELLS_GONE, ALL_GONE):
        for reached in said("retaining"), found(dsn, _STUCK, "dropped_blocks"):
            async with holding(past, dsn, "LOCK TABLE dropped_blocks IN SHARE MODE"):
                command = Command(*words, now.isoformat())
                reached(command)
                command.kill()

            assert await past.rows("SELECT samples FROM block_ledger") == [(whole,)]
            assert await past.rows("SELECT sum(n + repeated) FROM blocks") == [(whole,)]
            assert await past.stored.count("dropped_blocks") == 0
    Command(*words, ALL_GONE.isoformat()).finish()

    assert await past.stored.count("blocks") == 0
    assert (await past.restore()).put_back == whole
