"""`python -m simulator.exchange CONFIG.toml [FOLDER]` runs the test exchange."""

import sys
from pathlib import Path

from simulator.exchange.main import run

_USAGE = "stationmaster: name a file: python -m simulator.exchange CONFIG.toml [FOLDER]"
_WORDS = (1, 2)

if __name__ == "__main__":
    arguments = sys.argv[1:]
    if len(arguments) not in _WORDS or arguments[0].startswith("-"):
        print(_USAGE, file=sys.stderr)
        sys.exit(2)
    config, *folder = map(Path, arguments)
    sys.exit(run(config, folder=folder[0] if folder else None))
