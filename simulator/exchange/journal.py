"""What has happened, line by line in a file, so that a restart forgets nothing."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """A file of JSON lines, each on disk before the answer leaves.

    A last line that a crash cut off is dropped when the file is opened: nobody was answered by it,
    and what comes next begins on a line of its own.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        self._out = file.open("a", encoding="utf-8")
        written = file.read_bytes()
        self._out.truncate(written.rfind(b"\n") + 1)

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield what has happened."""
        for line in self._file.read_text("utf-8").splitlines():
            yield json.loads(line)

    def add(self, event: dict[str, Any]) -> None:
        """Keep an event."""
        self._out.write(json.dumps(event) + "\n")
        self._out.flush()
        os.fsync(self._out.fileno())

    def close(self) -> None:
        """Close the file."""
        self._out.close()
