"""A Modbus TCP server for tests, written from the specification, that can also misbehave.

It shares no code with the station or with pymodbus: MBAP header and PDUs are packed here.
"""

import asyncio
import contextlib
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

HANG = None
CLOSE = b""
"""What a behaviour may return instead of a reply's bytes."""

Behaviour = Callable[["Request", bytes], bytes | None]


@dataclass(frozen=True)
class Request:
    """One request as it came over the wire."""

    transaction: int
    unit: int
    function: int
    address: int
    count: int
    values: tuple[int, ...] = ()


def mbap(transaction: int, unit: int, pdu: bytes) -> bytes:
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


@dataclass
class Bank:
    """The registers of one unit; `clock` gives its device time at each request."""

    registers: dict[int, np.ndarray] = field(
        default_factory=lambda: {f: np.zeros(65536, np.uint16) for f in (1, 2, 3, 4)}
    )
    before_reply: Callable[["Bank", Request], None] | None = None
    size: int = 65536

    def write(self, function: int, address: int, *values: int) -> None:
        self.registers[function][address : address + len(values)] = values

    def write_u32(self, function: int, address: int, value: int, *, low_first: bool = False):
        words = [value >> 16 & 0xFFFF, value & 0xFFFF]
        self.write(function, address, *(reversed(words) if low_first else words))


def follow_wall_clock(function: int, address: int, *, low_first: bool = False):
    """Return a hook that ticks a bank's device time on each whole second."""

    def hook(bank: Bank, request: Request) -> None:
        bank.write_u32(function, address, int(time.time()), low_first=low_first)

    return hook


class ModbusServer:
    """Serves banks by unit id on a free port of the loopback interface."""

    def __init__(self, banks: Mapping[int, Bank]) -> None:
        self.banks = dict(banks)
        self.behaviour: Behaviour | None = None
        self.requests: list[Request] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def connections(self) -> int:
        """How many stand at present."""
        return len(self._writers)

    async def start(self, port: int = 0) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.close()
        await self._server.wait_closed()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                transaction, _, length = struct.unpack(">HHH", await reader.readexactly(6))
                body = await reader.readexactly(length)
                request = _parse(transaction, body)
                self.requests.append(request)
                reply = mbap(transaction, request.unit, self._answer(request))
                if self.behaviour is not None:
                    changed = self.behaviour(request, reply)
                    if changed is HANG:
                        continue
                    if changed == CLOSE:
                        break
                    reply = changed
                writer.write(reply)
                await writer.drain()
        self._writers.discard(writer)
        writer.close()

    def _answer(self, request: Request) -> bytes:
        bank = self.banks.get(request.unit)
        if bank is None:
            return bytes([request.function | 0x80, 11])
        if bank.before_reply is not None:
            bank.before_reply(bank, request)
        if request.address + request.count > bank.size:
            return bytes([request.function | 0x80, 2])
        if request.function in {1, 2}:
            bits = bank.registers[request.function][request.address :][: request.count]
            packed = np.packbits(bits.astype(bool), bitorder="little").tobytes()
            return bytes([request.function, len(packed)]) + packed
        if request.function in {3, 4}:
            words = bank.registers[request.function][request.address :][: request.count]
            data = words.astype(">u2").tobytes()
            return bytes([request.function, len(data)]) + data
        bank.write(1 if request.function in {5, 15} else 3, request.address, *request.values)
        if request.function in {5, 6}:
            value = request.values[0] * (0xFF00 if request.function == 5 else 1)
            return struct.pack(">BHH", request.function, request.address, value)
        return struct.pack(">BHH", request.function, request.address, request.count)


def _parse(transaction: int, body: bytes) -> Request:
    unit, function, address, last = struct.unpack_from(">BBHH", body)
    if function in {5, 6}:
        return Request(
            transaction, unit, function, address, 1, (int(last > 0) if function == 5 else last,)
        )
    if function == 16:
        return Request(
            transaction, unit, function, address, last, struct.unpack(f">{last}H", body[7:])
        )
    if function == 15:
        bits = np.unpackbits(np.frombuffer(body[7:], np.uint8), bitorder="little")[:last]
        return Request(transaction, unit, function, address, last, tuple(int(b) for b in bits))
    return Request(transaction, unit, function, address, last)
