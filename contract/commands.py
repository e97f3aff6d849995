"""Records of commands: what was written to which device, who asked, and what became of it.

A command is issued, then accepted by its device or failed; an accepted one is delivered (the
plant's own measurement shows it), failed, or superseded by a newer one. A record may be sent
again with a later state; of two records of one command the one with the higher (rank of its
state, settled_ms) is the newer. Many records travel together as columns of JSON, because a fast
loop issues many commands that differ only in value and time.
"""

import json
import math
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from contract.errors import CommandError
from contract.states import DISPATCH_SOURCE
from contract.words import Words

MAX_COMMANDS: Final = 10_000
MAX_COMMANDS_BYTES: Final = 4 << 20
"""Most bytes of records, packed and unpacked alike."""
MAX_TEXT: Final = 500
MAX_NAME: Final = 64
_MAX_MS: Final = 1 << 53
_SOURCE: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_PACK_LEVEL: Final = 6


class CommandState(StrEnum):
    """Where in its life a command is."""

    ISSUED = "issued"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    UNKNOWN = "unknown"
    """The station was restarted before it knew; nobody will."""

    @property
    def rank(self) -> int:
        """Place in a life: 0 issued, 1 accepted, 2 settled."""
        return _RANKS.get(self, 2)


_RANKS: Final = {CommandState.ISSUED: 0, CommandState.ACCEPTED: 1}

_SOURCE_NAMES: Final = (
    *("none", "schedule", "manual", "safe_state", "agc", "primary_frequency"),
    *(
        "fast_frequency",
        "peak_limit",
        "feed_in_limit",
        "balancing",
        "self_test",
        "protection",
        "voltage_support",
    ),
)
SOURCES: Final[Mapping[str, Words]] = MappingProxyType(
    {name: Words(en, zh) for name, (_, en, zh) in zip(_SOURCE_NAMES, DISPATCH_SOURCE, strict=True)}
)
"""Who may ask for a command, in the order of the signal `dispatch_source`, with words."""


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """One command and its life so far; times are epoch ms by the station's clock, 0: not reached.

    Attributes:
        id: unique at its station.
        device, point, value: what is written where, value in the point's unit.
        source: what kind of wish asked for it, one of `SOURCES`.
        requester: the order's id or a name within the source.
        bound_by: the limit that bit, in words; empty when none did.
        reason: why it failed, in the device's words.
        cause_en, cause_zh: likely cause of a failure, for people; empty otherwise.
    """

    id: str
    station: str
    device: str
    point: str
    value: float
    source: str
    requester: str
    bound_by: str
    state: CommandState
    reason: str
    issued_ms: int
    accepted_ms: int = 0
    settled_ms: int = 0
    cause_en: str = ""
    cause_zh: str = ""

    def __post_init__(self) -> None:
        """Refuse what no reader could show or store."""
        _check(self)

    @property
    def age(self) -> tuple[int, int]:
        """Of two records of one command the one with the higher age is the newer."""
        return self.state.rank, self.settled_ms


def shown(text: str, most: int = MAX_TEXT) -> str:
    """Return a text that a record can carry: one line of at most `most` printable characters."""
    line = "".join(c if c.isprintable() else " " for c in text[: 4 * most])
    return " ".join(line.split())[:most]


def to_json(records: Sequence[CommandRecord]) -> bytes:
    """Return records of one station as packed JSON, the plaintext of a COMMANDS envelope.

    Raises:
        CommandError: more than `MAX_COMMANDS`, or of several stations.
    """
    stations = {record.station for record in records}
    if len(stations) > 1 or len(records) > MAX_COMMANDS:
        msg = f"{len(records)} commands of {len(stations)} stations: at most {MAX_COMMANDS} of one"
        raise CommandError(msg)
    texts: dict[str, int] = {}
    packed: dict[str, Any] = {"station": stations.pop() if stations else ""}
    for name in _TEXT_COLUMNS:
        packed[name] = [texts.setdefault(getattr(r, name), len(texts)) for r in records]
    packed["id"] = [r.id for r in records]
    packed["value"] = [r.value for r in records]
    before = [0, *(r.issued_ms for r in records)]
    packed["issued_ms"] = [r.issued_ms - b for r, b in zip(records, before, strict=False)]
    for name in _LATER:
        times = [(getattr(r, name), r.issued_ms) for r in records]
        packed[name] = [at - issued if at else None for at, issued in times]
    packed["texts"] = list(texts)
    text = json.dumps(packed, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return zlib.compress(text.encode(), _PACK_LEVEL)


def from_json(blob: bytes) -> list[CommandRecord]:
    """Read `to_json`'s bytes; CommandError naming the command that is wrong."""
    try:
        found = json.loads(_unpacked(blob))
    except (ValueError, RecursionError) as error:
        msg = f"commands are no JSON: {error}"
        raise CommandError(msg) from error
    if not isinstance(found, dict) or set(found) != _KEYS:
        msg = f"commands must have exactly the columns {sorted(_KEYS)}"
        raise CommandError(msg)
    count = _count(found)
    texts = found["texts"]
    columns: dict[str, list[Any]] = {
        name: [_text(name, texts, at) for at in found[name]] for name in _TEXT_COLUMNS
    }
    columns["state"] = [_state(name) for name in columns["state"]]
    columns |= {"id": found["id"], "value": found["value"], "station": [found["station"]] * count}
    columns["issued_ms"] = issued = list(_sums(found["issued_ms"]))
    for name in _LATER:
        columns[name] = [_later(name, *pair) for pair in zip(found[name], issued, strict=True)]
    rows = zip(*(columns[name] for name in _FIELDS), strict=True)
    return [_record(row, number) for number, row in enumerate(rows)]


_FIELDS: Final = tuple(f.name for f in fields(CommandRecord))
_LATER: Final = ("accepted_ms", "settled_ms")
_TEXT_COLUMNS: Final = (
    *("device", "point", "source", "requester", "bound_by", "state", "reason"),
    *("cause_en", "cause_zh"),
)
_KEYS: Final = {*_FIELDS, "texts"}
_LISTS: Final = _KEYS - {"station", "texts"}


def _unpacked(blob: bytes) -> bytes:
    """Unpack, and never more than the limit, whatever the bytes claim."""
    if len(blob) > MAX_COMMANDS_BYTES:
        msg = f"{len(blob)} bytes of commands are over the limit of {MAX_COMMANDS_BYTES}"
        raise CommandError(msg)
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(blob, MAX_COMMANDS_BYTES)
    except zlib.error as error:
        msg = f"commands cannot be unpacked: {error}"
        raise CommandError(msg) from error
    if not unpacking.eof or unpacking.unused_data:
        msg = f"commands are cut off, followed by more, or over {MAX_COMMANDS_BYTES} bytes"
        raise CommandError(msg)
    return text


def _count(found: Mapping[str, Any]) -> int:
    """Return how many commands there are; all columns must be as long."""
    texts = found["texts"]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        msg = "texts of commands must be a list of texts"
        raise CommandError(msg)
    columns = [found[name] for name in _LISTS]
    lengths = {len(column) if isinstance(column, list) else -1 for column in columns}
    if len(lengths) > 1 or not 0 <= (count := lengths.pop()) <= MAX_COMMANDS:
        msg = f"columns of commands must be equally long lists of at most {MAX_COMMANDS}"
        raise CommandError(msg)
    if not count and (found["station"] != "" or texts):
        msg = "no command has neither station nor texts"
        raise CommandError(msg)
    return int(count)


def _text(name: str, texts: Sequence[str], at: object) -> str:
    if type(at) is not int or not 0 <= at < len(texts):
        msg = f"{name} {at!r:.40} is no place in a list of {len(texts)} texts"
        raise CommandError(msg)
    return texts[at]


def _state(name: str) -> CommandState:
    try:
        return CommandState(name)
    except ValueError as error:
        msg = f"state {name!r:.80} is none of {', '.join(CommandState)}"
        raise CommandError(msg) from error


def _sums(steps: Iterable[object]) -> Iterable[int]:
    at = 0
    for step in steps:
        at += _difference("issued_ms", step)
        yield at


def _later(name: str, step: object, issued_ms: int) -> int:
    return 0 if step is None else issued_ms + _difference(name, step)


def _difference(name: str, step: object) -> int:
    if type(step) is not int or abs(step) > _MAX_MS:
        msg = f"{name} {step!r:.40} must be a difference of epoch milliseconds"
        raise CommandError(msg)
    return step


def _record(row: Sequence[Any], number: int) -> CommandRecord:
    try:
        return CommandRecord(*row)
    except CommandError as error:
        msg = f"command {number}: {error}"
        raise CommandError(msg) from error


def _check(record: CommandRecord) -> None:
    for name in ("id", "station", "device", "point"):
        _require_text(name, getattr(record, name), 1, MAX_NAME)
    _require_text("requester", record.requester, 0, MAX_NAME)
    for name in ("bound_by", "reason", "cause_en", "cause_zh"):
        _require_text(name, getattr(record, name), 0, MAX_TEXT)
    _require("source", record.source, _is_source, "a word of small letters, such as schedule")
    _require("value", record.value, _is_number, "a finite number")
    _require("state", record.state, lambda s: isinstance(s, CommandState), "a CommandState")
    for name in ("issued_ms", *_LATER):
        _require(name, getattr(record, name), _is_time, "epoch milliseconds")
    state, needed = record.state, {1: record.accepted_ms, 2: record.settled_ms}
    if needed.get(state.rank) == 0:
        msg = f"state {state} needs the time when it was reached"
        raise CommandError(msg)


def _require(name: str, value: object, fits: Callable[[Any], bool], wanted: str) -> None:
    if not fits(value):
        msg = f"{name} {value!r:.80} must be {wanted}"
        raise CommandError(msg)


def _require_text(name: str, text: object, least: int, most: int) -> None:
    def fits(text: object) -> bool:
        return isinstance(text, str) and least <= len(text) <= most and text.isprintable()

    _require(name, text, fits, f"{least}..{most} printable characters")


def _is_source(source: object) -> bool:
    return isinstance(source, str) and _SOURCE.fullmatch(source) is not None


def _is_number(number: Any) -> bool:
    return type(number) in {int, float} and abs(number) < _MAX_MS and math.isfinite(number)


def _is_time(at: Any) -> bool:
    return type(at) is int and 0 <= at < _MAX_MS
