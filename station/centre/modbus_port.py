"""The dispatch centre over Modbus TCP: the station is the server, the centre the client.

It writes what it asks for and reads how the station is; each reply is one picture.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pymodbus.constants import ExcCodes
from pymodbus.simulator import DataType, SimData, SimDevice

from station.centre import requests, table
from station.centre.errors import CentreUnavailable
from station.centre.guarded_server import GuardedServer
from station.centre.port import CentreRequest, CentreView, PointValue, PortSettings
from station.centre.requests import Refusal, Requests
from station.clock import now_ms

log = logging.getLogger(__name__)

_ANY_UNIT = 0
_READ_INPUT = 4


@dataclass
class PortCounts:
    """What has happened at the port since it was opened."""

    writes: int = 0
    refused: dict[str, int] = field(default_factory=dict)


class ModbusCentre:
    """The port of the dispatch centre as a Modbus TCP server in the event loop."""

    def __init__(self, settings: PortSettings, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare; `start` opens it.

        Args:
            settings: where and for whom.
            clock: monotonic seconds; the age of the heartbeat is measured on it.
        """
        self.settings = settings
        self.counts = PortCounts()
        self._clock = clock
        self._requests = Requests(
            settings.rated_kw, settings.rated_kvar, settings.timeout_s, clock()
        )
        self._view: CentreView | None = None
        self._shown = 0
        self._server: GuardedServer | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            CentreUnavailable: the address is taken or not ours.
        """
        where = self.settings
        server = GuardedServer(self._device(), where.host, where.port, where.allow, where.timeout_s)
        try:
            await server.open()
        except RuntimeError as error:
            raise CentreUnavailable(where.host, where.port, "it is in use or not ours") from error
        self._server = server
        log.info("event=centre_open host=%s port=%d", self.settings.host, self.port)

    async def close(self) -> None:
        """Close the port and all connections."""
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]
            self._server = None

    @property
    def port(self) -> int:
        """The port in use, 0 while it is closed."""
        return 0 if self._server is None else self._server.port

    @property
    def connected(self) -> bool:
        """Whether the centre has a connection at the moment."""
        return self._server is not None and self._server.guest is not None

    @property
    def refused(self) -> Mapping[str, int]:
        """How often something was refused, by reason."""
        return self.counts.refused

    @property
    def restarts(self) -> int:
        """How many times its process was replaced: it has none of its own."""
        return 0

    @property
    def device_signals(self) -> frozenset[tuple[str, str]]:
        """The registers show what the station tells of itself, and no device."""
        return frozenset()

    @property
    def turned_away(self) -> int:
        """Clients that were not let in since the port was opened."""
        return 0 if self._server is None else self._server.turned_away

    @property
    def lost(self) -> bool:
        """Whether the centre's heartbeat has stayed away for too long."""
        return self._requests.lost(self._clock())

    def request(self) -> CentreRequest | None:
        """Return what the centre asks for; None when it has asked nothing or is lost."""
        return self._requests.request(self._clock())

    def show(
        self, view: CentreView, signals: Mapping[tuple[str, str], PointValue] | None = None
    ) -> None:
        """Let the centre see the station as it is now."""
        del signals
        self._view = view
        self._shown += 1

    def _device(self) -> SimDevice:
        """Return the register map as the library wants it; `_access` gives it its content."""
        no_bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS, readonly=True)]
        holding = [SimData(0, count=requests.SIZE, datatype=DataType.REGISTERS)]
        inputs = [SimData(0, count=table.SIZE, datatype=DataType.REGISTERS, readonly=True)]
        return SimDevice(
            _ANY_UNIT, simdata=(no_bits, list(no_bits), holding, inputs), action=self._access
        )

    async def _access(
        self,
        function: int,
        _start: int,
        address: int,
        _count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Fill registers before they are read; judge writes before they are taken."""
        if values is not None:
            return self._write(address, [int(value) for value in values])
        if function == _READ_INPUT:
            registers[: table.SIZE] = table.view_words(
                self._view,
                refusal=self._requests.refusal,
                heartbeat=self._requests.registers.heartbeat,
                shown=self._shown,
                lost=self.lost,
            )
        else:
            self._requests.lost(self._clock())
            registers[: requests.SIZE] = self._requests.registers.words()
        return None

    def _write(self, address: int, values: list[int]) -> ExcCodes | None:
        self.counts.writes += 1
        refusal = self._requests.write(address, values, self._clock(), now_ms())
        if refusal is Refusal.NONE:
            return None
        name = refusal.name.lower()
        if name not in self.counts.refused:
            log.warning("event=centre_write_refused reason=%s address=%d", name, address)
        self.counts.refused[name] = self.counts.refused.get(name, 0) + 1
        if refusal is Refusal.NO_SUCH_REGISTER:
            return ExcCodes.ILLEGAL_ADDRESS
        return ExcCodes.ILLEGAL_VALUE
