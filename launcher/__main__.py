"""`python -m launcher`: the command line."""

import signal
import sys

_STOPPED = 130
"""128 + SIGINT, as shells say it."""

# The bootstrap script lets Ctrl-C be ignored while the interpreter starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    from launcher.main import main

    main()
except KeyboardInterrupt:
    sys.exit(_STOPPED)
