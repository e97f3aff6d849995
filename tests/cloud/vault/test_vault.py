"""Sealing with data keys: only the right bytes at the right place open, and keys are learned."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.errors import KeyStoreError
from cloud.keys import open_keys
from cloud.vault import rotation
from cloud.vault.rows import EventContent, RowPlace, open_event, seal_event
from cloud.vault.vault import FRESH_S, BlockPlace, Vault
from tests.cloud.stations import T0_MS, create_station

PLACE = BlockPlace("alpha", "METER", bytes(8), T0_MS, 1000, 0, 0)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,5}", fullmatch=True)
whole = st.integers(-(2**31), 2**31)
blocks = st.builds(
    BlockPlace, ids, texts, st.binary(min_size=8, max_size=8), whole, whole, whole, whole
)
rows = st.builds(
    lambda table, key, column: RowPlace(table, tuple(key), column),
    *(texts, st.lists(texts, max_size=3), texts),
)


class Clock:
    """A clock that stands until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(pool, tmp_path):
    return open_keys(tmp_path / "keys")


@pytest.fixture
async def vault(pool, store, clock) -> Vault:
    await create_station(pool, "alpha")
    return Vault(pool, store, clock)


async def all_rows(pool, sql: str):
    async with pool.connection() as conn:
        return await (await conn.execute(sql)).fetchall()


@given(st.lists(st.one_of(blocks, rows), min_size=2, max_size=2, unique=True))
def test_no_two_places_authenticate_the_same_bytes(places):
    first, second = places

    assert first.associated() != second.associated()


async def test_what_was_sealed_opens_at_its_place_only_and_unaltered(vault):
    await create_station(vault._pool, "beta")
    keys, others = await vault.keys("alpha"), await vault.keys("beta")
    body = keys.seal(PLACE, b"plain" * 9)

    assert keys.open(PLACE, body) == b"plain" * 9
    assert b"plain" not in body
    for place in (RowPlace("blocks", ("alpha",)), BlockPlace(*[*vars(PLACE).values()][:-1], 1)):
        with pytest.raises(KeyStoreError, match="altered"):
            keys.open(place, body)
    with pytest.raises(KeyStoreError, match="altered"):
        others.open(PLACE, body)
    for index in range(len(body)):
        flipped = bytearray(body)
        flipped[index] ^= 1
        with pytest.raises(KeyStoreError, match="altered"):
            keys.open(PLACE, bytes(flipped))
    for length in (0, 3, 31):
        with pytest.raises(KeyStoreError, match="was cut"):
            keys.open(PLACE, body[:length])


async def test_what_an_event_says_comes_back_whole(vault):
    keys = await vault.keys("alpha")
    content = EventContent("cell at 3.657 V", "单体 3.657 V", 3.657, None)

    sealed = seal_event(keys, "alpha", "e-1", content)

    assert open_event(keys, "alpha", "e-1", sealed) == content
    with pytest.raises(KeyStoreError, match="events"):
        open_event(keys, "alpha", "e-2", sealed)


async def test_processes_that_start_together_make_one_first_key(pool, store, vault):
    vaults = [vault, *(Vault(pool, store) for _ in range(7))]

    found = await asyncio.gather(*(one.keys("alpha") for one in vaults))

    body = found[0].seal(PLACE, b"x")
    assert {keys.open(PLACE, body) for keys in found} == {b"x"}
    assert await all_rows(pool, "SELECT key_id, generation FROM station_keys") == [(1, 1)]


async def test_a_body_of_a_key_made_elsewhere_opens_at_once(pool, store, vault):
    keys = await vault.keys("alpha")
    old = keys.seal(PLACE, b"old")
    await rotation.rotate_data_key(pool, store.key_encryption, "alpha")
    elsewhere = await Vault(pool, store).keys("alpha")

    new = elsewhere.seal(PLACE, b"new")

    assert await asyncio.to_thread(keys.open, PLACE, new) == b"new"
    assert elsewhere.open(PLACE, old) == b"old"


async def test_after_a_bounded_time_everybody_seals_with_the_newest_key(pool, store, vault, clock):
    held = await vault.keys("alpha")
    await rotation.rotate_data_key(pool, store.key_encryption, "alpha")

    clock.now += FRESH_S
    await vault.keys("alpha")

    body = held.seal(PLACE, b"x")  # by somebody who has held the keys all the time
    assert body[:4] == (2).to_bytes(4, "big")


async def test_a_key_that_nobody_has_is_named_with_the_remedy(vault):
    keys = await vault.keys("alpha")
    body = keys.seal(PLACE, b"x")

    with pytest.raises(KeyStoreError, match=r"block of alpha.*no key 9.*table station_keys"):
        await asyncio.to_thread(keys.open, PLACE, (9).to_bytes(4, "big") + body[4:])


async def test_keys_of_another_key_encryption_do_not_open_and_are_left_alone(pool, vault, tmp_path):
    await vault.keys("alpha")
    stranger = open_keys(tmp_path / "other")
    stranger.key_encryption.make()

    with pytest.raises(KeyStoreError, match=r"key 1 of station 'alpha' does not open.*restore"):
        await Vault(pool, stranger).keys("alpha")

    assert await all_rows(pool, "SELECT key_id FROM station_keys") == [(1,)]


async def test_seals_are_counted_and_a_worn_key_is_replaced(pool, store, vault, clock):
    keys = await vault.keys("alpha")
    for _ in range(5):
        keys.seal(PLACE, b"x")
    clock.now += FRESH_S
    await vault.keys("alpha")
    keys.seal(PLACE, b"x")
    assert await rotation.worn_stations(pool, 6) == []
    clock.now += FRESH_S
    await vault.keys("alpha")

    assert await all_rows(pool, "SELECT key_id, seals FROM station_keys") == [(1, 6)]
    assert await rotation.worn_stations(pool, 6) == ["alpha"]
    await rotation.rotate_data_key(pool, store.key_encryption, "alpha")
    assert await rotation.worn_stations(pool, 6) == []
