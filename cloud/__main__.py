"""`python -m cloud`."""

import sys

from cloud.main import main

if __name__ == "__main__":
    sys.exit(main())
