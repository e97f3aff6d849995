"""`./stationmaster history rotate-keys`: new keys for the store of a running cloud."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from cloud.config import CloudConfig, load
from cloud.db.pool import Pool, create_pool
from cloud.db.running import running_dsn
from cloud.key_encryption import KeyRing
from cloud.keys import open_keys
from cloud.vault import rotation
from cloud.vault.vault import FRESH_S
from launcher.errors import WrongInput, told_by_cloud

_CONNECTIONS = 2


@dataclass(frozen=True)
class Wish:
    """What is asked for; nothing of it: a new data key for every station.

    Attributes:
        station: a new data key for this station only.
        key_encryption: a new key-encryption generation instead of new data keys.
        retire: destroy the generations that wrap nothing any more.
    """

    station: str | None = None
    key_encryption: bool = False
    retire: bool = False


def run_rotate_keys(config_file: Path, wish: Wish) -> int:
    """Rotate, and say what became of every key.

    Raises:
        WrongInput: the wish contradicts itself, or the configuration cannot be used.
        LauncherError: a key or the database cannot be used.
    """
    if wish.station is not None and wish.key_encryption:
        raise WrongInput(
            "--key-encryption wraps the keys of all stations anew; leave out --station"
        )
    with told_by_cloud(config_file):
        asyncio.run(_rotate(load(config_file), wish))
    return 0


async def _rotate(config: CloudConfig, wish: Wish) -> None:
    ring = open_keys(config.keys_dir, config.keys.pkcs11).key_encryption
    dsn = running_dsn(config)
    async with create_pool(dsn, _CONNECTIONS, config.database.pool_timeout_s) as pool:
        if wish.key_encryption:
            anew = await rotation.rotate_key_encryption(pool, ring)
            _say(f"generation {ring.newest()} in {ring.where}: {anew} data keys wrapped anew")
        elif wish.station is not None or not wish.retire:
            await _rotate_data_keys(pool, ring, wish.station)
        if wish.retire:
            for generation in await rotation.retire(pool, ring):
                _say(f"generation {generation}: destroyed; backups that need it do not open now")
        await _tell_standing(pool, ring)


async def _rotate_data_keys(pool: Pool, ring: KeyRing, station: str | None) -> None:
    stations = [station] if station is not None else await rotation.stations_with_keys(pool)
    for name in stations:
        made = await rotation.rotate_data_key(pool, ring, name)
        _say(f"station {made.station}: key {made.key_id} seals")
    _say(f"running processes take new keys up within {FRESH_S:g} s of their next work")


async def _tell_standing(pool: Pool, ring: KeyRing) -> None:
    found = await rotation.standing(pool, ring)
    for generation, count in found.keys.items():
        if generation in found.retirable:
            _say(f"generation {generation}: wraps nothing; --retire destroys it")
        else:
            _say(f"generation {generation}: wraps {count} data keys")


def _say(line: str) -> None:
    print(line, flush=True)
