"""Modbus devices to read at full speed: many ports served by one process of its own.

Each port is a device: input registers of which the first two are the clock's second (high word
first), as the device time of a rack is. Replies are made once a second for each question, so
that the server costs little beside who reads it. A device can be silenced and brought back.
"""

import asyncio
import contextlib
import multiprocessing
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess
from typing import Any

_REQUEST = struct.Struct(">HHHBBHH")
_SPACE = 8192


@dataclass
class Servers:
    """Ports that another process serves.

    Attributes:
        ports: one for each device.
    """

    ports: list[int]
    _pipe: Pipe
    _process: BaseProcess

    def silence(self, port: int, unit: int) -> None:
        """Let a unit of a port hear and not answer."""
        self._pipe.send(("silence", port, unit))
        self._pipe.recv()

    def wake(self, port: int, unit: int) -> None:
        """Let it answer again."""
        self._pipe.send(("wake", port, unit))
        self._pipe.recv()


@contextlib.contextmanager
def serving(ports: int, registers: Sequence[tuple[int, int]]) -> Iterator[Servers]:
    """Serve devices on so many free ports while the body runs.

    Args:
        ports: how many.
        registers: address and value of registers that are not 0.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, ports, list(registers)), daemon=True)
    process.start()
    try:
        yield Servers(ours.recv(), ours, process)
    finally:
        process.terminate()
        process.join()


class _Bank:
    """What all devices answer, made once a second for each question."""

    def __init__(self, registers: Sequence[tuple[int, int]]) -> None:
        self._words = [0] * _SPACE
        for address, value in registers:
            self._words[address] = value
        self._second = 0
        self._made: dict[tuple[int, int, int, int], bytes] = {}
        self.silent: set[tuple[int, int]] = set()

    def reply(self, unit: int, function: int, address: int, count: int) -> bytes:
        """Return all but the transaction number."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._words[:2] = second >> 16, second & 0xFFFF
            self._made.clear()
        key = (unit, function, address, count)
        made = self._made.get(key)
        if made is None:
            words = self._words[address : address + count]
            head = struct.pack(">HHBBB", 0, 2 * count + 3, unit, function, 2 * count)
            made = self._made[key] = head + struct.pack(f">{count}H", *words)
        return made


class _Device(asyncio.Protocol):
    """One connection to one device; every request is a read and twelve bytes long."""

    def __init__(self, bank: _Bank, port: int) -> None:
        self._bank = bank
        self._port = port
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for the replies."""
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        data = self._rest + data
        whole = len(data) // _REQUEST.size * _REQUEST.size
        replies = []
        for number, _, _, unit, function, address, count in _REQUEST.iter_unpack(data[:whole]):
            if (self._port, unit) not in self._bank.silent:
                replies.append(number.to_bytes(2))
                replies.append(self._bank.reply(unit, function, address, count))
        self._transport.write(b"".join(replies))
        self._rest = data[whole:]


def _serve(pipe: Pipe, count: int, registers: list[tuple[int, int]]) -> None:
    async def forever() -> None:
        bank, loop, ports = _Bank(registers), asyncio.get_running_loop(), []
        for _ in range(count):
            made: list[int] = []
            server = await loop.create_server(
                lambda made=made: _Device(bank, made[0]),  # type: ignore[misc]
                "127.0.0.1",
                0,
            )
            made.append(server.sockets[0].getsockname()[1])
            ports.append((made[0], server))
        loop.add_reader(pipe.fileno(), obey, bank)
        pipe.send([port for port, _ in ports])
        await asyncio.Event().wait()

    def obey(bank: _Bank) -> None:
        order, port, unit = pipe.recv()
        (bank.silent.add if order == "silence" else bank.silent.discard)((port, unit))
        pipe.send(None)

    asyncio.run(forever())
