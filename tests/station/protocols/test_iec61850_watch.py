"""The watch over reports: lost ones are fetched, silence and stand-still are told apart."""

import asyncio
import contextlib
import os
import signal
import sys

import pytest
from open61850.data import BoolData

from station.protocols.driver import DeviceSpec
from station.protocols.iec61850 import mapping as mappings
from station.protocols.iec61850.driver import Iec61850Driver
from station.protocols.profile_files import find
from tests.station.protocols.iec61850_peer import ROOT, Converter
from tests.station.protocols.test_iec61850_driver import times
from tests.station.protocols.test_modbus_driver import Record
from tests.waiting import wait_for


@pytest.fixture
def converter(tmp_path):
    converter = Converter(tmp_path).start()
    yield converter
    converter.stop()


@contextlib.asynccontextmanager
async def watching(converter_icd, port, folder):
    text = find(mappings.STANDARD).read_text("utf-8")
    path = folder / "impatient.toml"
    path.write_text(text.replace("\n[signals]", "silence_s = 0.5\n\n[signals]"), "utf-8")
    spec = DeviceSpec(
        "C1-PCS", str(converter_icd), "127.0.0.1", port, ied="C1PCS", mapping=str(path)
    )
    driver, record = Iec61850Driver([spec], {}), Record()
    task = asyncio.create_task(driver.run(record))
    try:
        yield record
    finally:
        await driver.close()
        await task


async def test_reports_that_stay_away_are_noticed_and_fetched_from_the_buffer(converter, tmp_path):
    async with watching(converter.icd, converter.port, tmp_path) as record:
        await wait_for(lambda: converter.enabled, "reports enabled")
        stamp = converter.tick()
        await wait_for(lambda: stamp in times(record), "a reading")
        assert converter.server.reports is not None
        block = converter.server.reports.controls[ROOT, "LLN0$BR$brMeas"]
        block.set_attr("RptEna", BoolData(False))
        for _ in range(5):
            converter.tick()
        await wait_for(lambda: times(record) == converter.published, "the missed ticks", 20)

    assert any("stay away" in status.reason for status in record.statuses)
    assert record.connected("C1-PCS") is True


async def test_a_device_whose_clock_stands_still_is_told_apart_from_a_silent_one(
    converter, tmp_path
):
    async with watching(converter.icd, converter.port, tmp_path) as record:
        await wait_for(lambda: converter.enabled, "reports enabled")
        stamp = converter.tick()
        await wait_for(lambda: stamp in times(record), "a reading")
        await wait_for(lambda: record.connected("C1-PCS") is False, "stand-still reported")
        assert "stands still" in record.statuses[-1].reason
        stamp = converter.tick()
        await wait_for(lambda: record.connected("C1-PCS"), "recovery")

    assert times(record) == converter.published


FROZEN = """
import sys, time
from pathlib import Path
from tests.station.protocols.iec61850_peer import Converter
converter = Converter(Path(sys.argv[1])).start()
print(converter.port, flush=True)
while True:
    time.sleep(0.1)
    converter.tick()
"""


async def test_a_frozen_device_is_reported_and_read_again_when_it_wakes(converter, tmp_path):
    folder = tmp_path / "frozen"
    folder.mkdir()
    device = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FROZEN, str(folder), stdout=asyncio.subprocess.PIPE
    )
    assert device.stdout is not None
    port = int(await device.stdout.readline())
    try:
        async with watching(converter.icd, port, tmp_path) as record:
            await wait_for(lambda: record.connected("C1-PCS"), "a reading")
            os.kill(device.pid, signal.SIGSTOP)
            await wait_for(lambda: record.connected("C1-PCS") is False, "loss", 30)
            assert "no answer" in record.statuses[-1].reason
            os.kill(device.pid, signal.SIGCONT)
            await wait_for(lambda: record.connected("C1-PCS"), "recovery", 30)
    finally:
        device.kill()
        await device.wait()

    found = times(record)
    assert found == list(range(found[0], found[-1] + 1000, 1000))
