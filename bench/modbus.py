"""Reading racks over Modbus TCP: what a request, a decoded rack and a whole plant cost.

A server in a process of its own answers as the BMS of ten racks with 416 cells does; two of
them make the default plant. The driver runs here, so processor time is the driver's alone.
Peer figures come from the same run: pymodbus without our checks, and its own value conversion.
"""

import asyncio
import multiprocessing
import resource
import statistics
import struct
import time
from multiprocessing.connection import Connection as Pipe
from typing import Any

import numpy as np
from pymodbus.client import AsyncModbusTcpClient

from station.protocols.driver import DeviceSpec, Publication, Reading
from station.protocols.modbus import profile as profiles
from station.protocols.modbus.client import Connection
from station.protocols.modbus.decode import LayoutDecoder
from station.protocols.modbus.driver import ModbusDriver
from station.protocols.modbus.plan import plan_for
from station.protocols.modbus.profile import Space

_CELLS = 416
_REQUESTS = 2000
_DECODES = 300
_RACKS, _SERVERS, _SECONDS = 10, 2, 10
_PROFILE = f"bms-{_CELLS}.toml"
_CELL_LAYOUT = f"rack.cells/{_CELLS}"
_STATE_AT, _CELLS_AT, _UNIT_AT, _VOLTAGES_AT, _TEMPERATURES_AT = 3, 27, 29, 1000, 2000
"""Input registers of the profile that the servers fill."""

Row = dict[str, Any]


def run() -> list[Row]:
    """Measure and return the rows; takes about twenty seconds."""
    context = multiprocessing.get_context("spawn")
    servers, ports = [], []
    for _ in range(_SERVERS):
        ours, theirs = context.Pipe()
        server = context.Process(target=_serve, args=(theirs,), daemon=True)
        server.start()
        servers.append(server)
        ports.append(int(ours.recv()))
    try:
        return [*_decoding(), *asyncio.run(_requests(ports[0])), *asyncio.run(_plant(ports))]
    finally:
        for server in servers:
            server.terminate()


def _row(  # noqa: PLR0917 - the columns of the table
    name: str, value: float, unit: str, better: str, target: float | None, peers: dict[str, float]
) -> Row:
    figures = {peer: round(figure, 1) for peer, figure in peers.items()}
    return {
        "name": name,
        "value": round(value, 1),
        "unit": unit,
        "better": better,
        "target": target,
        "peers": figures,
    }


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _decoding() -> list[Row]:
    """Decode the cells of one rack, against pymodbus's conversion of the same registers."""
    profile = profiles.load(_PROFILE)
    plan = plan_for(profile)
    decoder = LayoutDecoder(profile, plan, _CELL_LAYOUT, profile.layout_points()[_CELL_LAYOUT])
    registers = np.full(plan.size, 3300, np.uint16)
    begin = _cpu_s()
    for _ in range(_DECODES):
        decoder.decode(registers)
    ours = (_cpu_s() - begin) / _DECODES * 1e6
    client, kind = AsyncModbusTcpClient, AsyncModbusTcpClient.DATATYPE.INT16
    words = [3300] * (2 * _CELLS)
    begin = _cpu_s()
    for _ in range(_DECODES):
        client.convert_from_registers(words, kind)
    peer = (_cpu_s() - begin) / _DECODES * 1e6
    name = f"decode {2 * _CELLS} cell values with quality"
    return [_row(name, ours, "us", "less", None, {"pymodbus convert, no quality": peer})]


async def _requests(port: int) -> list[Row]:
    """Read 125 registers with all our checks, against pymodbus alone."""
    connection = Connection("127.0.0.1", port)
    await connection.connect(1.0)
    begin = _cpu_s()
    for _ in range(_REQUESTS):
        await connection.read(1, Space.INPUT, 1000, 125, 1.0)
    ours = (_cpu_s() - begin) / _REQUESTS * 1e6
    connection.close()
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    begin = _cpu_s()
    for _ in range(_REQUESTS):
        reply = await client.read_input_registers(1000, count=125, device_id=1)
        if reply.isError():
            raise ConnectionError(f"pymodbus read no 125 registers: {reply}")
    peer = (_cpu_s() - begin) / _REQUESTS * 1e6
    client.close()
    name = "read 125 registers, processor time"
    return [_row(name, ours, "us", "less", None, {"pymodbus, unchecked": peer})]


async def _plant(ports: list[int]) -> list[Row]:
    """Read the racks of a whole plant once a second."""
    specs = [
        DeviceSpec(f"C{server}-R{unit:02}", _PROFILE, "127.0.0.1", port, unit)
        for server, port in enumerate(ports, 1)
        for unit in range(1, _RACKS + 1)
    ]
    readings: list[Reading] = []

    def publish(publication: Publication) -> None:
        if isinstance(publication, Reading):
            readings.append(publication)

    driver = ModbusDriver(specs, {})
    begin, begin_s = _cpu_s(), time.monotonic()
    task = asyncio.create_task(driver.run(publish))
    await asyncio.sleep(_SECONDS)
    load = (_cpu_s() - begin) / (time.monotonic() - begin_s) * 100
    await driver.close()
    await task
    cells = [r for r in readings if r.layout == _CELL_LAYOUT]
    ages = [r.received_ms - r.time_ms for r in cells]
    missed = sum(_missed([r.time_ms for r in cells if r.device == s.device]) for s in specs)
    quantiles = statistics.quantiles(ages, n=100)
    plant = f"{len(specs)} racks of {_CELLS} cells each second"
    return [
        _row(f"{plant}: processor", load, "% of a core", "less", 15.0, {}),
        _row(f"{plant}: tick to last cell, p50", quantiles[49], "ms", "less", None, {}),
        _row(f"{plant}: tick to last cell, p99", quantiles[98], "ms", "less", 1000.0, {}),
        _row(f"{plant}: ticks missed", missed, "ticks", "less", 0.0, {}),
    ]


def _missed(times_ms: list[int]) -> int:
    """Return how many seconds lie unread between a rack's first and last reading; all without."""
    if not times_ms:
        return _SECONDS
    return (times_ms[-1] - times_ms[0]) // 1000 + 1 - len(times_ms)


class _Bms(asyncio.Protocol):
    """Answers reads of input registers as a BMS does; the device time is the clock's second."""

    def __init__(self, bank: "np.ndarray[Any, np.dtype[np.uint16]]") -> None:
        self._bank = bank
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for the replies."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request; each is twelve bytes long."""
        data = self._rest + data
        while len(data) >= 12:
            transaction, _, _, unit, function, address, count = struct.unpack(">HHHBBHH", data[:12])
            data = data[12:]
            second = int(time.time())
            self._bank[:2] = second >> 16, second & 0xFFFF
            self._bank[_UNIT_AT] = unit
            words = self._bank[address : address + count].astype(">u2").tobytes()
            head = struct.pack(
                ">HHHBBB", transaction, 0, len(words) + 3, unit, function, len(words)
            )
            self._transport.write(head + words)  # type: ignore[attr-defined]
        self._rest = data


async def begin_racks() -> asyncio.Server:
    """Return a server on a free port; every unit is a rack of the profile that ships."""
    bank = np.zeros(4096, np.uint16)
    bank[_STATE_AT], bank[_CELLS_AT] = 1, _CELLS
    bank[_VOLTAGES_AT : _VOLTAGES_AT + _CELLS] = 3300
    bank[_TEMPERATURES_AT : _TEMPERATURES_AT + _CELLS] = 250
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: _Bms(bank), "127.0.0.1", 0)


def _serve(pipe: Pipe) -> None:
    """Serve for ever in a process of its own; tell the port first."""

    async def forever() -> None:
        server = await begin_racks()
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(forever())
