"""The archive of the log: with it a restore reaches any moment, not only that of a backup.

The server hands over each finished segment (16 MB, or what was written within the archive
time-out). A segment is stored compressed under its own name with the first 16 hex digits of the
file's SHA-256, e.g. `000000010000000000000003-0f3a….gz`: any altered byte is found.
"""

import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SUM_DIGITS: Final = 16
_FILE: Final = re.compile(
    r"^(?P<piece>[0-9A-F]{24}|[0-9A-F]{8}\.history|[0-9A-F]{24}\.(?:[0-9A-F]{8}\.backup|partial))"
    rf"-(?P<sum>[0-9a-f]{{{_SUM_DIGITS}}})\.gz$"
)
_SEGMENT: Final = re.compile(r"^([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})$")
_SEGMENT_NAME: Final = 24
"""Length; a note on a backup begins with the name of the segment that the backup began in."""
_GZIP_WINDOW: Final = 31
"""zlib: gzip header, window of 32 kB."""


@dataclass(frozen=True)
class Piece:
    """One file of the archive.

    Attributes:
        name: what PostgreSQL calls it.
        digits: what its file's SHA-256 begins with.
        position: timeline and number of a segment, counted from the start of the log; None: it
            is a note of the server.
    """

    path: Path
    name: str
    digits: str
    position: tuple[int, int] | None = None

    def content(self, segment_bytes: int) -> bytes:
        """Return what the server handed over.

        Raises:
            ValueError: the file was altered; the text says how it shows.
        """
        packed = self.path.read_bytes()
        if not hashlib.sha256(packed).hexdigest().startswith(self.digits):
            raise ValueError("its SHA-256 does not fit its name")
        try:
            content = zlib.decompress(packed, _GZIP_WINDOW)
        except zlib.error as error:
            raise ValueError(f"gzip cannot read it ({error})") from error
        if self.position is not None and len(content) != segment_bytes:
            raise ValueError(f"it holds {len(content)} bytes instead of {segment_bytes}")
        return content


def pieces(folder: Path, segment_bytes: int) -> list[Piece]:
    """Return the files of the archive in order of their names; none when there is no folder."""
    if not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.iterdir()):
        match = _FILE.match(path.name)
        if match:
            name = match["piece"]
            found.append(Piece(path, name, match["sum"], position(name, segment_bytes)))
    return found


def segments(found: Iterable[Piece], timeline: int) -> dict[int, Piece]:
    """The segments of one timeline by their numbers."""
    return {one.position[1]: one for one in found if one.position and one.position[0] == timeline}


def strangers(folder: Path) -> list[str]:
    """Names in the archive that the server's account did not write as finished pieces."""
    if not folder.is_dir():
        return []
    return sorted(
        path.name
        for path in folder.iterdir()
        if not _FILE.match(path.name) and not path.name.endswith(".part")
    )


def position(name: str, segment_bytes: int) -> tuple[int, int] | None:
    """Timeline and number of a segment's name; None: it names something else."""
    match = _SEGMENT.match(name)
    if not match:
        return None
    timeline, high, low = (int(part, 16) for part in match.groups())
    return timeline, high * ((1 << 32) // segment_bytes) + low


def segment_name(timeline: int, number: int, segment_bytes: int) -> str:
    """PostgreSQL's name of a segment."""
    high, low = divmod(number, (1 << 32) // segment_bytes)
    return f"{timeline:08X}{high:08X}{low:08X}"


def missing(present: Iterable[int], first: int, last: int) -> list[tuple[int, int]]:
    """Runs of segments in [first, last] that are not present, as (from, to), both inclusive."""
    runs: list[tuple[int, int]] = []
    for number in sorted(set(range(first, last + 1)) - set(present)):
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def run_names(runs: Iterable[tuple[int, int]], timeline: int, segment_bytes: int) -> Iterator[str]:
    """Runs in words."""
    for first, last in runs:
        name = segment_name(timeline, first, segment_bytes)
        if last == first:
            yield f"segment {name} is missing"
        else:
            until = segment_name(timeline, last, segment_bytes)
            yield f"segments {name} to {until} are missing ({last - first + 1})"


def remove_before(folder: Path, number: int, segment_bytes: int) -> int:
    """Remove segments (and notes on backups in them) before a number; return how many."""
    old = []
    for one in pieces(folder, segment_bytes):
        found = position(one.name[:_SEGMENT_NAME], segment_bytes)
        if found is not None and found[1] < number:
            old.append(one)
    for one in old:
        one.path.unlink()
    return len(old)
