"""The files of each second: one that cannot be written keeps nobody from writing the others."""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contract.commands import CommandRecord, CommandState
from station.command_book import Page
from station.command_log import CommandLog
from station.files import FilesKeeper
from station.journal import Journal
from station.uplink.worker import BlockingWorker
from tests.station.test_office import latched

T0 = 1_795_000_000_000
COMMAND = CommandRecord(
    id="c1",
    station="s",
    device="C1-PCS",
    point="active_power_setpoint_kw",
    value=5.0,
    source="schedule",
    requester="r",
    bound_by="",
    state=CommandState.ISSUED,
    reason="",
    issued_ms=T0,
    accepted_ms=0,
    settled_ms=0,
)


@dataclass
class Kept:
    """The keeper of a folder, what it is given to keep, and what the cloud got."""

    folder: Path
    latches: list = field(default_factory=list)
    queued: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.work = BlockingWorker("journal")
        self.journal = Journal(self.folder / "journal.sqlite")
        self.ledger = CommandLog(self.folder / "commands.sqlite", "s")
        self.keeper = FilesKeeper(
            self.work,
            self.journal,
            self.ledger,
            status_file=self.folder / "status.json",
            latches=lambda: self.latches,
            to_cloud=lambda records, _mark: self.queued.extend(r.id for r in records),
        )

    def status(self) -> dict:
        return json.loads((self.folder / "status.json").read_text())


@pytest.fixture
def kept(tmp_path):
    made = Kept(tmp_path)
    yield made
    made.work.close()
    made.journal.close()
    made.ledger.close()


async def test_latches_commands_and_status_reach_the_disk(kept):
    kept.latches = latched().protection.latches()

    kept.keeper.begin(Page(T0, (COMMAND,), (COMMAND,)), {"n": 1})
    busy = not kept.keeper.is_idle
    await kept.keeper.finish()

    assert busy
    assert kept.keeper.is_idle
    assert kept.journal.recall().latches == kept.latches
    assert kept.queued == ["c1"]
    assert kept.status() == {"n": 1}


async def test_an_unforeseen_failure_is_told_once_an_episode_and_stops_no_other_file(kept, caplog):
    told = []

    def failures() -> int:
        return caplog.text.count("event=file_failed file=latches")

    for n, latches in enumerate([[{"of": object()}], [{"of": {1}}], [], [{"of": object()}]]):
        kept.latches = latches
        await kept.keeper.write(Page(T0, (COMMAND,), (COMMAND,)), {"n": n})
        told.append(failures())
        assert kept.status() == {"n": n}

    assert told == [1, 1, 1, 2]
    assert kept.keeper.failures == {"files latches": 3}
    assert kept.queued == ["c1"] * 4
    assert caplog.record_tuples[0][1] == logging.ERROR
