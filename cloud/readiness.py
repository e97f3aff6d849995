"""Whether a cloud on this machine is ready: `python -m cloud.readiness CONFIG.toml`.

For supervisors of containers and for scripts. Web workers answer on their own listener. A cloud
that only does jobs has no listener: its jobs worker touches a file as long as its event loop
runs and the database answers.
"""

import argparse
import asyncio
import json
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cloud.config import CloudConfig, load
from cloud.db.pool import Pool, connection
from cloud.errors import ConfigError, Unavailable

ADDRESSES_FILE: Final = "addresses.json"
"""In data_dir: where the listeners are, written once the cloud is ready."""
JOBS_FILE: Final = "jobs-ready"
"""In data_dir: touched by the jobs worker."""
_BEAT_S: Final = 5.0
_SILENT_S: Final = 60.0
"""A compaction in full swing may hold the event loop of the jobs worker for a while."""
_PROBE_S: Final = 2.0
_HTTP_OK: Final = 200
_NOT_READY: Final = 1
_WRONG_CONFIG: Final = 2


async def keep_beating(pool: Pool, data_dir: Path) -> None:
    """Touch the file of the jobs worker while the database answers, until cancelled."""
    while True:
        try:
            async with connection(pool) as conn:
                await conn.execute("SELECT 1")
            (data_dir / JOBS_FILE).touch()
        except Unavailable:
            pass  # the jobs tell it; the file grows old
        await asyncio.sleep(_BEAT_S)


def web_answers(url: str) -> bool:
    """Whether a web worker at `url` is ready to serve."""
    try:
        with urllib.request.urlopen(  # noqa: S310 - our own worker
            f"{url}/health/ready", timeout=_PROBE_S
        ) as answer:
            return bool(answer.status == _HTTP_OK)
    except OSError:  # urllib.error.URLError is one
        return False


def jobs_beat(data_dir: Path) -> bool:
    """Whether the jobs worker has touched its file lately."""
    try:
        touched = (data_dir / JOBS_FILE).stat().st_mtime
    except OSError:
        return False
    return time.time() - touched < _SILENT_S


def trouble(config: CloudConfig) -> str | None:
    """Say what of a started cloud is not ready, None when all of it is."""
    if config.workers and not web_answers(_web_address(config.data_dir)):
        return "no web worker answers"
    if config.jobs and not jobs_beat(config.data_dir):
        return f"the jobs worker has not told of itself for {_SILENT_S:.0f} s"
    return None


def _web_address(data_dir: Path) -> str:
    try:
        return str(json.loads((data_dir / ADDRESSES_FILE).read_text())["web"])
    except (OSError, ValueError, KeyError):
        return "http://127.0.0.1:0"  # nothing answers there


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what is not ready; status 0 when everything is."""
    parser = argparse.ArgumentParser(prog="cloud.readiness", description=__doc__)
    parser.add_argument("config", type=Path, help="configuration file (TOML)")
    try:
        found = trouble(load(parser.parse_args(arguments).config))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return _WRONG_CONFIG
    print(found or "ready")
    return _NOT_READY if found else 0


if __name__ == "__main__":
    sys.exit(main())
