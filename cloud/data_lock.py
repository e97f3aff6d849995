"""One living cloud per data folder.

A second one would take the first one's database for an orphan, adopt it, and take it down when
it stops. The lock is the kernel's: it goes with its holder, however that ends.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cloud.errors import DataInUseError

LOCK_FILE: Final = "cloud.lock"
"""In data_dir; holds the number of the process that has it."""


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
            holder = os.read(handle, 20).decode(errors="replace").strip()
            raise DataInUseError(data_dir, holder) from error
        os.truncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(handle)
