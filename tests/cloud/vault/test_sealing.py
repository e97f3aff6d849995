"""Rows that an earlier version has stored in clear are sealed at the next start."""

import asyncio
import shutil
import uuid
from collections.abc import Iterator

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg.types.json import Jsonb

from cloud import alarms
from cloud.db import create_pool
from cloud.db.migrate import known_migrations, migrate
from cloud.db.postgres import EmbeddedPostgres
from cloud.fleet import orders
from cloud.keys import open_keys
from cloud.vault import sealing
from cloud.vault.vault import Vault
from contract import orders as signed
from contract.orders import Order, OrderKind, Outcome, Receipt
from tests.cloud.history.traces import search
from tests.cloud.stations import create_station, folder

EVENTS = 7
POWER, VALUE = 1234567.8, 7654321.25
ORDER = Order(
    id=str(uuid.UUID(int=7)),
    station="alpha",
    counter=1,
    kind=OrderKind.SCHEDULE,
    issued_ms=1,
    not_before_ms=0,
    expires_ms=2,
    payload={"date": "2026-01-01", "interval_min": 15, "power_kw": [POWER] * 96},
)
RECEIPT = Receipt(
    ORDER.id, ORDER.sha256, "alpha", 1, Outcome.ACCEPTED, "ok", f"will deliver {POWER} kW", 3
)
TRACES = {"power": str(POWER).encode(), "value": str(VALUE).encode(), "print": b"0123456789abcdef"}


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    home = folder()
    made = EmbeddedPostgres(home / "postgres", {"fsync": "off", "wal_compression": "off"})
    made.start()
    yield made
    made.stop()
    shutil.rmtree(home)


async def fill_as_before(dsn: str) -> None:
    """A database of the version before, with a row of each kind in clear."""
    key = Ed25519PrivateKey.generate()
    async with create_pool(dsn, 2, 5.0) as pool:
        for station in ("alpha", "beta"):
            await create_station(pool, station)
        async with pool.connection() as conn:
            for number in range(EVENTS):
                await conn.execute(
                    "INSERT INTO events VALUES (%s, %s, %s, 'cell.voltage', 3, true, %s, %s, %s,"
                    " %s, 3.65)",
                    [
                        *("beta" if number % 2 else "alpha", f"e-{number}", f"R{number}", number),
                        *(f"cell at {VALUE}", f"单体 {VALUE}", VALUE),
                    ],
                )
            await conn.execute(
                "INSERT INTO orders (id, station, counter, kind, issued_ms, not_before_ms,"
                " expires_ms, payload, body, created_by)"
                " VALUES (%s, 'alpha', 1, 'schedule', 1, 0, 2, %s, %s, 'ann')",
                [ORDER.id, Jsonb(dict(ORDER.payload)), signed.sign(ORDER, key)],
            )
            await conn.execute(
                "INSERT INTO receipts (order_id, outcome, station, counter, reason_code, reason,"
                " at_ms, body) VALUES (%s, 'accepted', 'alpha', 1, 'ok', %s, 3, %s)",
                [ORDER.id, RECEIPT.reason, signed.sign_receipt(RECEIPT, key)],
            )
            await conn.execute(
                "INSERT INTO audit (actor, action, detail) VALUES ('ann', 'send_schedule', %s)",
                [Jsonb({"order": ORDER.id, "fingerprint": TRACES["print"].decode()})],
            )
            await conn.execute("ANALYZE")


def migrate_before(dsn: str) -> None:
    """Apply the migrations before the one that seals rows."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE schema_migrations (number integer PRIMARY KEY, name text NOT NULL,"
            " sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        for one in known_migrations():
            if one.number < 3:
                conn.execute(one.sql.encode())
                conn.execute(
                    "INSERT INTO schema_migrations VALUES (%s, %s, %s)",
                    [one.number, one.name, one.sha256],
                )


async def all_is_there(pool, vault: Vault) -> None:
    told = [
        event
        for station in ("alpha", "beta")
        for event in (await alarms.between(pool, vault, station, 0, EVENTS, limit=EVENTS)).events
    ]
    assert sorted(event.device for event in told) == [f"R{n}" for n in range(EVENTS)]
    assert {(e.text_en, e.text_zh, e.value, e.limit) for e in told} == {
        (f"cell at {VALUE}", f"单体 {VALUE}", VALUE, 3.65)
    }
    (seen,) = await orders.list_orders(pool, vault, "alpha")
    assert (seen.payload, seen.created_by, seen.status) == (ORDER.payload, "ann", "issued")
    assert seen.receipt.reason == RECEIPT.reason
    async with pool.connection() as conn:
        found = await conn.execute("SELECT for_date::text FROM orders")
        assert await found.fetchall() == [("2026-01-01",)]
        found = await conn.execute("SELECT relname FROM pg_class WHERE relname ~ '_in_clear$'")
        assert await found.fetchall() == []
        found = await conn.execute("SELECT detail FROM audit")
        assert await found.fetchall() == [({"order": ORDER.id},)]
        with pytest.raises(psycopg.errors.NotNullViolation):
            await conn.execute("UPDATE events SET sealed = NULL")


async def test_what_was_in_clear_is_sealed_and_gone_from_every_table(server, tmp_path, monkeypatch):
    dsn = server.dsn
    migrate_before(dsn)
    await fill_as_before(dsn)
    migrate(dsn)
    monkeypatch.setattr(sealing, "_ROWS", 2)

    async with create_pool(dsn, 6, 5.0) as pool:
        vaults = [Vault(pool, open_keys(tmp_path)) for _ in range(3)]  # clouds that start together
        counts = await asyncio.gather(*(sealing.seal_rows_in_clear(pool, one) for one in vaults))

        assert sum(counts) == EVENTS + 2
        assert await sealing.seal_rows_in_clear(pool, vaults[0]) == 0
        await all_is_there(pool, vaults[0])
        async with pool.connection() as conn:
            await conn.execute("CHECKPOINT")
    server.stop()
    found = search(server._data, TRACES)
    assert {path.parent.name for path in found.values()} <= {"pg_wal"}


async def test_a_start_that_fails_half_way_is_gone_on_with_by_the_next(
    server, tmp_path, monkeypatch
):
    dsn = server.dsn
    migrate_before(dsn)
    await fill_as_before(dsn)
    migrate(dsn)
    monkeypatch.setattr(sealing, "_ROWS", 2)
    store = open_keys(tmp_path)
    rest = iter(range(4))

    class Fading(Vault):
        """Keys that seal four rows and no more."""

        async def keys(self, station):
            keys = await super().keys(station)
            monkeypatch.setattr(keys, "seal", lambda *a: (next(rest), type(keys).seal(keys, *a))[1])
            return keys

    async with create_pool(dsn, 6, 5.0) as pool:
        with pytest.raises(RuntimeError):
            await sealing.seal_rows_in_clear(pool, Fading(pool, store))
        monkeypatch.undo()

        sealed = await sealing.seal_rows_in_clear(pool, Vault(pool, store))

        assert sealed == EVENTS + 2 - 4
        await all_is_there(pool, Vault(pool, store))


def test_a_new_database_has_nothing_to_seal(dsn):
    with psycopg.connect(dsn) as conn:
        found = conn.execute("SELECT relname FROM pg_class WHERE relname ~ '_in_clear$'").fetchall()
        nullable = conn.execute(
            "SELECT table_name FROM information_schema.columns"
            " WHERE column_name = 'sealed' AND is_nullable = 'YES'"
        ).fetchall()

    assert (found, nullable) == ([], [])
