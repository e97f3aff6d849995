"""`python -m simulator.exchange CONFIG.toml` runs the test exchange."""

import sys
from pathlib import Path

from simulator.exchange.main import run

_USAGE = "stationmaster: name one file: python -m simulator.exchange CONFIG.toml"

if __name__ == "__main__":
    arguments = sys.argv[1:]
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(_USAGE, file=sys.stderr)
        sys.exit(2)
    sys.exit(run(Path(arguments[0])))
