"""What `./stationmaster history rotate-keys` says; how it stands kills is tested with the vault."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from cloud.db import create_pool
from cloud.keys import open_keys
from cloud.vault.vault import Vault
from tests.cloud.stations import create_station


@pytest.fixture
def config(dsn, tmp_path) -> Path:
    """A cloud with the stations alpha, which has sealed something, and beta."""

    async def fill() -> None:
        async with create_pool(dsn, 2, 5.0) as pool:
            for station in ("alpha", "beta"):
                await create_station(pool, station)
            await Vault(pool, open_keys(tmp_path / "keys")).keys("alpha")

    asyncio.run(fill())
    path = tmp_path / "cloud.toml"
    text = f'data_dir = "data"\n[database]\ndsn = {json.dumps(dsn)}\n[keys]\ndir = "keys"\n'
    path.write_text(text)
    return path


def rotate(config: Path, *options: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-P", "-m", "launcher", "history", "rotate-keys", str(config)]
    return subprocess.run([*words, *options], capture_output=True, text=True, check=False)


def test_it_says_what_became_of_every_key(config):
    taken_up = "running processes take new keys up within 10 s of their next work"

    said = rotate(config).stdout.splitlines()
    assert said == ["station alpha: key 2 seals", taken_up, "generation 1: wraps 2 data keys"]

    said = rotate(config, "--station", "beta").stdout.splitlines()
    assert said == ["station beta: key 1 seals", taken_up, "generation 1: wraps 3 data keys"]

    said = rotate(config, "--key-encryption").stdout.splitlines()
    assert said == [
        f"generation 2 in {config.parent / 'keys'}: 3 data keys wrapped anew",
        "generation 1: wraps nothing; --retire destroys it",
        "generation 2: wraps 3 data keys",
    ]

    said = rotate(config, "--retire").stdout.splitlines()
    assert said == [
        "generation 1: destroyed; backups that need it do not open now",
        "generation 2: wraps 3 data keys",
    ]


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (("--station", "omega"), 1, "no station has the id 'omega'"),
        (("--station", "alpha", "--key-encryption"), 2, "leave out --station"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence_and_changes_nothing(
    config, options, status, words
):
    done = rotate(config, *options)

    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("stationmaster: ")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert rotate(config, "--retire").stdout == "generation 1: wraps 1 data keys\n"
