"""Private keys: files, generations of the key encryption, and their ring."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from cloud.errors import KeyStoreError
from cloud.key_encryption import FileKeys, KeyRing, WrongKeyError
from cloud.keys import open_keys
from cloud.private_files import write_private

KEY = bytes(range(32))


@pytest.fixture
def files(tmp_path) -> FileKeys:
    return FileKeys(tmp_path)


def test_opening_twice_gives_the_same_keys_in_private_files(tmp_path):
    first, second = open_keys(tmp_path / "keys"), open_keys(tmp_path / "keys")

    assert first.telemetry_public == second.telemetry_public
    assert first.order_key_id == second.order_key_id
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()}
    assert modes == {0o600}


def test_a_private_file_that_is_there_is_never_replaced(tmp_path):
    path = tmp_path / "one"

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: write_private(path, bytes([n]) * 32), range(8)))
    kept = path.read_bytes()
    write_private(path, b"other")

    assert path.read_bytes() == kept
    assert len(set(kept)) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["one"]


def test_generations_are_files_and_the_first_has_no_number(files, tmp_path):
    ring = KeyRing(files)

    assert ring.newest() is None
    assert [ring.make(), ring.make(), ring.newest()] == [1, 2, 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "key-encryption.2.key",
        "key-encryption.key",
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_a_key_opens_only_under_its_generation_at_its_place_and_unaltered(files):
    ring = KeyRing(files)
    ring.make()
    ring.make()
    wrapped = ring.wrap(1, b"alpha\x001", KEY)

    assert ring.unwrap(1, b"alpha\x001", wrapped) == KEY
    assert KEY not in wrapped
    for generation, place, altered in (
        (2, b"alpha\x001", wrapped),
        (1, b"alpha\x002", wrapped),
        (1, b"alpha\x001", bytes([wrapped[0] ^ 1]) + wrapped[1:]),
        (1, b"alpha\x001", wrapped[:20]),
        (1, b"alpha\x001", b""),
    ):
        with pytest.raises(WrongKeyError, match="is not the key that it was made with"):
            ring.unwrap(generation, place, altered)


def test_a_missing_generation_is_named_with_the_remedy(files):
    ring = KeyRing(files)
    ring.make()

    with pytest.raises(KeyStoreError, match=r"generation 7 is not in .*restore it"):
        ring.unwrap(7, b"", b"")


def test_the_generation_that_wraps_cannot_be_removed_and_an_old_one_is_gone_for_good(files):
    ring = KeyRing(files)
    ring.make()
    ring.make()

    with pytest.raises(KeyStoreError, match="wraps now"):
        ring.remove(2)
    ring.remove(1)

    assert ring.generations() == [2]
    assert ring.make() == 3


def test_a_generation_that_is_there_is_not_made_again(files):
    files.make(1)

    with pytest.raises(KeyStoreError, match="never replaced"):
        files.make(1)


def test_what_a_killed_process_has_left_half_made_is_removed(files, tmp_path):
    (tmp_path / ".key-encryption.2.key.0a1b2c3d").write_bytes(KEY)

    files.make(1)

    assert [path.name for path in tmp_path.iterdir()] == ["key-encryption.key"]


def test_a_key_file_of_another_length_is_refused(files, tmp_path):
    (tmp_path / "key-encryption.key").write_bytes(b"short")

    with pytest.raises(KeyStoreError, match="must be 32 bytes"):
        files.unwrap(1, b"", bytes(60))


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_a_key_file_that_cannot_be_read_names_the_remedy(files, tmp_path):
    files.make(1)
    (tmp_path / "key-encryption.key").chmod(0)

    with pytest.raises(KeyStoreError, match="Permission denied"):
        files.unwrap(1, b"", bytes(60))


def test_other_files_in_the_folder_are_no_generations(files, tmp_path):
    for name in ("key-encryption.0.key", "key-encryption.x.key", "key-encryption.2.key.bak"):
        (tmp_path / name).write_bytes(KEY)

    assert files.generations() == frozenset()
