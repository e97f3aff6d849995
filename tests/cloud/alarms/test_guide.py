"""What docs/alarms.md shows works: its configuration is read, its words are those of the code."""

import re
import time
import tomllib
from pathlib import Path

import pytest

from cloud.alarms import OPEN, SILENT, State
from cloud.config import parse
from cloud.errors import ConfigError
from cloud.jobs import Jobs
from cloud.keys import open_keys
from cloud.workers import Task
from tests.cloud.alarms.happening import T0, Happened, put, state_of
from tests.cloud.alarms.receivers import HttpReceiver

TEXT = (Path(__file__).parents[3] / "docs/alarms.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


def test_the_configuration_of_the_guide_is_read_with_paths_beside_its_file(tmp_path):
    raw = tomllib.loads("\n".join(BLOCKS)) | {"data_dir": "data"}

    config = parse(raw, tmp_path / "cloud.toml")

    assert config.alarms.definitions == tmp_path / "alarms.toml"
    assert config.alarms.positions == 2
    first, second = config.notifications.all_chains
    assert [channel.name for channel in (*first, *second)] == ["duty", "head", "log"]
    assert first[0].secret_file == tmp_path / "secrets/wecom-key"


def test_a_wrong_channel_is_refused_with_its_file_and_key(tmp_path):
    raw = tomllib.loads(BLOCKS[1]) | {"data_dir": "data"}
    raw["notifications"]["channels"][0]["language"] = "fr"

    with pytest.raises(ConfigError, match=r"cloud\.toml: notifications\.channels\.0\.language"):
        parse(raw, tmp_path / "cloud.toml")


def test_every_state_is_in_the_guide():
    for state in (*OPEN, *SILENT, State.NORMAL):
        assert f"| {state.value.replace('_', ' ')} |" in TEXT, state


@pytest.mark.usefixtures("station")
async def test_the_jobs_work_an_event_into_a_message(pool, vault, dsn, tmp_path):
    open_keys(tmp_path / "keys")
    async with HttpReceiver() as receiver:
        channel = {"name": "log", "kind": "webhook", "address": receiver.address}
        raw = {"data_dir": str(tmp_path), "notifications": {"channels": [channel]}}
        jobs = Jobs(Task(parse(raw, tmp_path / "cloud.toml"), dsn, {}), pool)
        present = time.time_ns() // 1_000_000 - T0
        await put(pool, vault, [Happened("fire.alarm", "C1-FIRE", present)])

        await jobs.work_alarms()
        ((name, send, _),) = jobs._channels()
        await send()

    assert name == "notify log"
    assert await state_of(pool, "C1-FIRE", "fire.alarm") == "unacknowledged"
    assert receiver.requests[0][2]["title"].endswith("C1-FIRE Fire alarm")
