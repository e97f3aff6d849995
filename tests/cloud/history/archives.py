"""Past months of a store: filled, archived, dropped and put back, at times that tests choose."""

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cloud.catalogue import LayoutCatalogue
from cloud.history.archive.month import Archivist
from cloud.history.archive.restore import Restorer
from cloud.history.archive.store import ArchiveStore, open_url
from cloud.history.retention import policy as policies
from cloud.history.retention.policy import Policy
from cloud.history.retention.sweep import Retention
from cloud.keys import open_keys
from cloud.vault.vault import Vault
from contract import layouts
from contract.frame import Frame, Quality
from tests.cloud.history.conftest import Store
from tests.cloud.stations import T0_MS, frame

CELLS = layouts.cells_layout(12)
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MONTH = dt.date(2026, 1, 1)
SOON = dt.datetime(2026, 2, 10, tzinfo=dt.UTC)
"""When January 2026 is over and all of it is kept."""
CELLS_GONE = dt.datetime(2026, 5, 10, tzinfo=dt.UTC)
ALL_GONE = dt.datetime(2026, 8, 10, tzinfo=dt.UTC)
OLD = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


@dataclass
class Past:
    """A store and the archive of its past months."""

    stored: Store
    files: ArchiveStore
    root: Path
    policy: Policy
    archivist: Archivist
    restorer: Restorer

    async def archive(self, now: dt.datetime = SOON, month: dt.date = MONTH):
        """Archive a month."""
        return await self.archivist.archive("alpha", month, now)

    async def restore(self, kept_until: dt.datetime | None = None, month: dt.date = MONTH):
        """Put a month back."""
        return await self.restorer.restore("alpha", month, self.files, kept_until)

    async def retain(self, now: dt.datetime) -> list[str]:
        """Apply the policy at a time."""
        retention = Retention(
            self.stored.pool, self.stored.reader, self.restorer, self.policy, self.files
        )
        return await retention.run(["alpha"], now)

    async def retain_without_archiving(self, now: dt.datetime) -> list[str]:
        """Apply the policy at a time, with nowhere to archive to."""
        retention = Retention(
            self.stored.pool, self.stored.reader, self.restorer, self.policy, None
        )
        return await retention.run(["alpha"], now)

    async def roll_up(self) -> None:
        """Compute all that is dirty."""
        while await self.stored.roll_up():
            pass
        while await self.stored.roll_up_cells():
            pass

    async def frames(self, start_ms: int = T0_MS, days: int = 31) -> list[Frame]:
        """All that is stored, decoded."""
        streams = await self.stored.reader.streams("alpha")
        found = await self.stored.reader.read(
            "alpha", dict.fromkeys(streams), start_ms, start_ms + days * DAY_MS
        )
        assert not found.damaged
        return found.frames

    async def rows(self, query: str, *values: object) -> list[tuple]:
        """What a query gives."""
        async with self.stored.pool.connection() as conn:
            return await (await conn.execute(query, values)).fetchall()

    async def settle(self) -> None:
        """Make all blocks look as if they had been written long ago."""
        await self.run("UPDATE blocks SET written_at = now() - interval '1 day'")

    async def run(self, statement: str) -> None:
        """Execute a statement."""
        async with self.stored.pool.connection() as conn:
            await conn.execute(statement)

    def versions(self) -> list[str]:
        """Versions of January that count."""
        return self.files.versions("alpha", MONTH)

    def file(self, name: str) -> Path:
        """A file of the newest version of January."""
        place = "station=alpha/year=2026/month=01"
        return self.root / place / self.versions()[-1] / name


def open_past(
    stored: Store, keys_dir: Path, root: Path, policy: Policy | None = None, files: Any = None
) -> Past:
    """Parts for the past months of a store, with archives in a folder or in another store."""
    vault = Vault(stored.pool, open_keys(keys_dir))
    files = files or open_url(str(root), None)
    policy = policy or policies.load()
    return Past(
        stored,
        files,
        root,
        policy,
        Archivist(stored.pool, stored.reader, files, policy),
        Restorer(stored.pool, vault, LayoutCatalogue(stored.pool), stored.reader),
    )


async def fill(stored: Store, hours: int = 3) -> None:
    """Put a few hours of January into blocks and roll them up: three devices, all qualities."""
    for hour in range(hours):
        at = T0_MS + hour * 7 * HOUR_MS
        await stored.put(
            [
                frame("METER", layouts.METER, at, 120),
                marred(frame("C1", layouts.PCS, at + 5_000, 300, seed=hour), seed=hour),
                frame("C1-R01", CELLS, at, 30, step_ms=10_000, seed=hour),
                jittered(frame("C1-R01", layouts.RACK, at, 90, seed=hour)),
            ]
        )
    await stored.compact()
    await stored.merge_hours()


def marred(one: Frame, seed: int) -> Frame:
    """A frame with values of every quality, and some samples missing."""
    rng = np.random.default_rng(seed)
    quality = rng.choice(
        [Quality.GOOD, Quality.QUESTIONABLE, Quality.INVALID, Quality.MISSING],
        size=one.quality.shape,
        p=[0.85, 0.05, 0.05, 0.05],
    ).astype(np.uint8)
    quality[10:14] = Quality.MISSING
    quality[50:] = Quality.GOOD
    return replace(one, quality=quality)


def jittered(one: Frame) -> Frame:
    """A frame whose samples lie off their grid."""
    jitter = (np.arange(one.n) % 40 - 20).astype(np.int16)
    return replace(one, jitter_ms=jitter)
