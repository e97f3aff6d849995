"""Canonical JSON: one value has one byte form, so that a signature over it is meaningful.

Keys sorted by code point, UTF-8 without escapes beyond the necessary, no white space. Number
rule: an integer is written as an integer and limited to what every JSON reader holds exactly
(|n| <= 2**53 - 1); a float is written as the shortest text that reads back to it, and a float
without a fraction is written as that integer (2500.0 -> 2500, -0.0 -> 0), so a value's form
does not depend on the language that wrote it. NaN and infinities are refused.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 16


def canonical_json(value: object) -> bytes:
    """Return the canonical bytes of a JSON value; ValueError for what has no such form."""
    return json.dumps(
        _plain(value, 0), sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode()


def plain_json(value: object) -> Any:
    """Return the value as plain dicts, lists and numbers in canonical form; ValueError else."""
    return _plain(value, 0)


def _plain(value: object, depth: int) -> object:
    if depth > MAX_DEPTH:
        msg = f"nested deeper than {MAX_DEPTH} levels"
        raise ValueError(msg)
    if isinstance(value, Mapping):
        if bad := [k for k in value if not isinstance(k, str)]:
            msg = f"key {bad[0]!r} is no text"
            raise ValueError(msg)
        return {_text(k): _plain(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, depth + 1) for v in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int | float):
        return _number(value)
    msg = f"{type(value).__name__} has no JSON form"
    raise ValueError(msg)


def _text(value: str) -> str:
    value.encode()  # a lone surrogate has no UTF-8 form: UnicodeEncodeError is a ValueError
    return value


def _number(value: float) -> int | float:
    if isinstance(value, float):
        if not math.isfinite(value):
            msg = f"{value} is not finite"
            raise ValueError(msg)
        if not value.is_integer() or abs(value) > MAX_INTEGER:
            return value
        return int(value)
    if abs(value) > MAX_INTEGER:
        msg = f"integer {value} is beyond 2**53 - 1"
        raise ValueError(msg)
    return value
