"""What is known about one backup: `backup.json`, written last, so that it proves completeness.

The text carries its own SHA-256 and has exactly one form: any altered byte is found.
"""

import datetime as dt
import hashlib
import json
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cloud.errors import BackupError

RECORD_FILE: Final = "backup.json"
FORMAT: Final = 1
_SUM: Final = "sha256"

Kind = Literal["full", "incremental"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StationCounts(_Part):
    """What the store holds of one station at one moment."""

    batches: int = Field(description="rows of the ledger: messages ever accepted")
    samples: int = Field(description="samples in those messages")
    ledger: str = Field(description="xor of the first 8 bytes of every message's SHA-256, hex")
    epochs: int = Field(description="epoch keys announced")
    blocks: int = Field(description="sealed blocks of samples")
    rollup_blocks: int = Field(description="sealed blocks of rollups")
    waiting: int = Field(description="batches not in blocks yet")


Counts = dict[str, StationCounts]
"""By station."""


class BackupRecord(_Part):
    """One finished backup."""

    format: Literal[1] = FORMAT
    name: str = Field(description="folder of this backup, e.g. 000002-incremental")
    kind: Kind
    parent: str | None = Field(description="backup that an incremental one builds on")
    began_at: dt.datetime
    ended_at: dt.datetime = Field(description="it restores to a moment not later than this")
    system_identifier: str = Field(description="PostgreSQL's name of the cluster")
    timeline: int
    start_lsn: str
    end_lsn: str
    postgresql: str = Field(description="server version, e.g. 18.6")
    migration: int = Field(description="number of the newest migration of the store")
    wal_segment_bytes: int
    wal_archived: bool = Field(description="the log goes to wal/ of the same folder")
    bytes: int = Field(description="size of its files")
    store_bytes: int = Field(description="size of the databases, which a restore needs at least")
    before: Counts = Field(description="counts taken before it began")
    after: Counts = Field(description="counts taken after it ended")
    keys: dict[str, str] = Field(description="SHA-256 of the key files in use, never the keys")
    keys_in_token: bool = Field(description="a token holds key-encryption keys as well")
    files: dict[str, str] = Field(
        description="SHA-256 of the files that backup_manifest does not vouch for"
    )

    @property
    def first_segment(self) -> int:
        """Number of the log segment that recovery starts in."""
        return lsn_bytes(self.start_lsn) // self.wal_segment_bytes

    @property
    def last_segment(self) -> int:
        """Number of the log segment that holds its end."""
        return (lsn_bytes(self.end_lsn) - 1) // self.wal_segment_bytes


def lsn_bytes(lsn: str) -> int:
    """Position in the log in bytes from PostgreSQL's form, e.g. 0/3000120."""
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def render(record: BackupRecord) -> str:
    """Return the text of `backup.json`."""
    body = record.model_dump(mode="json")
    return _text(body | {_SUM: hashlib.sha256(_text(body).encode()).hexdigest()})


def parse(text: str, path: Path) -> BackupRecord:
    """Return the record of a text that `render` made.

    Raises:
        BackupError: the text was altered or is of another version.
    """
    try:
        body = json.loads(text)
        given = body.pop(_SUM)
        record = BackupRecord.model_validate(body)
    except (ValueError, KeyError, AttributeError, TypeError, ValidationError) as error:
        raise BackupError(
            f"{path}: is not the record of a backup of format {FORMAT} ({_first_line(error)}): "
            "it was altered, or a newer version wrote it"
        ) from error
    if given != hashlib.sha256(_text(body).encode()).hexdigest() or render(record) != text:
        raise BackupError(f"{path}: was altered: its own SHA-256 does not fit")
    return record


def read_record(backup: Path) -> BackupRecord:
    """Read the record of the backup in folder `backup`.

    Raises:
        BackupError: it is missing, altered, or belongs to another folder.
    """
    path = backup / RECORD_FILE
    try:
        record = parse(path.read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise BackupError(
            f"{path}: cannot be read ({_first_line(error)}); the backup cannot be used without it"
        ) from error
    if record.name != backup.name:
        raise BackupError(f"{path}: is the record of {record.name}, not of {backup.name}")
    return record


def _text(body: dict[str, object]) -> str:
    return json.dumps(body, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
