"""What is stored is sealed: AES-256-GCM with data keys of the station.

Data keys lie in the database wrapped by a key-encryption key, which lies elsewhere
(`cloud.key_encryption`): a copy of the database alone is unreadable. The place of what is
sealed (of a block: station, device, layout, hour, grid, part) is authenticated with it, so
sealed bodies cannot be exchanged. A body is key id (4 bytes), nonce (12), ciphertext, tag (16).

The newest key seals, every older one goes on opening. A process asks for new keys every
`FRESH_S`, and at once when it meets a body of a key it does not know.

Nonces are random, so one key may seal fewer than 2**32 bodies (NIST SP 800-38D, 8.3). Seals
are counted in the table, and a key is replaced at half of that (`cloud.vault.rotation`): what
a killed process had not yet counted, `FRESH_S` of its work, does not matter.
"""

import asyncio
import datetime as dt
import os
import struct
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import psycopg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cloud.db.pool import Pool, connection
from cloud.errors import KeyStoreError, Unavailable
from cloud.keys import KeyStore
from cloud.vault import key_table
from cloud.vault.key_table import WrappedKey

FRESH_S: Final = 10.0
"""A key that was made this long ago seals everywhere."""
_FIRST_KEY: Final = 1
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_KEY_ID: Final = struct.Struct(">I")


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

    def __str__(self) -> str:
        hour = dt.datetime.fromtimestamp(self.hour_ms / 1000, dt.UTC)
        return (
            f"block of {self.station}/{self.device}, hour {hour:%Y-%m-%d %H:%M} UTC, layout "
            f"{self.layout.hex()}, step {self.step_ms} ms, part {self.part}"
        )

    @property
    def key(self) -> tuple[str, bytes, int, int, int, int]:
        """The place among the blocks of its station."""
        grid = (self.hour_ms, self.step_ms, self.phase_ms, self.part)
        return self.device, self.layout, *grid

    def associated(self) -> bytes:
        """Bytes that are authenticated with the block."""
        grid = struct.pack(">qqqq", self.hour_ms, self.step_ms, self.phase_ms, self.part)
        return b"\0".join([self.station.encode(), self.device.encode(), self.layout, grid])


class StationKeys:
    """Data keys of one station, opened; the newest seals. Safe to use from any thread.

    Whoever holds this object gets new keys in it as the process learns of them.
    """

    def __init__(
        self, keys: Mapping[int, AESGCM], look_again: Callable[[], Mapping[int, AESGCM]]
    ) -> None:
        self._look_again = look_again
        self._counting = threading.Lock()
        self._seals: Counter[int] = Counter()
        self.learn(keys)

    @property
    def known(self) -> Mapping[int, AESGCM]:
        """The keys by their ids."""
        return self._keys

    def learn(self, keys: Mapping[int, AESGCM]) -> None:
        """Take the keys of the station as they are now."""
        self._keys = dict(keys)
        self._newest = max(keys), keys[max(keys)]

    def seal(self, place: Placed, plain: bytes) -> bytes:
        """Return the sealed body that belongs at `place`."""
        key_id, cipher = self._newest
        nonce = os.urandom(_NONCE_BYTES)
        sealed = cipher.encrypt(nonce, plain, place.associated())
        with self._counting:
            self._seals[key_id] += 1
        return _KEY_ID.pack(key_id) + nonce + sealed

    def open(self, place: Placed, body: bytes) -> bytes:
        """Return the plain bytes of what was sealed at `place`.

        A key that is not known yet is looked for in the database, which blocks for some
        milliseconds.

        Raises:
            KeyStoreError: it was sealed with another key, altered, or moved to another place.
        """
        start = _KEY_ID.size + _NONCE_BYTES
        if len(body) < start + _TAG_BYTES:
            raise KeyStoreError(f"{place}: the body was cut to {len(body)} bytes")
        (key_id,) = _KEY_ID.unpack_from(body)
        cipher = self._keys.get(key_id) or self._find(place, key_id)
        try:
            return cipher.decrypt(
                body[_KEY_ID.size : start], memoryview(body)[start:], place.associated()
            )
        except InvalidTag as error:
            raise KeyStoreError(
                f"{place}: the body was altered, or the key {key_id} is not the one it was made "
                "with; restore both from the same backup"
            ) from error

    def take_seals(self) -> Counter[int]:
        """Return how many bodies each key has sealed since the last call."""
        with self._counting:
            taken, self._seals = self._seals, Counter()
        return taken

    def add_seals(self, seals: Mapping[int, int]) -> None:
        """Give back what `take_seals` has returned and what could not be counted."""
        with self._counting:
            self._seals.update(seals)

    def _find(self, place: Placed, key_id: int) -> AESGCM:
        self.learn(self._look_again())
        cipher = self._keys.get(key_id)
        if cipher is None:
            raise KeyStoreError(
                f"{place}: there is no key {key_id}: the body was altered, or table station_keys "
                "is older than it; restore both from the same backup"
            )
        return cipher


class Vault:
    """Opens the keys of stations for one process."""

    def __init__(
        self, pool: Pool, keys: KeyStore, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._ring = keys.key_encryption
        self._known: dict[str, StationKeys] = {}
        self._due: dict[str, float] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def keys(self, station: str) -> StationKeys:
        """Return the keys of a station; its first one is made when there is none.

        Raises:
            KeyStoreError: the key-encryption keys do not open them.
            Unavailable: the database does not answer.
        """
        known = self._known.get(station)
        if known is not None and self._clock() < self._due[station]:
            return known
        async with self._locks[station]:
            if station not in self._due or self._clock() >= self._due[station]:
                await self._refresh(station)
                self._due[station] = self._clock() + FRESH_S
        return self._known[station]

    async def _refresh(self, station: str) -> None:
        known = self._known.get(station)
        if known is not None:
            await self._count(station, known)
        rows = await self._rows(station)
        while True:
            try:
                opened = await asyncio.to_thread(self._open, rows, known)
                break
            except KeyStoreError:
                anew = _wrapped_anew(rows, await self._rows(station))
                if anew is None:
                    raise
                rows = anew
        if known is not None:
            known.learn(opened)
        else:
            self._known[station] = StationKeys(opened, lambda: self._look_again(station))

    async def _rows(self, station: str) -> list[WrappedKey]:
        async with connection(self._pool) as conn:
            rows = await key_table.rows_of(conn, station)
        return rows or await self._make_first(station)

    async def _count(self, station: str, known: StationKeys) -> None:
        seals = known.take_seals()
        if not seals:
            return
        try:
            async with connection(self._pool) as conn:
                await key_table.count_seals(conn, station, seals)
        except BaseException:
            known.add_seals(seals)
            raise

    async def _make_first(self, station: str) -> list[WrappedKey]:
        async with connection(self._pool) as conn, conn.transaction():
            await key_table.lock(conn)
            if not await key_table.rows_of(conn, station):
                row = await asyncio.to_thread(key_table.wrap_new, self._ring, station, _FIRST_KEY)
                await key_table.insert(conn, row)
            return await key_table.rows_of(conn, station)

    def _open(self, rows: Sequence[WrappedKey], known: StationKeys | None) -> dict[int, AESGCM]:
        opened = dict(known.known) if known else {}
        return {
            row.key_id: opened.get(row.key_id) or AESGCM(key_table.unwrap(self._ring, row))
            for row in rows
        }

    def _look_again(self, station: str) -> dict[int, AESGCM]:
        """Read the keys of a station from a thread that cannot await."""
        known = self._known.get(station)
        rows = self._rows_from_a_thread(station)
        while True:
            try:
                return self._open(rows, known)
            except KeyStoreError:
                anew = _wrapped_anew(rows, self._rows_from_a_thread(station))
                if anew is None:
                    raise
                rows = anew

    def _rows_from_a_thread(self, station: str) -> list[WrappedKey]:
        address = self._pool.conninfo
        assert isinstance(address, str)  # noqa: S101 - as create_pool gives it
        try:
            with psycopg.connect(address, connect_timeout=2) as conn:
                found = conn.execute(key_table.ROWS_OF_STATION, [station], binary=True).fetchall()
        except psycopg.OperationalError as error:
            raise Unavailable(f"the database gives no connection: {error}; try again") from error
        return [WrappedKey(station, *row) for row in found]


def _wrapped_anew(before: Sequence[WrappedKey], now: list[WrappedKey]) -> list[WrappedKey] | None:
    """Return the rows as they are now if they were wrapped anew since; None if they were not.

    Between the reading of rows and their opening the generation that wrapped them may have been
    retired: then the rows of now name another one. Rows that are the same do not open at all.
    """
    return now if now != before else None
