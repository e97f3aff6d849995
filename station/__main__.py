"""``python -m station CONFIG`` runs a station; ``python -m station enrol CONFIG`` enrols it."""

import sys

from station.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
