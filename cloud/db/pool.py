"""Connection pools: every worker has one; a dead database is answered quickly, not waited for.

A connection that PostgreSQL has dropped is replaced by the pool itself; a caller that finds
the pool empty for longer than the pool's time-out gets `Unavailable`, which the web layer
answers with 503 so that stations and browsers try again.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from cloud.errors import Unavailable

Pool = AsyncConnectionPool[AsyncConnection[TupleRow]]

_RECONNECT_S = 300.0
"""How long the pool goes on trying on its own; after that each request starts it again."""


def create_pool(dsn: str, size: int, timeout_s: float) -> Pool:
    """Return a closed pool; open it with `await pool.open()` inside the running loop."""
    return AsyncConnectionPool(
        dsn,
        min_size=1,
        max_size=size,
        timeout=timeout_s,
        open=False,
        reconnect_timeout=_RECONNECT_S,
        kwargs={"connect_timeout": 2, "autocommit": True, "application_name": "stationmaster"},
    )


@asynccontextmanager
async def connection(pool: Pool) -> AsyncIterator[AsyncConnection[TupleRow]]:
    """Lend a connection (autocommit; open a transaction with `conn.transaction()`).

    Raises:
        Unavailable: no connection within the pool's time-out, or it broke under way.
    """
    try:
        async with pool.connection() as conn:
            yield conn
    except (PoolTimeout, PoolClosed, TooManyRequests) as error:
        raise Unavailable("the database gives no connection; try again") from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise Unavailable(f"the database broke off: {type(error).__name__}; try again") from error
