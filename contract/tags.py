"""How a device's tag names the container it is in: ``C1-R07`` is in container C1.

Both tiers go by it: the cloud learns from tags alone how a station is built and which alarms
belong together, so a station refuses devices whose tag and container disagree.
"""

import re
from functools import lru_cache

_WORD = r"[A-Za-z]+[0-9]+"
_CONTAINER = re.compile(_WORD)
_OF_A_TAG = re.compile(rf"({_WORD})-")


@lru_cache(maxsize=16_384)
def container_of(tag: str) -> str:
    """Return the container that a device's tag names; empty for a device of the station's own."""
    found = _OF_A_TAG.match(tag)
    return found[1] if found else ""


def is_container(name: str) -> bool:
    """Whether a name is one of a container: letters, then a number (C1, BESS12)."""
    return _CONTAINER.fullmatch(name) is not None
