"""Reading over Modbus TCP: what a request costs beside libmodbus and pymodbus."""

import asyncio
import statistics
import sys
from collections.abc import Callable

import numpy as np
from pymodbus.client import AsyncModbusTcpClient

from bench._acquisition_libmodbus import Libmodbus, NoLibmodbusError
from bench._acquisition_racks import run_rows as rack_rows
from bench._acquisition_rows import Rows, cpu_s, row
from bench._acquisition_server import serving
from station.protocols.modbus.client import Connection
from station.protocols.modbus.mbap import reading
from station.protocols.modbus.profile import Space

_COUNT = 125
_BLOCKS = 8
"""Questions of one device: 1000 registers."""
_READS = 2000
_ROUNDS = 5
_UNIT = 1
_TIMEOUT_S = 1.0
_PIPELINED = 8
_TIMES_LIBMODBUS = 2.5


def run_rows() -> Rows:
    """Measure and return the rows; takes about a minute."""
    return [*_read_rows(), *rack_rows()]


def _read_rows() -> Rows:
    """Read 125 registers again and again from one server, each client in turn, several rounds."""
    costs: dict[str, list[float]] = {}
    with serving(1, []) as servers:
        port = servers.ports[0]
        ways: dict[str, Callable[[], float]] = {
            "a device's blocks in turn": lambda: asyncio.run(_ours(port, 1)),
            "pipelined": lambda: asyncio.run(_ours(port, _PIPELINED)),
            "each read awaited": lambda: asyncio.run(_ours_singly(port)),
            "libmodbus": lambda: _libmodbus(port),
            "pymodbus": lambda: asyncio.run(_pymodbus(port)),
        }
        for _ in range(_ROUNDS):
            for way, measure in list(ways.items()):
                try:
                    costs.setdefault(way, []).append(measure())
                except NoLibmodbusError as error:
                    print(f"no acquisition.read_cost_vs_libmodbus: {error}", file=sys.stderr)
                    del ways[way]
    us = {way: statistics.median(costs[way]) for way in ways}
    ours = us.pop("a device's blocks in turn")
    rows = [row("read_cost_us", ours, "us", peers=us)]
    if "libmodbus" in us:
        ratios = {way: cost / us["libmodbus"] for way, cost in us.items() if way != "libmodbus"}
        value = ours / us["libmodbus"]
        rows.insert(
            0,
            row("read_cost_vs_libmodbus", value, "x libmodbus", _TIMES_LIBMODBUS, peers=ratios),
        )
    return rows


async def _ours(port: int, in_flight: int) -> float:
    """Return the cost of a read in us, asked as the driver asks one device."""
    connection = Connection("127.0.0.1", port, in_flight=in_flight)
    await connection.connect(_TIMEOUT_S)
    registers = np.zeros(_COUNT * _BLOCKS, np.uint16)
    questions = [
        reading(_UNIT, Space.INPUT, number * _COUNT, _COUNT, number * _COUNT)
        for number in range(_BLOCKS)
    ]
    begin_s = cpu_s()
    for _ in range(_READS // _BLOCKS):
        await connection.ask(questions, registers, _TIMEOUT_S)
    used_s = cpu_s() - begin_s
    connection.close()
    return used_s / (_READS // _BLOCKS * _BLOCKS) * 1e6


async def _ours_singly(port: int) -> float:
    connection = Connection("127.0.0.1", port)
    await connection.connect(_TIMEOUT_S)
    begin_s = cpu_s()
    for _ in range(_READS):
        await connection.read(_UNIT, Space.INPUT, 0, _COUNT, _TIMEOUT_S)
    used_s = cpu_s() - begin_s
    connection.close()
    return used_s / _READS * 1e6


async def _pymodbus(port: int) -> float:
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    begin_s = cpu_s()
    for _ in range(_READS):
        reply = await client.read_input_registers(0, count=_COUNT, device_id=_UNIT)
        if reply.isError():
            raise ConnectionError(f"pymodbus read no {_COUNT} registers: {reply}")
    used_s = cpu_s() - begin_s
    client.close()
    return used_s / _READS * 1e6


def _libmodbus(port: int) -> float:
    client = Libmodbus(port)
    begin_s = cpu_s()
    client.read(0, _COUNT, _READS)
    used_s = cpu_s() - begin_s
    client.close()
    return used_s / _READS * 1e6
