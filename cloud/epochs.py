"""Epoch keys of stations: announced once, kept wrapped, opened when a message needs them."""

from collections import OrderedDict

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cloud.db.pool import Pool, connection
from cloud.errors import IdentityRefused, Refused
from cloud.keys import KeyStore
from contract.envelope import EpochKey, KeyAnnouncement, UnknownEpoch, open_key

_CACHE = 4_096
"""Opened keys kept in memory, about 1 kB each."""


class EpochConflict(Refused):
    """An epoch was announced again with another key."""

    code = "conflict"
    status = 409


class EpochKeys:
    """Opened epoch keys of one worker; a miss reads the announcement from the database."""

    def __init__(self, pool: Pool, keys: KeyStore) -> None:
        self._pool = pool
        self._private = keys.telemetry
        self._opened: OrderedDict[tuple[str, int], EpochKey] = OrderedDict()

    async def get(self, station: str, epoch: int) -> EpochKey:
        """Return the key of an epoch.

        Raises:
            UnknownEpoch: the station has not announced it; it must do so again.
        """
        found = self._opened.get((station, epoch))
        if found is not None:
            self._opened.move_to_end((station, epoch))
            return found
        async with connection(self._pool) as conn:
            cursor = await conn.execute(
                "SELECT announcement, signing_key FROM epochs WHERE station = %s AND epoch = %s",
                [station, epoch],
                binary=True,
            )
            row = await cursor.fetchone()
        if row is None:
            raise UnknownEpoch(f"station {station!r} has not announced epoch {epoch}")
        return self._remember(
            open_key(row[0], self._private, Ed25519PublicKey.from_public_bytes(row[1]))
        )

    async def announce(self, station: str, blob: bytes) -> None:
        """Check and keep an announcement; the same one again changes nothing.

        Raises:
            EnvelopeError: no announcement, or not signed by the station and wrapped to us.
            IdentityRefused: it names another station than `station`.
            EpochConflict: the epoch has another key already.
        """
        announcement = KeyAnnouncement.from_bytes(blob)
        if announcement.station != station:
            raise IdentityRefused(
                f"the announcement names {announcement.station!r}, the certificate {station!r}"
            )
        async with connection(self._pool) as conn:
            cursor = await conn.execute(
                "SELECT signing_key FROM stations WHERE id = %s", [station], binary=True
            )
            row = await cursor.fetchone()
            if row is None or row[0] is None:
                raise IdentityRefused(f"station {station!r} is not enrolled")
            key = open_key(announcement, self._private, Ed25519PublicKey.from_public_bytes(row[0]))
            await conn.execute(
                "INSERT INTO epochs (station, epoch, announcement, signing_key)"
                " VALUES (%s, %s, %b, %b) ON CONFLICT DO NOTHING",
                [station, announcement.epoch, blob, row[0]],
            )
            cursor = await conn.execute(
                "SELECT announcement = %b FROM epochs WHERE station = %s AND epoch = %s",
                [blob, station, announcement.epoch],
            )
            same = await cursor.fetchone()
        if same is None or not same[0]:
            raise EpochConflict(
                f"station {station!r} announced epoch {announcement.epoch} with another key before"
            )
        self._remember(key)

    def _remember(self, key: EpochKey) -> EpochKey:
        self._opened[key.station, key.epoch] = key
        if len(self._opened) > _CACHE:
            self._opened.popitem(last=False)
        return key
