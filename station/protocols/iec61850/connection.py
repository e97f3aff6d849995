"""One association with an IED: connect, read, subscribe to reports; plain Python in and out.

All methods block and belong on a worker thread; callbacks come from the library's thread.
"""

import contextlib
import ctypes as c
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat

from station.protocols.errors import DeviceUnreachable, ProtocolError
from station.protocols.iec61850 import lib as m
from station.protocols.iec61850.ber import Members
from station.protocols.iec61850.lib import Rcb, Value, accessors, library

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_MS = 3000
REQUEST_TIMEOUT_MS = 2000
_ATTEMPTS = 4
_FROM_THE_OLDEST = bytes(8)
"""An entry id of zeros asks for all that the device has kept (IEC 61850-7-2, BRCB)."""
_GONE = (m.NOT_CONNECTED, m.CONNECTION_LOST, m.TIMEOUT)


class ServiceFailed(ProtocolError):  # noqa: N818 - reads as a fact: service failed
    """The IED refused a service; `code` is the library's."""

    def __init__(self, what: str, code: int) -> None:
        """Say which service on which object, and why not."""
        super().__init__(f"{what}: {m.ERRORS.get(code, f'error {code}')}")
        self.code = code


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


@dataclass(frozen=True)
class BlockState:
    """A report control block as the device has it.

    Attributes:
        rcb: its reference.
        handle: the library's.
        conf_rev: configuration revision of its data set.
        data_set: reference of its data set, empty where the device does not say.
        enabled: whether it serves a client.
    """

    rcb: str
    handle: int
    conf_rev: int
    data_set: str
    enabled: bool


def _fail(what: str, error: c.c_int) -> None:
    """Raise for a library error; a lost connection is told apart from a refused service."""
    if error.value in _GONE:
        raise DeviceUnreachable(f"{what}: {m.ERRORS[error.value]}")
    if error.value:
        raise ServiceFailed(what, error.value)


class Association:
    """An open association, to be closed by `close`.

    Attributes:
        closed: whether `retire` has been called.
    """

    def __init__(self, host: str, port: int, on_closed: Callable[[], None]) -> None:
        """Open it.

        Args:
            host: address of the MMS server.
            port: its TCP port.
            on_closed: called from the library's thread when the association ends.

        Raises:
            DeviceUnreachable: there is no server, or it does not answer.
        """
        self.closed = False
        self._users = 0
        self._left = threading.Condition()
        self._lib = library()
        self._where = f"{host}:{port}"
        self._keep: list[object] = []
        self._report_handlers: list[str] = []
        self._blocks: list[int] = []
        self._connection = self._open(host, port)
        handler = m.ClosedHandler(lambda _parameter, _connection: on_closed())
        self._keep.append(handler)
        self._lib.IedConnection_installConnectionClosedHandler(self._connection, handler, None)

    def _open(self, host: str, port: int) -> int:
        """Connect and prove it with one service.

        The library may mark a fresh association as "connecting" after it stands (its receive
        thread was faster); each later request then fails. One service tells; else try anew.
        """
        error = c.c_int(0)
        for attempt in range(_ATTEMPTS):
            connection: int = self._lib.IedConnection_create()
            self._lib.IedConnection_setConnectTimeout(connection, CONNECT_TIMEOUT_MS)
            self._lib.IedConnection_setRequestTimeout(connection, REQUEST_TIMEOUT_MS)
            self._lib.IedConnection_connect(connection, c.byref(error), host.encode(), port)
            if not error.value:
                devices = self._lib.IedConnection_getLogicalDeviceList(connection, c.byref(error))
                if not error.value:
                    self._lib.LinkedList_destroy(devices)
                    return connection
            self._lib.IedConnection_close(connection)
            self._lib.IedConnection_destroy(connection)
            if error.value == m.TIMEOUT:
                break
            time.sleep(0.02 * (attempt + 1))
        raise DeviceUnreachable(
            f"no MMS association with {self._where}: {m.ERRORS.get(error.value, error.value)}"
        )

    def _names(self, what: str, function: str, *arguments: object) -> list[str]:
        """Call a service that gives a list of names.

        Raises:
            DeviceUnreachable, ServiceFailed: why not.
        """
        error = c.c_int(0)
        found = getattr(self._lib, function)(self._connection, c.byref(error), *arguments)
        try:
            _fail(what, error)
            return m.texts(found)
        finally:
            if found:
                self._lib.LinkedList_destroy(found)

    def logical_devices(self) -> list[str]:
        """Return the names of the logical devices, complete with the IED's: ``C1PCSPCS1``.

        Raises:
            DeviceUnreachable, ServiceFailed: why not.
        """
        return self._names("list devices", "IedConnection_getLogicalDeviceList")

    def logical_nodes(self, device: str) -> list[str]:
        """Return the names of a logical device's nodes.

        Raises:
            DeviceUnreachable, ServiceFailed: why not.
        """
        return self._names(
            f"list nodes of {device}", "IedConnection_getLogicalDeviceDirectory", device.encode()
        )

    def variables(self, node: str) -> list[str]:
        """Return all names below a node, with constraints: ``CO$OutWSet$Oper``.

        Raises:
            DeviceUnreachable, ServiceFailed: why not.
        """
        return self._names(
            f"list variables of {node}", "IedConnection_getLogicalNodeVariables", node.encode()
        )

    def data_set_names(self, node: str) -> list[str]:
        """Return the names of a node's data sets.

        Raises:
            DeviceUnreachable, ServiceFailed: why not.
        """
        return self._names(
            f"list data sets of {node}",
            "IedConnection_getLogicalNodeDirectory",
            node.encode(),
            m.ACSI_DATA_SET,
        )

    def data_set_members(self, reference: str) -> list[str]:
        """Return a data set's members: ``C1PCSPCS1/MMXU1.TotW[MX]``.

        Raises:
            DeviceUnreachable, ServiceFailed: why not.
        """
        return self._names(
            f"list members of {reference}",
            "IedConnection_getDataSetDirectory",
            reference.encode(),
            None,
        )

    def type_of(self, reference: str, constraint: str) -> m.Type:
        """Return the type of an object or attribute.

        Raises:
            DeviceUnreachable, ServiceFailed: why not.
        """
        error = c.c_int(0)
        found = self._lib.IedConnection_getVariableSpecification(
            self._connection, c.byref(error), reference.encode(), m.FC[constraint]
        )
        _fail(f"read the type of {reference}", error)
        try:
            return m.type_of(found)
        finally:
            self._lib.MmsVariableSpecification_destroy(found)

    @property
    def handle(self) -> int:
        """The library's connection, for control objects."""
        return self._connection

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep the association from being freed while a call into it runs.

        Raises:
            DeviceUnreachable: it has been retired.
        """
        with self._left:
            if self.closed:
                raise DeviceUnreachable(f"the association with {self._where} is closed")
            self._users += 1
        try:
            yield
        finally:
            with self._left:
                self._users -= 1
                self._left.notify_all()

    def retire(self) -> None:
        """Let nobody in any more and return when the last user has left."""
        with self._left:
            self.closed = True
            self._left.wait_for(lambda: self._users == 0)

    def close(self) -> None:
        """End the retired association and free it; no callback comes afterwards."""
        for rcb in self._report_handlers:
            self._lib.IedConnection_uninstallReportHandler(self._connection, rcb.encode())
        self._lib.IedConnection_close(self._connection)
        self._lib.IedConnection_destroy(self._connection)
        for block in self._blocks:
            self._lib.ClientReportControlBlock_destroy(block)
        self._blocks.clear()
        self._keep.clear()

    def read(self, reference: str, constraint: str) -> Value:
        """Return one object or attribute.

        Raises:
            DeviceUnreachable, ServiceFailed: why not.
        """
        error = c.c_int(0)
        found = self._lib.IedConnection_readObject(
            self._connection, c.byref(error), reference.encode(), m.FC[constraint]
        )
        _fail(f"read {reference}", error)
        try:
            value = m.to_python(found)
        finally:
            if found:
                self._lib.MmsValue_delete(found)
        if isinstance(value, m.AccessError):
            raise ServiceFailed(f"read {reference}", value.code)
        return value

    def read_data_set(self, reference: str) -> Members:
        """Return all members of a data set.

        Raises:
            DeviceUnreachable, ServiceFailed: why not.
        """
        error = c.c_int(0)
        found = self._lib.IedConnection_readDataSetValues(
            self._connection, c.byref(error), reference.encode(), None
        )
        _fail(f"read data set {reference}", error)
        try:
            return _whole(accessors().ClientDataSet_getValues(found))
        finally:
            self._lib.ClientDataSet_destroy(found)

    def report_block(self, rcb: str) -> BlockState:
        """Ask a report control block how it is configured, and whom it serves.

        Args:
            rcb: reference, for example ``C1PCSPCS1/LLN0.BR.brMeas``.

        Raises:
            DeviceUnreachable, ServiceFailed: why not.
        """
        block: int = self._lib.ClientReportControlBlock_create(rcb.encode())
        self._blocks.append(block)
        error = c.c_int(0)
        self._lib.IedConnection_getRCBValues(self._connection, c.byref(error), rcb.encode(), block)
        _fail(f"read {rcb}", error)
        told = self._lib.ClientReportControlBlock_getDataSetReference(block) or b""
        data_set = told.decode("utf-8", "replace").replace("$", ".")
        if data_set and "/" not in data_set:
            data_set = f"{rcb.partition('/')[0]}/{data_set}"
        return BlockState(
            rcb,
            block,
            int(self._lib.ClientReportControlBlock_getConfRev(block)),
            data_set,
            bool(self._lib.ClientReportControlBlock_getRptEna(block)),
        )

    def subscribe(
        self,
        state: BlockState,
        on_report: Callable[[Report], None],
        *,
        buffered: bool,
        entry_id: bytes,
    ) -> bool:
        """Enable a report control block; return whether it resumes after `entry_id`.

        Args:
            state: the block as it was read on this association.
            on_report: called from the library's thread with each report.
            buffered: whether the device keeps reports while nobody listens.
            entry_id: last entry received before; empty takes everything the device kept.

        Raises:
            DeviceUnreachable, ServiceFailed: why not.
        """
        block, rcb = state.handle, state.rcb
        if state.enabled:
            raise ServiceFailed(f"{rcb} serves another client", m.TEMPORARILY_UNAVAILABLE)
        error = c.c_int(0)
        self._configure(block, rcb, buffered=buffered)
        resumed = False
        if buffered:
            accepted = self._set_entry_id(block, entry_id or _FROM_THE_OLDEST)
            resumed = accepted and bool(entry_id)
        self._listen(block, rcb, on_report)
        self._lib.ClientReportControlBlock_setRptEna(block, True)
        self._lib.IedConnection_setRCBValues(
            self._connection, c.byref(error), block, Rcb.RPT_ENA, True
        )
        _fail(f"enable {rcb}", error)
        return resumed

    def _configure(self, block: int, rcb: str, *, buffered: bool) -> None:
        """Ask for the triggers and fields this house needs, where the device has others."""
        mask = 0
        if not buffered:
            self._lib.ClientReportControlBlock_setResv(block, True)
            mask |= Rcb.RESV
        if self._lib.ClientReportControlBlock_getTrgOps(block) & m.TRIGGERS != m.TRIGGERS:
            self._lib.ClientReportControlBlock_setTrgOps(block, m.TRIGGERS)
            mask |= Rcb.TRG_OPS
        wanted = m.OPTIONS if buffered else m.OPTIONS & ~(32 | 64)
        options = self._lib.ClientReportControlBlock_getOptFlds(block)
        if options & wanted != wanted:
            self._lib.ClientReportControlBlock_setOptFlds(block, options | wanted)
            mask |= Rcb.OPT_FLDS
        if mask:
            error = c.c_int(0)
            self._lib.IedConnection_setRCBValues(
                self._connection, c.byref(error), block, mask, False
            )
            _fail(f"configure {rcb}", error)

    def _set_entry_id(self, block: int, entry_id: bytes) -> bool:
        """Ask for what came after `entry_id`; False when the device has forgotten it."""
        token = self._lib.MmsValue_newOctetString(len(entry_id), len(entry_id))
        self._lib.MmsValue_setOctetString(token, entry_id, len(entry_id))
        self._lib.ClientReportControlBlock_setEntryId(block, token)
        self._lib.MmsValue_delete(token)
        error = c.c_int(0)
        self._lib.IedConnection_setRCBValues(
            self._connection, c.byref(error), block, Rcb.ENTRY_ID, True
        )
        if error.value in _GONE:
            _fail("set the entry id", error)
        return error.value == 0

    def _listen(self, block: int, rcb: str, on_report: Callable[[Report], None]) -> None:
        def arrived(_parameter: int | None, report: int) -> None:
            on_report(_copied(rcb, report))

        handler = m.ReportHandler(arrived)
        self._keep.append(handler)
        self._report_handlers.append(rcb)
        self._lib.IedConnection_installReportHandler(
            self._connection,
            rcb.encode(),
            self._lib.ClientReportControlBlock_getRptId(block),
            handler,
            None,
        )


def _copied(rcb: str, report: int) -> Report:
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
        return _whole(values)
    parts = []
    included = bytearray(size)
    for member, reason in enumerate(reasons):
        element = lib.MmsValue_getElement(values, member) if reason else None
        if element:
            included[member] = 1
            parts.append(_encoded(element))
    return Members(b"".join(parts), size, bytes(included), tuple(map(len, parts)))


def _whole(values: int | None) -> Members:
    if not values:
        return Members(b"", 0)
    return Members(_encoded(values), int(accessors().MmsValue_getArraySize(values)))


def _encoded(value: int) -> bytes:
    lib = accessors()
    size = lib.MmsValue_encodeMmsData(value, None, 0, False)
    buffer = c.create_string_buffer(size)
    lib.MmsValue_encodeMmsData(value, buffer, 0, True)
    return buffer.raw
