"""Report control blocks of one association: asked how they are configured, and enabled.

All methods block; callbacks come from the library's thread.
"""

import ctypes as c
from collections.abc import Callable
from dataclasses import dataclass

from station.protocols.errors import BadReply
from station.protocols.iec61850 import lib as m
from station.protocols.iec61850.lib import Rcb, library
from station.protocols.iec61850.report_copy import Report, copied
from station.protocols.iec61850.services import GONE, ServiceFailed, check

_FROM_THE_OLDEST = bytes(8)
"""An entry id of zeros asks for all that the device has kept (IEC 61850-7-2, BRCB)."""


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


@dataclass(frozen=True)
class Source:
    """What a report block reports, and under which configuration revision."""

    data_set: str
    buffered: bool
    conf_rev: int

    def check(self, report: Report) -> None:
        """Refuse a report of another configuration.

        Raises:
            BadReply: it is of one.
        """
        if report.conf_rev not in (0, self.conf_rev):
            raise BadReply(
                f"{report.rcb} reports under configuration revision {report.conf_rev}, "
                f"not {self.conf_rev}: binding anew"
            )


class ReportBlocks:
    """The blocks that one association has asked about or listens to."""

    def __init__(self, connection: int) -> None:
        """Begin with none; `connection` is the library's."""
        self._lib = library()
        self._connection = connection
        self._handles: list[int] = []
        self._heard: list[str] = []
        self._handlers: list[object] = []

    def state(self, rcb: str) -> BlockState:
        """Ask a report control block how it is configured, and whom it serves.

        Args:
            rcb: reference, for example ``C1PCSPCS1/LLN0.BR.brMeas``.

        Raises:
            DeviceUnreachable, ServiceFailed: why not.
        """
        block: int = self._lib.ClientReportControlBlock_create(rcb.encode())
        self._handles.append(block)
        error = c.c_int(0)
        self._lib.IedConnection_getRCBValues(self._connection, c.byref(error), rcb.encode(), block)
        check(f"read {rcb}", error)
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
        check(f"enable {rcb}", error)
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
        wanted = m.OPTIONS if buffered else m.UNBUFFERED_OPTIONS
        options = self._lib.ClientReportControlBlock_getOptFlds(block)
        if options & wanted != wanted:
            self._lib.ClientReportControlBlock_setOptFlds(block, options | wanted)
            mask |= Rcb.OPT_FLDS
        if mask:
            error = c.c_int(0)
            self._lib.IedConnection_setRCBValues(
                self._connection, c.byref(error), block, mask, False
            )
            check(f"configure {rcb}", error)

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
        if error.value in GONE:
            check("set the entry id", error)
        return error.value == 0

    def _listen(self, block: int, rcb: str, on_report: Callable[[Report], None]) -> None:
        def arrived(_parameter: int | None, report: int) -> None:
            on_report(copied(rcb, report))

        handler = m.ReportHandler(arrived)
        self._handlers.append(handler)
        self._heard.append(rcb)
        self._lib.IedConnection_installReportHandler(
            self._connection,
            rcb.encode(),
            self._lib.ClientReportControlBlock_getRptId(block),
            handler,
            None,
        )

    def silence(self) -> None:
        """Let no report come any more; before the association ends."""
        for rcb in self._heard:
            self._lib.IedConnection_uninstallReportHandler(self._connection, rcb.encode())

    def free(self) -> None:
        """Give the library back what it holds for the blocks; after the association's end."""
        for block in self._handles:
            self._lib.ClientReportControlBlock_destroy(block)
        self._handles.clear()
        self._handlers.clear()
