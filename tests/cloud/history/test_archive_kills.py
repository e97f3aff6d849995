"""Archiving and putting back are killed at random moments: nothing half ever counts."""

import random
import subprocess
import sys
from pathlib import Path

import pytest
import tomli_w

from cloud.catalogue import LayoutCatalogue
from cloud.history.archive import check_files
from cloud.history.archive_store import place_of
from cloud.history.archive_table import archives_of
from cloud.history.backfill import backfill
from cloud.history.vault import Vault
from cloud.keys import open_keys
from contract import layouts
from launcher.paths import ROOT
from tests.cloud.history.archives import ALL_GONE, DAY_MS, HOUR_MS, MONTH, Past, open_past
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
    file = tmp_path / "cloud.toml"
    file.write_text(
        tomli_w.dumps(
            {
                "data_dir": "cloud",
                "database": {"dsn": dsn},
                "keys": {"dir": "."},
                "archive": {"url": "archive"},
            }
        )
    )
    return file


class Command:
    """A history command in a process of its own."""

    def __init__(self, config: Path, *words: str) -> None:
        name, *options = words
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "launcher", "history", name, str(config), *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def until(self, text: str) -> None:
        """Read what it says up to a line."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if text in line:
                return
        pytest.fail(f"it ended without saying {text!r}")

    def kill_within(self, seconds: float) -> bool:
        """Kill it after so long; False when it had ended before."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return True
        return False

    def finish(self) -> str:
        """Let it end well; what it still said."""
        said, _ = self._process.communicate(timeout=120)
        assert self._process.returncode == 0, said
        return said


async def test_a_killed_archiving_leaves_nothing_that_counts_and_nothing_dropped(past, config):
    rng = random.Random(5)
    samples = await past.rows("SELECT sum(n) FROM blocks")
    killed = 0
    for _ in range(_KILLS):
        command = Command(config, "archive", "--station", "alpha", "--month", "2026-01")
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

    said = Command(config, "archive", "--station", "alpha", "--month", "2026-01").finish()

    assert "verified" in said
    assert "all is well" in said
    assert len(past.versions()) == 1
    assert [p.name for p in past.root.iterdir() if any(p.rglob("*.parquet"))] == ["station=alpha"]
    assert "unaltered" in Command(config, "archive", "--verify").finish()


async def test_a_killed_restore_is_finished_by_the_next_one_without_a_double_sample(past, config):
    await past.archive()
    before = await past.frames()
    rng = random.Random(6)
    assert await past.retain(ALL_GONE) == []
    assert await past.stored.count("blocks") == 0
    words = ("restore-archive", "--station", "alpha", "--month", "2026-01")
    killed = 0
    for _ in range(_KILLS // 2):
        command = Command(config, *words)
        command.until("reading")
        killed += command.kill_within(rng.uniform(0.2, 2.0))
    assert killed

    said = Command(config, *words).finish()

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
