"""kill -9 of the command that rotates keys, at random points; afterwards everything opens."""

import asyncio
import json
import random
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cloud.db import create_pool
from cloud.key_encryption import FileKeys
from cloud.keys import open_keys
from cloud.vault import rotation
from cloud.vault.vault import BlockPlace, Vault
from tests.cloud.stations import T0_MS, create_station

STATIONS = [f"s{number:02d}" for number in range(30)]
Bodies = dict[tuple[str, int], bytes]


def place(station: str, number: int) -> BlockPlace:
    return BlockPlace(station, "METER", bytes(8), T0_MS, 1000, 0, number)


class Site:
    """A store of thirty stations, and the command that rotates its keys."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self.dsn, self.keys_dir = dsn, folder / "keys"
        self.config = folder / "cloud.toml"
        self.config.write_text(
            f'data_dir = "data"\n[database]\ndsn = {json.dumps(dsn)}\n[keys]\ndir = "keys"\n'
        )
        self.bodies: Bodies = {}
        self.log = (folder / "log").open("ab")

    def seal_and_check(self, number: int) -> None:
        """Open all that was ever sealed, and seal once more, as a process that starts now."""
        asyncio.run(self._seal_and_check(number))

    async def _seal_and_check(self, number: int) -> None:
        async with create_pool(self.dsn, 4, 5.0) as pool:
            vault = Vault(pool, open_keys(self.keys_dir))
            if not self.bodies:
                for station in STATIONS:
                    await create_station(pool, station)
            for (station, written), body in self.bodies.items():
                assert (await vault.keys(station)).open(place(station, written), body) == b"kept"
            for station in STATIONS:
                keys = await vault.keys(station)
                self.bodies[station, number] = keys.seal(place(station, number), b"kept")

    def rotate(self, *options: str) -> subprocess.Popen[bytes]:
        """Start the command."""
        words = ["-P", "-m", "launcher", "history", "rotate-keys", str(self.config), *options]
        return subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, stderr=self.log)

    def standing(self) -> rotation.Standing:
        async def ask() -> rotation.Standing:
            async with create_pool(self.dsn, 2, 5.0) as pool:
                return await rotation.standing(pool, open_keys(self.keys_dir).key_encryption)

        return asyncio.run(ask())


def kill_after_lines(process: subprocess.Popen[bytes], rng: random.Random) -> None:
    """Kill in the midst of new data keys: some stations have theirs, some have not."""
    assert process.stdout is not None
    for _ in range(rng.randrange(len(STATIONS))):
        process.stdout.readline()
    select.select([], [], [], rng.random() * 0.004)
    process.kill()


def kill_at_new_file(process: subprocess.Popen[bytes], keys_dir: Path, rng: random.Random) -> None:
    """Kill between a new generation on the disk and the end of the transaction, or soon after."""
    before = set(keys_dir.iterdir())
    end = time.monotonic() + 30
    while set(keys_dir.iterdir()) == before and process.poll() is None:
        assert time.monotonic() < end
    select.select([], [], [], rng.random() * 0.02)
    process.kill()


@pytest.mark.parametrize(
    "rounds", [pytest.param(4, id="short"), pytest.param(25, id="long", marks=pytest.mark.long)]
)
def test_after_kill_9_at_any_moment_every_body_opens_and_rotation_can_be_finished(
    dsn, tmp_path, rounds
):
    site, rng = Site(dsn, tmp_path), random.Random(rounds)
    site.seal_and_check(0)
    statuses = []

    for number in range(1, rounds + 1):
        process = site.rotate()
        kill_after_lines(process, rng)
        statuses.append(process.wait(30))
        site.seal_and_check(2 * number)
        options = ["--key-encryption", *(["--retire"] if number % 2 else [])]
        process = site.rotate(*options)
        kill_at_new_file(process, site.keys_dir, rng)
        statuses.append(process.wait(30))
        site.seal_and_check(2 * number + 1)

    assert -9 in statuses
    assert site.rotate("--key-encryption").wait(60) == 0
    assert site.rotate("--retire").wait(60) == 0
    found = site.standing()
    assert list(found.keys) == [found.newest]
    assert FileKeys(site.keys_dir).generations() == {found.newest}
    site.seal_and_check(0)
