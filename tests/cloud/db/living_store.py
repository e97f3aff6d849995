"""A small cloud store in a folder of its own: real server, sealed blocks, ledger, batches."""

import asyncio
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import tomli_w

from cloud.access.pki import Authority
from cloud.config import CloudConfig, load
from cloud.db import create_pool
from cloud.db.backup import archive_settings
from cloud.db.migrate import migrate
from cloud.db.postgres import EmbeddedPostgres
from cloud.epochs import EpochKeys
from cloud.keys import open_keys
from cloud.vault.vault import BlockPlace, Vault
from contract.frame import encode
from tests.cloud.stations import T0_MS, FakeStation, enrolled, folder, frame
from tests.waiting import wait_until

HOUR_MS = 3_600_000


class LivingStore:
    """A cloud's data folder with its database running, and a folder for backups beside it."""

    def __init__(self, root: Path, *, archived: bool = True, **backup: object) -> None:
        self.root = root
        self.data_dir = root / "a cloud's 5%"
        self.backups = root / "a cloud's 100% backups"
        self.keys_dir = self.data_dir / "keys"
        self.config_file = root / "cloud.toml"
        section = (
            {"dir": self.backups.name, "wal_timeout_s": 3_600} | backup if archived else backup
        )
        content = {"data_dir": self.data_dir.name, "backup": section}
        self.config_file.write_text(tomli_w.dumps(content))
        self.sequence = 0
        self.hour = 0

    @property
    def config(self) -> CloudConfig:
        """The configuration as it is now."""
        return load(self.config_file)

    def start(self) -> None:
        """Start the database as the supervisor does."""
        home = self.data_dir / "postgres"
        self.data_dir.mkdir(exist_ok=True)
        self.data_dir.chmod(0o711)
        settings = {"fsync": "off"} | archive_settings(home, self.config.backup)
        self.server = EmbeddedPostgres(home, settings)
        self.server.start()
        migrate(self.server.dsn)

    def enrol(self) -> None:
        """Make the keys and station alpha."""
        self.keys = open_keys(self.keys_dir)
        Authority(self.keys_dir)
        self.station: FakeStation = asyncio.run(self._enrol())

    async def _enrol(self) -> FakeStation:
        async with create_pool(self.server.dsn, 2, 5.0) as pool:
            station = await enrolled(pool, self.keys.telemetry_public)
            await EpochKeys(pool, self.keys).announce("alpha", station.announcement)
        return station

    def write(self, blocks: int = 3, rows: int = 600, waiting: int = 1) -> None:
        """Commit blocks of consecutive hours and batches that wait, all in the ledger."""
        asyncio.run(self._write(blocks, rows, waiting))

    async def _write(self, blocks: int, rows: int, waiting: int) -> None:
        async with create_pool(self.server.dsn, 2, 5.0) as pool:
            keys = await Vault(pool, self.keys).keys("alpha")
            async with pool.connection() as conn, conn.transaction():
                for _ in range(blocks):
                    t0_ms = T0_MS + self.hour * HOUR_MS
                    self.hour += 1
                    one = frame(t0_ms=t0_ms, n=rows)
                    place = BlockPlace("alpha", "METER", one.layout.hash8, t0_ms, 1_000, 0, 0)
                    await conn.execute("SELECT make_block_months(ARRAY[%s::bigint])", [t0_ms])
                    await conn.execute(
                        "INSERT INTO blocks (station, device, layout, hour_ms, step_ms, phase_ms,"
                        " part, n, t_first_ms, t_last_ms, body)"
                        " VALUES ('alpha', 'METER', %b, %s, 1000, 0, 0, %s, %s, %s, %b)",
                        [
                            one.layout.hash8,
                            t0_ms,
                            rows,
                            t0_ms,
                            one.end_ms,
                            keys.seal(place, encode(one)),
                        ],
                    )
                    await self._account_for(conn, b"%d" % t0_ms, rows, t0_ms)
                for _ in range(waiting):
                    t0_ms = T0_MS + self.hour * HOUR_MS
                    body = self.station.batch(self.sequence + 1, [frame(t0_ms=t0_ms, n=10)])
                    await self._account_for(conn, body, 10, t0_ms)
                    await conn.execute(
                        "INSERT INTO hot_batches (station, epoch, sequence, t_first_ms, t_last_ms,"
                        " body) VALUES ('alpha', 1, %s, %s, %s, %b)",
                        [self.sequence, t0_ms, t0_ms + 9_000, body],
                    )

    async def _account_for(
        self, conn: psycopg.AsyncConnection[object], body: bytes, samples: int, t0_ms: int
    ) -> None:
        self.sequence += 1
        await conn.execute(
            "INSERT INTO batches (station, epoch, sequence, stream, sha256, size, samples,"
            " value_count, t_first_ms, t_last_ms) VALUES ('alpha', 1, %s, 1, %b, 1, %s, 1, %s, %s)",
            [self.sequence, hashlib.sha256(body).digest(), samples, t0_ms, t0_ms],
        )

    def now(self) -> str:
        """The server's time, as --at takes it."""
        with psycopg.connect(self.server.dsn) as conn:
            row = conn.execute("SELECT clock_timestamp()").fetchone()
        return row[0].isoformat()

    def archive(self) -> None:
        """Have all of the log so far put into the archive."""
        with psycopg.connect(self.server.dsn, autocommit=True) as conn:
            (name,) = conn.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
        wait_until(lambda: any((self.backups / "wal").glob(f"{name}-*.gz")), f"{name} archived")

    def restored(self, name: str = "restored") -> Path:
        """A new data folder that holds the keys."""
        made = self.root / name
        made.mkdir(mode=0o711)
        shutil.copytree(self.keys_dir, made / "keys")
        return made


@contextmanager
def living_store(**options: object) -> Iterator[LivingStore]:
    """A running store with a few blocks; everything is removed at the end."""
    root = folder()
    store = LivingStore(root, **options)
    store.start()
    try:
        store.enrol()
        store.write()
        yield store
    finally:
        store.server.stop()
        shutil.rmtree(root)


def counts(data_dir: Path) -> tuple[int, int, int, int]:
    """Messages, samples, blocks, waiting batches of a store, as its own server counts them."""
    server = EmbeddedPostgres(data_dir / "postgres")
    server.start()
    try:
        with psycopg.connect(server.dsn) as conn:
            row = conn.execute(
                "SELECT (SELECT count(*) FROM batches), (SELECT sum(samples) FROM batches),"
                " (SELECT count(*) FROM blocks), (SELECT count(*) FROM hot_batches)"
            ).fetchone()
    finally:
        server.stop()
    return row
