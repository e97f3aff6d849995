"""What has happened, line by line in a file, so that a restart forgets nothing."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """A file of JSON lines, each on disk before the answer leaves."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        self._out = file.open("a", encoding="utf-8")

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield what has happened; a last line that a crash cut off is left out."""
        for line in self._file.read_text("utf-8").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                return

    def add(self, event: dict[str, Any]) -> None:
        """Keep an event."""
        self._out.write(json.dumps(event) + "\n")
        self._out.flush()
        os.fsync(self._out.fileno())

    def close(self) -> None:
        """Close the file."""
        self._out.close()
