"""Live images: kept in an unlogged table, told between processes, fanned out to screens."""

from collections.abc import AsyncIterator

from cloud.db.pool import Pool
from cloud.keys import KeyStore
from cloud.live.image import LiveImage


class Live:
    """The live lane of one worker process."""

    def __init__(self, pool: Pool, keys: KeyStore) -> None:
        self._pool = pool
        self._keys = keys

    async def latest(self, station: str) -> LiveImage | None:
        """Return the newest image, None before the first one."""
        raise NotImplementedError

    def subscribe(self, station: str) -> AsyncIterator[LiveImage]:
        """Yield each new image; a slow reader misses old ones, never delays anybody."""
        raise NotImplementedError
