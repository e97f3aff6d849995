"""Reading over IEC 61850: values per second of processor time, and from a change to the image.

The servers run in a process of their own. Values go through the whole driver, from the report's
bytes to a reading with scaled values and a quality for each; the peers only decode value,
quality and time, one leaf after another.
"""

import asyncio
import ctypes as c
import gc
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from bench._acquisition_iec61850_server import (
    WIDE_BLOCK,
    WIDE_DATA_SET,
    WIDE_DEVICE,
    WIDE_MAPPING,
    WIDE_VALUES,
    Devices,
    serving,
    wide_icd,
)
from bench._acquisition_rows import cpu_s, row
from station.image import ProcessImage
from station.protocols.bundle import Bundle
from station.protocols.driver import DeviceSpec, Publication, Reading
from station.protocols.host import DriverHost
from station.protocols.iec61850.connection import Association
from station.protocols.iec61850.driver import Iec61850Driver
from station.protocols.iec61850.lib import AccessError, library, to_python
from station.protocols.iec61850.services import check

_WIDE_DEVICES, _WIDE_PERIOD_S = 4, 0.02
_CONVERTERS = 40
_SETTLE_S, _SECONDS, _PEER_SECONDS = 3.0, 12.0, 4.0
_PEER_READS = 300
_CONNECT_S = 60.0

Rows = list[dict[str, Any]]


def run_rows() -> Rows:
    """Measure and return the rows; takes about forty seconds."""
    with serving("wide", _WIDE_DEVICES, _WIDE_PERIOD_S) as devices:
        values = [asyncio.run(_values_per_s(devices))]
        peers = {
            "libiec61850, leaf by leaf, without scaling": _leaf_by_leaf(devices),
            "open61850, reports, without scaling": _open61850(devices),
        }
    best = row(
        "iec61850_values_per_s",
        values[0],
        f"values/s of processor, reports of {WIDE_VALUES}",
        better="more",
        peers=peers,
    )
    with serving("pcs", _CONVERTERS, 1.0) as devices:
        return [best, *asyncio.run(_plant(devices))]


async def _values_per_s(devices: Devices) -> float:
    """Return the values in readings for each second of processor time."""
    readings: list[Reading] = []

    def publish(publication: Publication) -> None:
        if isinstance(publication, Reading):
            readings.append(publication)

    with tempfile.TemporaryDirectory() as folder:
        scl, mapping = Path(folder) / "wide.icd", Path(folder) / "wide.toml"
        scl.write_text(wide_icd(), "utf-8")
        mapping.write_text(WIDE_MAPPING, "utf-8")
        specs = [
            DeviceSpec(f"W{n}", str(scl), "127.0.0.1", port, ied=f"W{n}", mapping=str(mapping))
            for n, port in enumerate(devices.ports, 1)
        ]
        driver = Iec61850Driver(specs, {})
        task = asyncio.create_task(driver.run(publish))
        await asyncio.sleep(_SETTLE_S)
        readings.clear()
        gc.collect()
        begin_s = cpu_s()
        await asyncio.sleep(_SECONDS)
        used_s = cpu_s() - begin_s
        values = sum(len(reading.quality) for reading in readings)
        await driver.close()
        await task
    return values / used_s


def _leaf_by_leaf(devices: Devices) -> float:
    """Read the data set and copy it leaf by leaf with the library's own functions."""
    lib, error = library(), c.c_int(0)
    association = Association("127.0.0.1", devices.ports[0], lambda: None)
    reference = f"W1{WIDE_DEVICE}/{WIDE_DATA_SET}".encode()
    found = 0
    begin_s = cpu_s()
    for _ in range(_PEER_READS):
        data_set = lib.IedConnection_readDataSetValues(
            association.handle, c.byref(error), reference, None
        )
        check(f"read data set {reference.decode()}", error)
        values = to_python(lib.ClientDataSet_getValues(data_set))
        lib.ClientDataSet_destroy(data_set)
        found += len(values) if isinstance(values, list) else 0
    used_s = cpu_s() - begin_s
    association.retire()
    association.close()
    if not isinstance(values, list) or any(isinstance(value, AccessError) for value in values):
        raise ConnectionError(f"libiec61850 read no values in {reference.decode()}: {values!r}")
    return found / used_s


def _open61850(devices: Devices) -> float:
    """Take reports with open61850, whose decoder makes an object of every leaf."""
    from open61850.mms import (  # noqa: PLC0415 - a peer, loaded for its turn
        MmsClient,
        TrgOps,
        decode_report,
        is_report,
    )
    from open61850.mms.pdu import ObjectName  # noqa: PLC0415
    from open61850.mms.rcb import RcbSettings, enable  # noqa: PLC0415

    found = 0

    def arrived(message: Any) -> None:
        nonlocal found
        if is_report(message):
            found += sum(entry.value is not None for entry in decode_report(message).entries)

    client = MmsClient.connect("127.0.0.1", devices.ports[0])
    client.add_report_listener(arrived)
    block = ObjectName(WIDE_BLOCK.replace(".", "$"), f"W1{WIDE_DEVICE}")
    settings = RcbSettings(
        trg_ops=TrgOps(data_change=True, data_update=True),
        intg_pd_ms=None,
        resv_tms=None,
        general_interrogation=False,
        purge_buf=True,
    )
    enable(client, block, settings)
    found = 0
    begin_s = cpu_s()
    time.sleep(_PEER_SECONDS)
    used_s = cpu_s() - begin_s
    client.close()
    if not found:
        raise ConnectionError(f"open61850 had no value reported in {_PEER_SECONDS:g} s")
    return found / used_s


async def _plant(devices: Devices) -> Rows:
    """Forty converters through the driver process into the station's image."""
    image = ProcessImage({"pcs": 5.0})
    delays_ms: list[float] = []
    ticks: dict[str, list[int]] = {}

    def arrived(bundle: Bundle) -> None:
        for reading in bundle.readings():
            image.update(reading)
            delays_ms.append(time.time_ns() / 1e6 - reading.time_ms)
            ticks.setdefault(reading.device, []).append(reading.time_ms)

    specs = [
        DeviceSpec(f"C{n}-PCS", "pcs.icd", "127.0.0.1", port, ied=f"C{n}PCS")
        for n, port in enumerate(devices.ports, 1)
    ]
    host = DriverHost("iec61850", specs, arrived, lambda _status: None)
    await host.start()
    async with asyncio.timeout(_CONNECT_S):
        while len(image.newest()) < _CONVERTERS:  # noqa: ASYNC110 - the bench owns both ends
            await asyncio.sleep(0.1)
    await asyncio.sleep(_SETTLE_S)
    driver = psutil.Process(host.pid)
    delays_ms.clear()
    begin_s, servers_s, driver_s, own_s = (
        time.monotonic(),
        devices.cpu_s(),
        _used_s(driver),
        cpu_s(),
    )
    await asyncio.sleep(_SECONDS)
    took_s = time.monotonic() - begin_s
    shares = {
        "driver process": (_used_s(driver) - driver_s) / took_s * 100,
        "station's side": (cpu_s() - own_s) / took_s * 100,
        "servers": (devices.cpu_s() - servers_s) / took_s * 100,
    }
    threads = driver.num_threads()
    await host.close()
    quantiles = statistics.quantiles(delays_ms, n=100)
    of = f"{_CONVERTERS} converters each second"
    return [
        row(
            "iec61850_change_to_image_p99_ms",
            quantiles[98],
            f"ms, {of}",
            peers={"p50": quantiles[49]},
        ),
        row(
            "iec61850_driver_core_pct",
            shares.pop("driver process"),
            f"% of a core, {of}",
            peers={**shares, "threads": threads},
        ),
        row(
            "iec61850_readings_missed",
            sum((told[-1] - told[0]) // 1000 + 1 - len(told) for told in ticks.values()),
            f"readings, {of}",
            target=0.0,
        ),
    ]


def _used_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
