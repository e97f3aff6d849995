"""docker/Dockerfile: what it copies exists, is let in, and is enough to run the cloud."""

import fnmatch
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker/Dockerfile").read_text()
LET_IN = (ROOT / "docker/Dockerfile.dockerignore").read_text().split()


def copied() -> list[str]:
    """Paths of the checkout that enter the build."""
    lines = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    return [path for line in lines for path in line.split()]


def test_exactly_what_is_copied_is_let_into_the_build():
    assert LET_IN[0] == "*"
    assert sorted(f"!{path}" for path in copied()) == sorted(
        line for line in LET_IN if line.startswith("!")
    )
    assert all((ROOT / path).exists() for path in copied())


def test_no_secret_and_no_argument_can_reach_a_layer():
    assert not re.search(r"^(ARG|ADD)\b", DOCKERFILE, re.MULTILINE)
    assert not re.search(r"(?i)password|secret=|token", DOCKERFILE.replace("no secret", ""))


def test_it_runs_as_an_ordinary_account_that_owns_its_folder():
    assert "USER 10001:10001" in DOCKERFILE
    assert "-o 10001 -g 10001 -m 0700 /var/lib/stationmaster" in DOCKERFILE
    assert DOCKERFILE.index("USER") < DOCKERFILE.index("ENTRYPOINT")


def test_the_versions_are_those_that_were_tested():
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["python:3.11-slim"] * 2
    assert 'install -c constraints.txt ".[cloud]"' in DOCKERFILE


@pytest.mark.parametrize("module", ["cloud", "cloud.readiness"])
def test_the_commands_it_names_are_there(module):
    assert f'"-m", "{module}"' in DOCKERFILE
    told = subprocess.run(
        [sys.executable, "-P", "-m", module, "--help"], capture_output=True, check=False
    )

    assert told.returncode == 0


def test_every_file_of_the_cloud_is_in_its_package():
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"][
        "package-data"
    ]["cloud"]
    listed = subprocess.run(
        ["git", "ls-files", "cloud"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    data = [path for path in listed.stdout.split() if not path.endswith((".py", ".md"))]

    assert data
    missing = [
        path
        for path in data
        if not any(
            fnmatch.fnmatch(path.removeprefix("cloud/"), pattern.replace("**/", "*"))
            for pattern in patterns
        )
    ]
    assert missing == []
