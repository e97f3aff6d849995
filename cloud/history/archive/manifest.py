"""The manifest of an archived month: what it holds, so that anyone can prove it is whole.

    {"format": "stationmaster-archive/1", "station": "alpha", "month": "2026-07", "from": ..., "to":
     ..., "made_at": ..., "samples": ..., "files": [{"name", "layout", "sha256", "size", "rows",
     "row_groups", "samples", "devices", "first_ms", "last_ms", "signals": {NAME: {"values",
     "sum"}}}], "layouts": {NAME: LAYOUT}, "sha256": ...}

`values` counts what is not NULL in a column, `sum` adds it up in raw numbers (value / scale; null
for floats). The last entry is the hash of all others, so that a manifest alone shows whether it
was altered. Nothing in it and nothing in the files needs a key.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from cloud.errors import AlteredArchive, ArchiveError
from contract.errors import LayoutError
from contract.layouts import Layout

FORMAT: Final = "stationmaster-archive/1"


@dataclass(frozen=True)
class Sums:
    """Usable values of a signal in a file, and the sum of their raw numbers (None for floats)."""

    values: int
    sum: int | None


@dataclass(frozen=True)
class ArchivedFile:
    """One Parquet file: all devices of one layout.

    Attributes:
        name: in the folder of the version.
        layout: name of the layout.
        sha256: of the whole file, hexadecimal.
        size: in bytes.
        rows, row_groups: of the table; a row group is one device on one day, or a part of it.
        samples: rows that were sampled; rows / samples is the number of cells.
        devices: how many.
        first_ms, last_ms: times of its first and last sample.
        signals: sums by column.
    """

    name: str
    layout: str
    sha256: str
    size: int
    rows: int
    row_groups: int
    samples: int
    devices: int
    first_ms: int
    last_ms: int
    signals: Mapping[str, Sums]


@dataclass(frozen=True)
class Manifest:
    """A month of a station in one version; `layouts` are by the name of the file."""

    station: str
    month: dt.date
    start_ms: int
    end_ms: int
    made_at: dt.datetime
    files: tuple[ArchivedFile, ...]
    layouts: Mapping[str, Layout]

    @property
    def samples(self) -> int:
        """Samples in all files."""
        return sum(file.samples for file in self.files)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def to_json(self) -> bytes:
        """The text of MANIFEST.json."""
        document = {
            "format": FORMAT,
            "station": self.station,
            "month": f"{self.month:%Y-%m}",
            "from": self.start_ms,
            "to": self.end_ms,
            "made_at": self.made_at.astimezone(dt.UTC).isoformat(timespec="seconds"),
            "samples": self.samples,
            "files": [asdict(file) for file in self.files],
            "layouts": {name: json.loads(one.to_json()) for name, one in self.layouts.items()},
        }
        document["sha256"] = _hash(document)
        return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()

    @staticmethod
    def from_json(text: bytes, name: str) -> "Manifest":
        """Read `to_json`'s text.

        Raises:
            AlteredArchive: it is none, or altered; `name` says which.
            ArchiveError: it is of another format.
        """
        try:
            found: dict[str, Any] = json.loads(text)
            if found.pop("sha256") != _hash(found):
                raise AlteredArchive(f"{name}: was altered: its own hash does not fit")
            if found["format"] != FORMAT:
                raise ArchiveError(f"{name}: is of format {found['format']!r}, not {FORMAT!r}")
            return Manifest(
                found["station"],
                dt.date.fromisoformat(f"{found['month']}-01"),
                int(found["from"]),
                int(found["to"]),
                dt.datetime.fromisoformat(found["made_at"]),
                tuple(_file(one) for one in found["files"]),
                {name: Layout.from_json(json.dumps(one)) for name, one in found["layouts"].items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError, LayoutError) as error:
            raise AlteredArchive(f"{name}: is no manifest of an archive ({error!r})") from error


def _hash(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _file(found: dict[str, Any]) -> ArchivedFile:
    signals = {name: Sums(**one) for name, one in found["signals"].items()}
    return ArchivedFile(**{**found, "signals": signals})


def month_range(month: dt.date) -> tuple[int, int]:
    """First millisecond of a month (UTC), and of the next."""
    start = dt.datetime(month.year, month.month, 1, tzinfo=dt.UTC)
    return _ms(start), _ms((start + dt.timedelta(days=32)).replace(day=1))


def month_of(at_ms: int) -> dt.date:
    """The month (UTC) of a time."""
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).date().replace(day=1)


def _ms(at: dt.datetime) -> int:
    return round(at.timestamp() * 1000)
