"""A Modbus TCP server over register images (Modbus Application Protocol V1.1b3).

Reading a unit's device time latches the unit's image for that connection: reads that follow on
the same connection answer from the same tick until the device time is read again or the latch
is five seconds old. A device that refreshes its image within a tick shows the newest with each
reading of its time. So a reading of many blocks is one picture of the device, as battery
management systems with a snapshot register do it.

A layout counts as served once all its registers were read from one image on one connection and
the client went on with that connection: only then has the reply surely arrived.
"""

import asyncio
import contextlib
import logging
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from simulator.errors import ServerStartError
from simulator.modbus.image import Image, Table

_log = logging.getLogger(__name__)

_HEADER = struct.Struct(">HHHB")
_MAX_FRAME = 260
_MAX_REGISTERS = 125
_MAX_BITS = 2000
_MAX_WRITE = 123
_LATCH_S = 5.0
_WRITE_ONE = 6
_WRITE_MANY = 16


class Refusal(IntEnum):
    """Exception codes of the protocol."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    DEVICE_FAILURE = 4
    NO_RESPONSE_BEHIND_GATEWAY = 11


@dataclass(frozen=True)
class Span:
    """Registers [start, stop) of a table."""

    table: Table
    start: int
    stop: int


@dataclass(frozen=True)
class Served:
    """A layout of a device and the registers that make it up."""

    layout: str
    spans: tuple[Span, ...]

    def covered(self, table: Table, start: int, count: int) -> int:
        """Bit mask of the layout's registers that a read covers."""
        mask, offset = 0, 0
        for span in self.spans:
            low, high = max(start, span.start), min(start + count, span.stop)
            if span.table is table and low < high:
                mask |= ((1 << (high - low)) - 1) << (offset + low - span.start)
            offset += span.stop - span.start
        return mask

    @property
    def full(self) -> int:
        """The mask of all registers."""
        return (1 << sum(span.stop - span.start for span in self.spans)) - 1


Write = Callable[[int, Sequence[int]], Refusal | None]
OnServed = Callable[[str, str, int], None]


def refuse_writes(_address: int, _values: Sequence[int]) -> Refusal | None:
    """Refuse every write: the device takes no commands."""
    return Refusal.ILLEGAL_ADDRESS


@dataclass
class Unit:
    """One device behind the server: its image, what it serves, what may be written."""

    device: str
    image: Image
    device_time: Span
    serves: tuple[Served, ...]
    write: Write = refuse_writes
    silent: bool = False


@dataclass
class _Latch:
    image: Image
    at: float
    masks: dict[str, int] = field(default_factory=dict)


class ModbusServer:
    """One listening address with its units."""

    def __init__(self, name: str, units: dict[int, Unit], on_served: OnServed) -> None:
        self.name = name
        self.units = units
        self.silent = False
        self.on_served = on_served
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._address: tuple[str, int] = ("", 0)

    @property
    def port(self) -> int:
        """The port in use."""
        return self._address[1]

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            ServerStartError: the address is taken or not ours.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _Connection(self), host, port)
        except OSError as error:
            raise ServerStartError(self.name, host, port, error.strerror or str(error)) from error
        self._address = (host, self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the listener and all connections; `resume` opens the same port again."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self.connections):
            connection.abort()

    async def resume(self) -> None:
        """Listen again where `start` did."""
        if self._server is None:
            await self.start(*self._address)

    def publish(self, images: Iterable[tuple[int, Image]]) -> None:
        """Swap in the images of a new tick."""
        for number, image in images:
            self.units[number].image = image


class _Connection(asyncio.Protocol):
    """One client: parses requests, answers from images, notes what was served."""

    def __init__(self, server: ModbusServer) -> None:
        self._server = server
        self._buffer = b""
        self._latches: dict[int, _Latch] = {}
        self._unconfirmed: list[tuple[str, str, int]] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's contract for TCP
        self._transport = transport
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._server.connections.discard(self)

    def abort(self) -> None:
        """Drop the client without a word."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        for device, layout, tick in self._unconfirmed:
            self._server.on_served(device, layout, tick)
        self._unconfirmed.clear()
        self._buffer += data
        replies = b""
        while len(self._buffer) >= _HEADER.size:
            transaction, protocol, length, number = _HEADER.unpack_from(self._buffer)
            if protocol != 0 or not 2 <= length <= _MAX_FRAME - 6:  # noqa: PLR2004 - unit and function
                _log.warning("event=malformed_frame device=%s", self._server.name)
                self.abort()
                return
            if len(self._buffer) < 6 + length:
                break
            request = self._buffer[_HEADER.size : 6 + length]
            self._buffer = self._buffer[6 + length :]
            reply = self._answer(number, request)
            if reply is not None:
                replies += _HEADER.pack(transaction, 0, len(reply) + 1, number) + reply
        if replies and self._transport is not None and not self._transport.is_closing():
            self._transport.write(replies)

    def _answer(self, number: int, request: bytes) -> bytes | None:
        """Return the reply PDU, or None when the device stays silent."""
        unit = self._server.units.get(number)
        if self._server.silent or (unit is not None and unit.silent):
            return None
        function = request[0]
        outcome: bytes | Refusal
        if unit is None:
            outcome = Refusal.NO_RESPONSE_BEHIND_GATEWAY
        else:
            outcome = Refusal.ILLEGAL_VALUE
            with contextlib.suppress(struct.error):
                outcome = self._serve(unit, number, function, request[1:])
        if isinstance(outcome, Refusal):
            return bytes((function | 0x80, outcome))
        return bytes((function,)) + outcome

    def _serve(self, unit: Unit, number: int, function: int, body: bytes) -> bytes | Refusal:
        if function in (Table.COILS, Table.DISCRETE, Table.HOLDING, Table.INPUT):
            start, count = struct.unpack(">HH", body)
            return self._read(unit, number, Table(function), start, count)
        if function == _WRITE_ONE:
            address, value = struct.unpack(">HH", body)
            return unit.write(address, (value,)) or body
        if function == _WRITE_MANY:
            address, count, size = struct.unpack_from(">HHB", body)
            if not 1 <= count <= _MAX_WRITE or size != 2 * count:
                return Refusal.ILLEGAL_VALUE
            values = struct.unpack(f">{count}H", body[5:])
            return unit.write(address, values) or body[:4]
        return Refusal.ILLEGAL_FUNCTION

    def _read(
        self, unit: Unit, number: int, table: Table, start: int, count: int
    ) -> bytes | Refusal:
        bits = table in (Table.COILS, Table.DISCRETE)
        if not 1 <= count <= (_MAX_BITS if bits else _MAX_REGISTERS):
            return Refusal.ILLEGAL_VALUE
        latch = self._latch(unit, number, table, start, count)
        data = latch.image.find(table, start, count)
        if data is None:
            return Refusal.ILLEGAL_ADDRESS
        self._note(unit, latch, table, start, count)
        if bits:
            packed = sum(bit << k for k, bit in enumerate(data))
            data = packed.to_bytes((count + 7) // 8, "little")
        return bytes((len(data),)) + data

    def _latch(self, unit: Unit, number: int, table: Table, start: int, count: int) -> _Latch:
        now = asyncio.get_running_loop().time()
        time = unit.device_time
        reads_time = table is time.table and start <= time.start and start + count >= time.stop
        latch = self._latches.get(number)
        if latch is None or reads_time or now - latch.at > _LATCH_S:
            if latch is None or latch.image is not unit.image:
                latch = _Latch(unit.image, now)
                self._latches[number] = latch
            latch.at = now
        return latch

    def _note(self, unit: Unit, latch: _Latch, table: Table, start: int, count: int) -> None:
        for served in unit.serves:
            seen = latch.masks.get(served.layout, 0)
            now = seen | served.covered(table, start, count)
            if now != seen:
                latch.masks[served.layout] = now
                if now == served.full:
                    self._unconfirmed.append((unit.device, served.layout, latch.image.tick))
