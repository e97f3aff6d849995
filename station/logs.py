"""How the station logs: one form in every process of it, so that its log is read by one rule."""

import logging
import sys
from typing import Final

_FORM: Final = "%(asctime)s level=%(levelname)s logger=%(name)s %(message)s"
_LOUD: Final = {"httpx": logging.WARNING, "httpcore": logging.WARNING, "pymodbus": logging.CRITICAL}
"""Libraries that tell every request, or repeat every failure in words of their own."""


def set_up_logging(level: str) -> None:
    """Log this process's facts of `level` and above to standard error."""
    logging.basicConfig(level=level.upper(), format=_FORM, stream=sys.stderr)
    for name, quiet in _LOUD.items():
        logging.getLogger(name).setLevel(quiet)
