"""Command line of the cloud: `python -m cloud CONFIG.toml`.

On a terminal it says in words where the console is. To programs, standard output carries JSON
lines: {"step": ...} while it starts, then one {"ready": true, "addresses": {...}} with the first
sign-in when it was made in this start; with --prepare one {"prepared": true}, and it ends. Logs go
to standard error.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from cloud.config import load
from cloud.data_lock import held
from cloud.errors import CloudError, ConfigError
from cloud.history.retention import policy
from cloud.supervisor import Supervisor
from cloud.workers import set_up_logging

_WRONG_INPUT, _FAILED = 2, 1


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with arguments as everything else is said."""

    def error(self, message: str) -> NoReturn:
        self.exit(_WRONG_INPUT, f"stationmaster: {message}; see python -m {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cloud until it is told to stop; return the exit status.

    It is 2 for wrong arguments and configuration, 1 for what fails at work.
    """
    parser = _Parser(prog="cloud", description=__doc__)
    parser.add_argument("config", type=Path, help="configuration file (TOML)")
    parser.add_argument(
        "--prepare",
        action="store_true",
        help="migrate the database, make missing keys and the first administrator, and end",
    )
    chosen = parser.parse_args(arguments)
    say = _tell if sys.stdout.isatty() else _say
    try:
        config = load(chosen.config)
        policy.load(config.history.policy)
        set_up_logging(config)
        with held(config.data_dir):
            supervisor = Supervisor(config, say)
            supervisor.prepare() if chosen.prepare else supervisor.run()
    except ConfigError as error:
        print(f"stationmaster: {error.of(chosen.config)}", file=sys.stderr)
        return _WRONG_INPUT
    except CloudError as error:
        print(f"stationmaster: the cloud did not start: {error}", file=sys.stderr)
        return _FAILED
    return 0


def _say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def _tell(line: dict[str, Any]) -> None:
    """Say to people what `_say` says to programs."""
    for words in in_words(line):
        print(words, flush=True)


def in_words(line: dict[str, Any]) -> list[str]:
    """Return what a person needs of one message of the supervisor; nothing while it starts."""
    if line.get("prepared"):
        file = line.get("first_sign_in_file")
        return ["Database and keys are ready.", *([f"First sign-in in {file}"] if file else [])]
    if not line.get("ready"):
        return []
    addresses, first = line["addresses"], line.get("first_sign_in")
    console = addresses.get("web", "none: this cloud only does jobs (workers = 0)")
    words = [f"Console   {console}"]
    if first:
        words += [f"User      {first['user']}", f"Password  {first['password']}"]
    words += [f"Stations  {addresses['edge']}"] if "edge" in addresses else []
    return [*words, "Ctrl-C stops it."]
