"""Blocks at rest are sealed: AES-256-GCM with a key per station.

Station keys lie in the database wrapped by the key-encryption key, which lies only in the
folder of keys: a copy of the database alone is unreadable. The place of a block (station,
device, layout, hour, grid, part) is authenticated with it, so blocks cannot be exchanged.
Nonces are random; one key seals fewer than 2**32 blocks (NIST SP 800-38D, 8.3): 15 years of a
large station are about 2**29.
"""

import os
import struct
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cloud.db.pool import Pool, connection
from cloud.errors import KeyStoreError
from cloud.keys import KeyStore

_NONCE_BYTES = 12
_KEY_ID = struct.Struct(">I")
_KEY_BITS = 256
_FIRST_KEY = 1


class Placed(Protocol):
    """Where sealed bytes belong; `str` of it names the place in errors."""

    def associated(self) -> bytes:
        """Bytes that are authenticated with the sealed ones; no two places share them."""
        ...


@dataclass(frozen=True)
class BlockPlace:
    """Primary key of a block."""

    station: str
    device: str
    layout: bytes
    hour_ms: int
    step_ms: int
    phase_ms: int
    part: int

    def associated(self) -> bytes:
        """Bytes that are authenticated with the block."""
        grid = struct.pack(">qqqq", self.hour_ms, self.step_ms, self.phase_ms, self.part)
        return b"\0".join([self.station.encode(), self.device.encode(), self.layout, grid])


@dataclass(frozen=True)
class StationKeys:
    """Data keys of one station, opened; `newest` seals."""

    ciphers: dict[int, AESGCM]
    newest: int

    def seal(self, place: Placed, plain: bytes) -> bytes:
        """Return the sealed body that belongs at `place`."""
        nonce = os.urandom(_NONCE_BYTES)
        cipher = self.ciphers[self.newest]
        sealed = cipher.encrypt(nonce, plain, place.associated())
        return _KEY_ID.pack(self.newest) + nonce + sealed

    def open(self, place: Placed, body: bytes) -> bytes:
        """Return the plain bytes of what was sealed at `place`.

        Raises:
            KeyStoreError: it was sealed with another key, altered, or moved to another place.
        """
        (key_id,) = _KEY_ID.unpack_from(body)
        start = _KEY_ID.size + _NONCE_BYTES
        cipher = self.ciphers.get(key_id)
        if cipher is None:
            raise KeyStoreError(f"{place}: there is no key {key_id}; restore table station_keys")
        try:
            return cipher.decrypt(
                body[_KEY_ID.size : start], memoryview(body)[start:], place.associated()
            )
        except InvalidTag as error:
            raise KeyStoreError(
                f"{place}: the block was altered, or key-encryption.key is not the one it was "
                "made with; restore both from the same backup"
            ) from error


class Vault:
    """Opens the keys of stations for one process."""

    def __init__(self, pool: Pool, keys: KeyStore) -> None:
        self._pool = pool
        self._kek = AESGCM(keys.key_encryption)
        self._known: dict[str, StationKeys] = {}

    async def keys(self, station: str) -> StationKeys:
        """Return the keys of a station; its first one is made when there is none.

        Raises:
            KeyStoreError: the key-encryption key does not open them.
        """
        known = self._known.get(station)
        if known is not None:
            return known
        fresh = AESGCM.generate_key(_KEY_BITS)
        async with connection(self._pool) as conn:
            await conn.execute(
                "INSERT INTO station_keys (station, key_id, wrapped) SELECT %s, %s, %b"
                " WHERE NOT EXISTS (SELECT 1 FROM station_keys WHERE station = %s)"
                " ON CONFLICT DO NOTHING",
                [station, _FIRST_KEY, self._wrap(station, _FIRST_KEY, fresh), station],
            )
            cursor = await conn.execute(
                "SELECT key_id, wrapped FROM station_keys WHERE station = %s",
                [station],
                binary=True,
            )
            rows = await cursor.fetchall()
        ciphers = {key_id: AESGCM(self._unwrap(station, key_id, body)) for key_id, body in rows}
        opened = StationKeys(ciphers, max(ciphers))
        self._known[station] = opened
        return opened

    def _wrap(self, station: str, key_id: int, key: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._kek.encrypt(nonce, key, f"{station}\0{key_id}".encode())

    def _unwrap(self, station: str, key_id: int, wrapped: bytes) -> bytes:
        nonce, sealed = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
        try:
            return self._kek.decrypt(nonce, sealed, f"{station}\0{key_id}".encode())
        except InvalidTag as error:
            raise KeyStoreError(
                f"key {key_id} of station {station!r} does not open: key-encryption.key is not "
                "the one it was made with; restore it from the backup"
            ) from error
