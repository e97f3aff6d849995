"""The peer that sets the measure: libmodbus, the C library, called through ctypes."""

import ctypes
import ctypes.util

_LIBRARY = "libmodbus.so.5"
REMEDY = f"{_LIBRARY} is not installed: apt-get install libmodbus5"


class NoLibmodbusError(Exception):
    """The library is not on this machine; the text gives the remedy."""


class Libmodbus:
    """One connection, blocking, as the library's users write it."""

    def __init__(self, port: int) -> None:
        """Connect to a port of this machine.

        Raises:
            NoLibmodbusError: the library is not installed.
        """
        try:
            self._library = ctypes.CDLL(_LIBRARY)
        except OSError as error:
            raise NoLibmodbusError(REMEDY) from error
        self._library.modbus_new_tcp.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.modbus_new_tcp(b"127.0.0.1", port))
        self._library.modbus_set_slave(self._context, 1)
        if self._library.modbus_connect(self._context) != 0:
            raise ConnectionError(f"libmodbus cannot connect to port {port}")

    def read(self, address: int, count: int, times: int) -> None:
        """Read so many input registers so many times.

        Raises:
            ConnectionError: it did not get them.
        """
        values = (ctypes.c_uint16 * count)()
        for _ in range(times):
            found = self._library.modbus_read_input_registers(self._context, address, count, values)
            if found != count:
                raise ConnectionError(f"libmodbus read {found} registers, not {count}")

    def close(self) -> None:
        """Close and free."""
        self._library.modbus_close(self._context)
        self._library.modbus_free(self._context)
