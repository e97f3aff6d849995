"""TimescaleDB, where the server has it; nothing here happens where it has not.

The extension is created before the migrations, because a table that one of them partitions
natively can no longer become a hypertable: `blocks` is partitioned by whichever is there when
its migration runs. What can be arranged at any time is arranged after them: the quarter hours
for BI tools become a hypertable whose chunks are compressed once they are some months old.

Needs TimescaleDB 2.13 (`by_range`); compression needs its community edition. Source of the
statements: docs.tigerdata.com, create_hypertable, ALTER TABLE (compression),
add_compression_policy, timescaledb_information.hypertables.
"""

import logging
from typing import Final

import psycopg

from cloud.db.migrate import alone

_log = logging.getLogger(__name__)

_TABLE: Final = "rollups_15min"
_CHUNK: Final = "30 days"
_COMPRESS_AFTER: Final = "90 days"
"""Later than late data usually comes; what comes later still is written all the same, slower."""

_OFFERED: Final = "SELECT FROM pg_available_extensions WHERE name = 'timescaledb'"
_INSTALLED: Final = "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"
_HYPERTABLE: Final = (
    f"SELECT create_hypertable('{_TABLE}', by_range('bucket', INTERVAL '{_CHUNK}'),"
    " if_not_exists => true, migrate_data => true)"
)
_COMPRESSED: Final = (
    "SELECT FROM timescaledb_information.hypertables"
    f" WHERE hypertable_name = '{_TABLE}' AND compression_enabled"
)
_COMPRESS: Final = (
    f"ALTER TABLE {_TABLE} SET (timescaledb.compress,"
    " timescaledb.compress_segmentby = 'station, device, signal',"
    " timescaledb.compress_orderby = 'bucket')"
)
_POLICY: Final = (
    f"SELECT add_compression_policy('{_TABLE}', INTERVAL '{_COMPRESS_AFTER}',"
    " if_not_exists => true)"
)
_LATE_DATA: Final = (
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET"
    " timescaledb.max_tuples_decompressed_per_dml_transaction = 0', current_database()); END $$"
)
"""A day of one late station touches more compressed rows than the 100,000 allowed by default."""


def offer_timescale(dsn: str) -> bool:
    """Before migrations: create the extension where the server offers it; True when it is there.

    Whoever may not create it goes on without; an administrator can create it first.
    """
    with alone(dsn) as conn:
        if conn.execute(_OFFERED).fetchone() is None:
            return False
        try:
            conn.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        except psycopg.Error as error:
            _log.warning("timescaledb not created, going on without reason=%s", _first(error))
            return False
        installed = conn.execute(_INSTALLED).fetchone()
    version = installed[0] if installed else "unknown"
    _log.info("timescaledb is used version=%s", version)
    return True


def arrange_timescale(dsn: str) -> None:
    """After migrations: hypertable and compression of the quarter hours, where there are any.

    A step that the server refuses is told and left out; the table works without it.
    """
    with alone(dsn) as conn:
        if conn.execute(_INSTALLED).fetchone() is None:
            return
        try:
            conn.execute(_HYPERTABLE.encode())
        except psycopg.Error as error:
            _log.warning("%s stays an ordinary table reason=%s", _TABLE, _first(error))
            return
        try:
            # Set once: releases before 2.14 refuse it when a chunk is compressed already.
            if conn.execute(_COMPRESSED.encode()).fetchone() is None:
                conn.execute(_COMPRESS.encode())
            conn.execute(_POLICY.encode())
            conn.execute(_LATE_DATA.encode())
        except psycopg.Error as error:
            _log.warning("%s is not compressed reason=%s", _TABLE, _first(error))
            return
    _log.info("timescaledb keeps %s, compressed after %s", _TABLE, _COMPRESS_AFTER)


def _first(error: psycopg.Error) -> str:
    return str(error).partition("\n")[0]
