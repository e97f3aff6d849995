"""A station and the keys that its events are sealed with."""

import pytest

from cloud import fleet
from cloud.fleet import StationFacts
from cloud.keys import open_keys
from cloud.vault.vault import Vault


@pytest.fixture
async def station(pool):
    facts = StationFacts("haibin-1", "Haibin 1", "", "UTC", 3450, 7450)
    return (await fleet.create(pool, facts, "admin")).station


@pytest.fixture
def vault(pool, tmp_path):
    return Vault(pool, open_keys(tmp_path / "keys"))
