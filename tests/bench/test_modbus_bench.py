"""The stand-in racks of the Modbus benchmark are racks to the profile that ships."""

import asyncio

from bench.modbus import _missed, begin_racks
from contract.frame import Quality
from station.protocols.driver import DeviceSpec, DeviceStatus, Publication, Reading
from station.protocols.modbus.driver import ModbusDriver


async def test_every_unit_of_the_benchmark_is_read_as_the_rack_that_it_stands_for():
    server = await begin_racks()
    port = server.sockets[0].getsockname()[1]
    specs = [DeviceSpec(f"R{n}", "bms-416.toml", "127.0.0.1", port, n) for n in (1, 2)]
    cells: dict[str, Reading] = {}
    told: list[DeviceStatus] = []
    all_read = asyncio.Event()

    def publish(publication: Publication) -> None:
        if isinstance(publication, DeviceStatus):
            told.append(publication)
        if isinstance(publication, Reading) and publication.layout == "rack.cells/416":
            cells[publication.device] = publication
        if len(cells) == len(specs):
            all_read.set()

    driver = ModbusDriver(specs, {})
    task = asyncio.create_task(driver.run(publish))
    async with asyncio.timeout(20):
        await all_read.wait()
    await driver.close()
    await task
    server.close()

    assert all(status.connected for status in told), told
    assert [
        (set(cells[spec.device].values[0].tolist()), set(cells[spec.device].quality.tolist()))
        for spec in specs
    ] == [({3300}, {int(Quality.GOOD)})] * 2


def test_a_rack_that_was_never_read_misses_every_second():
    assert _missed([]) == 10
    assert _missed([1000, 2000, 4000]) == 1
