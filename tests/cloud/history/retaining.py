"""Applies the policy once, in a process that a test may kill: CONFIG TIME."""

import asyncio
import datetime as dt
import sys
from pathlib import Path

from cloud.config import load
from cloud.history.archive.run import open_parts, store_of
from cloud.history.retention.sweep import Retention


async def retain(config_file: Path, now: dt.datetime) -> None:
    """Archive and drop what is due at a time."""
    config = load(config_file)
    async with open_parts(config) as parts:
        retention = Retention(
            parts.pool, parts.reader, parts.restorer, parts.policy, store_of(config)
        )
        print("retaining", flush=True)
        for reason in await retention.run(["alpha"], now):
            print(reason, flush=True)


if __name__ == "__main__":
    asyncio.run(retain(Path(sys.argv[1]), dt.datetime.fromisoformat(sys.argv[2])))
