"""Rotation beside work in progress, of data keys and of the key encryption."""

import asyncio
import random
from dataclasses import replace

import pytest

from cloud.errors import KeyStoreError, NotFound
from cloud.key_encryption import FileKeys, KeyRing
from cloud.key_encryption.token import TokenKeys
from cloud.keys import KeyStore, open_keys
from cloud.vault import rotation
from cloud.vault.vault import BlockPlace, Vault
from tests.cloud.stations import T0_MS, create_station
from tests.cloud.tokens import make_token

STATIONS = ("alpha", "beta")


def place(station: str, number: int) -> BlockPlace:
    return BlockPlace(station, "METER", bytes(8), T0_MS, 1000, 0, number)


@pytest.fixture
def store(tmp_path) -> KeyStore:
    return open_keys(tmp_path / "keys")


@pytest.fixture
async def sealed(pool, store) -> dict[str, bytes]:
    """One body of each station."""
    for station in STATIONS:
        await create_station(pool, station)
    vault = Vault(pool, store)
    return {one: (await vault.keys(one)).seal(place(one, 0), one.encode()) for one in STATIONS}


async def opens(pool, store: KeyStore, bodies: dict[str, bytes]) -> None:
    vault = Vault(pool, store)
    for station, body in bodies.items():
        assert (await vault.keys(station)).open(place(station, 0), body) == station.encode()


async def generations(pool) -> list[tuple[str, int, int]]:
    async with pool.connection() as conn:
        found = await conn.execute(
            "SELECT station, key_id, generation FROM station_keys ORDER BY 1, 2"
        )
        return await found.fetchall()


async def test_a_new_generation_wraps_every_key_and_the_old_one_can_go(pool, store, sealed):
    ring = store.key_encryption
    await rotation.rotate_data_key(pool, ring, "alpha")

    assert await rotation.rotate_key_encryption(pool, ring) == 3

    assert await generations(pool) == [("alpha", 1, 2), ("alpha", 2, 2), ("beta", 1, 2)]
    assert (await rotation.standing(pool, ring)).retirable == [1]
    assert await rotation.retire(pool, ring) == [1]
    assert ring.generations() == [2]
    await opens(pool, store, sealed)


async def test_a_generation_in_use_is_not_retirable(pool, store, sealed):
    ring = store.key_encryption
    ring.make()

    found = await rotation.standing(pool, ring)

    assert (found.newest, found.keys, found.retirable) == (2, {1: 2, 2: 0}, [])
    assert await rotation.retire(pool, ring) == []
    assert ring.generations() == [1, 2]


async def test_an_interrupted_rotation_is_finished_and_not_begun_again(pool, store, sealed):
    ring = store.key_encryption
    ring.make()  # killed between the key on disk and the transaction
    await create_station(pool, "gamma")
    await Vault(pool, store).keys("gamma")  # wrapped by the newest already

    assert await rotation.rotate_key_encryption(pool, ring) == 2
    assert {row[2] for row in await generations(pool)} == {2}
    assert await rotation.rotate_key_encryption(pool, ring) == 3
    assert {row[2] for row in await generations(pool)} == {3}
    await opens(pool, store, sealed)


async def test_a_key_that_does_not_open_stops_the_rotation_with_everything_as_before(
    pool, store, sealed
):
    async with pool.connection() as conn:
        await conn.execute(
            "UPDATE station_keys SET wrapped = set_byte(wrapped, 20, 255 - get_byte(wrapped, 20))"
            " WHERE station = 'beta'"
        )
    before = await generations(pool)

    for change in (rotation.rotate_key_encryption, rotation.retire):
        with pytest.raises(KeyStoreError, match="key 1 of station 'beta' does not open"):
            await change(pool, store.key_encryption)

    assert await generations(pool) == before
    assert 1 in store.key_encryption.generations()


async def test_an_unknown_station_gets_no_key(pool, store, sealed):
    with pytest.raises(NotFound, match="omega"):
        await rotation.rotate_data_key(pool, store.key_encryption, "omega")


async def test_the_key_encryption_moves_from_files_into_a_token(pool, store, sealed, tmp_path):
    section = make_token(tmp_path)
    moved = open_keys(tmp_path / "keys", section)
    await opens(pool, moved, sealed)  # before: by the file

    assert await rotation.rotate_key_encryption(pool, moved.key_encryption) == 2
    assert await rotation.retire(pool, moved.key_encryption) == [1]

    assert FileKeys(tmp_path / "keys").generations() == frozenset()
    assert TokenKeys(section).generations() == {2}
    await opens(pool, moved, sealed)
    with pytest.raises(KeyStoreError, match="generation 2 is not in"):
        await Vault(pool, store).keys("alpha")


async def test_a_generation_that_cannot_be_made_leaves_everything_as_before(pool, store, sealed):
    class Full(FileKeys):
        def make(self, generation: int) -> None:
            raise KeyStoreError("no space left")

    before = await generations(pool)

    with pytest.raises(KeyStoreError, match="no space"):
        await rotation.rotate_key_encryption(pool, KeyRing(Full(store.folder)))

    assert await generations(pool) == before
    await opens(pool, store, sealed)


class RetiredMeanwhile(FileKeys):
    """At the first `times` openings all keys are wrapped anew and the old generation goes."""

    def __init__(self, folder, pool, times: int) -> None:
        super().__init__(folder)
        self.pool, self.times, self.loop = pool, times, asyncio.get_running_loop()

    def unwrap(self, generation: int, place: bytes, wrapped: bytes) -> bytes:
        if self.times:
            self.times -= 1
            asyncio.run_coroutine_threadsafe(self.replace_generation(), self.loop).result(30)
        return super().unwrap(generation, place, wrapped)

    async def replace_generation(self) -> None:
        ring = KeyRing(FileKeys(self._folder))
        await rotation.rotate_key_encryption(self.pool, ring)
        await rotation.retire(self.pool, ring)


@pytest.mark.parametrize("times", [1, 3])
async def test_a_generation_retired_while_rows_are_opened_is_not_missed(pool, store, sealed, times):
    meanwhile = RetiredMeanwhile(store.folder, pool, times=0)
    vault = Vault(pool, replace(store, key_encryption=KeyRing(meanwhile)), clock=lambda: 0.0)
    known = await vault.keys("alpha")
    await rotation.rotate_data_key(pool, store.key_encryption, "alpha")
    newer = (await Vault(pool, store).keys("alpha")).seal(place("alpha", 1), b"newer")

    meanwhile.times = times
    assert await asyncio.to_thread(known.open, place("alpha", 1), newer) == b"newer"
    meanwhile.times = times
    assert (await vault.keys("beta")).open(place("beta", 0), sealed["beta"]) == b"beta"


class Traffic:
    """Processes that seal and open until they are told to stop."""

    def __init__(self, pool, store: KeyStore) -> None:
        self.pool, self.store = pool, store
        self.bodies: dict[tuple[str, int], bytes] = {}
        self.over = False

    async def seal(self, first: int) -> None:
        """Seal with a vault that asks for keys at every use."""
        vault = Vault(self.pool, self.store, clock=iter(range(0, 10**9, 60)).__next__)
        number = first
        while not self.over:
            station = STATIONS[number % 2]
            keys = await vault.keys(station)
            self.bodies[station, number] = keys.seal(place(station, number), b"%d" % number)
            number += 2

    async def open(self) -> None:
        """Open what others have sealed, with keys that were asked for once."""
        vault, rng = Vault(self.pool, self.store, clock=lambda: 0.0), random.Random(7)
        while not self.over:
            known = sorted(self.bodies.items())
            await self.check(vault, dict(rng.sample(known, min(20, len(known)))))
            await asyncio.sleep(0)

    async def check(self, vault: Vault, bodies: dict[tuple[str, int], bytes]) -> None:
        for (station, number), body in bodies.items():
            keys = await vault.keys(station)
            content = await asyncio.to_thread(keys.open, place(station, number), body)
            assert content == b"%d" % number


async def test_rotation_does_not_disturb_those_who_seal_and_open_meanwhile(pool, store, sealed):
    traffic = Traffic(pool, store)

    async def rotate() -> None:
        ring = open_keys(store.folder).key_encryption
        for _ in range(8):
            for station in STATIONS:
                await rotation.rotate_data_key(pool, ring, station)
            await rotation.rotate_key_encryption(pool, ring)
            await rotation.retire(pool, ring)
        traffic.over = True

    await asyncio.gather(*(traffic.seal(n) for n in (0, 1)), traffic.open(), rotate())

    assert {int.from_bytes(body[:4], "big") for body in traffic.bodies.values()} >= {1, 8}
    assert {row[2] for row in await generations(pool)} == {9}
    assert FileKeys(store.folder).generations() == {9}
    await traffic.check(Vault(pool, store), traffic.bodies)
    await opens(pool, store, sealed)
