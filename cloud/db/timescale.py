"""TimescaleDB, where the server has it: rollups and blocks become hypertables.

Plain PostgreSQL holds the same tables unpartitioned; every statement works on both.
"""

import logging

import psycopg

_log = logging.getLogger(__name__)

_MONTH_MS = 30 * 86_400_000
_HYPERTABLES = (
    ("rollups_1min", "by_range('bucket', INTERVAL '30 days')"),
    ("rollups_15min", "by_range('bucket', INTERVAL '365 days')"),
    ("blocks", f"by_range('hour_ms', {_MONTH_MS})"),
)


def use_timescale(dsn: str) -> bool:
    """Create the extension and the hypertables when the server offers them; True if it does."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        offered = conn.execute(
            "SELECT installed_version IS NOT NULL FROM pg_available_extensions"
            " WHERE name = 'timescaledb'"
        ).fetchone()
        if offered is None:
            return False
        try:
            conn.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
            for table, dimension in _HYPERTABLES:
                conn.execute(
                    f"SELECT create_hypertable('{table}', {dimension},"
                    " if_not_exists => true, migrate_data => true)".encode()
                )
        except psycopg.Error as error:
            _log.warning("timescaledb not used reason=%s", str(error).splitlines()[0])
            return False
        return True
