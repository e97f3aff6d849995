"""One living station per data folder: two would number their telemetry alike.

The lock is the kernel's: it goes with its holder, however that ends.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from station.errors import StationError

LOCK_FILE: Final = "station.lock"
"""In data_dir; holds the number of the process that has it."""


class DataInUseError(StationError):
    """A living station works on the data folder."""

    def __init__(self, data_dir: Path, holder: str) -> None:
        """Build the sentence from its facts."""
        super().__init__(
            f"{data_dir} is in use by process {holder or '(starting)'}: stop that station, or name "
            "another station.data_dir"
        )


@contextlib.contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """Hold a data folder, which is made if there is none.

    Raises:
        DataInUseError: another process that lives holds it.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    handle = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataInUseError(data_dir, os.read(handle, 20).decode().strip()) from error
        os.truncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(handle)
