"""Archive, prove and put back months of a running cloud, as its people ask for it from a shell."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cloud.catalogue import LayoutCatalogue
from cloud.config import CloudConfig
from cloud.db.pool import Pool, connection, create_pool
from cloud.db.running import running_dsn
from cloud.epochs import EpochKeys
from cloud.errors import ArchiveError
from cloud.history.archive import table as archive_table
from cloud.history.archive.month import Archivist, Say, check_files
from cloud.history.archive.restore import Restorer
from cloud.history.archive.store import ArchiveStore, open_store, open_url, place_of
from cloud.history.blocks.reading import FrameReader
from cloud.history.retention import policy
from cloud.history.retention.policy import Policy
from cloud.keys import open_keys
from cloud.vault.vault import Vault

_CONNECTIONS = 6


@dataclass(frozen=True)
class Parts:
    """What archiving and putting back need of a running cloud."""

    pool: Pool
    reader: FrameReader
    restorer: Restorer
    policy: Policy


@asynccontextmanager
async def open_parts(config: CloudConfig) -> AsyncIterator[Parts]:
    """Reach the store of a running cloud beside it.

    Raises:
        CloudError: the store cannot be reached, or keys or policy cannot be read.
    """
    rules = policy.load(config.history.policy)
    keys = open_keys(config.keys_dir, config.keys.pkcs11)
    timeout_s = config.database.pool_timeout_s
    async with create_pool(running_dsn(config), _CONNECTIONS, timeout_s) as pool:
        vault, layouts = Vault(pool, keys), LayoutCatalogue(pool)
        reader = FrameReader(pool, EpochKeys(pool, keys), vault, layouts)
        await layouts.load_all()
        yield Parts(pool, reader, Restorer(pool, vault, layouts, reader), rules)


def store_of(config: CloudConfig, url: str | None = None) -> ArchiveStore:
    """Open the configured store of archives, or another one by its address.

    Raises:
        ArchiveError: none is configured, or it cannot be opened.
    """
    if url is not None:
        return open_url(url, config.archive)
    if config.archive is None:
        raise ArchiveError(
            "no archive is configured: set url in [archive] to a folder or s3://BUCKET/PREFIX"
        )
    return open_store(config.archive)


async def archive(
    config: CloudConfig, station: str | None, month: dt.date | None, now: dt.datetime, say: Say
) -> list[str]:
    """Archive months that are over: one, or all that are not archived as they are now.

    Args:
        config: of the running cloud.
        station: its id; None: all.
        month: its first day; None: all that the policy says are due.
        now: the time.
        say: told what happens.

    Returns:
        What could not be archived, and why.

    Raises:
        CloudError: the store cannot be reached.
    """
    store = store_of(config)
    failed: list[str] = []
    async with open_parts(config) as parts:
        archivist = Archivist(parts.pool, parts.reader, store, parts.policy)
        for name in await stations_of(parts.pool, station):
            for at in [month] if month else await _due(parts, name, now):
                try:
                    if await archivist.archive(name, at, now, say) is None:
                        failed.append(f"{name} {at:%Y-%m}: the retention job is at it; try later")
                except ArchiveError as error:
                    failed.append(str(error))
    return failed


async def restore(
    config: CloudConfig,
    station: str,
    month: dt.date,
    *,
    url: str | None,
    keep_days: int | None,
    now: dt.datetime,
    say: Say,
) -> None:
    """Put a month back from the configured archive, or from the one at `url`.

    `keep_days`: how long retention leaves it alone; None: as the policy says.

    Raises:
        ArchiveError: there is none, it was altered, or the retention job is at the station.
    """
    store = store_of(config, url)
    async with open_parts(config) as parts:
        kept = parts.policy.archive.restored
        days = kept.about_days if keep_days is None else keep_days
        until = dt.datetime.max.replace(tzinfo=dt.UTC)
        if days <= (until - now).days:
            until = now + dt.timedelta(days=days)
        done = await parts.restorer.restore(station, month, store, until, say)
    if done is None:
        raise ArchiveError(f"{station}: the retention job is at its past months; try again later")
    how = "" if done.vouched else " (its hashes fit; this store had not verified it before)"
    say(
        f"{station} {month:%Y-%m}: {done.manifest.samples:,} samples are here, "
        f"{done.put_back:,} of them put back{how}; kept until {until:%Y-%m-%d}; its rollups are "
        "computed by the jobs worker"
    )


async def verify(config: CloudConfig, station: str | None, say: Say) -> list[str]:
    """Read every byte of all archived months that count; return what is wrong.

    Raises:
        CloudError: the store cannot be reached.
    """
    store = store_of(config)
    wrong: list[str] = []
    async with open_parts(config) as parts:
        for name in await stations_of(parts.pool, station):
            async with connection(parts.pool) as conn:
                rows = await archive_table.archives_of(conn, name)
            for row in rows.values():
                folder = f"{place_of(name, row.month)}/{row.version}"
                try:
                    await asyncio.to_thread(check_files, store, folder, row.sha256)
                    say(f"{name} {row.month:%Y-%m}: {row.size / 1e6:,.1f} MB unaltered")
                except ArchiveError as error:
                    wrong.append(str(error))
    return wrong


async def stations_of(pool: Pool, station: str | None) -> Sequence[str]:
    """Return all stations, or the one that is asked for.

    Raises:
        ArchiveError: there is none of that name.
    """
    async with connection(pool) as conn:
        rows = await (await conn.execute("SELECT id FROM stations ORDER BY id")).fetchall()
    known = [row[0] for row in rows]
    if station is None:
        return known
    if station not in known:
        raise ArchiveError(f"there is no station {station!r}; there are: {', '.join(known)}")
    return [station]


async def _due(parts: Parts, station: str, now: dt.datetime) -> list[dt.date]:
    before_ms = parts.policy.archive.after.before_ms(now) or 0
    async with connection(parts.pool) as conn:
        stored = await archive_table.stored_months(conn, station)
        rows = await archive_table.archives_of(conn, station)
    return [
        one.month
        for one in stored
        if one.end_ms <= before_ms
        and not one.gone
        and (one.month_ms not in rows or rows[one.month_ms].counted != one.counted)
    ]
