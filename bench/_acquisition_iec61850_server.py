"""IEC 61850 devices to be measured against: servers in a process of its own, ticked there."""

import itertools
import multiprocessing
import resource
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

from simulator.config import DATA
from simulator.iec61850 import library as lib61850
from simulator.iec61850.icd import icd
from simulator.iec61850.model import ServerModel
from simulator.iec61850.pump import PUMP
from simulator.iec61850.server import PcsServer, PcsValues

TYPES = DATA / "profiles" / "pcs.icd"
PLACES = 100
"""Voltages, and as many temperatures, of a wide device; one report holds them all."""
WIDE_VALUES = 2 * PLACES
WIDE_DATA_SET, WIDE_BLOCK = "LLN0.dsWide", "LLN0.BR.brWide"
WIDE_DEVICE = "BMS1"
WIDE_MAPPING = f"""
title = "Cells over IEC 61850"
layout = "rack.cells/{PLACES}"
device = "{WIDE_DEVICE}"
time = "SBAT1.Vol"

[signals]
cell_voltage_v = {{ object = "SBAT{{n}}.Vol", low = 0, high = 5 }}
cell_temperature_c = {{ object = "SBAT{{n}}.Tmp", low = -40, high = 90 }}
"""
_BUFFER_BYTES = 2_000_000
_MODULUS = 997


def wide_icd() -> str:
    """Return the ICD file of a device whose one report holds many measured values."""
    nodes = {f"SBAT{n}": {"Vol": "MV", "Tmp": "MV"} for n in range(1, PLACES + 1)}
    members = [f"{node}.{name}[MX]" for name in ("Vol", "Tmp") for node in nodes]
    return icd(nodes, {"dsWide": members}, TYPES, WIDE_DEVICE)


@dataclass(frozen=True)
class Devices:
    """The process and where its devices listen."""

    ports: tuple[int, ...]
    pipe: Pipe

    def cpu_s(self) -> float:
        """Return the processor time that the process has used."""
        self.pipe.send("cpu")
        return float(self.pipe.recv())


@contextmanager
def serving(kind: str, count: int, period_s: float) -> Iterator[Devices]:
    """Run `count` devices (``pcs`` or ``wide``) that tick every `period_s` together."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, kind, count, period_s), daemon=True)
    process.start()
    try:
        yield Devices(tuple(ours.recv()), ours)
    finally:
        process.terminate()
        process.join()


class _Wide:
    """A server of a wide device, whose every value changes with each tick."""

    def __init__(self, path: Path, number: int) -> None:
        lib = self._lib = lib61850.library()
        name = f"W{number}"
        model = ServerModel(path, name)
        config = lib.IedServerConfig_create()
        lib.IedServerConfig_setReportBufferSize(config, _BUFFER_BYTES)
        self._server = lib.IedServer_createWithConfig(model.model, None, config)
        leaves = model.leaves
        self._values = [n.node for key, n in leaves.items() if key.endswith(".mag.f")]
        self._stamps = [n.node for key, n in leaves.items() if "SBAT" in key and key.endswith(".t")]

    def start(self, port: int) -> None:
        self._lib.IedServer_startThreadless(self._server, port)
        PUMP.add(self._server)

    def publish(self, at_ms: int, step: int) -> None:
        lib, server = self._lib, self._server
        lib.IedServer_lockDataModel(server)
        for node in self._stamps:
            lib.IedServer_updateUTCTimeAttributeValue(server, node, at_ms)
        for n, node in enumerate(self._values):
            lib.IedServer_updateFloatAttributeValue(server, node, 3 + (n + step) % _MODULUS / 1e3)
        lib.IedServer_unlockDataModel(server)
        PUMP.wake()


class _Pcs:
    """A converter as the virtual plant has it."""

    def __init__(self, number: int) -> None:
        self._server = PcsServer(
            f"C{number}-PCS",
            TYPES,
            f"C{number}PCS",
            1.7e6,
            ask=lambda _point, _value: None,
            accept=lambda _point, _value: None,
            deny=lambda _point, _value, _denial: None,
            on_served=lambda _tick: None,
        )
        model = self._server._model  # noqa: SLF001 - which values there are
        domain = f"C{number}PCSPCS1/"
        self._analogue = [
            key.removeprefix(domain).removesuffix(suffix)
            for key in model.leaves
            for suffix in (".cVal.mag.f", ".mag.f", ".mxVal.f")
            if key.endswith(suffix) and not key.startswith(f"{domain}ZINV1.Out")
        ]
        self._analogue = [name for name in self._analogue if not name.endswith(".cVal")]

    def start(self, port: int) -> None:
        self._server.start("127.0.0.1", port)

    def publish(self, at_ms: int, step: int) -> None:
        analogue = {name: float(40 + step % _MODULUS) for name in reversed(self._analogue)}
        boolean = {f"GGIO1.Alm{n}": False for n in range(1, 9)}
        boolean |= {"XCBR1.Loc": False, "CALH1.GrAlm": False}
        values = PcsValues(analogue, boolean, {"ZINV1.GridModSt": 2}, breaker_closed=True)
        self._server.publish(at_ms // 1000, values)


def _serve(pipe: Pipe, kind: str, count: int, period_s: float) -> None:
    """Serve for ever; tick on multiples of the period."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "wide.icd"
        path.write_text(wide_icd(), "utf-8")
        devices: list[Any] = [
            _Wide(path, n) if kind == "wide" else _Pcs(n) for n in range(1, count + 1)
        ]
        ports = [_free_port() for _ in devices]
        for device, port in zip(devices, ports, strict=True):
            device.start(port)
        pipe.send(ports)
        threading.Thread(target=_answer, args=(pipe,), daemon=True).start()
        for step in itertools.count():
            now_s = time.time()
            time.sleep(period_s - now_s % period_s)
            at_ms = round(time.time() / period_s) * round(period_s * 1000)
            for device in devices:
                device.publish(at_ms, step)


def _answer(pipe: Pipe) -> None:
    while pipe.recv():
        used = resource.getrusage(resource.RUSAGE_SELF)
        pipe.send(used.ru_utime + used.ru_stime)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
