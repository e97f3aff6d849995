"""The estimators' state as bytes that outlive a restart.

Form: 8 bytes of magic and version, SHA-256 of the rest, length of the head, the head (JSON: the
make, racks and cells, and name, dtype and shape of each array), the arrays one after the other.
What a state consists of is told by a fresh one of the same settings: a state of other racks,
another make or another version of these estimators is refused, never bent to fit.
"""

import hashlib
import json
import struct
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np

from station.estimators.errors import StateError
from station.estimators.estimator_state import EstimatorState, start
from station.estimators.samples import Indices
from station.estimators.settings import Settings
from station.estimators.soc import searching_anew

_MAGIC = b"SMEST\x00\x00\x01"
_DIGEST_BYTES = 32
_LENGTH = struct.Struct("<I")
_HEAD_AT = len(_MAGIC) + _DIGEST_BYTES + _LENGTH.size
_MAY_BE_NEW = ("anomaly", "network", "charging", "relaxing", "words", "soc.search")
"""Parts that start anew where they are not stored, and that nobody misses where they are."""
_MAY_LACK = ("anomaly.channels.warm_s", "anomaly.gathered.peer_loads")
"""Arrays that a state of an earlier version does not have, and that begin anew."""
_NEVER_KEPT = ("network", "charging", "relaxing", "soc.search")
"""What is heard anew within minutes, or was cut off by the restart itself; and the hypotheses of a
search, of a large station a third of a gigabyte: it begins anew from where its mixtures stand."""

_Part = TypeVar("_Part")
Arrays = dict[str, np.ndarray[Any, Any]]


def state_to_bytes(state: EstimatorState) -> bytes:
    """Return the state as bytes; state_from_bytes returns the same state from them."""
    arrays = [each for each in leaves(state) if not is_begun_anew(each[0])]
    head = {
        "make": state.make,
        "racks": len(state.watch.resumed),
        "cells": len(state.soc.rack),
        "arrays": [(name, value.dtype.str, value.shape) for name, value in arrays],
    }
    text = json.dumps(head).encode()
    rest = b"".join([_LENGTH.pack(len(text)), text, *(value.tobytes() for _, value in arrays)])
    return _MAGIC + hashlib.sha256(rest).digest() + rest


def state_from_bytes(settings: Settings, blob: bytes) -> EstimatorState:
    """Return the state of state_to_bytes.

    Raises:
        StateError: the bytes are damaged, or their state is not one of these settings.
    """
    head, payload = _opened(blob)
    _check_owner(settings, head)
    arrays = _arrays(head, payload)
    fresh = start(settings, np.full(len(settings.rack), 0.5, np.float32))
    state = filled("", fresh, arrays)
    arrays = {name: value for name, value in arrays.items() if not _is_of(name, _MAY_BE_NEW)}
    if arrays:
        raise StateError(f"has {next(iter(arrays))}, which these estimators do not know")
    if not np.array_equal(state.soc.rack, settings.rack):
        raise StateError("its cells belong to other racks")
    settled = replace(state.soc.settled, rack=settings.rack)
    kept = replace(state.soc, rack=settings.rack, settled=settled)
    soc = searching_anew(settings.model, kept, settings.racks)
    return replace(state, soc=soc, charging=fresh.charging, relaxing=fresh.relaxing)


def rack_of_cells(blob: bytes) -> Indices:
    """Return which of its racks each cell of a kept state belongs to, shape (cells,).

    Raises:
        StateError: the bytes are damaged.
    """
    rack = _arrays(*_opened(blob)).get("soc.rack")
    if rack is None:
        raise StateError("lacks soc.rack")
    return rack


def is_begun_anew(name: str) -> bool:
    """Return whether an array is of a part that is never kept."""
    return _is_of(name, _NEVER_KEPT)


def _is_of(name: str, parts: tuple[str, ...]) -> bool:
    """Return whether an array belongs to one of some parts of the state."""
    return f"{name}.".startswith(tuple(f"{part}." for part in parts))


def _opened(blob: bytes) -> tuple[dict[str, Any], bytes]:
    if blob[: len(_MAGIC) - 1] != _MAGIC[:-1] or len(blob) < _HEAD_AT:
        raise StateError("is none, or was cut off")
    if blob[len(_MAGIC) - 1] != _MAGIC[-1]:
        raise StateError(f"is of version {blob[len(_MAGIC) - 1]}, these read {_MAGIC[-1]}")
    rest = blob[len(_MAGIC) + _DIGEST_BYTES :]
    if hashlib.sha256(rest).digest() != blob[len(_MAGIC) : len(_MAGIC) + _DIGEST_BYTES]:
        raise StateError("was damaged: its checksum does not fit")
    (length,) = _LENGTH.unpack_from(rest)
    text = rest[_LENGTH.size : _LENGTH.size + length]
    return json.loads(text), rest[_LENGTH.size + length :]


def _check_owner(settings: Settings, head: dict[str, Any]) -> None:
    ours = {"make": settings.model.make, "racks": settings.racks, "cells": len(settings.rack)}
    for name, value in ours.items():
        if head[name] != value:
            raise StateError(f"is of {name} {head[name]}, the station has {value}")


def _arrays(head: dict[str, Any], payload: bytes) -> Arrays:
    arrays: Arrays = {}
    at = 0
    for name, dtype, shape in head["arrays"]:
        count = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(payload, dtype, count, at).reshape(shape).copy()
        at += arrays[name].nbytes
    return arrays


def leaves(part: object, prefix: str = "") -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Yield every array and number of nested dataclasses, by its dotted name."""
    if part is None or isinstance(part, str):
        return
    if is_dataclass(part) and not isinstance(part, type):
        for each in fields(part):
            yield from leaves(getattr(part, each.name), f"{prefix}.{each.name}".lstrip("."))
        return
    yield prefix, np.asarray(part)


def filled(prefix: str, fresh: _Part, arrays: Arrays) -> _Part:
    """Return a part like the fresh one with the stored arrays, which it takes out of the rest."""
    if fresh is None or isinstance(fresh, str):
        return fresh
    if prefix in _MAY_BE_NEW and not any(name.startswith(f"{prefix}.") for name in arrays):
        return fresh
    if is_dataclass(fresh) and not isinstance(fresh, type):
        values = {
            each.name: filled(
                f"{prefix}.{each.name}".lstrip("."), getattr(fresh, each.name), arrays
            )
            for each in fields(fresh)
        }
        return type(fresh)(**values)
    stored, wanted = arrays.pop(prefix, None), np.asarray(fresh)
    if stored is None and prefix in _MAY_LACK:
        return fresh
    if stored is None:
        raise StateError(f"lacks {prefix}")
    if stored.shape != wanted.shape or not _alike(stored.dtype, wanted.dtype):
        raise StateError(
            f"{prefix} is {stored.dtype} of shape {stored.shape}, "
            f"these estimators have {wanted.dtype} of {wanted.shape}"
        )
    if isinstance(fresh, np.ndarray):
        return stored.astype(wanted.dtype, copy=False)  # type: ignore[return-value]
    return stored.item()  # type: ignore[no-any-return]


def _alike(stored: np.dtype[Any], wanted: np.dtype[Any]) -> bool:
    """Return whether stored numbers may be taken: real ones of any precision count as the same."""
    return stored == wanted or stored.kind == wanted.kind == "f"
