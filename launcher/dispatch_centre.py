"""The grid's dispatch centre of a demo: writes a scenario's AGC requests to the station's port.

A thread of its own counts the heartbeat on and writes each request when its time has come, over
real Modbus TCP, as a telecontrol gateway would. docs/protocols.md has the registers.
"""

import struct
import threading
import time
from collections.abc import Sequence
from typing import Any

from launcher.errors import LauncherError
from launcher.scenario import AgcRequest

_HEARTBEAT = 0
_BEAT_S = 1.0
_STEP_KW = 0.1
_MODULUS = 1 << 16


class DispatchCentre:
    """One client of the station's port.

    Attributes:
        asked_kw: the request that stands, None when the centre has not taken control.
        refused: writes that the station refused.
    """

    def __init__(self, host: str, port: int, requests: Sequence[AgcRequest]) -> None:
        """Prepare; `start` begins to count the time of the scenario."""
        self.asked_kw: float | None = None
        self.refused = 0
        self._address = (host, port)
        self._requests = sorted(requests, key=lambda request: request.at_s)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dispatch-centre", daemon=True)

    def start(self) -> None:
        """Take up the line.

        Raises:
            LauncherError: nobody answers at the port.
        """
        host, port = self._address
        self._client = _client(host, port)
        if not self._client.connect():
            raise LauncherError(f"the station's dispatch port {host}:{port} does not answer")
        self._begun_s = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Give control back and hang up."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=2 * _BEAT_S)
            self._client.close()

    def _run(self) -> None:
        beat = 0
        while not self._stop.wait(_BEAT_S):
            beat = (beat + 1) % _MODULUS
            request = self._standing(time.monotonic() - self._begun_s)
            if request is None:
                words = [beat, 0] if self.asked_kw is not None else [beat]
            else:
                raw = struct.pack(">i", round(request.power_kw / _STEP_KW))
                words = [beat, 1, *struct.unpack(">2H", raw)]
            self.asked_kw = None if request is None else request.power_kw
            self._write(words)
        if self.asked_kw is not None:
            self._write([(beat + 1) % _MODULUS, 0])

    def _standing(self, elapsed_s: float) -> AgcRequest | None:
        """Return the request of this moment: the newest that has begun and not ended."""
        begun = [r for r in self._requests if r.at_s <= elapsed_s < r.at_s + r.for_s]
        return begun[-1] if begun else None

    def _write(self, words: Sequence[int]) -> None:
        from pymodbus.exceptions import ModbusException

        try:
            if self._client.write_registers(_HEARTBEAT, list(words)).isError():
                self.refused += 1
        except ModbusException:
            # The station is away for a moment: the line is taken up again with the next beat.
            self._client.close()
            self._client.connect()


def _client(host: str, port: int) -> Any:
    from pymodbus.client import ModbusTcpClient

    return ModbusTcpClient(host, port=port, timeout=1.0, retries=0)
