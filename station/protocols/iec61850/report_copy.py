"""A report as plain data, copied out of the library while it still owns it."""

import ctypes as c
from dataclasses import dataclass
from itertools import repeat

from station.protocols.iec61850 import lib as m
from station.protocols.iec61850.ber import Members
from station.protocols.iec61850.lib import accessors


@dataclass(frozen=True)
class Report:
    """One report, copied.

    Attributes:
        rcb: reference of its report control block.
        members: the data set's members that it includes, encoded.
        entry_id: entry in the device's buffer; empty for unbuffered reports.
        overflow: the device's buffer dropped entries before this one.
        time_ms: when the device made the report, 0 when it does not say.
        conf_rev: configuration revision of the data set, 0 when the report does not say.
    """

    rcb: str
    members: Members
    entry_id: bytes
    overflow: bool
    time_ms: int
    conf_rev: int


def copied(rcb: str, report: int) -> Report:
    """Copy a report while the library still owns it."""
    lib = accessors()
    entry = lib.ClientReport_getEntryId(report)
    return Report(
        rcb=rcb,
        members=_included(report, lib.ClientReport_getDataSetValues(report)),
        entry_id=m.octets(entry) if entry else b"",
        overflow=bool(lib.ClientReport_hasBufOvfl(report) and lib.ClientReport_getBufOvfl(report)),
        time_ms=int(lib.ClientReport_getTimestamp(report))
        if lib.ClientReport_hasTimestamp(report)
        else 0,
        conf_rev=int(lib.ClientReport_getConfRev(report))
        if lib.ClientReport_hasConfRev(report)
        else 0,
    )


def _included(report: int, values: int | None) -> Members:
    """Encode the members that a report includes.

    Elements of members that were never included are null pointers, which the library's encoder
    does not survive; the reason for inclusion tells which members this report is about.
    """
    lib = accessors()
    size = int(lib.MmsValue_getArraySize(values)) if values else 0
    reasons = list(map(lib.ClientReport_getReasonForInclusion, repeat(report, size), range(size)))
    if size and all(reasons):
        return whole(values)
    parts = []
    included = bytearray(size)
    for member, reason in enumerate(reasons):
        element = lib.MmsValue_getElement(values, member) if reason else None
        if element:
            included[member] = 1
            parts.append(_encoded(element))
    return Members(b"".join(parts), size, bytes(included), tuple(map(len, parts)))


def whole(values: int | None) -> Members:
    """Encode all members of a data set."""
    if not values:
        return Members(b"", 0)
    return Members(_encoded(values), int(accessors().MmsValue_getArraySize(values)))


def _encoded(value: int) -> bytes:
    lib = accessors()
    size = lib.MmsValue_encodeMmsData(value, None, 0, False)
    buffer = c.create_string_buffer(size)
    lib.MmsValue_encodeMmsData(value, buffer, 0, True)
    return buffer.raw
