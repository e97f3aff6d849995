"""What the controller keeps on the disk every second: latches, ledger of commands, status file.

All of it is written off the loop, one writing at a time, what protection has latched first. What
one file cannot be written for keeps nobody from writing the others.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from contract.commands import CommandRecord
from station.command_book import Page
from station.command_log import CommandLog
from station.journal import Journal, JournalError
from station.status import write_status
from station.uplink.worker import BlockingWorker

log = logging.getLogger(__name__)

Latches = list[dict[str, Any]]


class FilesKeeper:
    """Writes the files of each second."""

    def __init__(
        self,
        work: BlockingWorker,
        journal: Journal,
        ledger: CommandLog,
        *,
        status_file: Path,
        latches: Callable[[], Latches],
        to_cloud: Callable[[Sequence[CommandRecord], str], None],
    ) -> None:
        """Write through the journal's thread.

        Args:
            work: the thread.
            journal: keeps latches; has those of this moment already.
            ledger: keeps commands.
            status_file: where the status is put.
            latches: what protection has latched now.
            to_cloud: queues commands for the cloud, with the ledger's mark.
        """
        self._work = work
        self._journal = journal
        self._ledger = ledger
        self._status_file = status_file
        self._latches = latches
        self._to_cloud = to_cloud
        self._kept = latches()
        self._task: asyncio.Task[None] | None = None
        self._failing: set[str] = set()
        self.failures: Counter[str] = Counter()

    @property
    def is_idle(self) -> bool:
        """Whether the last writing is over."""
        return self._task is None or self._task.done()

    def begin(self, page: Page, status: Mapping[str, Any]) -> None:
        """Begin a writing; only while none is under way."""
        self._task = asyncio.create_task(self.write(page, status))

    async def finish(self) -> None:
        """Wait for the end of a writing under way."""
        if self._task is not None:
            await self._task

    async def write(self, page: Page, status: Mapping[str, Any]) -> None:
        """Write all that there is; a failure is logged once until the file can be written again."""
        await self._guarded("latches", self._keep_latches)
        await self._guarded("commands", partial(self.keep_commands, page))
        await self._guarded("status", partial(self._put_status, status))

    async def keep_commands(self, page: Page) -> None:
        """Bring a page to the local ledger and to the cloud; a full disk keeps it from neither."""
        if not page:
            return
        try:
            await self._work.call(self._ledger.write, page)
        except JournalError as error:
            log.warning("event=commands_not_written reason=%r", str(error))
        self._to_cloud(page.due, self._ledger.mark)

    async def _keep_latches(self) -> None:
        latches = self._latches()
        if latches == self._kept:
            return
        try:
            await self._work.call(self._journal.keep_latches, latches)
            self._kept = latches
        except JournalError as error:
            log.critical("event=latches_not_written reason=%r", str(error))

    async def _put_status(self, status: Mapping[str, Any]) -> None:
        try:
            await self._work.call(write_status, self._status_file, status)
        except OSError as error:
            log.warning("event=status_not_written reason=%r", str(error))

    async def _guarded(self, what: str, step: Callable[[], Awaitable[None]]) -> None:
        """Take a step; that it failed in a way nobody foresaw must not end the writing."""
        try:
            await step()
        except Exception:
            self.failures[f"files {what}"] += 1
            if what not in self._failing:
                self._failing.add(what)
                log.exception("event=file_failed file=%s", what)
        else:
            self._failing.discard(what)
