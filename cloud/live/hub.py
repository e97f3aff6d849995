"""Live images: kept in an unlogged table, told between processes, fanned out to screens.

The unlogged table is empty after a crash of the server; the jobs worker keeps a checkpoint of
each image, so that a station that has fallen silent is still seen as it was.

One worker decodes an image once, however many screens it has. A screen that is slow gets the
newest image when it is ready again; it never delays anybody and no queue grows for it.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

from cloud.catalogue import LayoutCatalogue
from cloud.db.pool import Pool, connection
from cloud.epochs import EpochKeys
from cloud.live.image import LiveImage, image_of
from cloud.news import News
from contract.errors import ContractError

_LOOK_AGAIN_S = 5.0
"""A bell may be lost with its connection: look at the table this often anyway."""


_NEWER = """
SELECT epoch, sequence, (extract(epoch FROM received_at) * 1000)::bigint, body FROM (
    SELECT * FROM live WHERE station = %(station)s
    UNION ALL
    SELECT * FROM live_checkpoints WHERE station = %(station)s
) AS known
WHERE %(epoch)s::bigint IS NULL
   OR (epoch, sequence) > (%(epoch)s::bigint, %(sequence)s::bigint)
ORDER BY epoch DESC, sequence DESC LIMIT 1
"""


class Live:
    """The live lane of one worker process."""

    def __init__(self, pool: Pool, epochs: EpochKeys, layouts: LayoutCatalogue, news: News) -> None:
        self._pool = pool
        self._epochs = epochs
        self._layouts = layouts
        self._news = news
        self._decoded: dict[str, tuple[tuple[int, int], LiveImage]] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def latest(self, station: str) -> LiveImage | None:
        """Return the newest image, None before the first one.

        Raises:
            Unavailable: the database does not answer.
        """
        async with self._locks[station]:
            known = self._decoded.get(station)
            version, image = known or (None, None)
            async with connection(self._pool) as conn:
                asked: dict[str, str | int | None] = {
                    "station": station,
                    "epoch": None,
                    "sequence": None,
                }
                if version is not None:
                    asked |= {"epoch": version[0], "sequence": version[1]}
                cursor = await conn.execute(_NEWER, asked, binary=True)
                row = await cursor.fetchone()
            if row is None:
                return image
            epoch, sequence, received_ms, body = row
            try:
                key = await self._epochs.get(station, epoch)
                image = await self._layouts.with_known(
                    lambda: asyncio.to_thread(image_of, key, station, received_ms, body)
                )
            except ContractError:  # an image that no longer opens is no image
                return None
            self._decoded[station] = ((epoch, sequence), image)
            return image

    async def subscribe(self, station: str) -> AsyncIterator[LiveImage]:
        """Yield each new image until the worker leaves; a slow reader misses old ones.

        Raises:
            Unavailable: the database does not answer.
        """
        shown = await self.latest(station)
        with self._news.watch("live", station) as bell:
            while not self._news.closed:
                newest = await self.latest(station)
                if newest is not None and newest is not shown:
                    shown = newest
                    yield newest
                try:
                    await asyncio.wait_for(bell.wait(), _LOOK_AGAIN_S)
                except TimeoutError:
                    continue
                bell.clear()
