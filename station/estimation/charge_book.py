"""The ends of the racks' charges on the disk, a file a rack, whole or begun anew.

The SOH model looks back a hundred charges: some 7 kB a cell, touched once a charge. They are no
part of what the process holds in memory. A file is of one definition of a charge's end; with
another model that has another definition a rack begins a new one.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

import numpy as np

from station.errors import StationError
from station.estimators.charge_ends import ChargeEndRule
from station.estimators.charge_history import ChargeRecord
from station.estimators.soh_features import CHARGE_END
from station.processes import WireError, framing

_KIND = "charges"
_FORM = 1
_MOST_BYTES = 1 << 28
_PARTS = ("first", "last", "silent")


class ChargeBookError(StationError):
    """A rack's charges cannot be used; the text says why. They begin anew."""


class ChargeBook:
    """The charges of a station's racks, in a folder."""

    def __init__(self, folder: Path) -> None:
        """Keep the files in this folder, which need not be there yet."""
        self._folder = folder

    def read(self, rack: str, cells: int, rule: ChargeEndRule) -> ChargeRecord:
        """Return the charges of a rack by its tag; none where none were kept.

        Raises:
            ChargeBookError: the file cannot be read, is damaged, or is of another rule or rack.
        """
        try:
            blob = self._file(rack).read_bytes()
        except FileNotFoundError:
            return ChargeRecord.empty(cells)
        except OSError as error:
            raise ChargeBookError(f"charges of {rack}: {error.strerror}") from error
        try:
            kind, fields, parts = framing.unpack(blob)
            if kind != _KIND or fields["form"] != _FORM:
                raise ChargeBookError(f"charges of {rack}: of form {kind}/{fields.get('form')}")
            if hashlib.sha256(parts).hexdigest() != fields["sha256"]:
                raise ChargeBookError(f"charges of {rack}: damaged, the checksum does not fit")
            if fields["cells"] != cells or fields["rule"] != _told(rule):
                raise ChargeBookError(f"charges of {rack}: of other cells or another end of charge")
            return _record(cells, fields["counts"], parts)
        except (WireError, KeyError, TypeError, ValueError) as error:
            raise ChargeBookError(f"charges of {rack}: damaged: {error}") from error

    def write(self, rack: str, record: ChargeRecord, rule: ChargeEndRule) -> None:
        """Put a rack's charges in the place of those before, whole.

        Raises:
            OSError: they cannot be written; those before are still there.
        """
        parts = [np.ascontiguousarray(getattr(record, name)).tobytes() for name in _PARTS]
        fields = {
            "form": _FORM,
            "cells": len(record.silent),
            "rule": _told(rule),
            "counts": [record.count, len(record.first), len(record.last)],
            "sha256": hashlib.sha256(b"".join(parts)).hexdigest(),
        }
        blob = framing.pack(_KIND, fields, parts, most=_MOST_BYTES)
        file = self._file(rack)
        file.parent.mkdir(parents=True, exist_ok=True)
        staging = file.with_suffix(".new")
        with staging.open("wb") as out:
            out.write(blob)
            out.flush()
            os.fsync(out.fileno())
        staging.replace(file)

    def _file(self, rack: str) -> Path:
        return self._folder / f"{quote(rack, safe='')}.bin"


def _told(rule: ChargeEndRule) -> str:
    return json.dumps(asdict(rule), sort_keys=True)


def _record(cells: int, counts: Sequence[int], parts: memoryview) -> ChargeRecord:
    """Return the record of the arrays that follow the head.

    Raises:
        ValueError: they are not what the head says.
    """
    count, first, last = counts
    row = cells * len(CHARGE_END)
    numbers = np.frombuffer(parts, np.float32, (first + last) * row)
    silent = np.frombuffer(parts, np.int32, cells, numbers.nbytes)
    if numbers.nbytes + silent.nbytes != len(parts):
        raise ValueError(f"{len(parts)} bytes")
    rows = numbers.reshape(first + last, cells, len(CHARGE_END))
    return ChargeRecord(count, rows[:first].copy(), rows[first:].copy(), silent.copy())
