"""What a message says: the value of a signal, and when the sensor measured it."""

import datetime as dt
import json
import math
from typing import Any

from contract.frame import Quality
from contract.signal import Kind, Signal
from station.protocols.columns import bounds
from station.protocols.mqtt.profile import MessageTime, SignalSource

MAX_PAYLOAD_BYTES = 64 << 10
"""A sensor's message is a few hundred bytes; a larger one is not read."""

_LARGEST_MS = 1 << 52
"""Times are whole milliseconds, which a floating-point number holds up to here and beyond."""
_LARGEST = float(1 << 52)
"""A larger number is no measurement: scaled, it would not keep its last digit."""


class NotTold(Exception):  # noqa: N818 - reads as a fact: not told
    """The message does not speak of what is looked for."""


def body_of(payload: bytes) -> Any:
    """Return the content of a message: JSON where it is, else its text.

    Raises:
        NotTold: it is too large or no text.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise NotTold
    try:
        text = payload.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise NotTold from error
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def find(body: Any, path: str) -> Any:
    """Return what stands under a path.

    Raises:
        NotTold: nothing does.
    """
    for key in path.split(".") if path else ():
        if isinstance(body, dict) and key in body:
            body = body[key]
        elif isinstance(body, list) and key.isdecimal() and int(key) < len(body):
            body = body[int(key)]
        else:
            raise NotTold
    return body


def value_of(told: Any, source: SignalSource, signal: Signal) -> tuple[float, Quality]:
    """Return the raw scaled integer of a signal, and its quality; 0 where it has no value.

    Args:
        told: what stands in the message.
        source: how the sensor tells it.
        signal: what it is.
    """
    number = _number(told, source)
    if number is None:
        return 0.0, Quality.INVALID
    physical = number * source.scale + source.offset
    raw = physical / signal.scale
    least, most = bounds(signal.dtype)
    if math.isfinite(raw) and not signal.dtype.startswith("f"):
        raw = float(round(raw))
    if not least <= raw <= most:  # true for not-a-number, too
        return 0.0, Quality.INVALID
    if signal.kind is Kind.STATE and raw not in {value for value, _, _ in signal.states}:
        return 0.0, Quality.INVALID
    low = -math.inf if source.low is None else source.low
    high = math.inf if source.high is None else source.high
    return raw, Quality.GOOD if low <= physical <= high else Quality.QUESTIONABLE


def _number(told: Any, source: SignalSource) -> float | None:
    """Return what was told as a number; None where it stands for no value."""
    for marker in source.invalid:
        # True equals 1 in Python; a marker of 1 must not catch a sensor's "true".
        if told == marker and isinstance(told, bool) == isinstance(marker, bool):
            return None
    if source.words:
        word = str(told).lower() if isinstance(told, bool) else str(told)
        found = {name.lower(): value for name, value in source.words.items()}.get(word.lower())
        return None if found is None else float(found)
    if isinstance(told, bool | int | float):
        return float(told) if abs(told) < _LARGEST else None
    try:
        return float(told) if isinstance(told, str) else None
    except ValueError:
        return None


def time_ms_of(body: Any, place: MessageTime | None) -> int | None:
    """Return the sensor's own time, epoch ms; None where it tells none."""
    if place is None:
        return None
    try:
        told = find(body, place.path)
        if place.unit == "iso":
            at = dt.datetime.fromisoformat(str(told))
            at = at if at.tzinfo is not None else at.replace(tzinfo=dt.UTC)
            return round(at.timestamp() * 1000)
        seconds = float(told) / (1 if place.unit == "s" else 1000)
    except (NotTold, ValueError, TypeError, OverflowError):
        return None
    known = math.isfinite(seconds) and 0 < seconds * 1000 < _LARGEST_MS
    return round(seconds * 1000) if known else None
