"""One folder of keys for several clouds: made once, then mounted read-only."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloud.access.pki import Authority
from cloud.errors import KeyStoreError
from cloud.keys import open_keys
from tests.cloud.stations import folder

CLOUDS = 6
PROGRAM = """
import sys
from pathlib import Path
from cloud.access.pki import Authority
from cloud.keys import open_keys

keys, authority = open_keys(Path(sys.argv[1])), Authority(Path(sys.argv[1]), Path(sys.argv[2]))
authority.server_files(["127.0.0.1"])
print(keys.telemetry_public.hex(), keys.order_public.hex(), authority.certificate_pem.hex())
"""


def test_clouds_that_start_together_make_one_set_of_keys(tmp_path):
    clouds = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path / "keys"), str(tmp_path / f"tls-{one}")],
            stdout=subprocess.PIPE,
        )
        for one in range(CLOUDS)
    ]
    told = {cloud.communicate(timeout=60)[0] for cloud in clouds}

    assert [cloud.returncode for cloud in clouds] == [0] * CLOUDS
    assert len(told) == 1
    assert len(list((tmp_path / "keys").iterdir())) == 4


@contextmanager
def ordinary_account() -> Iterator[None]:
    """Act as an account to which file modes apply."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def sealed() -> Iterator[Path]:
    """A folder of keys that its owner can read and not write, as a read-only mount is."""
    home = folder()
    home.chmod(0o777)
    with ordinary_account():
        keys = open_keys(home / "keys")
        keys.key_encryption.make()
        Authority(home / "keys")
        (home / "keys").chmod(0o500)
        yield home / "keys"
    shutil.rmtree(home)


def test_a_read_only_folder_with_all_keys_is_enough(sealed):
    keys = open_keys(sealed)
    authority = Authority(sealed, sealed.parent / "tls")

    certificate, key = authority.server_files(["127.0.0.1"])

    assert keys.key_encryption.newest() == 1
    assert certificate.parent == key.parent == sealed.parent / "tls"


@pytest.mark.parametrize("name", ["telemetry.pem", "order-signing.pem", "authority.pem"])
def test_a_key_that_is_missing_there_is_named_with_the_remedy(sealed, name):
    sealed.chmod(0o700)
    (sealed / name).unlink()
    sealed.chmod(0o500)

    with pytest.raises(KeyStoreError, match=rf"{name}: is missing .* restore it from the backup"):
        open_all(sealed)


def open_all(keys: Path) -> None:
    open_keys(keys)
    Authority(keys)


def test_a_further_generation_cannot_be_made_there(sealed):
    ring = open_keys(sealed).key_encryption

    with pytest.raises(KeyStoreError, match=r"key-encryption\.2\.key: is missing and cannot be"):
        ring.make()


def test_a_folder_that_cannot_be_made_is_told(sealed):
    with pytest.raises(KeyStoreError, match="make the folder"):
        open_keys(sealed / "deeper")
