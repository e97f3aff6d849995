"""The live lane: the newest image, told to everybody who looks."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from cloud.catalogue import LayoutCatalogue
from cloud.epochs import EpochKeys
from cloud.ingest import Gate
from cloud.keys import open_keys
from cloud.live import Live, intake
from cloud.news import News
from cloud.security import SecurityLog
from cloud.vault.vault import Vault
from contract import layouts
from contract.frame import Frame, Quality
from tests.cloud.stations import T0_MS, enrolled, frame, trusted
from tests.waiting import wait_for


class Lane:
    """Ingest of live images, and as many workers as a test wants."""

    def __init__(self, pool, dsn, keys, station, peer) -> None:
        self.pool, self.dsn, self.keys, self.station, self.peer = pool, dsn, keys, station, peer
        self.gate = Gate(
            EpochKeys(pool, keys), LayoutCatalogue(pool), SecurityLog(pool), Vault(pool, keys)
        )
        self.tasks = []

    async def put(self, sequence: int, frames: list[Frame]) -> bool:
        body = self.station.live(sequence, frames)
        return await self.keep(body)

    async def keep(self, body: bytes) -> bool:
        header, at_ms = await self.gate.live(self.peer, body)
        return await intake.keep(self.pool, header, at_ms, body)

    def worker(self) -> Live:
        news = News(self.dsn)
        self.tasks.append(asyncio.create_task(news.run()))
        pool = self.pool
        return Live(pool, EpochKeys(pool, self.keys), LayoutCatalogue(pool), news)


@pytest.fixture
async def lane(pool, dsn, tmp_path: Path):
    keys = open_keys(tmp_path)
    station = await enrolled(pool, keys.telemetry_public)
    made = Lane(pool, dsn, keys, station, await trusted(pool))
    await EpochKeys(pool, keys).announce("alpha", station.announcement)
    yield made
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)


async def test_before_the_first_image_there_is_none(lane):
    assert await lane.worker().latest("alpha") is None


async def test_an_image_has_the_newest_value_of_every_point(lane):
    rack, cells = frame("C1-R01", layouts.RACK, n=1), frame("C1-R01", layouts.get("rack.cells/8"))
    quality = rack.quality.copy()
    quality[0, rack.layout.offset("soc")[0]] = Quality.INVALID
    rack = Frame(rack.device, rack.layout, rack.t0_ms, 1000, rack.values, quality)
    await lane.put(1, [frame(n=2), rack, cells])

    image = await lane.worker().latest("alpha")

    assert image.at_ms == T0_MS + 1_000
    assert image.times_ms == {"METER": T0_MS + 1_000, "C1-R01": T0_MS + 1_000}
    power = frame(n=2).physical("active_power_kw")[1, 0]
    assert image.points["METER:active_power_kw"] == power
    assert image.points["C1-R01:soc"] is None
    assert image.quality["C1-R01:soc"] == Quality.INVALID
    assert "C1-R01:cell_voltage_v" not in image.points
    found = image.frames["C1-R01", "rack.cells/8"].physical("cell_voltage_v")
    np.testing.assert_array_equal(found, cells.physical("cell_voltage_v"))


async def test_a_silent_rack_does_not_look_alive_because_its_estimate_goes_on(lane):
    of_rack = frame("C1-R01", layouts.RACK, n=1)
    estimate = frame("C1-R01", layouts.ESTIMATE, t0_ms=T0_MS + 60_000, n=1)
    of_cells = frame("C1-R01", layouts.estimate_cells_layout(8), t0_ms=T0_MS + 70_000, n=1)
    await lane.put(1, [of_rack, estimate, of_cells])

    image = await lane.worker().latest("alpha")

    assert image.times_ms == {"C1-R01": T0_MS}
    assert image.estimates_ms == {"C1-R01": T0_MS + 60_000}
    assert image.at_ms == T0_MS + 70_000


async def test_a_late_or_replayed_image_changes_nothing(lane):
    old = lane.station.live(1, [frame(n=1)])
    assert await lane.keep(old)
    assert await lane.put(2, [frame(t0_ms=T0_MS + 5_000, n=1)])

    assert not await lane.keep(old)

    assert (await lane.worker().latest("alpha")).at_ms == T0_MS + 5_000


async def test_every_worker_hears_of_each_new_image(lane):
    workers = [lane.worker(), lane.worker()]
    heard: list[list[int]] = [[], []]

    async def listen(number: int) -> None:
        async for image in workers[number].subscribe("alpha"):
            heard[number].append(image.at_ms)
            if image.at_ms == T0_MS + 4_000:
                return

    listening = [asyncio.create_task(listen(number)) for number in (0, 1)]
    for second in range(5):
        await lane.put(second + 1, [frame(t0_ms=T0_MS + second * 1_000, n=1)])
        await wait_for(
            lambda at_ms=T0_MS + second * 1_000: all(at_ms in one for one in heard),
            f"image {second} at both workers",
        )
    await asyncio.gather(*listening)

    assert heard == [[T0_MS + second * 1_000 for second in range(5)]] * 2


async def test_a_slow_reader_gets_the_newest_image_and_no_queue(lane):
    worker = lane.worker()
    await lane.put(1, [frame(n=1)])
    images = worker.subscribe("alpha")
    waiting = asyncio.ensure_future(anext(images))
    await asyncio.sleep(0)
    for second in range(1, 10):
        await lane.put(second + 1, [frame(t0_ms=T0_MS + second * 1_000, n=1)])

    first = await asyncio.wait_for(waiting, 30)
    newest = first if first.at_ms == T0_MS + 9_000 else await asyncio.wait_for(anext(images), 30)

    assert newest.at_ms == T0_MS + 9_000
    await images.aclose()


async def test_the_newest_image_survives_a_crash_of_the_server_by_its_checkpoint(lane):
    await lane.put(1, [frame(n=1)])
    assert await intake.checkpoint(lane.pool) == 1
    async with lane.pool.connection() as conn:
        await conn.execute("TRUNCATE live")  # as the server itself does after a crash

    seen = await lane.worker().latest("alpha")
    await lane.put(2, [frame(t0_ms=T0_MS + 1_000, n=1)])
    newer = await lane.worker().latest("alpha")

    assert seen is not None
    assert seen.at_ms == T0_MS
    assert newer is not None
    assert newer.at_ms == T0_MS + 1_000
    assert await intake.checkpoint(lane.pool) == 1
    assert await intake.checkpoint(lane.pool) == 0
