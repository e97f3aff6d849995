"""One association with an IED: connect, browse, read; plain Python in and out.

All methods block and belong on a worker thread; callbacks come from the library's thread.
"""

import contextlib
import ctypes as c
import threading
import time
from collections.abc import Callable, Iterator

from station.protocols.errors import DeviceUnreachable
from station.protocols.iec61850 import lib as m
from station.protocols.iec61850.ber import Members
from station.protocols.iec61850.lib import Value, accessors, library
from station.protocols.iec61850.report_blocks import ReportBlocks
from station.protocols.iec61850.report_copy import whole
from station.protocols.iec61850.services import ServiceFailed, check

CONNECT_TIMEOUT_MS = 3000
REQUEST_TIMEOUT_MS = 2000
_ATTEMPTS = 4
"""A fresh association is lost to the library's race in a twentieth to a fifth of all cases
(measured on the loopback interface): four in a row in one of a thousand at most."""
_REST_S = 0.02
"""Before the second attempt; so much longer before each further one."""


class Association:
    """An open association, to be closed by `close`.

    Attributes:
        closed: whether `retire` has been called.
        report_blocks: its report control blocks.
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
        self._connection = self._open(host, port)
        # The library does not keep it: it must live as long as the connection.
        self._closed_handler = m.ClosedHandler(lambda _parameter, _connection: on_closed())
        self._lib.IedConnection_installConnectionClosedHandler(
            self._connection, self._closed_handler, None
        )
        self.report_blocks = ReportBlocks(self._connection)

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
            time.sleep(_REST_S * (attempt + 1))
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
            check(what, error)
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
        check(f"read the type of {reference}", error)
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
        self.report_blocks.silence()
        self._lib.IedConnection_close(self._connection)
        self._lib.IedConnection_destroy(self._connection)
        self.report_blocks.free()

    def read(self, reference: str, constraint: str) -> Value:
        """Return one object or attribute.

        Raises:
            DeviceUnreachable, ServiceFailed: why not.
        """
        error = c.c_int(0)
        found = self._lib.IedConnection_readObject(
            self._connection, c.byref(error), reference.encode(), m.FC[constraint]
        )
        check(f"read {reference}", error)
        try:
            value = m.to_python(found)
        finally:
            if found:
                self._lib.MmsValue_delete(found)
        if isinstance(value, m.AccessError):
            raise ServiceFailed(f"read {reference}", value.code, m.DATA_ACCESS_ERRORS)
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
        check(f"read data set {reference}", error)
        try:
            return whole(accessors().ClientDataSet_getValues(found))
        finally:
            self._lib.ClientDataSet_destroy(found)
