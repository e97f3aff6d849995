"""Telemetry as one part: collect, commit once a period, send, and the live lane beside it."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contract.commands import CommandRecord
from contract.envelope import Sealer
from contract.events import Event
from station.command_log import RESUME_SOURCE
from station.config import CloudConfig
from station.samples import Sample
from station.security import Identity
from station.uplink.batcher import Batcher
from station.uplink.errors import QueueError
from station.uplink.link import CloudLink
from station.uplink.live import LiveLane
from station.uplink.queue import DurableQueue
from station.uplink.sender import Sender
from station.uplink.worker import BlockingWorker

log = logging.getLogger(__name__)

COMMIT_PHASE_S = 0.55
"""Batches close here in the second: devices have been read and the cycle has run. The sooner
after reading, the less a killed station can have read without having it on the disk."""

QUIET_S = 0.05
LONGEST_WAIT_S = 0.35
"""While samples still stream in, closing waits for a quiet moment, at most for so long."""

_DRAIN_POLL_S = 0.05


@dataclass(frozen=True)
class TelemetryPorts:
    """What telemetry asks of the rest of the station.

    Attributes:
        resume_points: the drivers' resume points of this moment.
        picture: the newest sample of every stream.
        on_quarantine: told why a batch was kept aside.
    """

    resume_points: Callable[[], Mapping[str, str]]
    picture: Callable[[], Sequence[Sample]]
    on_quarantine: Callable[[str], None]


class Telemetry:
    """Everything from a sample to the ledger's acknowledgement."""

    def __init__(
        self,
        data_dir: Path,
        config: CloudConfig,
        identity: Identity,
        link: CloudLink,
        ports: TelemetryPorts,
    ) -> None:
        """Open the queue and begin a new epoch.

        Raises:
            QueueError: the queue cannot be used.
        """
        self._config = config
        self._ports = ports
        self.work = BlockingWorker("queue")
        self.queue = DurableQueue(data_dir / "queue.sqlite")
        epoch = self.queue.next_epoch()
        sealer = Sealer(identity.station, identity.cloud_key, identity.keys.signing, epoch)
        self.queue.add_epoch(epoch, sealer.announcement.to_bytes())
        self.epoch = epoch
        self.batcher = Batcher(self.queue, sealer)
        self.sender = Sender(
            link,
            self.queue,
            self.work,
            in_flight=config.in_flight,
            longest_pause_s=config.retry_max_s,
            on_quarantine=ports.on_quarantine,
        )
        self.sender.offer(self.queue.waiting())
        self.live = LiveLane(link, sealer, self.queue, self.work, ports.picture)
        self._commit_failed = False
        self._last_sample_s = 0.0

    def add(self, sample: Sample) -> bool:
        """Take a sample; False when it was taken before."""
        self._last_sample_s = time.monotonic()
        return self.batcher.add(sample)

    def add_events(self, events: Sequence[Event]) -> None:
        """Take events."""
        for event in events:
            self.batcher.add_event(event)

    def add_commands(self, records: Sequence[CommandRecord], mark: str) -> None:
        """Take records of commands; `mark` is how far they reach in the station's own ledger."""
        if records:
            self.batcher.add_commands(records, (RESUME_SOURCE, mark))

    async def run_commits(self) -> None:
        """Commit a batch every period until cancelled."""
        while True:
            await asyncio.sleep(seconds_until(self._config.batch_period_s, COMMIT_PHASE_S))
            latest = time.monotonic() + min(LONGEST_WAIT_S, self._config.batch_period_s / 2)
            while (wait_s := self._last_sample_s + QUIET_S - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
                if time.monotonic() > latest:
                    break
            await self.commit()

    async def commit(self) -> None:
        """Close the open batch and bring it to the disk; on failure it goes with the next."""
        backlog = self.batcher.take(self._ports.resume_points())
        done = self.sender.take_done()
        if not backlog and not done:
            return
        commit = asyncio.ensure_future(self.work.call(self.batcher.commit, backlog, done))
        try:
            # A cancelled loop must not separate what is on the disk from what is remembered.
            ids = await asyncio.shield(commit)
        except asyncio.CancelledError:
            self.sender.offer(await commit)
            raise
        except QueueError as error:
            self.batcher.give_back(backlog)
            self.sender.done[:0] = done
            if not self._commit_failed:
                log.critical("event=queue_not_written reason=%r", str(error))
            self._commit_failed = True
            return
        except Exception:
            self.batcher.give_back(backlog)
            raise
        if self._commit_failed:
            log.info("event=queue_written_again")
            self._commit_failed = False
        self.sender.offer(ids)

    async def drain(self, deadline_s: float, *, link: CloudLink) -> None:
        """Commit what is left and wait until it is acknowledged, at most for `deadline_s`."""
        await self.commit()
        end = time.monotonic() + deadline_s
        while self.sender.backlog and link.is_up and time.monotonic() < end:  # noqa: ASYNC110 - three conditions
            await asyncio.sleep(_DRAIN_POLL_S)

    async def close(self) -> None:
        """Forget what the ledger has and close the queue."""
        await self.work.call(self.queue.remove, self.sender.take_done())
        self.work.close()
        self.queue.close()


def seconds_until(period_s: float, phase_s: float) -> float:
    """Return the seconds from now to the next `k * period + phase` of the wall clock."""
    now = time.time()
    return period_s - (now - phase_s) % period_s
