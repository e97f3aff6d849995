"""The C library libiec61850 through ctypes: declarations, and values copied to plain Python.

The library comes inside the wheel ``pyiec61850-ng`` (GPLv3); this process alone loads it. Its
Python wrapper is not used: it holds the interpreter lock during most calls and stops for ever
once reports arrive, while ctypes releases the lock around every call. Callbacks arrive on the
library's receive thread; whatever they are given must be copied before they return.
"""

import ctypes as c
from collections.abc import Callable, Iterable
from enum import IntFlag
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, files
from typing import NamedTuple

from station.protocols.errors import ProtocolError

WHEEL = "pyiec61850-ng"

P, S, N, B = c.c_void_p, c.c_char_p, c.c_int, c.c_bool
U16, U32, U64 = c.c_uint16, c.c_uint32, c.c_uint64
Error = c.POINTER(c.c_int)

ReportHandler = c.CFUNCTYPE(None, P, P)
ClosedHandler = c.CFUNCTYPE(None, P, P)
TerminationHandler = c.CFUNCTYPE(None, P, P)


class LastApplError(c.Structure):
    """Why the last command was refused (IEC 61850-7-2, LastApplError)."""

    _fields_ = (("ctl_num", N), ("error", N), ("add_cause", N))


FC = {
    "ST": 0, "MX": 1, "SP": 2, "SV": 3, "CF": 4, "DC": 5, "SG": 6, "SE": 7,
    "SR": 8, "OR": 9, "BL": 10, "EX": 11, "CO": 12,
}  # fmt: skip
"""Functional constraints as the library numbers them (iec61850_common.h)."""


class Rcb:
    """Bits that name the elements of a report control block (iec61850_client.h)."""

    RPT_ENA = 2
    RESV = 4
    OPT_FLDS = 32
    TRG_OPS = 256
    ENTRY_ID = 4096


class Trigger(IntFlag):
    """What makes a device report (iec61850_common.h, TRG_OPT_*)."""

    DATA_CHANGED = 1
    QUALITY_CHANGED = 2
    DATA_UPDATE = 4
    INTEGRITY = 8
    GENERAL_INTERROGATION = 16


class Option(IntFlag):
    """What a report carries beside its values (iec61850_common.h, RPT_OPT_*)."""

    SEQUENCE_NUMBER = 1
    TIME_STAMP = 2
    REASON_FOR_INCLUSION = 4
    DATA_SET = 8
    BUFFER_OVERFLOW = 32
    ENTRY_ID = 64
    CONF_REV = 128


TRIGGERS = sum(Trigger)
OPTIONS = sum(Option)
UNBUFFERED_OPTIONS = OPTIONS & ~(Option.BUFFER_OVERFLOW | Option.ENTRY_ID)
"""What every report block is asked for; only a buffer overflows and has entries."""

_DECLARATIONS: dict[str, tuple[object, tuple[object, ...]]] = {
    "IedConnection_create": (P, ()),
    "IedConnection_destroy": (None, (P,)),
    "IedConnection_connect": (None, (P, Error, S, N)),
    "IedConnection_close": (None, (P,)),
    "IedConnection_setConnectTimeout": (None, (P, U32)),
    "IedConnection_setRequestTimeout": (None, (P, U32)),
    "IedConnection_getLogicalDeviceList": (P, (P, Error)),
    "IedConnection_installConnectionClosedHandler": (None, (P, ClosedHandler, P)),
    "IedConnection_readObject": (P, (P, Error, S, N)),
    "IedConnection_readDataSetValues": (P, (P, Error, S, P)),
    "IedConnection_getRCBValues": (P, (P, Error, S, P)),
    "IedConnection_setRCBValues": (None, (P, Error, P, U32, B)),
    "IedConnection_installReportHandler": (None, (P, S, S, ReportHandler, P)),
    "IedConnection_uninstallReportHandler": (None, (P, S)),
    "IedConnection_getLogicalDeviceDirectory": (P, (P, Error, S)),
    "IedConnection_getLogicalNodeDirectory": (P, (P, Error, S, N)),
    "IedConnection_getLogicalNodeVariables": (P, (P, Error, S)),
    "IedConnection_getDataSetDirectory": (P, (P, Error, S, c.POINTER(B))),
    "IedConnection_getVariableSpecification": (P, (P, Error, S, N)),
    "MmsVariableSpecification_destroy": (None, (P,)),
    "MmsVariableSpecification_getType": (N, (P,)),
    "MmsVariableSpecification_getName": (S, (P,)),
    "MmsVariableSpecification_getSize": (N, (P,)),
    "MmsVariableSpecification_getChildSpecificationByIndex": (P, (P, N)),
    "LinkedList_destroy": (None, (P,)),
    "LinkedList_getNext": (P, (P,)),
    "LinkedList_getData": (P, (P,)),
    "ClientDataSet_getValues": (P, (P,)),
    "ClientDataSet_destroy": (None, (P,)),
    "ClientReport_getDataSetValues": (P, (P,)),
    "ClientReport_getReasonForInclusion": (N, (P, N)),
    "ClientReport_hasTimestamp": (B, (P,)),
    "ClientReport_getTimestamp": (U64, (P,)),
    "ClientReport_hasBufOvfl": (B, (P,)),
    "ClientReport_getBufOvfl": (B, (P,)),
    "ClientReport_getEntryId": (P, (P,)),
    "ClientReport_hasConfRev": (B, (P,)),
    "ClientReport_getConfRev": (U32, (P,)),
    "ClientReportControlBlock_create": (P, (S,)),
    "ClientReportControlBlock_destroy": (None, (P,)),
    "ClientReportControlBlock_getRptId": (S, (P,)),
    "ClientReportControlBlock_getRptEna": (B, (P,)),
    "ClientReportControlBlock_getConfRev": (U32, (P,)),
    "ClientReportControlBlock_getOptFlds": (N, (P,)),
    "ClientReportControlBlock_getTrgOps": (N, (P,)),
    "ClientReportControlBlock_getDataSetReference": (S, (P,)),
    "ClientReportControlBlock_setRptEna": (None, (P, B)),
    "ClientReportControlBlock_setResv": (None, (P, B)),
    "ClientReportControlBlock_setTrgOps": (None, (P, N)),
    "ClientReportControlBlock_setOptFlds": (None, (P, N)),
    "ClientReportControlBlock_setEntryId": (None, (P, P)),
    "ControlObjectClient_create": (P, (S, P)),
    "ControlObjectClient_destroy": (None, (P,)),
    "ControlObjectClient_getControlModel": (N, (P,)),
    "ControlObjectClient_getCtlValType": (N, (P,)),
    "ControlObjectClient_setOrigin": (None, (P, S, N)),
    "ControlObjectClient_select": (B, (P,)),
    "ControlObjectClient_selectWithValue": (B, (P, P)),
    "ControlObjectClient_operate": (B, (P, P, U64)),
    "ControlObjectClient_cancel": (B, (P,)),
    "ControlObjectClient_getLastApplError": (LastApplError, (P,)),
    "ControlObjectClient_getLastError": (N, (P,)),
    "ControlObjectClient_setCommandTerminationHandler": (None, (P, TerminationHandler, P)),
    "MmsValue_encodeMmsData": (N, (P, P, N, B)),
    "MmsValue_getType": (N, (P,)),
    "MmsValue_getArraySize": (N, (P,)),
    "MmsValue_getElement": (P, (P, N)),
    "MmsValue_getBoolean": (B, (P,)),
    "MmsValue_toInt64": (c.c_int64, (P,)),
    "MmsValue_toUint32": (U32, (P,)),
    "MmsValue_toDouble": (c.c_double, (P,)),
    "MmsValue_toString": (S, (P,)),
    "MmsValue_getUtcTimeInMs": (U64, (P,)),
    "MmsValue_getBitStringSize": (N, (P,)),
    "MmsValue_getBitStringAsInteger": (U32, (P,)),
    "MmsValue_getOctetStringSize": (U16, (P,)),
    "MmsValue_getOctetStringBuffer": (P, (P,)),
    "MmsValue_getDataAccessError": (N, (P,)),
    "MmsValue_newBoolean": (P, (B,)),
    "MmsValue_newFloat": (P, (c.c_float,)),
    "MmsValue_newIntegerFromInt32": (P, (c.c_int32,)),
    "MmsValue_newOctetString": (P, (N, N)),
    "MmsValue_setOctetString": (None, (P, S, N)),
    "MmsValue_createEmptyStructure": (P, (N,)),
    "MmsValue_setElement": (None, (P, N, P)),
    "MmsValue_delete": (None, (P,)),
}

_ACCESSORS = (
    "ClientReport_getDataSetValues",
    "ClientReport_getReasonForInclusion",
    "ClientReport_hasTimestamp",
    "ClientReport_getTimestamp",
    "ClientReport_hasBufOvfl",
    "ClientReport_getBufOvfl",
    "ClientReport_getEntryId",
    "ClientReport_hasConfRev",
    "ClientReport_getConfRev",
    "ClientDataSet_getValues",
    "MmsValue_getArraySize",
    "MmsValue_getElement",
    "MmsValue_encodeMmsData",
    "MmsValue_getOctetStringSize",
    "MmsValue_getOctetStringBuffer",
)


class LibraryMissing(ProtocolError):  # noqa: N818 - reads as a fact: library missing
    """libiec61850 is not installed."""


@lru_cache(maxsize=1)
def library() -> c.CDLL:
    """Load libiec61850 and declare what this house calls.

    Raises:
        LibraryMissing: the wheel is not installed.
    """
    try:
        found = [f for f in files(WHEEL) or () if f.name.startswith("libiec61850")]
    except PackageNotFoundError:
        found = []
    if not found:
        raise LibraryMissing(f"libiec61850 is missing; install the package {WHEEL}")
    loaded = c.CDLL(str(found[0].locate()))
    _declare(loaded, _DECLARATIONS)
    return loaded


@lru_cache(maxsize=1)
def accessors() -> c.PyDLL:
    """Return the library for functions that only look at memory, called by the hundred.

    They keep the interpreter lock: they wait for nothing, and giving it away and taking it
    again costs more than they do.

    Raises:
        LibraryMissing: the wheel is not installed.
    """
    loaded = c.PyDLL(library()._name)  # noqa: SLF001 - the path of the file
    _declare(loaded, _ACCESSORS)
    return loaded


def _declare(loaded: c.CDLL, names: Iterable[str]) -> None:
    for name in names:
        function = getattr(loaded, name)
        function.restype, function.argtypes = _DECLARATIONS[name]


class BitString(NamedTuple):
    """A bit string; bit 0 of `bits` is the first bit of the string."""

    size: int
    bits: int


class AccessError(NamedTuple):
    """What a device gives instead of a value."""

    code: int


Value = bool | int | float | str | bytes | BitString | AccessError | None | list["Value"]
"""An MMS value in plain Python; times are epoch milliseconds, structures are lists."""

_ARRAY, _STRUCTURE, _BOOLEAN, _BITS, _INTEGER, _UNSIGNED, _FLOAT, _OCTETS, _VISIBLE = range(9)
_STRING, _UTC_TIME, _ACCESS_ERROR = 13, 14, 15  # mms_types.h
STRUCTURE = _STRUCTURE


def to_python(value: int | None) -> Value:
    """Copy an MMS value; a null pointer (never received) and unused types become None."""
    if not value:
        return None
    lib = library()
    kind = lib.MmsValue_getType(value)
    if kind in (_ARRAY, _STRUCTURE):
        size = lib.MmsValue_getArraySize(value)
        return [to_python(lib.MmsValue_getElement(value, i)) for i in range(size)]
    if kind == _BITS:
        bits = lib.MmsValue_getBitStringAsInteger(value)
        return BitString(lib.MmsValue_getBitStringSize(value), int(bits))
    if kind == _ACCESS_ERROR:
        return AccessError(int(lib.MmsValue_getDataAccessError(value)))
    copiers: dict[int, Callable[[int], Value]] = {
        _BOOLEAN: lib.MmsValue_getBoolean,
        _INTEGER: lib.MmsValue_toInt64,
        _UNSIGNED: lib.MmsValue_toUint32,
        _FLOAT: lib.MmsValue_toDouble,
        _UTC_TIME: lib.MmsValue_getUtcTimeInMs,
        _OCTETS: octets,
        _VISIBLE: _text,
        _STRING: _text,
    }
    return copiers[kind](value) if kind in copiers else None


class Type(NamedTuple):
    """An MMS type; `size` is the number of bits of a bit string (negative: at most)."""

    name: str
    kind: int
    size: int
    inside: tuple["Type", ...]


ACSI_DATA_SET = 1  # iec61850_common.h, ACSIClass
BIT_STRING, UTC_TIME = _BITS, _UTC_TIME


def type_of(specification: int) -> Type:
    """Copy a type; an array counts as a leaf."""
    lib = library()
    kind = lib.MmsVariableSpecification_getType(specification)
    size = int(lib.MmsVariableSpecification_getSize(specification))
    name = (lib.MmsVariableSpecification_getName(specification) or b"").decode("utf-8", "replace")
    parts = range(size) if kind == _STRUCTURE else ()
    child = lib.MmsVariableSpecification_getChildSpecificationByIndex
    return Type(name, int(kind), size, tuple(type_of(child(specification, k)) for k in parts))


def texts(names: int | None) -> list[str]:
    """Copy a linked list of names; its first element holds none."""
    lib, found = library(), []
    element = lib.LinkedList_getNext(names) if names else None
    while element:
        data = lib.LinkedList_getData(element)
        found.append(c.string_at(data).decode("utf-8", "replace") if data else "")
        element = lib.LinkedList_getNext(element)
    return found


def _text(value: int) -> str:
    text: bytes | None = library().MmsValue_toString(value)
    return (text or b"").decode("utf-8", "replace")


def octets(value: int) -> bytes:
    """Copy an octet string."""
    lib = accessors()
    size = lib.MmsValue_getOctetStringSize(value)
    return c.string_at(lib.MmsValue_getOctetStringBuffer(value), size) if size else b""


# iec61850_client.h, IedClientError
NOT_CONNECTED, CONNECTION_LOST, TIMEOUT, TEMPORARILY_UNAVAILABLE = 1, 3, 20, 26
ERRORS = {
    NOT_CONNECTED: "not connected",
    2: "already connected",
    CONNECTION_LOST: "connection lost",
    4: "service not supported by the device",
    5: "connection rejected",
    6: "outstanding call limit reached",
    10: "argument invalid",
    11: "enabling the report failed: data set mismatch",
    12: "object reference invalid",
    13: "unexpected value received",
    TIMEOUT: "no answer in time",
    21: "access denied",
    22: "object does not exist",
    23: "object exists",
    24: "object access unsupported",
    25: "type inconsistent",
    TEMPORARILY_UNAVAILABLE: "temporarily unavailable",
    27: "object undefined",
    28: "invalid address",
    29: "hardware fault",
    30: "type unsupported",
    31: "object attribute inconsistent",
    32: "object value invalid",
    33: "object invalidated",
    34: "malformed message",
    35: "object constraint conflict",
    98: "service not implemented",
    99: "unknown error",
}
"""Words for the library's client errors."""

# mms_value.h, MmsDataAccessError; the numbers are those of ISO 9506-2, DataAccessError
DATA_ACCESS_ERRORS = {
    0: "object invalidated",
    1: "hardware fault",
    2: "temporarily unavailable",
    3: "access denied",
    4: "object undefined",
    5: "invalid address",
    6: "type unsupported",
    7: "type inconsistent",
    8: "object attribute inconsistent",
    9: "object access unsupported",
    10: "object does not exist",
    11: "object value invalid",
}
"""Words for what a device gives instead of a value."""
