"""400 devices of 1000 registers a second through the driver: its load, its ticks, and one dead.

390 devices have a server of their own; ten share one, as behind a gateway. A meter's fast lane
of 50 ms runs beside them. Then one lone device and one behind the gateway fall silent and come
back; how much later their neighbours are read is taken against each neighbour's own median.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench._acquisition_rows import Rows, cpu_s, row
from bench._acquisition_server import Servers, serving
from station.protocols.driver import (
    DeviceSpec,
    DeviceStatus,
    FastHealth,
    MissedReading,
    Publication,
    Reading,
)
from station.protocols.modbus.driver import ModbusDriver
from station.realtime import ask_for_priority, spare_the_collector

_DEVICES, _BEHIND_GATEWAY = 400, 10
_CELLS = 499
_BLOCKS, _COUNT = 8, 125
_WARM_S, _SECONDS, _DEAD_S, _BACK_S = 4.0, 15.0, 12.0, 10.0
_METER = "METER"
_REALTIME = 10
_CORE_PCT, _LATE_MS, _BACK_TARGET_S = 30.0, 100.0, 5.0

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


@dataclass
class _Heard:
    """What the driver published."""

    readings: list[Reading] = field(default_factory=list)
    statuses: list[DeviceStatus] = field(default_factory=list)
    missed: list[MissedReading] = field(default_factory=list)
    fast: FastHealth | None = None

    def __call__(self, publication: Publication) -> None:
        match publication:
            case Reading():
                # Values are not kept: fifteen seconds of them are gigabytes of arrays.
                late = Reading(
                    publication.device, publication.layout, publication.time_ms,
                    publication.received_ms, (), publication.quality[:0],
                )  # fmt: skip
                self.readings.append(late)
            case DeviceStatus():
                self.statuses.append(publication)
            case MissedReading():
                self.missed.append(publication)
            case FastHealth():
                self.fast = publication
            case _:
                pass


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
            *(_spec(f"G{unit}", profile, gateway, unit) for unit in range(1, _BEHIND_GATEWAY + 1)),
            DeviceSpec(_METER, "meter.toml", "127.0.0.1", meter),
        ]
        return asyncio.run(_measure(specs, servers))


def _spec(device: str, profile: Path, port: int, unit: int) -> DeviceSpec:
    return DeviceSpec(device, str(profile), "127.0.0.1", port, unit)


async def _measure(specs: Sequence[DeviceSpec], servers: Servers) -> Rows:
    heard = _Heard()
    driver = ModbusDriver(specs, {})
    spare_the_collector()
    task = asyncio.create_task(driver.run(heard))
    await asyncio.sleep(_WARM_S)
    before = _fast_missed(driver)
    begin_s, begin_ms = cpu_s(), _now_ms()
    await asyncio.sleep(_SECONDS)
    load = (cpu_s() - begin_s) / ((_now_ms() - begin_ms) / 1000) * 100
    sound_ms = _now_ms()
    fast_missed = _fast_missed(driver) - before
    dead = [specs[0], specs[_DEVICES - _BEHIND_GATEWAY // 2]]
    for spec in dead:
        servers.silence(spec.port, spec.unit)
    dead_ms = _now_ms()
    await asyncio.sleep(_DEAD_S)
    for spec in dead:
        servers.wake(spec.port, spec.unit)
    woken_ms = _now_ms()
    await asyncio.sleep(_BACK_S)
    await driver.close()
    with suppress(asyncio.CancelledError):
        await task
    windows = _Windows(begin_ms, sound_ms, dead_ms, woken_ms)
    return [
        row("modbus_core_pct_400x1000", load, "% of a core", _CORE_PCT),
        *_tick_rows(heard, specs, windows),
        row("missed_fast_polls", fast_missed, "polls", 0),
        *_dead_rows(heard, {spec.device for spec in dead}, windows),
    ]


def _fast_missed(driver: ModbusDriver) -> int:
    return sum(lane.missed for lane in driver.fast_lanes)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class _Windows:
    """When the sound run began and ended, when two fell silent, and when they came back."""

    begin_ms: int
    sound_ms: int
    dead_ms: int
    woken_ms: int


def _tick_rows(heard: _Heard, specs: Sequence[DeviceSpec], windows: _Windows) -> Rows:
    lateness: list[int] = []
    missed = 0
    times = defaultdict(list)
    for reading in _between(heard, windows.begin_ms, windows.sound_ms):
        lateness.append(reading.received_ms - reading.time_ms)
        times[reading.device].append(reading.time_ms)
    for spec in specs:
        ticks = times[spec.device]
        missed += (ticks[-1] - ticks[0]) // 1000 + 1 - len(ticks) if ticks else int(_SECONDS)
    return [
        row("modbus_tick_to_reading_p50_ms", float(np.percentile(lateness, 50)), "ms"),
        row("modbus_tick_to_reading_p99_ms", float(np.percentile(lateness, 99)), "ms", 1000),
        row("modbus_ticks_missed", missed, "ticks", 0),
    ]


def _between(heard: _Heard, begin_ms: int, end_ms: int) -> Iterator[Reading]:
    return (one for one in heard.readings if begin_ms <= one.received_ms < end_ms)


def _dead_rows(heard: _Heard, dead: set[str], windows: _Windows) -> Rows:
    """Compare the neighbours with themselves before; tell when the silent were told and back."""
    own: dict[str, list[int]] = defaultdict(list)
    for one in _between(heard, windows.begin_ms, windows.sound_ms):
        own[one.device].append(one.received_ms - one.time_ms)
    usual = {device: statistics.median(values) for device, values in own.items()}

    def delays(begin_ms: int, end_ms: int, *, gateway: bool) -> list[float]:
        return [
            one.received_ms - one.time_ms - usual[one.device]
            for one in _between(heard, begin_ms, end_ms)
            if one.device in usual
            and one.device not in dead
            and one.device.startswith("G") == gateway
        ]

    alone = delays(windows.dead_ms, windows.woken_ms, gateway=False)
    together = delays(windows.dead_ms, windows.woken_ms, gateway=True)
    sound = [
        *delays(windows.begin_ms, windows.sound_ms, gateway=False),
        *delays(windows.begin_ms, windows.sound_ms, gateway=True),
    ]
    delay_ms = max(float(np.percentile(found, 99)) for found in (alone, together))
    peers = {
        "none dead": float(np.percentile(sound, 99)),
        "other lines": float(np.percentile(alone, 99)),
        "same line, p50": statistics.median(together),
        "latest of all": max(*alone, *together),
    }
    told = [
        (one.since_ms - windows.dead_ms) / 1000
        for one in heard.statuses
        if one.device in dead and not one.connected and one.since_ms >= windows.dead_ms
    ]
    back = [
        min(
            (
                (one.received_ms - windows.woken_ms) / 1000
                for one in heard.readings
                if one.device == device and one.received_ms >= windows.woken_ms
            ),
            default=_BACK_S,
        )
        for device in dead
    ]
    return [
        row("dead_device_delay_ms", delay_ms, "ms", _LATE_MS, peers=peers),
        row("dead_device_told_s", max(told, default=_DEAD_S), "s", _BACK_TARGET_S),
        row("dead_device_back_s", max(back), "s", _BACK_TARGET_S),
    ]
