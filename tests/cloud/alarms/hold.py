"""A jobs process that works the inbox and stops in the middle of its transaction, to be killed."""

import asyncio
import sys
from pathlib import Path

from cloud.alarms import incidents, load
from cloud.alarms.engine import Engine
from cloud.db import create_pool
from cloud.keys import open_keys
from cloud.vault.vault import Vault


async def stop_here(*_: object) -> None:
    print("written, not committed", flush=True)
    await asyncio.Event().wait()


async def main(dsn: str, keys: str, now_ms: int) -> None:
    incidents.rearrange = stop_here  # type: ignore[assignment]
    pool = create_pool(dsn, size=2, timeout_s=5.0)
    await pool.open()
    await Engine(pool, Vault(pool, open_keys(Path(keys))), load()).run(now_ms)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
