"""From samples to sealed batches in the durable queue.

Samples collect until the batch is closed; then each run of consecutive seconds of one device
in one layout becomes a frame on the 1 s grid, all frames together one batch, sealed with the
epoch's key and the next sequence number, and committed. A sample is taken once: one that is
not newer than the newest of its stream is a repetition (a source that replays after a break)
and is dropped. When the disk refuses, the samples stay in memory and go with the next batch.
"""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from contract import frame, layouts
from contract.commands import CommandRecord
from contract.commands import to_json as commands_to_json
from contract.envelope import Sealer, Stream
from contract.errors import UnknownLayoutError
from contract.events import Event, to_json
from station.samples import Sample
from station.uplink.errors import QueueError
from station.uplink.queue import DurableQueue, NewBatch, StreamKey
from station.uplink.slabs import GRID_MS, slabs_of

log = logging.getLogger(__name__)

MAX_BATCH_VALUES = 500_000
"""A batch of this many values encodes in about 20 ms; a larger backlog makes several."""

MAX_BATCH_EVENTS = 1000
MAX_BATCH_COMMANDS = 500
"""With the longest texts these are 3 MB, below what a message of commands may have."""

MAX_UNCOMMITTED = 50_000
"""Samples kept in memory while the disk refuses: 15 minutes of a plant of 50 streams."""

_MAX_CLOCK_LEAD_MS = 600_000
"""A device time further ahead is a broken clock; taken over it would block its stream."""


@dataclass
class Backlog:
    """Samples, events and commands that are not in the queue yet."""

    samples: list[Sample] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    commands: list[CommandRecord] = field(default_factory=list)
    resume_points: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.samples or self.events or self.commands)


@dataclass
class Intake:
    """What was taken and what was not, since the start."""

    samples: int = 0
    values: int = 0
    repeated: int = 0
    misdated: int = 0
    malformed: int = 0
    lost: int = 0


class Batcher:
    """Collects samples (event loop) and commits them as batches (worker thread)."""

    def __init__(self, queue: DurableQueue, sealer: Sealer) -> None:
        """Go on behind the newest sample of each stream in the queue."""
        self._queue = queue
        self._sealer = sealer
        self._sequence = itertools.count(1)
        self._newest = queue.newest_times()
        self._open = Backlog()
        self._marks: dict[str, str] = {}
        self.intake = Intake()

    def add(self, sample: Sample) -> bool:
        """Take a sample for the batch that is open; False when it is a repetition."""
        key = (sample.device, sample.layout)
        slot = sample.time_ms // GRID_MS
        if slot <= self._newest.get(key, -1) // GRID_MS:
            self.intake.repeated += 1
            return False
        if sample.time_ms > sample.received_ms + _MAX_CLOCK_LEAD_MS:
            self.intake.misdated += 1
            return False
        if not self._fits(sample):
            self.intake.malformed += 1
            return False
        self._newest[key] = sample.time_ms
        self._open.samples.append(sample)
        self.intake.samples += 1
        self.intake.values += len(sample.quality)
        return True

    def _fits(self, sample: Sample) -> bool:
        """Whether the sample has the shape of its layout; one that has not blocks no batch."""
        try:
            layout = layouts.get(sample.layout)
        except UnknownLayoutError:
            return False
        shapes = [(column.repeat,) for column in layout.columns]
        return len(sample.quality) == layout.width and [v.shape for v in sample.values] == shapes

    def add_event(self, event: Event) -> None:
        """Take an event for the batch that is open."""
        self._open.events.append(event)

    def add_commands(self, records: Sequence[CommandRecord], resume_point: tuple[str, str]) -> None:
        """Take records of commands, with the name and mark of the ledger that they come from.

        The mark covers everything taken so far; it is committed with the records, as the resume
        points of the drivers are.
        """
        self._open.commands.extend(records)
        self._marks.update([resume_point])

    def take(self, resume_points: Mapping[str, str]) -> Backlog:
        """Close the open batch and begin the next one.

        Args:
            resume_points: the drivers' resume points of this moment: they cover exactly what
                has been added so far.
        """
        closed = self._open
        closed.resume_points = {**resume_points, **self._marks}
        self._open = Backlog()
        return closed

    def give_back(self, backlog: Backlog) -> None:
        """Put what could not be committed in front of what has come since.

        Memory is finite: past `MAX_UNCOMMITTED` the oldest are lost, counted and reported.
        """
        self._open.samples[:0] = backlog.samples
        self._open.events[:0] = backlog.events
        self._open.commands[:0] = backlog.commands
        for kept in (self._open.samples, self._open.events, self._open.commands):
            excess = len(kept) - MAX_UNCOMMITTED
            if excess > 0:
                if not self.intake.lost:
                    log.critical("event=samples_lost reason='the disk refuses for too long'")
                self.intake.lost += excess
                del kept[:excess]

    def commit(self, backlog: Backlog, done: Iterable[int] = ()) -> list[int]:
        """Encode, seal and commit a closed batch; return the ids in the queue. Blocks.

        Args:
            backlog: what `take` returned.
            done: batches that the ledger has; removed in the same transaction.

        Raises:
            QueueError: nothing was committed.
        """
        newest: dict[StreamKey, int] = {}
        for sample in backlog.samples:
            newest[sample.device, sample.layout] = sample.time_ms
        batches = [self._telemetry(part) for part in _parts(backlog.samples)]
        batches += [
            self._events(backlog.events[start : start + MAX_BATCH_EVENTS])
            for start in range(0, len(backlog.events), MAX_BATCH_EVENTS)
        ]
        in_order = sorted(backlog.commands, key=lambda command: command.issued_ms)
        batches += [
            self._commands(in_order[start : start + MAX_BATCH_COMMANDS])
            for start in range(0, len(in_order), MAX_BATCH_COMMANDS)
        ]
        return self._queue.put(batches, newest, backlog.resume_points, done)

    def _telemetry(self, samples: Sequence[Sample]) -> NewBatch:
        slabs = slabs_of(samples)
        sequence = next(self._sequence)
        return NewBatch(
            epoch=self._sealer.epoch,
            sequence=sequence,
            stream=Stream.TELEMETRY,
            body=self._sealer.seal(sequence, Stream.TELEMETRY, frame.encode_slabs(slabs)),
            layouts=tuple(sorted({slab.layout.name for slab in slabs})),
            sample_times=Counter(sample.time_ms for sample in samples),
            value_count=sum(len(sample.quality) for sample in samples),
        )

    def _events(self, events: Sequence[Event]) -> NewBatch:
        sequence = next(self._sequence)
        body = self._sealer.seal(sequence, Stream.EVENTS, to_json(events))
        return NewBatch(self._sealer.epoch, sequence, Stream.EVENTS, body)

    def _commands(self, commands: Sequence[CommandRecord]) -> NewBatch:
        sequence = next(self._sequence)
        body = self._sealer.seal(sequence, Stream.COMMANDS, commands_to_json(commands))
        return NewBatch(self._sealer.epoch, sequence, Stream.COMMANDS, body)


def _parts(samples: Sequence[Sample]) -> list[list[Sample]]:
    """Cut a long list so that no batch has more than MAX_BATCH_VALUES values or too many frames."""
    parts: list[list[Sample]] = []
    room = 0
    for sample in samples:
        if len(sample.quality) > room or len(parts[-1]) == frame.MAX_FRAMES:
            parts.append([])
            room = MAX_BATCH_VALUES
        parts[-1].append(sample)
        room -= len(sample.quality)
    return parts


__all__ = ["Backlog", "Batcher", "Intake", "QueueError"]
