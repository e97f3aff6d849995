"""Runs one tier in this process, with a clear word when its libraries are missing."""

import os
import sys
from pathlib import Path

from launcher.errors import WrongInput


def _execute(module: str, arguments: list[str]) -> int:
    """Replace this process by the tier's own entry point, so that signals reach it directly."""
    os.execv(  # noqa: S606 - our own module, by a list of words
        sys.executable, [sys.executable, "-P", "-m", module, *arguments]
    )


def _existing(config: Path) -> str:
    if not config.is_file():
        raise WrongInput(
            f"there is no configuration file {config}. Remedy: give the path of a TOML file; "
            "docs/engineer.md shows one, and `./stationmaster demo --keep FOLDER` writes a set."
        )
    return str(config.resolve())


def run_simulator(config: Path) -> int:
    """Run the virtual plant until it is told to stop."""
    return _execute("simulator", [_existing(config)])


def run_exchange(config: Path, folder: Path | None) -> int:
    """Run the test exchange until it is told to stop."""
    places = [] if folder is None else [str(folder.resolve())]
    return _execute("simulator.exchange", [_existing(config), *places])


def run_station(config: Path, *, enrol: bool, token_file: Path | None) -> int:
    """Run the controller, or enrol it with the cloud."""
    if not enrol:
        return _execute("station", [_existing(config)])
    if token_file is None or not token_file.is_file():
        raise WrongInput(
            "--enrol needs --token-file FILE with the one-time token that the console showed."
        )
    return _execute(
        "station", ["enrol", _existing(config), "--token-file", str(token_file.resolve())]
    )


def ask_on_site(config: Path, *, reset: str | None, schedule: Path | None) -> int:
    """Hand a request to the running station: a reset, or a day's schedule."""
    words = ["on-site", _existing(config)]
    if reset is not None:
        words += ["--reset", reset]
    if schedule is not None:
        words += ["--schedule", str(schedule.resolve())]
    return _execute("station", words)


def run_cloud(config: Path) -> int:
    """Run the cloud until it is told to stop."""
    return _execute("cloud", [_existing(config)])
