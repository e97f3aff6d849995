"""PostgreSQL's `backup_manifest`: which files it vouches for, and where in the log it lies."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MANIFEST_FILE: Final = "backup_manifest"
_NOT_CHECKED: Final = frozenset({"postgresql.auto.conf", "recovery.signal", "standby.signal"})
"""pg_verifybackup leaves these out, because people change them before a restore."""
_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class Manifest:
    """What we need of it."""

    system_identifier: str
    timeline: int
    start_lsn: str
    end_lsn: str
    vouched: frozenset[str]


def read_manifest(data: Path) -> Manifest:
    """Read the manifest that pg_basebackup has just written into `data`."""
    body = json.loads((data / MANIFEST_FILE).read_bytes())
    ranges = body["WAL-Ranges"]
    names = {
        one["Path"] if "Path" in one else bytes.fromhex(one["Encoded-Path"]).decode()
        for one in body["Files"]
    }
    return Manifest(
        str(body["System-Identifier"]),
        int(ranges[-1]["Timeline"]),
        ranges[0]["Start-LSN"],
        ranges[-1]["End-LSN"],
        frozenset(names - _NOT_CHECKED),
    )


def unvouched(data: Path, vouched: frozenset[str]) -> dict[str, str]:
    """SHA-256 of every file under `data` that the manifest does not vouch for, by its name."""
    found = {}
    for path in sorted(data.rglob("*")):
        name = path.relative_to(data).as_posix()
        if path.is_file() and name not in vouched:
            found[name] = file_sha256(path)
    return found


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
