"""The dispatch centre over IEC 60870-5-104: the station is the controlled station, TCP server.

The protocol runs in a process of its own (`station.iec104.worker`) that asks here about everything
a centre wants: to connect, to command, to set a clock. What is refused is confirmed negatively,
logged once with its reason, and counted.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from contract.frame import Quality
from station.centre.errors import CentreUnavailable
from station.centre.guarded_server import plain_address
from station.centre.iec104_requests import CommandJudge, Measured
from station.centre.port import CentreRequest, CentreState, CentreView, PointValue, PortSettings
from station.centre.requests import Refusal, Requests
from station.clock import now_ms
from station.iec104 import wire
from station.iec104.changes import Changes
from station.iec104.point_list import MonitorPoint, PointList, SignOfLife
from station.iec104.values import to_wire
from station.processes import Child, HostTiming, WatchedProcess, WireError

log = logging.getLogger(__name__)

_NAME = "iec104"
_START_S = 30.0
_HEARTBEATS = 1 << 15
"""The station's own heartbeat stays within a scaled value."""
_FOLLOWS = {CentreState.FOLLOWING, CentreState.LIMITED}


@dataclass(frozen=True)
class TlsFiles:
    """Files of TLS (PEM): our certificate and key, and the authority of the centre's."""

    certificate: str
    key: str
    authority: str


class Iec104Centre:
    """The port of the dispatch centre in IEC 60870-5-104.

    Attributes:
        refused: how often something was refused, by reason.
        turned_away: clients that were not let in since the port was opened.
        port: the port in use, 0 while it is closed.
        connected: whether the centre has a connection at the moment.
    """

    def __init__(
        self,
        settings: PortSettings,
        points: PointList,
        tls: TlsFiles | None = None,
        clock: Callable[[], float] = time.monotonic,
        timing: HostTiming | None = None,
    ) -> None:
        """Prepare; `start` opens the port.

        Args:
            settings: where and for whom.
            points: the point list.
            tls: files of TLS; None talks in the clear.
            clock: monotonic seconds; the age of the sign of life is measured on it.
            timing: patience with the process.
        """
        self.settings = settings
        self.points = points
        self.refused: dict[str, int] = {}
        self.turned_away = 0
        self.port = 0
        self.connected = False
        self._tls = tls
        self._clock = clock
        self._requests = Requests(
            settings.rated_kw, settings.rated_kvar, settings.timeout_s, clock()
        )
        self._judge = CommandJudge(points, self._requests)
        self._changes = Changes()
        self._shown = 0
        self._view = CentreView(time_ms=0)
        self._opened: asyncio.Future[str] | None = None
        child = Child(
            *("centre", _NAME, "station.iec104.worker"), most_bytes=wire.MAX_MESSAGE_BYTES
        )
        self._process = WatchedProcess(child, self, timing or HostTiming(start=_START_S))

    async def start(self) -> None:
        """Start the process and wait until it listens.

        Raises:
            CentreUnavailable: the address or a file of TLS cannot be used, or the library is
                not installed.
        """
        self._opened = asyncio.get_running_loop().create_future()
        self._process.start()
        problem = await self._opened
        if problem:
            await self._process.close()
            raise CentreUnavailable(self.settings.host, self.settings.port, problem)

    async def close(self) -> None:
        """Close the port and all connections."""
        await self._process.close()
        self.port, self.connected = 0, False

    @property
    def restarts(self) -> int:
        """How many times the process was replaced."""
        return self._process.restarts

    @property
    def pid(self) -> int | None:
        """Process id of the process of the moment, None between two."""
        return self._process.pid

    @property
    def lost(self) -> bool:
        """Whether the centre's sign of life has stayed away for too long."""
        return self._requests.lost(self._clock())

    @property
    def device_signals(self) -> frozenset[tuple[str, str]]:
        """Device and signal of every point that is not the station's own."""
        return frozenset((p.device, p.signal) for p in self.points.monitored if p.device)

    def request(self) -> CentreRequest | None:
        """Return what the centre asks for; None when it has asked nothing or is lost."""
        return self._requests.request(self._clock())

    def show(
        self, view: CentreView, signals: Mapping[tuple[str, str], PointValue] | None = None
    ) -> None:
        """Let the centre see the station as it is now.

        Args:
            view: what the station shows of itself.
            signals: values of `device_signals`; one that is missing is not known.
        """
        self._view = view
        self._shown = (self._shown + 1) % _HEARTBEATS
        rows = list(self._rows(view, signals or {}))
        self._process.send(wire.encode(wire.Values(rows)))

    def _rows(
        self, view: CentreView, signals: Mapping[tuple[str, str], PointValue]
    ) -> Iterator[tuple[int, float, int, int, bool]]:
        own = self._own_values(view)
        unknown = PointValue(0.0, Quality.MISSING, view.time_ms, stale=True)
        for point in self.points.monitored:
            if point.device:
                told = signals.get((point.device, point.signal), unknown)
            else:
                told = PointValue(own[point.signal], Quality.GOOD, view.time_ms, stale=False)
            yield self._row(point, told)

    def _row(self, point: MonitorPoint, told: PointValue) -> tuple[int, float, int, int, bool]:
        value, flags = to_wire(told.value, point.form, point.scale, told.quality, stale=told.stale)
        news = self._changes.is_news(point.ioa, value, flags, point.deadband / abs(point.scale))
        return point.ioa, value, int(flags), told.time_ms, news

    def _own_values(self, view: CentreView) -> dict[str, float]:
        lost = self.lost
        state = CentreState.LOST if lost and view.state is not CentreState.OFF else view.state
        return {
            **{name: float(value) for name, value in vars(view).items()},
            "state": float(state),
            "following": float(state in _FOLLOWS),
            "lost": float(lost),
            "refusal": float(self._requests.refusal),
            "centre_heartbeat": float(self._requests.registers.heartbeat),
            "station_heartbeat": float(self._shown),
        }

    def greeting(self) -> bytes:
        """Return what the process must know."""
        where, points, tls = self.settings, self.points, self._tls
        setup = wire.Setup(
            host=where.host,
            port=self.port or where.port,
            common_address=points.common_address,
            timezone=points.timezone,
            select_timeout_ms=round(points.select_timeout_s * 1000),
            silence_s=where.timeout_s,
            monitored=[(p.ioa, p.type) for p in points.monitored],
            controls=[(p.ioa, p.type, p.select) for p in points.controls.values()],
            certificate=tls.certificate if tls else "",
            key=tls.key if tls else "",
            authority=tls.authority if tls else "",
        )
        return wire.encode(setup)

    def farewell(self) -> bytes:
        """Return the request to end."""
        return wire.encode(wire.Close())

    def hear(self, frame: bytes) -> str:
        """Take what the process tells and answer what it asks.

        Raises:
            WireError: it is not what was agreed.
        """
        match wire.decode(frame):
            case wire.Opened(port):
                self.port = port
                self._changes.forget()
                self._settle("")
                self._process.settled()
                log.info("event=centre_open host=%s port=%d", self.settings.host, port)
            case wire.Failed(reason):
                self._settle(reason)
                return reason
            case wire.Beat(connected):
                self._note_link(connected=connected)
            case wire.Ask() as ask:
                verdict = wire.Verdict(ask.id, self._grants(ask))
                self._process.send(wire.encode(verdict))
            case wire.Declined(ioa):
                self._refuse(Refusal.NO_SUCH_REGISTER if ioa else Refusal.NOT_SELECTED, ioa)
            case other:
                raise WireError(f"the process of a centre sends no {type(other).__name__}")
        return ""

    def mourn(self, reason: str) -> None:
        """Note that nobody can be connected."""
        self.connected = False
        self._settle(reason)

    def _settle(self, problem: str) -> None:
        if self._opened is not None and not self._opened.done():
            self._opened.set_result(problem)

    def _note_link(self, *, connected: bool) -> None:
        if connected != self.connected:
            log.info("event=%s", "centre_connected" if connected else "centre_disconnected")
        self.connected = connected
        if connected and self.points.sign_of_life is SignOfLife.LINK:
            now_s = self._clock()
            self._requests.lost(now_s)  # a request that was lost stays lost
            self._requests.hear(now_s)

    def _grants(self, ask: wire.Ask) -> bool:
        match ask.subject:
            case wire.Subject.CONNECT:
                return self._admits(ask.peer)
            case wire.Subject.COMMAND:
                return self._takes(ask)
            case wire.Subject.CLOCK:
                return self._agrees(ask.time_ms or 0)
            case other:
                raise WireError(f"nobody agreed on asking about {other}")

    def _admits(self, peer: str) -> bool:
        try:
            address = plain_address(peer)
        except ValueError:
            return False
        if any(address in network for network in self.settings.allow):
            return True
        self.turned_away += 1
        log.warning("event=centre_turned_away peer=%s reason=not_listed", ip_address(address))
        return False

    def _takes(self, ask: wire.Ask) -> bool:
        refusal = self._judge.judge(
            ask.ioa,
            ask.value,
            ask.time_ms,
            now_s=self._clock(),
            now_ms=now_ms(),
            measured=Measured(self._view.power_kw, self._view.reactive_kvar),
        )
        if refusal is Refusal.NONE:
            return True
        self._refuse(refusal, ask.ioa)
        return False

    def _agrees(self, centre_ms: int) -> bool:
        """Whether the centre's clock is ours; the station takes its time from elsewhere."""
        if abs(now_ms() - centre_ms) <= self.points.clock_tolerance_s * 1000:
            return True
        self._refuse(Refusal.CLOCK_DIFFERS, 0)
        return False

    def _refuse(self, refusal: Refusal, ioa: int) -> None:
        name = refusal.name.lower()
        self._requests.refusal = refusal
        if name not in self.refused:
            log.warning("event=centre_command_refused reason=%s ioa=%d", name, ioa)
        self.refused[name] = self.refused.get(name, 0) + 1
