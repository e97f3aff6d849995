"""An MMS server of one converter.

Values are published once a tick under the model's lock, so that every report carries one tick;
states that change between two ticks are published at once.
Control callbacks run in the thread that serves all servers: they ask whether the converter would
refuse and leave accepted commands to the plant, which carries them out at its next step.
"""

import contextlib
import ctypes as c
import logging
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.errors import ServerStartError
from simulator.iec61850 import library as lib61850
from simulator.iec61850.model import ServerModel
from simulator.iec61850.pump import PUMP
from simulator.physics.converter import Denial, Point

_log = logging.getLogger(__name__)

REPORT_BUFFER_BYTES = 8_000_000
"""About two hours of one-second reports for a client that is away."""
_MAX_CONNECTIONS = 5
_DEVICE = "PCS1"
_CONTROLS = {
    Point.ACTIVE_POWER: "DRCC1.OutWSet",
    Point.REACTIVE_POWER: "DRCC1.OutVarSet",
    Point.START: "DRCC1.DERStr",
    Point.STOP: "DRCC1.DERStop",
}
_ADD_CAUSE = {
    Denial.LOCAL: lib61850.ADD_CAUSE_SWITCHING_HIERARCHY,
    Denial.NOT_A_NUMBER: lib61850.ADD_CAUSE_INCONSISTENT_PARAMETERS,
    Denial.RATING: lib61850.ADD_CAUSE_INCONSISTENT_PARAMETERS,
    Denial.TRIPPED: lib61850.ADD_CAUSE_BLOCKED_BY_PROCESS,
    Denial.CAUSE_STANDS: lib61850.ADD_CAUSE_BLOCKED_BY_INTERLOCKING,
}
_MEASUREMENT_REPORT = "brMeas"
_DBPOS_OFF, _DBPOS_ON = 1, 2


@dataclass(frozen=True)
class PcsValues:
    """What one tick publishes: analogue values and states by reference below the device."""

    analogue: dict[str, float]
    boolean: dict[str, bool]
    integer: dict[str, int]
    breaker_closed: bool


Ask = Callable[[Point, float], Denial | None]
Accept = Callable[[Point, float], None]
Deny = Callable[[Point, float, Denial], None]
OnServed = Callable[[int], None]


class PcsServer:
    """One converter's IEC 61850 server."""

    def __init__(
        self,
        name: str,
        icd: Path,
        ied_name: str,
        rated_w: float,
        *,
        ask: Ask,
        accept: Accept,
        deny: Deny,
        on_served: OnServed,
        report_buffer_bytes: int = REPORT_BUFFER_BYTES,
    ) -> None:
        self.name = name
        self.silent = False
        self.clock_offset_s = 0
        self._icd, self._ied_name, self._rated_w = icd, ied_name, rated_w
        self._ask, self._accept, self._deny, self._on_served = ask, accept, deny, on_served
        self._lib = lib61850.library()
        self._domain = f"{ied_name}{_DEVICE}/"
        self._address = ("", 0)
        self._enabled = False
        self._pending: list[int] = []
        self._clients: set[int] = set()
        self._reconfigured = False
        self._buffer_bytes = report_buffer_bytes
        self._quality = lib61850.QUALITY_GOOD
        self._shown: tuple[int, PcsValues] | None = None
        self._build()

    def _build(self) -> None:
        """Make the library's model and server of the device as it is configured."""
        self._model = ServerModel(self._icd, self._ied_name, reconfigured=self._reconfigured)
        self._model.set_value(f"{self._domain}ZINV1.WRtg.setMag.f", str(self._rated_w))
        config = self._lib.IedServerConfig_create()
        self._lib.IedServerConfig_setMaxMmsConnections(config, _MAX_CONNECTIONS)
        self._lib.IedServerConfig_setReportBufferSize(config, self._buffer_bytes)
        self._lib.IedServerConfig_enableFileService(config, False)
        self._server: int = self._lib.IedServer_createWithConfig(self._model.model, None, config)
        self._lib.IedServerConfig_destroy(config)
        self._lib.IedServer_setServerIdentity(self._server, b"Stationmaster", b"PCS", b"1.0")
        self._callbacks: list[Any] = []
        for point, reference in _CONTROLS.items():
            self._install(point, self._domain + reference)
        watcher = lib61850.RCB_HANDLER(self._report_event)
        self._callbacks.append(watcher)
        self._lib.IedServer_setRCBEventHandler(self._server, watcher, None)
        visitor = lib61850.CONNECTION_HANDLER(self._client_event)
        self._callbacks.append(visitor)
        self._lib.IedServer_setConnectionIndicationHandler(self._server, visitor, None)

    def restart(
        self, *, reconfigured: bool | None = None, report_buffer_bytes: int | None = None
    ) -> None:
        """Start the device anew, as it is or configured otherwise; what it kept is lost.

        Raises:
            ServerStartError: somebody has taken the port meanwhile.
        """
        running = self._lib.IedServer_isRunning(self._server)
        self.close()
        self._reconfigured = self._reconfigured if reconfigured is None else reconfigured
        self._buffer_bytes = report_buffer_bytes or self._buffer_bytes
        self._build()
        if self._shown is not None:
            self.publish(*self._shown)
            self._pending.clear()
        if running:
            self.start(*self._address)

    def mark(self, quality: int) -> None:
        """Give all values a quality, from the next tick on (`library.QUALITY_...`)."""
        self._quality = quality

    @property
    def port(self) -> int:
        """The port in use."""
        return self._address[1]

    def start(self, host: str, port: int) -> None:
        """Listen; port 0 chooses one.

        Raises:
            ServerStartError: the port is taken.
        """
        if port == 0:
            with socket.socket() as probe:
                probe.bind((host, 0))
                port = probe.getsockname()[1]
        self._address = (host, port)
        self._lib.IedServer_setLocalIpAddress(self._server, host.encode())
        self._lib.IedServer_startThreadless(self._server, port)
        if not self._lib.IedServer_isRunning(self._server):
            raise ServerStartError(self.name, host, port, "the address is in use")
        PUMP.add(self._server)

    def stop(self) -> None:
        """Close the listener and all associations; the model and its buffers stay."""
        PUMP.remove(self._server, self.port, self._clients)
        if self._lib.IedServer_isRunning(self._server):
            self._lib.IedServer_stopThreadless(self._server)
        self._enabled = False

    def resume(self) -> None:
        """Listen again where `start` did."""
        if not self._lib.IedServer_isRunning(self._server):
            self.start(*self._address)

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        self._lib.IedServer_destroy(self._server)

    def publish(self, tick: int, values: PcsValues) -> None:
        """Put one tick into the model; with trigger options this makes one report a tick."""
        if self.silent:
            return
        self._shown = tick, values
        lib, server = self._lib, self._server
        with self._locked_model():
            for reference in values.analogue:
                self._stamp(reference, tick * 1000)
            for reference, number in values.analogue.items():
                lib.IedServer_updateFloatAttributeValue(server, self._value(reference), number)
            self._update_states(tick * 1000, values)
        self._confirm()
        self._pending.append(tick)

    def publish_states(self, at_ms: int, values: PcsValues) -> None:
        """Put changed states into the model between two ticks; the measurements stay."""
        if self.silent:
            return
        with self._locked_model():
            self._update_states(at_ms, values)

    def _update_states(self, at_ms: int, values: PcsValues) -> None:
        lib, server = self._lib, self._server
        for reference in (*values.boolean, *values.integer, "XCBR1.Pos"):
            self._stamp(reference, at_ms)
        for reference, flag in values.boolean.items():
            lib.IedServer_updateBooleanAttributeValue(server, self._value(reference), flag)
        for reference, code in values.integer.items():
            lib.IedServer_updateInt32AttributeValue(server, self._value(reference), code)
        position = _DBPOS_ON if values.breaker_closed else _DBPOS_OFF
        lib.IedServer_updateDbposValue(server, self._value("XCBR1.Pos"), position)

    @contextlib.contextmanager
    def _locked_model(self) -> Iterator[None]:
        """Reports are built when the lock is given back, so each carries one moment."""
        self._lib.IedServer_lockDataModel(self._server)
        try:
            yield
        finally:
            self._lib.IedServer_unlockDataModel(self._server)
            PUMP.wake()

    def _confirm(self) -> None:
        """Count earlier ticks as served: a client that still listens has had their reports."""
        if self._enabled:
            pending, self._pending = self._pending, []
            for tick in pending:
                self._on_served(tick)

    def _stamp(self, reference: str, milliseconds: int) -> None:
        """Write time and quality of an object."""
        leaves, base = self._model.leaves, f"{self._domain}{reference}"
        shown_ms = milliseconds + self.clock_offset_s * 1000
        lib, server = self._lib, self._server
        lib.IedServer_updateUTCTimeAttributeValue(server, leaves[f"{base}.t"].node, shown_ms)
        lib.IedServer_updateQuality(server, leaves[f"{base}.q"].node, self._quality)

    def _value(self, reference: str) -> int:
        """The value attribute of a data object, whatever its class."""
        leaves = self._model.leaves
        for suffix in ("mag.f", "cVal.mag.f", "mxVal.f", "stVal"):
            leaf = leaves.get(f"{self._domain}{reference}.{suffix}")
            if leaf is not None:
                return leaf.node
        raise KeyError(reference)

    def _install(self, point: Point, reference: str) -> None:
        node = self._model.objects[reference]

        def check(action: int, _p: int, value: int, _test: bool, _interlock: bool) -> int:  # noqa: FBT001
            number = self._number(value)
            denial = self._ask(point, number)
            if denial is None:
                return lib61850.CONTROL_ACCEPTED
            self._lib.ControlAction_setAddCause(action, _ADD_CAUSE[denial])
            self._deny(point, number, denial)
            if denial in (Denial.RATING, Denial.NOT_A_NUMBER):
                return lib61850.CONTROL_VALUE_INVALID
            return lib61850.CONTROL_ACCESS_DENIED

        def control(_action: int, _p: int, value: int, test: bool) -> int:  # noqa: FBT001
            if not test:
                self._accept(point, self._number(value))
            return lib61850.CONTROL_OK

        checker, controller = lib61850.CHECK_HANDLER(check), lib61850.CONTROL_HANDLER(control)
        self._callbacks += [checker, controller]
        self._lib.IedServer_setPerformCheckHandler(self._server, node, checker, None)
        self._lib.IedServer_setControlHandler(self._server, node, controller, None)

    def _number(self, value: int) -> float:
        """The number in a control value: a float in a structure, or a boolean as 0 or 1."""
        lib = self._lib
        if lib.MmsValue_getType(value) == lib61850.MMS_STRUCTURE:
            value = lib.MmsValue_getElement(value, 0)
        if lib.MmsValue_getType(value) == lib61850.MMS_BOOLEAN:
            return float(lib.MmsValue_getBoolean(value))
        return float(lib.MmsValue_toFloat(value))

    def _client_event(self, _server: int, client: int, connected: bool, _p: int) -> None:  # noqa: FBT001
        if connected:
            self._clients.add(client)
            PUMP.hurry()
        else:
            self._clients.discard(client)

    def _report_event(
        self, _p: int, block: int, _client: int, event: int, _name: bytes, _error: int
    ) -> None:
        name = c.string_at(self._lib.ReportControlBlock_getName(block)).decode()
        if name != _MEASUREMENT_REPORT:
            return
        if event == lib61850.RCB_ENABLE:
            self._enabled = True
        elif event == lib61850.RCB_DISABLE:
            self._enabled = False
        elif event == lib61850.RCB_PURGE:
            self._pending.clear()
        elif event == lib61850.RCB_OVERFLOW and self._pending:
            self._pending.pop(0)
