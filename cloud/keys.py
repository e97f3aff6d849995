"""The cloud's private keys: files of mode 0600 in one folder of mode 0700, made once.

- `key-encryption.key`, `key-encryption.2.key`, ...: wrap the keys of what is at rest, unless a
  token does (`cloud.key_encryption`).
- `telemetry.pem`: X25519; stations wrap their epoch keys to it.
- `order-signing.pem`: Ed25519; signs orders to stations.
- `authority.pem`, `authority-certificate.pem`: the certificate authority of the stations
  (`cloud.access.pki`).

Losing a key-encryption key or `telemetry.pem` loses the telemetry; they belong in the backup.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from cloud.config import Pkcs11Section
from cloud.errors import KeyStoreError
from cloud.key_encryption import FileKeys, KeyRing
from cloud.key_encryption.token import TokenKeys
from cloud.private_files import make_private_folder, read_or_make

_KEY_ID_HEX = 16


@dataclass(frozen=True)
class KeyStore:
    """Private keys in memory. `repr` shows none of them.

    Attributes:
        folder: where the files are.
        key_encryption: wraps the data keys of stations.
        telemetry: opens the epoch keys of stations.
        order_signing: signs orders.
        order_key_id: name of the order key's public half in signed orders.
    """

    folder: Path
    key_encryption: KeyRing
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


def open_keys(folder: Path, token: Pkcs11Section | None = None) -> KeyStore:
    """Read the key files of `folder`; make those that do not exist yet.

    Key-encryption keys are made when the first data key is wrapped: in `token` when there is
    one, else in `folder`. Files from before a token was configured go on unwrapping.

    Raises:
        KeyStoreError: a file or the token cannot be read, or is not a key of its kind.
    """
    make_private_folder(folder)
    files = FileKeys(folder)
    ring = KeyRing(files) if token is None else KeyRing(TokenKeys(token), [files])
    ring.generations()  # a token that does not answer stops the start, not the first block
    telemetry = _load_pem(folder / "telemetry.pem", X25519PrivateKey.generate)
    order_signing = _load_pem(folder / "order-signing.pem", Ed25519PrivateKey.generate)
    if not isinstance(telemetry, X25519PrivateKey):
        raise KeyStoreError(f"{folder / 'telemetry.pem'}: must be an X25519 key")
    if not isinstance(order_signing, Ed25519PrivateKey):
        raise KeyStoreError(f"{folder / 'order-signing.pem'}: must be an Ed25519 key")
    public = order_signing.public_key().public_bytes_raw()
    key_id = hashlib.sha256(public).hexdigest()[:_KEY_ID_HEX]
    return KeyStore(folder, ring, telemetry, order_signing, key_id)


def _pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _load_pem(path: Path, generate: Callable[[], PrivateKeyTypes]) -> PrivateKeyTypes:
    content = read_or_make(path, lambda: _pem(generate()))
    try:
        return serialization.load_pem_private_key(content, password=None)
    except ValueError as error:
        raise KeyStoreError(f"{path}: is not a private key; restore it from the backup") from error
