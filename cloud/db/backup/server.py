"""The running embedded server as a backup sees it: where it listens, what it holds.

Nothing is started or changed: the server belongs to the cloud's supervisor.
"""

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.conninfo import make_conninfo

from cloud.db.backup.record import Counts, StationCounts
from cloud.db.postgres import DATABASE, OWNER
from cloud.errors import BackupError

_SOCKET_LINE: Final = 4
"""Line of postmaster.pid that names the folder of the socket."""
_CONNECT_S: Final = 10

_LEDGER: Final = """
SELECT station, count(*), sum(samples),
       bit_xor(('x' || encode(substring(sha256 FROM 1 FOR 8), 'hex'))::bit(64)::bigint)
FROM batches GROUP BY station
"""
_COUNTED: Final = {
    "epochs": "epochs",
    "blocks": "blocks",
    "rollup_blocks": "rollup_blocks",
    "waiting": "hot_batches",
}


@dataclass(frozen=True)
class RunningServer:
    """A server that answers.

    Attributes:
        home: `data_dir/postgres`.
        log: its log file.
        socket: folder of its socket.
        password: of the owner; opens replication as well.
    """

    home: Path
    log: Path
    socket: Path
    password: str = field(repr=False)

    @property
    def dsn(self) -> str:
        """Address of the store."""
        return make_conninfo(
            host=str(self.socket),
            user=OWNER,
            password=self.password,
            dbname=DATABASE,
            connect_timeout=_CONNECT_S,
            application_name="stationmaster command",
        )


@dataclass(frozen=True)
class ServerFacts:
    """What matters for the next backup."""

    now: dt.datetime
    version: str
    migration: int
    segment_bytes: int
    store_bytes: int
    archives: bool
    summarizes: bool
    system_identifier: str
    timeline: int


def find_server(data_dir: Path) -> RunningServer:
    """Return the embedded server that runs on `data_dir`.

    Raises:
        BackupError: there is no store, or its server does not run.
    """
    home = data_dir / "postgres"
    location = home / "location"
    try:
        place = Path(location.read_text(encoding="utf-8").strip()) if location.exists() else home
        password = (home / "password").read_text(encoding="ascii")
    except OSError as error:
        raise BackupError(
            f"{home}: there is no embedded database that we may open ({error.strerror}): check "
            "data_dir in the configuration, and run this under the cloud's own account"
        ) from error
    try:
        lines = (place / "data" / "postmaster.pid").read_text().splitlines()
        server = RunningServer(home, place / "postgres.log", Path(lines[_SOCKET_LINE]), password)
        with psycopg.connect(server.dsn) as conn:
            conn.execute("SELECT 1")
    except (OSError, IndexError, psycopg.OperationalError) as error:
        raise BackupError(
            f"the database of {data_dir} does not run ({_short(error)}): this command works "
            "beside a running cloud; start it with ./stationmaster cloud CONFIG and try again"
        ) from error
    return server


def facts(server: RunningServer) -> ServerFacts:
    """Ask the server what the next backup must know."""
    with psycopg.connect(server.dsn) as conn:
        row = conn.execute(
            "SELECT clock_timestamp(), current_setting('server_version'),"
            " (SELECT max(number) FROM schema_migrations),"
            " (SELECT bytes_per_wal_segment FROM pg_control_init()),"
            " (SELECT sum(pg_database_size(oid)) FROM pg_database),"
            " current_setting('archive_mode') <> 'off', current_setting('summarize_wal')::bool,"
            " (SELECT system_identifier::text FROM pg_control_system()),"
            " (SELECT timeline_id FROM pg_control_checkpoint())"
        ).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM gives one row
    now, version, migration, segment, size, archives, summarizes, system, timeline = row
    return ServerFacts(
        *(now, version.split()[0], migration, segment, int(size)),
        *(archives, summarizes, system, timeline),
    )


def clock(dsn: str) -> dt.datetime:
    """The server's time, UTC."""
    with psycopg.connect(dsn) as conn:
        row = conn.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None  # noqa: S101 - as above
    now: dt.datetime = row[0]
    return now.astimezone(dt.UTC)


def count_stations(dsn: str) -> Counts:
    """Count what the store holds of every station, from one snapshot.

    Tables that the store's version does not have count as empty.
    """
    with psycopg.connect(dsn) as conn:
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        stations = [row[0] for row in conn.execute("SELECT id FROM stations ORDER BY id")]
        ledger = {row[0]: row[1:] for row in conn.execute(_LEDGER)}
        others = {name: _count(conn, table) for name, table in _COUNTED.items()}
    return {
        station: StationCounts(
            batches=ledger.get(station, (0,))[0],
            samples=int(ledger.get(station, (0, 0))[1]),
            ledger=f"{ledger.get(station, (0, 0, 0))[2] % (1 << 64):016x}",
            **{name: counted.get(station, 0) for name, counted in others.items()},
        )
        for station in stations
    }


def _count(conn: psycopg.Connection[Any], table: str) -> dict[str, int]:
    found = conn.execute("SELECT to_regclass(%s) IS NOT NULL", [table]).fetchone()
    if found is None or not found[0]:
        return {}
    sql = f"SELECT station, count(*) FROM {table} GROUP BY station"  # noqa: S608 - our own names
    return dict(conn.execute(sql.encode()).fetchall())


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
