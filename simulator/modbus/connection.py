"""One client of a Modbus server: its requests are parsed, answered from images, and noted.

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
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from simulator.modbus.image import Image, Table
from simulator.modbus.mischief import SOUND, Mischief, Outbox, spoiled
from simulator.modbus.unit import OnServed, Refusal, Unit

_log = logging.getLogger(__name__)

_HEADER = struct.Struct(">HHHB")
_MAX_FRAME = 260
_MAX_REGISTERS = 125
_MAX_BITS = 2000
_MAX_WRITE = 123
_LATCH_S = 5.0
_NO_LINGER = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing the socket resets the connection."""
_WRITE_ONE = 6
_WRITE_MANY = 16


@dataclass
class Address:
    """What all connections to one listening address share.

    Attributes:
        name: tag of the server.
        units: the devices behind it, by unit id.
        on_served: told device, layout and tick of what was read out in full.
        silent: nobody behind it answers.
        loses_peers: what is accepted from now on hears nothing.
        connections: those that stand.
    """

    name: str
    units: Mapping[int, Unit]
    on_served: OnServed
    silent: bool = False
    loses_peers: bool = False
    connections: "set[Connection]" = field(default_factory=set)


@dataclass
class _Latch:
    image: Image
    at: float
    masks: dict[str, int] = field(default_factory=dict)


class Connection(asyncio.Protocol):
    """The connection of one client."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._buffer = b""
        self._latches: dict[int, _Latch] = {}
        self._unconfirmed: list[tuple[str, str, int]] = []
        self._transport: asyncio.Transport | None = None
        self._outbox = Outbox(self._write)
        self.deaf = address.loses_peers
        """Whether it hears nothing, as when the other side vanished without a word."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's contract for TCP
        self._transport = transport
        self._address.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        del exc
        self._outbox.forget()
        self._address.connections.discard(self)

    def abort(self) -> None:
        """Drop the client without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _reset(self) -> None:
        """End the connection with a reset instead of an orderly end."""
        if self._transport is not None:
            plug: socket.socket = self._transport.get_extra_info("socket")
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self._transport.abort()

    def _write(self, frame: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)

    def data_received(self, data: bytes) -> None:
        """Answer the requests that are whole; keep the rest until more comes."""
        if self.deaf:
            return
        for device, layout, tick in self._unconfirmed:
            self._address.on_served(device, layout, tick)
        self._unconfirmed.clear()
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            transaction, protocol, length, number = _HEADER.unpack_from(self._buffer)
            if protocol != 0 or not 2 <= length <= _MAX_FRAME - 6:  # noqa: PLR2004 - unit and function
                _log.warning("event=malformed_frame device=%s", self._address.name)
                self.abort()
                return
            if len(self._buffer) < 6 + length:
                break
            request = self._buffer[_HEADER.size : 6 + length]
            self._buffer = self._buffer[6 + length :]
            unit = self._address.units.get(number)
            if unit is not None and unit.mischief != SOUND:
                self._misbehave(unit.mischief, transaction, number, request)
                continue
            reply = self._answer(number, request)
            if reply is not None:
                frame = _HEADER.pack(transaction, 0, len(reply) + 1, number) + reply
                self._outbox.send(frame)
        self._outbox.flush()

    def _misbehave(self, mischief: Mischief, transaction: int, number: int, request: bytes) -> None:
        if mischief.resets:
            self._reset()
            return
        if mischief.other_unit:
            others = sorted(self._address.units)
            number = others[(others.index(number) + 1) % len(others)]
        reply = self._answer(number, request)
        if reply is not None:
            frame = spoiled(mischief, transaction, number, reply)
            self._outbox.send(frame, mischief.delay_s)

    def _answer(self, number: int, request: bytes) -> bytes | None:
        """Return the reply PDU, or None when the device stays silent."""
        unit = self._address.units.get(number)
        if self._address.silent or (unit is not None and unit.silent):
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
            image = unit.image if unit.stand_in is None else unit.stand_in.image
            if latch is None or latch.image is not image:
                latch = _Latch(image, now)
                self._latches[number] = latch
            latch.at = now
        return latch

    def _note(self, unit: Unit, latch: _Latch, table: Table, start: int, count: int) -> None:
        if unit.stand_in is not None:
            return
        for served in unit.serves:
            seen = latch.masks.get(served.layout, 0)
            now = seen | served.covered(table, start, count)
            if now != seen:
                latch.masks[served.layout] = now
                if now == served.full:
                    self._unconfirmed.append((unit.device, served.layout, latch.image.tick))
