"""A store that is filled through the ledger and read through the query face."""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from cloud.access.pki import PeerIdentity
from cloud.catalogue import LayoutCatalogue
from cloud.db import Pool, create_pool
from cloud.epochs import EpochKeys
from cloud.history import History, Limits
from cloud.history.blocks.compaction import Compactor
from cloud.history.blocks.reading import FrameReader
from cloud.history.check import Checker, Report
from cloud.history.rollups.cells import roll_up_cells
from cloud.history.rollups.job import roll_up
from cloud.ingest import Gate, Result
from cloud.ingest.ledger import store
from cloud.keys import open_keys
from cloud.security import SecurityLog
from cloud.vault.vault import Vault
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
    checker: Checker
    history_layouts: LayoutCatalogue
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

    async def roll_up_cells(self) -> int:
        """Compute the quarter hours of cells, whatever their age."""
        return await roll_up_cells(self.pool, self.reader, "alpha", before_ms=2**52)

    async def check(self) -> Report:
        """Check everything."""
        return await self.checker.check(["alpha"])

    async def count(self, table: str) -> int:
        """Rows of a table."""
        async with self.pool.connection() as conn:
            cursor = await conn.execute(f"SELECT count(*) FROM {table}")
            return (await cursor.fetchone())[0]


async def open_store(pool: Pool, keys_dir: Path) -> Store:
    """A store with one enrolled station."""
    keys = open_keys(keys_dir)
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
        Checker(pool, epochs, vault, lambda _line: None),
        layouts,
    )


@pytest.fixture
async def stored(pool: Pool, tmp_path: Path) -> Store:
    return await open_store(pool, tmp_path)


@pytest.fixture
def fresh_store(
    server_dsn: str, template: str, tmp_path: Path
) -> Callable[[], AbstractAsyncContextManager[Store]]:
    """Opens a store in a database of its own, for each example of a property."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Store]:
        name = f"test_{secrets.token_hex(6)}"
        async with await psycopg.AsyncConnection.connect(server_dsn, autocommit=True) as conn:
            await conn.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY wal_log')
        pool = create_pool(make_conninfo(server_dsn, dbname=name), size=6, timeout_s=5.0)
        await pool.open(wait=True)
        try:
            yield await open_store(pool, tmp_path / name)
        finally:
            await pool.close()
            async with await psycopg.AsyncConnection.connect(server_dsn, autocommit=True) as conn:
                await conn.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    return opened
