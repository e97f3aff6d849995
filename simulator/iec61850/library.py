"""The server half of libiec61850, called through ctypes.

ctypes releases the interpreter's lock in every call and takes it again in callbacks; the wheel's
own wrapper does not, and deadlocks between data updates and control callbacks. The wheel
pyiec61850-ng (GPLv3) brings the library; only the shared object in it is used.
"""

import ctypes as c
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any, Final

from simulator.errors import SimulatorError

POINTER = c.c_void_p

FC: Final = {
    name: number
    for number, name in enumerate(
        ("ST", "MX", "SP", "SV", "CF", "DC", "SG", "SE", "SR", "OR", "BL", "EX", "CO")
    )
}
"""Functional constraints."""

BASIC_TYPE: Final = {
    "BOOLEAN": 0,
    "INT8": 1,
    "INT16": 2,
    "INT32": 3,
    "INT64": 4,
    "INT8U": 6,
    "INT16U": 7,
    "INT24U": 8,
    "INT32U": 9,
    "FLOAT32": 10,
    "FLOAT64": 11,
    "Enum": 12,
    "Octet64": 13,
    "VisString32": 16,
    "VisString64": 17,
    "VisString65": 18,
    "VisString129": 19,
    "ObjRef": 19,
    "VisString255": 20,
    "Unicode255": 21,
    "Timestamp": 22,
    "Quality": 23,
    "Check": 24,
    "Dbpos": 25,
    "Struct": 27,
    "EntryTime": 28,
}
"""Basic types of IEC 61850-6 as the library numbers them."""

TRIGGER: Final = {"dchg": 1, "qchg": 2, "dupd": 4, "period": 8, "gi": 16}
OPTION: Final = {
    "seqNum": 1,
    "timeStamp": 2,
    "reasonCode": 4,
    "dataSet": 8,
    "dataRef": 16,
    "bufOvfl": 32,
    "entryID": 64,
    "configRef": 128,
}

# CheckHandlerResult and ControlHandlerResult of iec61850_server.h
CONTROL_ACCEPTED = -1
CONTROL_ACCESS_DENIED = 3
CONTROL_VALUE_INVALID = 11
CONTROL_OK = 1
# ControlAddCause of iec61850_common.h
ADD_CAUSE_SWITCHING_HIERARCHY = 2
ADD_CAUSE_BLOCKED_BY_PROCESS = 9
ADD_CAUSE_BLOCKED_BY_INTERLOCKING = 10
ADD_CAUSE_INCONSISTENT_PARAMETERS = 26
# Validity of iec61850_common.h
QUALITY_GOOD, QUALITY_INVALID, QUALITY_QUESTIONABLE = 0, 2, 3
# IedServer_RCBEventType of iec61850_server.h
RCB_ENABLE = 4
RCB_DISABLE = 5
RCB_PURGE = 7
RCB_OVERFLOW = 8
# MmsType of mms_common.h
MMS_STRUCTURE = 1
MMS_BOOLEAN = 2

CHECK_HANDLER = c.CFUNCTYPE(c.c_int, POINTER, POINTER, POINTER, c.c_bool, c.c_bool)
CONTROL_HANDLER = c.CFUNCTYPE(c.c_int, POINTER, POINTER, POINTER, c.c_bool)
RCB_HANDLER = c.CFUNCTYPE(None, POINTER, POINTER, POINTER, c.c_int, c.c_char_p, c.c_int)
CONNECTION_HANDLER = c.CFUNCTYPE(None, POINTER, POINTER, c.c_bool, POINTER)

_P, _S, _I, _B, _U32, _U8 = POINTER, c.c_char_p, c.c_int, c.c_bool, c.c_uint32, c.c_uint8
_SIGNATURES: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "IedModel_create": (_P, (_S,)),
    "LogicalDevice_create": (_P, (_S, _P)),
    "LogicalNode_create": (_P, (_S, _P)),
    "DataObject_create": (_P, (_S, _P, _I)),
    "DataAttribute_create": (_P, (_S, _P, _I, _I, _U8, _I, _U32)),
    "DataAttribute_setValue": (None, (_P, _P)),
    "DataSet_create": (_P, (_S, _P)),
    "DataSetEntry_create": (_P, (_P, _S, _I, _S)),
    "ReportControlBlock_create": (_P, (_S, _P, _S, _B, _S, _U32, _U8, _U8, _U32, _U32)),
    "ReportControlBlock_getName": (_S, (_P,)),
    "MmsValue_newIntegerFromInt32": (_P, (c.c_int32,)),
    "MmsValue_newUnsignedFromUint32": (_P, (_U32,)),
    "MmsValue_newFloat": (_P, (c.c_float,)),
    "MmsValue_newBoolean": (_P, (_B,)),
    "MmsValue_newVisibleString": (_P, (_S,)),
    "MmsValue_delete": (None, (_P,)),
    "MmsValue_getType": (_I, (_P,)),
    "MmsValue_getElement": (_P, (_P, _I)),
    "MmsValue_getBoolean": (_B, (_P,)),
    "MmsValue_toFloat": (c.c_float, (_P,)),
    "IedServerConfig_create": (_P, ()),
    "IedServerConfig_destroy": (None, (_P,)),
    "IedServerConfig_setMaxMmsConnections": (None, (_P, _I)),
    "IedServerConfig_setReportBufferSize": (None, (_P, _I)),
    "IedServerConfig_enableFileService": (None, (_P, _B)),
    "IedServer_createWithConfig": (_P, (_P, _P, _P)),
    "IedServer_destroy": (None, (_P,)),
    "IedServer_setLocalIpAddress": (None, (_P, _S)),
    "IedServer_setServerIdentity": (None, (_P, _S, _S, _S)),
    "IedServer_startThreadless": (None, (_P, _I)),
    "IedServer_stopThreadless": (None, (_P,)),
    "IedServer_processIncomingData": (None, (_P,)),
    "IedServer_performPeriodicTasks": (None, (_P,)),
    "IedServer_isRunning": (_B, (_P,)),
    "IedServer_lockDataModel": (None, (_P,)),
    "IedServer_unlockDataModel": (None, (_P,)),
    "IedServer_updateFloatAttributeValue": (None, (_P, _P, c.c_float)),
    "IedServer_updateUTCTimeAttributeValue": (None, (_P, _P, c.c_uint64)),
    "IedServer_updateBooleanAttributeValue": (None, (_P, _P, _B)),
    "IedServer_updateInt32AttributeValue": (None, (_P, _P, c.c_int32)),
    "IedServer_updateQuality": (None, (_P, _P, c.c_uint16)),
    "IedServer_updateDbposValue": (None, (_P, _P, _I)),
    "IedServer_setPerformCheckHandler": (None, (_P, _P, CHECK_HANDLER, _P)),
    "IedServer_setControlHandler": (None, (_P, _P, CONTROL_HANDLER, _P)),
    "IedServer_setRCBEventHandler": (None, (_P, RCB_HANDLER, _P)),
    "IedServer_setConnectionIndicationHandler": (None, (_P, CONNECTION_HANDLER, _P)),
    "ControlAction_setAddCause": (None, (_P, _I)),
}


@cache
def library() -> Any:
    """Load the library once and declare the functions used.

    Raises:
        SimulatorError: the wheel is not installed or holds no library.
    """
    spec = importlib.util.find_spec("pyiec61850")
    if spec is None or spec.origin is None:
        raise SimulatorError("IEC 61850 needs pyiec61850-ng: pip install 'stationmaster[station]'")
    folder = Path(spec.origin).parent.parent / "pyiec61850_ng.libs"
    found = sorted(folder.glob("libiec61850*.so*"))
    if not found:
        raise SimulatorError(f"no libiec61850 in {folder}: install pyiec61850-ng again")
    loaded = c.CDLL(str(found[0]))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded
