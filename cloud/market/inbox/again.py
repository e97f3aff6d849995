"""Files that were refused, and handing one in again when what was wrong here is mended."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cloud.errors import NotFound

_MOST: Final = 500
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\.json")


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """A file that was refused: its name, a word for why, and the reason."""

    name: str
    code: str
    reason: str


def refused_files(folder: Path) -> list[RefusedFile]:
    """Return the files that were refused, the newest first."""
    there = [file for file in (folder / "refused").glob("*.json") if _NAME.fullmatch(file.name)]
    newest = sorted(there, key=lambda file: file.stat().st_mtime_ns, reverse=True)
    return [_refused(folder, file) for file in newest[:_MOST]]


def take_again(folder: Path, name: str) -> None:
    """Put a refused file back where it is taken: signed as it was, checked as of now.

    Raises:
        NotFound: there is no such file with its signature.
    """
    file, signed = (folder / "refused" / (name + end) for end in ("", ".sig"))
    if not _NAME.fullmatch(name) or not file.is_file() or not signed.is_file():
        raise NotFound(f"no refused file is called {name!r}; GET the list of those there are")
    file.replace(folder / name)
    signed.replace(folder / signed.name)  # a file is taken when its signature is there


def _refused(folder: Path, file: Path) -> RefusedFile:
    receipt = folder / "receipts" / f"{file.stem}.receipt.json"
    try:
        told = json.loads(receipt.read_bytes())
        return RefusedFile(file.name, str(told.get("code", "")), str(told.get("reason", "")))
    except (OSError, ValueError):
        return RefusedFile(file.name, "", "its receipt is gone")
