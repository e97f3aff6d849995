"""Carries out what people on site ask of the running station, and tells that they did."""

import asyncio
import time
from collections.abc import Callable
from functools import partial

from contract.orders import Order, Outcome
from contract.words import Words
from station import on_site
from station.alarms import plain
from station.config import SiteConfig
from station.journal import Journal, JournalError
from station.office import Office
from station.uplink.orders import Judgement
from station.uplink.worker import BlockingWorker

_LOOK_S = 1.0


class OnSiteDesk:
    """Looks for requests once a second; neither deployment nor switch bars the site itself."""

    def __init__(
        self,
        site: SiteConfig,
        office: Office,
        journal: Journal,
        work: BlockingWorker,
        tell: Callable[[str, Words], None],
        *,
        failed: Callable[[Words], None],
    ) -> None:
        """Serve the data folder of this site.

        Args:
            site: who it is, and where its data lie.
            office: judges and carries out.
            journal: remembers what was accepted before it takes effect.
            work: the journal's own thread.
            tell: tells an event of a code, with its detail.
            failed: told why an accepted request was not carried out.
        """
        self._site = site
        self._inbox = on_site.Inbox(site.data_dir)
        self._office = office
        self._journal = journal
        self._work = work
        self._tell = tell
        self._failed = failed

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            for request in await self._work.call(self._inbox.take):
                await self._serve(request)

    async def _serve(self, request: on_site.Request) -> None:
        order = request.order(self._site.id, time.time_ns() // 1_000_000)
        judged = self._office.judge_on_site(order)
        accepted, reason = judged.outcome is Outcome.ACCEPTED, judged.reason
        failure = await self._carry_out(order, judged) if accepted else None
        if failure is None:
            code = "order.on_site" if accepted else "order.on_site_refused"
            self._tell(code, plain(f"{order.kind}: {reason}"))
        else:
            accepted, reason = False, failure.en
            self._failed(failure)
        await self._work.call(partial(on_site.answer, request, accepted=accepted, reason=reason))

    async def _carry_out(self, order: Order, judged: Judgement) -> Words | None:
        """Remember and do what was accepted; say why it could not be, None when it could."""
        try:
            await self._work.call(self._journal.record, [], None, judged.effects)
        except JournalError as error:
            return plain(str(error))
        failure = self._office.carry_out(order, judged.effects)
        return None if failure is None else failure.words
