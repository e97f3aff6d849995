"""400 devices of 1000 registers a second through the driver: its load, its ticks, and one dead.

390 devices have a server of their own; ten share one, as behind a gateway. A meter's fast lane
of 50 ms runs beside them. Then one lone device and one behind the gateway fall silent and come
back; how much later their neighbours are read is taken against each neighbour's own median.
"""

import asyncio
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bench._acquisition_rack_rows import BEHIND_GATEWAY, Heard, Windows, dead_rows, tick_rows
from bench._acquisition_rows import Rows, cpu_s, row
from bench._acquisition_server import Servers, serving
from station.clock import now_ms
from station.protocols.driver import DeviceSpec
from station.protocols.modbus.driver import ModbusDriver
from station.realtime import ask_for_priority, spare_the_collector

_DEVICES, _BEHIND_GATEWAY = 400, 10
_CELLS = 499
_BLOCKS, _COUNT = 8, 125
_WARM_S, _SECONDS, _DEAD_S, _BACK_S = 4.0, 15.0, 12.0, 10.0
_METER = "METER"
_REALTIME = 10
_CORE_PCT = 30.0

_PROFILE = f"""
title = "1000 registers"
space = "input"
[polling]
phase_s = 0.25
[time]
address = 0
type = "u32"
holds_s = 5
[layouts."rack.cells/{_CELLS}"]
cell_voltage_v = {{ address = 2, type = "u16", scale = 0.001, repeat = {_CELLS} }}
cell_temperature_c = {{ address = {2 + _CELLS}, type = "s16", scale = 0.1, repeat = {_CELLS} }}
"""


def run_rows() -> Rows:
    """Measure and return the rows; takes about a minute."""
    with _first_at_the_processor():
        return _racks()


@contextmanager
def _first_at_the_processor() -> Iterator[None]:
    """Run as a station's driver process does, so that other work on the machine shows less.

    The servers, which stand for devices with processors of their own, are begun in it, too.
    """
    ask_for_priority(_REALTIME, threads_too=True)
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _racks() -> Rows:
    lone = _DEVICES - _BEHIND_GATEWAY
    registers = [(address, 3300) for address in range(2, _BLOCKS * _COUNT)]
    with tempfile.TemporaryDirectory() as folder, serving(lone + 2, registers) as servers:
        profile = Path(folder) / "registers.toml"
        blocks = "".join(
            f"[[blocks]]\naddress = {number * _COUNT}\ncount = {_COUNT}\n"
            for number in range(_BLOCKS)
        )
        profile.write_text(_PROFILE + blocks, "utf-8")
        *ports, gateway, meter = servers.ports
        specs = [
            *(_spec(f"L{port}", profile, port, 1) for port in ports),
            *(
                _spec(f"{BEHIND_GATEWAY}{unit}", profile, gateway, unit)
                for unit in range(1, _BEHIND_GATEWAY + 1)
            ),
            DeviceSpec(_METER, "meter.toml", "127.0.0.1", meter),
        ]
        return asyncio.run(_measure(specs, servers))


def _spec(device: str, profile: Path, port: int, unit: int) -> DeviceSpec:
    return DeviceSpec(device, str(profile), "127.0.0.1", port, unit)


async def _measure(specs: Sequence[DeviceSpec], servers: Servers) -> Rows:
    heard = Heard()
    driver = ModbusDriver(specs, {})
    spare_the_collector()
    task = asyncio.create_task(driver.run(heard))
    await asyncio.sleep(_WARM_S)
    before = _fast_missed(driver)
    begin_s, begin_ms = cpu_s(), now_ms()
    await asyncio.sleep(_SECONDS)
    load = (cpu_s() - begin_s) / ((now_ms() - begin_ms) / 1000) * 100
    sound_ms = now_ms()
    fast_missed = _fast_missed(driver) - before
    dead = [specs[0], specs[_DEVICES - _BEHIND_GATEWAY // 2]]
    for spec in dead:
        servers.silence(spec.port, spec.unit)
    dead_ms = now_ms()
    await asyncio.sleep(_DEAD_S)
    for spec in dead:
        servers.wake(spec.port, spec.unit)
    woken_ms = now_ms()
    await asyncio.sleep(_BACK_S)
    end_ms = now_ms()
    await driver.close()
    with suppress(asyncio.CancelledError):
        await task
    windows = Windows(begin_ms, sound_ms, dead_ms, woken_ms, end_ms)
    devices = [spec.device for spec in specs]
    return [
        row("modbus_core_pct_400x1000", load, "% of a core", _CORE_PCT),
        *tick_rows(heard, devices, windows),
        row("missed_fast_polls", fast_missed, "polls", 0),
        *dead_rows(heard, devices, {spec.device for spec in dead}, windows),
    ]


def _fast_missed(driver: ModbusDriver) -> int:
    return sum(lane.missed for lane in driver.fast_lanes)
