"""Key-encryption keys in files: `key-encryption.key` is generation 1, `key-encryption.2.key` next.

Wrapping is AES-256-GCM; a wrapped key is nonce (12 bytes), ciphertext, tag (16).
"""

import os
import re
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cloud.errors import KeyStoreError
from cloud.key_encryption.ring import WrongKeyError
from cloud.private_files import sync_folder, write_private

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_NAME: Final = re.compile(r"key-encryption(?:\.([1-9][0-9]*))?\.key")


class FileKeys:
    """Generations as files of mode 0600 in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def where(self) -> str:
        """The folder."""
        return str(self._folder)

    def generations(self) -> frozenset[int]:
        """Return the generations whose files are there."""
        names = (_NAME.fullmatch(path.name) for path in self._folder.glob("key-encryption*.key"))
        return frozenset(int(name[1] or 1) for name in names if name)

    def make(self, generation: int) -> None:
        """Write the file of a generation and have it on the disk."""
        path = self._path(generation)
        if path.exists():
            raise KeyStoreError(f"{path} is there already; it is never replaced")
        for left in self._folder.glob(".key-encryption*"):  # by a process that was killed
            left.unlink(missing_ok=True)
        write_private(path, secrets.token_bytes(_KEY_BYTES))

    def wrap(self, generation: int, place: bytes, key: bytes) -> bytes:
        """Return nonce and sealed key."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher(generation).encrypt(nonce, key, place)

    def unwrap(self, generation: int, place: bytes, wrapped: bytes) -> bytes:
        """Return the key."""
        nonce, sealed = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
        try:
            return self._cipher(generation).decrypt(nonce, sealed, place)
        except (InvalidTag, ValueError) as error:  # ValueError: too short for a nonce
            raise WrongKeyError(
                f"{self._path(generation)} is not the key that it was made with; "
                "restore it from the backup"
            ) from error

    def remove(self, generation: int) -> None:
        """Remove the file."""
        self._path(generation).unlink(missing_ok=True)
        sync_folder(self._folder)

    def _path(self, generation: int) -> Path:
        number = "" if generation == 1 else f".{generation}"
        return self._folder / f"key-encryption{number}.key"

    def _cipher(self, generation: int) -> AESGCM:
        path = self._path(generation)
        try:
            key = path.read_bytes()
        except OSError as error:
            raise KeyStoreError(
                f"{path}: {error.strerror}; restore it from the backup, or give the account of "
                "the cloud access to it"
            ) from error
        if len(key) != _KEY_BYTES:
            raise KeyStoreError(f"{path}: must be {_KEY_BYTES} bytes; restore it from the backup")
        return AESGCM(key)
