"""A store that is filled through the ledger and read through the query face."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloud.access.pki import PeerIdentity
from cloud.catalogue import LayoutCatalogue
from cloud.db import Pool
from cloud.epochs import EpochKeys
from cloud.history import History, Limits
from cloud.history.compaction import Compactor
from cloud.history.reading import FrameReader
from cloud.history.rollups import roll_up
from cloud.history.vault import Vault
from cloud.ingest import Gate, Result
from cloud.ingest.ledger import store
from cloud.keys import open_keys
from cloud.security import SecurityLog
from contract.frame import Frame
from tests.cloud.stations import FakeStation, enrolled, trusted


@dataclass
class Store:
    """Ingest, compaction, rollups and queries of one station."""

    pool: Pool
    station: FakeStation
    peer: PeerIdentity
    gate: Gate
    compactor: Compactor
    reader: FrameReader
    history: History
    sequence: int = 0

    async def put(self, frames: Sequence[Frame]) -> None:
        """Store frames as one batch."""
        self.sequence += 1
        offer = await self.gate.telemetry(self.peer, self.station.batch(self.sequence, frames))
        assert await store(self.pool, [offer]) == [Result.STORED]

    async def compact(self) -> int:
        """Compact everything that waits; return the number of blocks written."""
        return (await self.compactor.compact("alpha", age_s=0)).blocks

    async def merge_hours(self) -> int:
        """Merge all hours, whatever their age."""
        return await self.compactor.merge_hours("alpha", before_ms=2**52)

    async def roll_up(self) -> int:
        """Compute what is dirty."""
        return await roll_up(self.pool, self.reader, "alpha", {})

    async def count(self, table: str) -> int:
        """Rows of a table."""
        async with self.pool.connection() as conn:
            cursor = await conn.execute(f"SELECT count(*) FROM {table}")
            return (await cursor.fetchone())[0]


@pytest.fixture
async def stored(pool: Pool, tmp_path: Path) -> Store:
    keys = open_keys(tmp_path)
    station = await enrolled(pool, keys.telemetry_public)
    epochs, vault, layouts = EpochKeys(pool, keys), Vault(pool, keys), LayoutCatalogue(pool)
    await epochs.announce("alpha", station.announcement)
    return Store(
        pool,
        station,
        await trusted(pool),
        Gate(epochs, layouts, SecurityLog(pool), vault),
        Compactor(pool, epochs, vault, layouts),
        FrameReader(pool, epochs, vault, layouts),
        History(pool, epochs, vault, layouts, Limits(points=100_000)),
    )
