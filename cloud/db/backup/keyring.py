"""Key files are never in a backup: only their fingerprints, so that a restore finds the right ones.

A SHA-256 of a random 256-bit key tells nothing about the key.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cloud.db.backup.manifest import file_sha256
from cloud.errors import BackupError

_WRAPPING: Final = "key-encryption"
"""How the names of key-encryption keys begin; rotation adds one and may remove older ones."""
_OPENS_TELEMETRY: Final = (_WRAPPING, "telemetry")
_DIFFERENCE: Final = {True: "is not the one in use", False: "is gone, but was in use"}


def fingerprints(keys_dir: Path) -> dict[str, str]:
    """SHA-256 of each key file, by name.

    Raises:
        BackupError: the folder cannot be read or holds no keys.
    """
    try:
        found = {
            path.name: file_sha256(path)
            for path in sorted(keys_dir.iterdir())
            if path.is_file() and not path.name.startswith(".")
        }
    except OSError as error:
        raise BackupError(
            f"{keys_dir}: the folder of keys cannot be read ({error.strerror}): put the keys there "
            "or name their folder ([keys] dir, --keys), and run this under the cloud's own account"
        ) from error
    if not found:
        raise BackupError(f"{keys_dir}: holds no keys; name their folder ([keys] dir, --keys)")
    return found


def compare(recorded: Mapping[str, str], keys_dir: Path) -> list[str]:
    """Compare a folder of keys with those in use when the backup was made.

    Returns:
        Warnings: keys that differ without being needed to open telemetry.

    Raises:
        BackupError: a file is missing, or one that opens telemetry is another.
    """
    found = fingerprints(keys_dir)
    other = {name: name in found for name, digest in recorded.items() if found.get(name) != digest}
    rotated = any(name.startswith(_WRAPPING) for name in found.keys() - recorded.keys())
    wrong = [
        f"{name} {'is another one' if there else 'is missing'}"
        for name, there in other.items()
        if (not there or name.startswith(_OPENS_TELEMETRY))
        and not (name.startswith(_WRAPPING) and not there and rotated)
    ]
    if wrong:
        raise BackupError(
            f"{keys_dir}: these are not the keys in use when the backup was made ("
            f"{'; '.join(wrong)}), and the store could not be opened: put the keys of that time "
            "there, or name their folder with --keys FOLDER"
        )
    return [
        f"{keys_dir / name}: {_DIFFERENCE[there]} when the backup was made"
        for name, there in other.items()
    ]
