"""Commands in processes of their own, which tests kill."""

import subprocess
import sys
from pathlib import Path

import pytest
import tomli_w

from launcher.paths import ROOT


def cloud_config(folder: Path, dsn: str) -> Path:
    """A configuration beside the keys in `folder`, with an archive there."""
    file = folder / "cloud.toml"
    file.write_text(
        tomli_w.dumps(
            {
                "data_dir": "cloud",
                "database": {"dsn": dsn},
                "keys": {"dir": "."},
                "archive": {"url": "archive"},
            }
        )
    )
    return file


class Command:
    """A Python module in a process of its own."""

    def __init__(self, module: str, *words: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def until(self, text: str) -> None:
        """Read what it says up to a line."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if text in line:
                return
        pytest.fail(f"it ended without saying {text!r}")

    def kill(self) -> None:
        """Kill it where it is; it must not have ended."""
        assert self._process.poll() is None, "it has ended"
        self._process.kill()
        self._process.communicate()

    def finish(self) -> str:
        """Let it end well; what it still said."""
        said, _ = self._process.communicate(timeout=120)
        assert self._process.returncode == 0, said
        return said


def history(config: Path, name: str, *words: str) -> Command:
    """A history command."""
    return Command("launcher", "history", name, str(config), *words)
