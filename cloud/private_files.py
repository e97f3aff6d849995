"""Private files: mode 0600, written whole and durably, never replaced."""

import fcntl
import logging
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from cloud.errors import KeyStoreError

_log = logging.getLogger(__name__)
_OTHERS = 0o077


def make_private_folder(folder: Path) -> None:
    """Make `folder` with mode 0700, or give it that mode where we may.

    Raises:
        KeyStoreError: there is none and it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise KeyStoreError(
            f"{folder}: {error.strerror}; make the folder, or give the account of the cloud the"
            " right to"
        ) from error
    if stat.S_IMODE(folder.stat().st_mode) & _OTHERS:
        try:
            folder.chmod(0o700)
        except OSError as error:  # mounted read-only, or somebody else's
            _log.warning("others may enter %s and its mode stays: %s", folder, error.strerror)


def write_private(path: Path, content: bytes) -> None:
    """Write `content` to a new file of mode 0600, whole or not at all; never replace one.

    On return the file and its name are on the disk: what is made with a key may follow it.

    Raises:
        KeyStoreError: the folder cannot be written, as where it is mounted read-only.
    """
    try:
        _write_private(path, content)
    except OSError as error:
        raise KeyStoreError(
            f"{path}: is missing and cannot be made ({error.strerror}); restore it from the"
            " backup or, before there are any data, start once with the folder writable"
        ) from error


def discard_empty(path: Path) -> None:
    """Remove `path` where it is an empty file: its writer was killed before it wrote.

    Raises:
        KeyStoreError: it is empty and cannot be removed.
    """
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # of two who see it empty, one removes it
            opened = os.fstat(file.fileno())
            if not opened.st_size and os.path.samestat(opened, path.stat()):
                path.unlink()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise KeyStoreError(
            f"{path}: {error.strerror}; give the account of the cloud access to the folder"
        ) from error


def _write_private(path: Path, content: bytes) -> None:
    staging = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(staging, path)
    except FileExistsError:
        pass  # another process made it first; its key counts
    finally:
        staging.unlink(missing_ok=True)
    sync_folder(path.parent)


def read_or_make(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return the content of a private file; write what `make` gives when there is none.

    Raises:
        KeyStoreError: the file cannot be read, or is missing and cannot be written.
    """
    try:
        if not path.exists():
            write_private(path, make())
        return path.read_bytes()
    except OSError as error:
        raise KeyStoreError(
            f"{path}: {error.strerror}; give the account of the cloud access to the folder"
        ) from error


def read_secret(path: Path) -> str:
    """Return the first line of a file that holds a secret.

    Raises:
        KeyStoreError: it cannot be read, is empty, or others may read it.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyStoreError(f"{path} cannot be read ({type(error).__name__}); check it") from error
    if mode & _OTHERS:
        raise KeyStoreError(f"{path} may be read by others; give it mode 0600")
    if not text:
        raise KeyStoreError(f"{path} is empty; write the secret into it")
    return text.splitlines()[0]


def sync_folder(folder: Path) -> None:
    """Put the names in `folder` on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
