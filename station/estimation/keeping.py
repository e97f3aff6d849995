"""The estimators' states on the disk: one file for all makes of a station, whole or refused.

A head names the moment, and of each make the racks and the model; the states follow, each with a
checksum of its own. The file is replaced atomically: after a power cut it is the one or the other.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from station.errors import StationError
from station.processes import WireError, framing

_KIND = "estimators"
_FORM = 1
_MOST_BYTES = 1 << 30


class KeptStateError(StationError):
    """A kept state cannot be used; the text says why."""


@dataclass(frozen=True)
class KeptGroup:
    """The state of the racks of one make.

    Attributes:
        racks: their tags.
        model: name and version of the model that made it.
        state: `station.estimators.state_to_bytes`.
    """

    racks: tuple[str, ...]
    model: str
    state: bytes


@dataclass(frozen=True)
class Kept:
    """All states after the moment `at_ms`, epoch milliseconds."""

    at_ms: int
    groups: tuple[KeptGroup, ...]


def keep(file: Path, kept: Kept) -> None:
    """Put the states in the place of the last ones.

    Raises:
        OSError: they cannot be written; the last ones are still there.
    """
    heads = [[list(g.racks), g.model, len(g.state)] for g in kept.groups]
    fields = {"form": _FORM, "at_ms": kept.at_ms, "groups": heads}
    blob = framing.pack(_KIND, fields, [g.state for g in kept.groups], most=_MOST_BYTES)
    file.parent.mkdir(parents=True, exist_ok=True)
    staging = file.with_suffix(".new")
    with staging.open("wb") as out:
        out.write(blob)
        out.flush()
        os.fsync(out.fileno())
    staging.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def recall(file: Path) -> Kept | None:
    """Return the states that were kept; None where none were.

    Raises:
        KeptStateError: the file cannot be read, is damaged, or is of another version.
    """
    try:
        blob = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeptStateError(f"the kept state cannot be read: {error.strerror}") from error
    try:
        kind, fields, states = framing.unpack(blob)
        if kind != _KIND or fields["form"] != _FORM:
            raise KeptStateError(f"the kept state is of form {kind}/{fields.get('form')}")
        return Kept(int(fields["at_ms"]), tuple(_groups(fields["groups"], states)))
    except (WireError, KeyError, TypeError, ValueError) as error:
        raise KeptStateError(f"the kept state is damaged: {error}") from error


def _groups(heads: Sequence[Sequence[object]], states: memoryview) -> list[KeptGroup]:
    groups, at = [], 0
    for racks, model, size in heads:
        if not isinstance(racks, list) or not isinstance(size, int) or size < 0:
            raise ValueError("its head is no head")
        groups.append(KeptGroup(tuple(map(str, racks)), str(model), bytes(states[at : at + size])))
        at += size
    if at != len(states):
        raise ValueError(f"{len(states)} bytes of states were announced as {at}")
    return groups
