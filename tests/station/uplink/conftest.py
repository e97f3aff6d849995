"""A station's uplink parts on real files, sockets and TLS."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from contract.envelope import Sealer
from station.samples import Sample
from station.uplink.batcher import Batcher
from station.uplink.link import CloudLink, Credentials
from station.uplink.queue import DurableQueue
from station.uplink.sender import Sender
from station.uplink.worker import BlockingWorker
from tests.station.cloud_server import TestCloud


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[TestCloud]:
    async with TestCloud(tmp_path / "cloud") as running:
        yield running


@dataclass
class Uplink:
    """The parts of one station process."""

    link: CloudLink
    queue: DurableQueue
    batcher: Batcher
    sealer: Sealer
    sender: Sender
    work: BlockingWorker
    quarantined: list[str]

    async def commit(self, *samples: Sample) -> list[int]:
        for sample in samples:
            self.batcher.add(sample)
        ids = await self.work.call(self.batcher.commit, self.batcher.take({}))
        self.sender.offer(ids)
        return ids

    async def close(self) -> None:
        await self.link.close()
        self.work.close()
        self.queue.close()


def credentials(identity) -> Credentials:
    return Credentials(identity.certificate_file, identity.key_file, identity.authority_file)


def open_uplink(data_dir: Path, cloud: TestCloud, identity=None) -> Uplink:
    """What a station process opens at its start."""
    identity = identity or cloud.identity(data_dir)
    queue = DurableQueue(data_dir / "queue.sqlite")
    epoch = queue.next_epoch()
    sealer = Sealer(identity.station, identity.cloud_key, identity.keys.signing, epoch)
    queue.add_epoch(epoch, sealer.announcement.to_bytes())
    link = CloudLink(cloud.url, credentials(identity))
    work = BlockingWorker("test")
    quarantined: list[str] = []
    sender = Sender(
        link, queue, work, in_flight=4, longest_pause_s=0.3, on_quarantine=quarantined.append
    )
    sender.offer(queue.waiting())
    return Uplink(link, queue, Batcher(queue, sealer), sealer, sender, work, quarantined)


@pytest.fixture
async def uplink(tmp_path: Path, cloud: TestCloud) -> AsyncIterator[Uplink]:
    opened = open_uplink(tmp_path / "station", cloud)
    yield opened
    await opened.close()
