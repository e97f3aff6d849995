"""A cloud does not start on a sealed store with a folder of other keys, and makes none there."""

import pytest

from cloud.config import CloudConfig
from cloud.errors import KeyStoreError
from cloud.keys import open_keys
from cloud.store_keys import require_folder, require_generations
from cloud.vault.vault import Vault
from tests.cloud.stations import create_station


@pytest.fixture
async def sealed(pool, tmp_path):
    """A configuration whose store holds a data key."""
    config = CloudConfig(data_dir=tmp_path / "first")
    await create_station(pool)
    await Vault(pool, open_keys(config.keys_dir)).keys("alpha")
    return config


def test_a_new_store_gets_new_keys(dsn, tmp_path):
    config = CloudConfig(data_dir=tmp_path / "new")

    require_folder(dsn, config)
    require_generations(dsn, open_keys(config.keys_dir))

    assert list(config.keys_dir.iterdir())


def test_a_sealed_store_starts_with_its_own_keys(dsn, sealed):
    before = sorted(sealed.keys_dir.iterdir())

    require_folder(dsn, sealed)
    require_generations(dsn, open_keys(sealed.keys_dir))

    assert sorted(sealed.keys_dir.iterdir()) == before


def test_a_sealed_store_is_refused_without_its_folder_of_keys(dsn, sealed, tmp_path):
    restored = CloudConfig(data_dir=tmp_path / "restored")

    with pytest.raises(KeyStoreError, match=r"copy the folder of keys.*\[keys\] dir"):
        require_folder(dsn, restored)

    assert not restored.keys_dir.exists()


def test_a_missing_generation_is_named(dsn, sealed):
    keys = open_keys(sealed.keys_dir)
    for file in sealed.keys_dir.glob("key-encryption*"):
        file.unlink()

    with pytest.raises(KeyStoreError, match="generation 1"):
        require_generations(dsn, open_keys(sealed.keys_dir))
    assert keys.key_encryption.where
