"""docs/production.md: its questions are asked, its commands name what exists."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import psycopg
import pytest
import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/production.md").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker/compose.yml").read_text())


def blocks(language: str) -> list[str]:
    """All code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def commands() -> list[list[str]]:
    """All commands, as words."""
    return [line.split() for block in blocks("sh") for line in block.splitlines()]


@pytest.mark.parametrize("question", blocks("sql"))
def test_every_question_is_answered(dsn, question):
    with psycopg.connect(dsn) as conn:
        assert conn.execute(question.encode()).description


def test_the_folders_and_passwords_of_a_first_start_are_made_private(tmp_path):
    lines = [" ".join(words) for words in commands() if words[0] != "docker"]
    if os.geteuid() != 0:
        lines = [line for line in lines if not line.startswith("chown")]

    subprocess.run(["sh", "-euc", "\n".join(lines)], cwd=tmp_path, check=True)

    secrets = tmp_path / "secrets"
    assert secrets.stat().st_mode & 0o777 == 0o700
    made = {path.name for path in secrets.iterdir()}
    named = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert made == (named - {"console.pem"}) | {"keys", "setup"}
    assert len((secrets / "database_password").read_text().strip()) == 64
    shutil.rmtree(secrets)


def test_every_compose_command_names_services_of_the_file():
    known = {"build", "up", "run"}
    asked = [words[2:] for words in commands() if words[:2] == ["docker", "compose"]]

    assert {words[0] for words in asked} == known
    for words in asked:
        named = {word for word in words[1:] if re.fullmatch(r"[a-z]+(-\d)?", word)}
        values = {"stationmaster", "history"}  # an entry point and its subcommand
        assert named - values <= set(COMPOSE["services"]), words


def test_the_numbers_it_gives_are_those_of_the_code():
    from cloud import jobs
    from cloud.db import migrate, timescale

    web = tomllib.loads((ROOT / "docker/web.toml").read_text())
    flat = " ".join(TEXT.split())

    assert f"asks for it for {migrate._TABLE_WAIT_S:.0f} s" in flat
    assert f"and asks again, {migrate._TABLE_TRIES} times" in flat
    assert f"each jobs worker {jobs._POOL_SIZE}. Keep" in flat
    assert f"chunks are compressed after {timescale._COMPRESS_AFTER}" in flat
    assert {web[name]["port"] for name in ("edge", "enrol")} == {8443, 8444}
