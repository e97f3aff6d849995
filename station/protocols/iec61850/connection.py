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

from station.protocols.errors import DeviceUnreachable, ProtocolError
from station.protocols.iec61850 import lib as m
from station.protocols.iec61850.lib import Rcb, Value, library

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
        values: one value per data set member; None where the report does not include it.
        entry_id: entry in the device's buffer; empty for unbuffered reports.
        overflow: the device's buffer dropped entries before this one.
        time_ms: when the device made the report, 0 when it does not say.
    """

    rcb: str
    values: tuple[Value, ...]
    entry_id: bytes
    overflow: bool
    time_ms: int


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

    def read_data_set(self, reference: str) -> tuple[Value, ...]:
        """Return the values of all members of a data set.

        Raises:
            DeviceUnreachable, ServiceFailed: why not.
        """
        error = c.c_int(0)
        found = self._lib.IedConnection_readDataSetValues(
            self._connection, c.byref(error), reference.encode(), None
        )
        _fail(f"read data set {reference}", error)
        try:
            values = m.to_python(self._lib.ClientDataSet_getValues(found))
        finally:
            self._lib.ClientDataSet_destroy(found)
        return tuple(values) if isinstance(values, list) else ()

    def subscribe(
        self,
        rcb: str,
        conf_rev: int,
        on_report: Callable[[Report], None],
        *,
        buffered: bool,
        entry_id: bytes,
    ) -> bool:
        """Enable a report control block; return whether it resumes after `entry_id`.

        Args:
            rcb: reference, for example ``C1PCSPCS1/LLN0.BR.brMeas``.
            conf_rev: configuration revision that the SCL file promises.
            on_report: called from the library's thread with each report.
            buffered: whether the device keeps reports while nobody listens.
            entry_id: last entry received before; empty takes everything the device kept.

        Raises:
            DeviceUnreachable, ServiceFailed: why not.
            ProtocolError: the device's block is in use, or configured in another way.
        """
        block: int = self._lib.ClientReportControlBlock_create(rcb.encode())
        self._blocks.append(block)
        error = c.c_int(0)
        self._lib.IedConnection_getRCBValues(self._connection, c.byref(error), rcb.encode(), block)
        _fail(f"read {rcb}", error)
        if self._lib.ClientReportControlBlock_getRptEna(block):
            raise ServiceFailed(f"{rcb} serves another client", m.TEMPORARILY_UNAVAILABLE)
        found = int(self._lib.ClientReportControlBlock_getConfRev(block))
        if found != conf_rev:
            raise ProtocolError(
                f"{rcb} has configuration revision {found}, the SCL file says {conf_rev}: "
                "use the SCL file of this device's configuration"
            )
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
    """Copy a report while the library still owns it.

    Elements of members that were never included are null pointers; the reason for inclusion
    tells which members this report is about.
    """
    lib = library()
    values = lib.ClientReport_getDataSetValues(report)
    size = lib.MmsValue_getArraySize(values) if values else 0
    entry = lib.ClientReport_getEntryId(report)
    return Report(
        rcb=rcb,
        values=tuple(
            m.to_python(lib.MmsValue_getElement(values, i))
            if lib.ClientReport_getReasonForInclusion(report, i)
            else None
            for i in range(size)
        ),
        entry_id=m.octets(entry) if entry else b"",
        overflow=bool(lib.ClientReport_hasBufOvfl(report) and lib.ClientReport_getBufOvfl(report)),
        time_ms=int(lib.ClientReport_getTimestamp(report))
        if lib.ClientReport_hasTimestamp(report)
        else 0,
    )
