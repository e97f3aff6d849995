"""`./stationmaster test`: everything that must hold before a change is good.

Installs what the tests need from Debian when it may (root), and names the remedy when not.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from launcher.doctor import chromium_path, haproxy_path, has_chinese_font, has_software_token
from launcher.paths import ROOT

_PACKAGES = ("contract", "station", "cloud", "simulator", "cell_lab", "launcher", "bench", "tests")


@dataclass(frozen=True)
class Check:
    """One tool and what it is called on the screen."""

    name: str
    command: list[str]


def run_checks(*, long: bool, only: str | None) -> int:
    """Run all checks, or only the tests under a path; status 0 when all hold."""
    if not _system_packages():
        return 1
    if only is not None:
        return _run(Check("tests", _pytest([only], long=long, parallel=False)))
    failed = [check.name for check in _checks(long=long) if _run(check) != 0]
    if failed:
        print(f"\nstationmaster: failed: {', '.join(failed)}", file=sys.stderr)
        return 1
    return 0


def _checks(*, long: bool) -> list[Check]:
    python = [sys.executable, "-m"]
    packages = [name for name in _PACKAGES if (ROOT / name).is_dir()]
    typed = [name for name in packages if name != "tests"]
    return [
        Check("ruff", [*python, "ruff", "check", *packages]),
        Check("ruff format", [*python, "ruff", "format", "--check", *packages]),
        Check("mypy", [*python, "mypy", *[f"-p={name}" for name in typed]]),
        Check("import rules", [shutil.which("lint-imports", path=_bin()) or "lint-imports"]),
        Check(
            "tests, room by room",
            _pytest(["tests", "--ignore=tests/end_to_end"], long=long, parallel=True),
        ),
        Check("tests, end to end", _pytest(["tests/end_to_end"], long=long, parallel=False)),
    ]


def _pytest(paths: list[str], *, long: bool, parallel: bool) -> list[str]:
    command = [sys.executable, "-m", "pytest", *paths]
    if parallel:
        command += ["-n", "2", "--dist", "loadfile"]
    if not long:
        command += ["-m", "not long"]
    return command


def _bin() -> str:
    return os.path.dirname(sys.executable)  # noqa: PTH120 - the unresolved folder of the venv


def _run(check: Check) -> int:
    print(f"\n== {check.name}", flush=True)
    begun = time.monotonic()
    status = subprocess.run(check.command, cwd=ROOT, check=False).returncode
    print(
        f"== {check.name}: {'good' if status == 0 else 'FAILED'}, {time.monotonic() - begun:.0f} s",
        flush=True,
    )
    return status


def _system_packages() -> bool:
    """Chromium, a Chinese font, a PKCS#11 token, HAProxy: installed when root, else named."""
    needs: dict[str, Callable[[], bool]] = {
        "chromium": lambda: chromium_path() is not None,
        "fontconfig": lambda: shutil.which("fc-list") is not None,
        "fonts-noto-cjk": has_chinese_font,
        "haproxy": lambda: haproxy_path() is not None,
        "softhsm2": has_software_token,
    }
    missing = [package for package, present in needs.items() if not present()]
    if not missing:
        return True
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(
            f"stationmaster: the tests need: {', '.join(missing)}.\n"
            f"  Remedy: sudo {' '.join(install)}",
            file=sys.stderr,
        )
        return False
    print(f"stationmaster: installing {', '.join(missing)} (once)", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-q"], install):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(done.stdout[-2000:] + done.stderr[-2000:], file=sys.stderr)
            print(f"stationmaster: {' '.join(command)} failed; see above.", file=sys.stderr)
            return False
    return True
