"""The library's server with the station's points: the one place that uses c104 (GPLv3).

It translates and judges nothing: what a centre wants is asked of the controller, and refused when
no answer comes in time. Its calls belong on one thread of their own, because a call may wait for a
callback that waits for the controller.
"""

import asyncio
import concurrent.futures
import contextlib
import datetime as dt
import itertools
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import c104

from station.iec104 import wire
from station.iec104.types import CONTROLLED, MONITORED, Form

log = logging.getLogger(__name__)

ANSWER_S = 1.0
"""The controller's answer is waited for so long."""
_TICK_MS = 50
"""How often the library looks at its connections; its shortest."""
_SHORTEST_S = 5
"""Of t1 and t3: a line that is slow for a moment is no lost one."""
Send = Callable[[wire.Message], None]


class Slave:
    """The library's server with the station's points."""

    def __init__(self, setup: wire.Setup, loop: asyncio.AbstractEventLoop, send: Send) -> None:
        """Prepare; `open` listens.

        Args:
            setup: what to serve.
            loop: in which `send` may be called.
            send: tells the controller.
        """
        self._setup = setup
        self._loop = loop
        self._send = send
        self._zone = ZoneInfo(setup.timezone)
        self._ids = itertools.count(1)
        self._waiting: dict[int, concurrent.futures.Future[bool]] = {}
        self._forms = {ioa: MONITORED[kind] for ioa, kind in setup.monitored}
        self._points: dict[int, Any] = {}
        self._server: Any = None

    def open(self) -> int:
        """Listen; return the port.

        Raises:
            RuntimeError, ValueError: the address or a file of TLS cannot be used.
        """
        setup = self._setup
        port = setup.port or _free_port(setup.host)
        self._server = server = c104.Server(
            ip=setup.host,
            port=port,
            tick_rate_ms=_TICK_MS,
            select_timeout_ms=setup.select_timeout_ms,
            max_connections=1,
            transport_security=_tls(setup),
        )
        patience_s = max(_SHORTEST_S, round(setup.silence_s / 2))
        parameters = server.protocol_parameters
        parameters.confirm_interval = 1
        parameters.message_timeout = patience_s
        parameters.keep_alive_interval = patience_s
        station = server.add_station(common_address=setup.common_address)
        if station is None:
            raise ValueError(f"common address {setup.common_address} is not taken")
        self._add_points(station)
        self._listen_to(server)
        server.start()
        return port

    def _add_points(self, station: Any) -> None:
        for ioa, kind in self._setup.monitored:
            point = station.add_point(io_address=ioa, type=getattr(c104.Type, kind))
            point.info = self._info(ioa, 0.0, int(c104.Quality.Invalid.value), 0)
            self._points[ioa] = point
        command = self._commander()
        for ioa, kind, select in self._setup.controls:
            mode = c104.CommandMode.SELECT_AND_EXECUTE if select else c104.CommandMode.DIRECT
            point = station.add_point(
                io_address=ioa, type=getattr(c104.Type, kind), command_mode=mode
            )
            point.on_receive(callable=command)

    def _commander(self) -> Callable[..., c104.ResponseState]:
        forms = {ioa: CONTROLLED[kind] for ioa, kind, _ in self._setup.controls}

        # The library compares the signature of a callback with its own, name by name.
        def command(
            point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage
        ) -> c104.ResponseState:
            del previous_info
            ioa = point.io_address
            info = message.info
            tagged = forms[ioa].tagged and info.recorded_at is not None
            time_ms = self._epoch_ms(info.recorded_at) if tagged else None
            value = float(info.value)  # type: ignore[arg-type]
            granted = self._ask(wire.Subject.COMMAND, ioa=ioa, value=value, time_ms=time_ms)
            return c104.ResponseState.SUCCESS if granted else c104.ResponseState.FAILURE

        return command

    def _listen_to(self, server: Any) -> None:
        def connected(server: c104.Server, ip: str) -> bool:
            del server
            return self._ask(wire.Subject.CONNECT, peer=ip)

        def clock(server: c104.Server, ip: str, date_time: dt.datetime) -> c104.ResponseState:
            del server
            told_ms = self._epoch_ms(date_time)
            granted = self._ask(wire.Subject.CLOCK, peer=ip, time_ms=told_ms)
            return c104.ResponseState.SUCCESS if granted else c104.ResponseState.FAILURE

        def unexpected(server: c104.Server, message: c104.IncomingMessage, cause: c104.Umc) -> None:
            del server, cause
            self._tell(wire.Declined(message.io_address))

        server.on_connect(callable=connected)
        server.on_clock_sync(callable=clock)
        server.on_unexpected_message(callable=unexpected)

    def unselected(self) -> None:
        """Tell that the library has refused what was not selected; it does not say which."""
        self._tell(wire.Declined(0))

    def _ask(self, subject: wire.Subject, **facts: Any) -> bool:
        """Ask the controller from a thread of the library; no answer in time is a no."""
        number = next(self._ids)
        answer: concurrent.futures.Future[bool] = concurrent.futures.Future()
        self._waiting[number] = answer
        self._tell(wire.Ask(number, subject, **facts))
        try:
            return answer.result(ANSWER_S)
        except TimeoutError:
            log.warning("event=controller_gave_no_answer subject=%s", subject)
            return False
        finally:
            self._waiting.pop(number, None)

    def answer(self, verdict: wire.Verdict) -> None:
        """Take the controller's answer; one that comes too late is dropped."""
        waiting = self._waiting.get(verdict.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(verdict.granted)

    def _tell(self, message: wire.Message) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: there is nobody to tell
            self._loop.call_soon_threadsafe(self._send, message)

    def apply(self, rows: Sequence[tuple[int, float, int, int, bool]]) -> None:
        """Set the newest values, and transmit those that are news."""
        listened = self._server.has_active_connections
        for ioa, value, flags, time_ms, news in rows:
            point = self._points[ioa]
            point.info = self._info(ioa, value, flags, time_ms)
            if news and listened:
                point.transmit(cause=c104.Cot.SPONTANEOUS)

    def beat(self) -> wire.Beat:
        """Return a sign of life; it needs the library to answer."""
        return wire.Beat(bool(self._server.has_open_connections))

    def close(self) -> None:
        """Close the port and all connections."""
        if self._server is not None:
            self._server.stop()

    def _info(self, ioa: int, value: float, flags: int, time_ms: int) -> c104.Information:
        facts = self._forms[ioa]
        at = dt.datetime.fromtimestamp(time_ms / 1000, self._zone) if facts.tagged else None
        quality = _quality(flags)
        match facts.form:
            case Form.SINGLE:
                return c104.SingleInfo(on=bool(value), quality=quality, recorded_at=at)
            case Form.DOUBLE:
                state = c104.Double.ON if value else c104.Double.OFF
                return c104.DoubleInfo(state=state, quality=quality, recorded_at=at)
            case Form.NORMALIZED:
                actual = c104.NormalizedFloat(value)
                return c104.NormalizedInfo(actual=actual, quality=quality, recorded_at=at)
            case Form.SCALED:
                whole = c104.Int16(int(value))
                return c104.ScaledInfo(actual=whole, quality=quality, recorded_at=at)
            case Form.SHORT:
                return c104.ShortInfo(actual=value, quality=quality, recorded_at=at)

    def _epoch_ms(self, told: dt.datetime | None) -> int:
        """Return the moment of a wall time of the centre: the library knows no zones."""
        if told is None:
            return 0
        return round(told.replace(tzinfo=self._zone).timestamp() * 1000)


def _quality(flags: int) -> c104.Quality:
    found = c104.Quality()
    for bit in (c104.Quality.Overflow, c104.Quality.NonTopical, c104.Quality.Invalid):
        if flags & bit.value:
            found |= bit  # type: ignore[operator]
    return found


def _tls(setup: wire.Setup) -> c104.TransportSecurity | None:
    if not setup.certificate:
        return None
    security = c104.TransportSecurity(validate=True, only_known=False)
    security.set_certificate(cert=setup.certificate, key=setup.key)
    security.set_ca_certificate(cert=setup.authority)
    security.set_version(min=c104.TlsVersion.TLS_1_2, max=c104.TlsVersion.TLS_1_3)
    return security


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as probe:
        return int(probe.getsockname()[1])
