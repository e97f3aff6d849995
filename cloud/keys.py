"""The cloud's private keys: files of mode 0600 in one folder of mode 0700, made once.

- `key-encryption.key`: wraps the keys of blocks at rest.
- `telemetry.pem`: X25519; stations wrap their epoch keys to it.
- `order-signing.pem`: Ed25519; signs orders to stations.
- `authority.pem`, `authority-certificate.pem`: the certificate authority of the stations
  (`cloud.access.pki`).

Losing `key-encryption.key` or `telemetry.pem` loses the telemetry; they belong in the backup.
"""

import hashlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from cloud.errors import KeyStoreError

_KEK_BYTES = 32
_KEY_ID_HEX = 16


@dataclass(frozen=True)
class KeyStore:
    """Private keys in memory. `repr` shows none of them.

    Attributes:
        folder: where the files are.
        key_encryption: 32 bytes, AES-256.
        telemetry: opens the epoch keys of stations.
        order_signing: signs orders.
        order_key_id: name of the order key's public half in signed orders.
    """

    folder: Path
    key_encryption: bytes
    telemetry: X25519PrivateKey
    order_signing: Ed25519PrivateKey
    order_key_id: str

    def __repr__(self) -> str:
        return f"KeyStore({self.folder})"

    @property
    def telemetry_public(self) -> bytes:
        """Raw X25519 public key that stations wrap to."""
        return self.telemetry.public_key().public_bytes_raw()

    @property
    def order_public(self) -> bytes:
        """Raw Ed25519 public key that stations verify orders with."""
        return self.order_signing.public_key().public_bytes_raw()


def open_keys(folder: Path) -> KeyStore:
    """Read the key files of `folder`; make those that do not exist yet.

    Raises:
        KeyStoreError: a file cannot be read or is not a key of its kind.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    key_encryption = _read_or_make(folder / "key-encryption.key", _random_key)
    if len(key_encryption) != _KEK_BYTES:
        raise KeyStoreError(f"{folder / 'key-encryption.key'}: must be {_KEK_BYTES} bytes")
    telemetry = _load_pem(folder / "telemetry.pem", X25519PrivateKey.generate)
    order_signing = _load_pem(folder / "order-signing.pem", Ed25519PrivateKey.generate)
    if not isinstance(telemetry, X25519PrivateKey):
        raise KeyStoreError(f"{folder / 'telemetry.pem'}: must be an X25519 key")
    if not isinstance(order_signing, Ed25519PrivateKey):
        raise KeyStoreError(f"{folder / 'order-signing.pem'}: must be an Ed25519 key")
    public = order_signing.public_key().public_bytes_raw()
    key_id = hashlib.sha256(public).hexdigest()[:_KEY_ID_HEX]
    return KeyStore(folder, key_encryption, telemetry, order_signing, key_id)


def write_private(path: Path, content: bytes) -> None:
    """Write `content` to a new file of mode 0600, whole or not at all; never replace one."""
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


def _random_key() -> bytes:
    return secrets.token_bytes(_KEK_BYTES)


def _pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _read_or_make(path: Path, make: Callable[[], bytes]) -> bytes:
    try:
        if not path.exists():
            write_private(path, make())
        return path.read_bytes()
    except OSError as error:
        raise KeyStoreError(
            f"{path}: {error.strerror}; give the account of the cloud access to the folder"
        ) from error


def _load_pem(path: Path, generate: Callable[[], PrivateKeyTypes]) -> PrivateKeyTypes:
    content = _read_or_make(path, lambda: _pem(generate()))
    try:
        return serialization.load_pem_private_key(content, password=None)
    except ValueError as error:
        raise KeyStoreError(f"{path}: is not a private key; restore it from the backup") from error
