"""What is left of a profile's document without its wrong tables.

So that whoever mends a file learns of all mistakes at once: what is wrong with a key's value is
told first, and the rest is still looked at for names, units and addresses that do not fit.
"""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

_DEPTHS = {"layouts": 3, "writes": 2, "unmapped": 2, "polling": 2, "blocks": 2, "expect": 2}
"""How long the path of the smallest table is that can be left out."""
_HOLDS_OTHERS_UP = "parameters"


def without(
    document: Mapping[str, Any], paths: Iterable[tuple[int | str, ...]]
) -> dict[str, Any] | None:
    """Return the document without the tables in which these keys stand.

    None where what is left says nothing of the whole: the parameters, which others name, are
    wrong themselves.
    """
    left: dict[str, Any] = copy.deepcopy(dict(document))
    cuts = {path[: _DEPTHS.get(str(path[0]), 1)] for path in paths if path}
    if any(cut[0] == _HOLDS_OTHERS_UP for cut in cuts):
        return None
    for cut in sorted(cuts, key=lambda path: [str(part).zfill(6) for part in path], reverse=True):
        _leave_out(left, cut)
    left.setdefault("title", "")
    left.setdefault("layouts", {})
    return left


def _leave_out(document: Any, path: tuple[int | str, ...]) -> None:
    below = document
    for part in path[:-1]:
        try:
            below = below[part]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(below, dict):
        below.pop(path[-1], None)
    elif isinstance(below, list) and isinstance(path[-1], int) and path[-1] < len(below):
        del below[path[-1]]
