"""Drafts what is due: every product of every desk, each block once, with a fall-back beside it.

The fall-back is planned on what the same weekdays cost before, needs no trained model, and goes to
the exchange only when nobody has decided in time. A product that cannot be drafted is told and
tried again; the others go on. A drafting that takes longer than it may calls people, and goes on;
when its gate comes near the fall-back alone is drafted, which waits for no trained model. A block
in which nothing pays, or nothing can be bid, rests until something new is imported of what its desk
looks at. Each is kept, so that its gate says why no bid stands there.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cloud.config_desk import DeskSection
from cloud.db import Pool, connection
from cloud.errors import CloudError
from cloud.market import bids
from cloud.market.bid import BidSet
from cloud.market.bids import Look, NewBid
from cloud.market.desk.asking import (
    Desk,
    Task,
    careful,
    desk_price,
    forecast_of,
    request_of,
)
from cloud.market.desk.blocks import Block, open_blocks
from cloud.market.desk.capping import capped
from cloud.market.desk.curving import Curver
from cloud.market.desk.drafting import Draft, DraftRequest, NothingToBid, draft
from cloud.market.desk.limits import limits_of
from cloud.market.desk.patience import Patience, StillRunning
from cloud.market.desk.record import content_of
from cloud.market.desk.rests import why_it_rests
from cloud.market.errors import BidTooLate, MarketError
from cloud.market.exchanges import DayGate, Product
from cloud.market.forecast import Forecast
from cloud.market.station_battery import StationBattery
from cloud.vault.vault import Vault
from contract.words import NO_WORDS, Words

WHO: Final = "drafting"
"""Who makes drafts, in the log of bids."""
_TAKEN: Final = (
    "SELECT begin_ms FROM bids WHERE station = %s AND market = %s AND product = %s AND begin_ms >="
    " %s AND begin_ms < %s"
)


_NEWEST: Final = (
    "SELECT max(i.id) FROM market_imports i JOIN market_series s ON s.key = i.series"
    " WHERE s.id = ANY(%s) AND i.rows_added > 0"
)
_Place = tuple[str, str, str, int]
_Of = tuple[int, str, bool]
"""Number of the desk, product, and whether the fall-back is drafted alone."""
_SPARE_NOTE: Final = (
    "the drafting did not end in time: planned on the prices of the last days, with half of the"
    " power"
)


class DraftsFailed(MarketError):  # noqa: N818 - says what
    """Several products cannot be drafted."""


@dataclass(frozen=True, slots=True)
class Haste:
    """How long a drafting may take.

    Attributes:
        limit_ms: no longer, and no longer than half of the time to its gate.
        spare_ms: before a gate, from which on the fall-back is drafted alone where the drafting
            still goes on.
    """

    limit_ms: int = 900_000
    spare_ms: int = 3_600_000

    def limit_s(self, gate_ms: int, now_ms: int) -> float:
        """Return how long a drafting that begins now may take, in seconds."""
        return max(min(self.limit_ms, (gate_ms - now_ms) / 2), 0) / 1e3


Sold = Callable[[DeskSection], Awaitable[StationBattery]]
"""What the station of a desk can sell now."""


class Drafter:
    """Drafts bids of the desks that are configured."""

    def __init__(
        self,
        pool: Pool,
        vault: Vault,
        desks: tuple[DeskSection, ...],
        *,
        sold: Sold,
        clock: Callable[[], int],
        policies: Path | None = None,
        haste: Haste | None = None,
    ) -> None:
        """Make a drafter.

        Args:
            pool: the store.
            vault: keys of stations.
            desks: what is bid.
            sold: what the station of a desk can sell now.
            clock: the present, UTC epoch ms.
            policies: folder of the bidding policies; None: none may bid.
            haste: how long a drafting may take.

        Raises:
            BadProfile: a desk names a market that is not known.
        """
        self._pool, self._vault, self._sold, self._clock = pool, vault, sold, clock
        self._desks = [Desk(section) for section in desks]
        self._curver = Curver(pool, vault, policies)
        self._haste = haste or Haste()
        self._patience: Patience[_Of, Task, int] = Patience()
        self._resting: dict[_Place, tuple[int, int]] = {}

    async def run(self, *, within_day: bool | None = None) -> int:
        """Draft all that is due; return how many bids were made.

        Args:
            within_day: only products whose gates close within the day, or only the others, so that
                minutes need not wait until a whole day is planned; None: all.

        Raises:
            Exception: what keeps a product from being drafted; the others have been drafted.
            DraftsFailed: as that, of several products: each is named.
        """
        failed: dict[_Of, Exception] = {}
        made = await self._ended(failed)
        for number, desk in enumerate(self._desks):
            for task in await self._due(desk, within_day=within_day):
                place = number, task.rules.id, False
                if place not in failed:
                    try:
                        made += await self._in_time(place, desk, task)
                        continue
                    except Exception as error:  # noqa: BLE001 - one keeps no other; told after all
                        failed[place] = error
                await self._tell(task, failed[place])
                if isinstance(failed[place], StillRunning):
                    made += await self._spare(number, desk, task, failed)
        if len(failed) > 1 and all(isinstance(one, CloudError) for one in failed.values()):
            raise DraftsFailed(
                "; ".join(
                    f"{self._desks[number].section.station} {product}: {why}"
                    for (number, product, _), why in failed.items()
                )
            )
        if len(failed) > 1:
            raise ExceptionGroup("drafts of several products failed", list(failed.values()))
        for only in failed.values():
            raise only
        return made

    async def _in_time(self, place: _Of, desk: Desk, task: Task) -> int:
        """Draft a block, or its fall-back alone; return how many bids were made.

        Raises:
            StillRunning: it takes longer than it may.
        """
        limit_s = self._haste.limit_s(task.block.gate_ms, self._clock())
        only_spare = place[2]
        draft_it = self._draft_spare if only_spare else self._draft
        made = await self._patience.wait(place, task, lambda: draft_it(desk, task), limit_s)
        if not only_spare:
            await self._no_longer_late(task)
        return made

    async def _ended(self, failed: dict[_Of, Exception]) -> int:
        """Take up the draftings that have ended since nobody waits for them any more."""
        made = 0
        for place, task, work in self._patience.ended():
            await self._no_longer_late(task)
            error = work.exception()
            if isinstance(error, Exception):
                failed[place] = error
                await self._tell(task, error)
            elif error is None:
                made += work.result()
        return made

    async def _no_longer_late(self, task: Task) -> None:
        section = task.section
        await bids.drafting_ended(self._pool, section.station, section.market, task.rules.id)

    async def _spare(
        self, number: int, desk: Desk, task: Task, failed: dict[_Of, Exception]
    ) -> int:
        """Draft the fall-back alone where the drafting hangs and the gate is near."""
        place = number, task.rules.id, True
        lead_ms = self._haste.spare_ms + round(task.product.lead_s * 1e3)
        if task.block.gate_ms - self._clock() > lead_ms or place in failed:
            return 0
        try:
            return await self._in_time(place, desk, task)
        except Exception as error:  # noqa: BLE001 - one keeps no other; told after all
            failed[place] = error
            return 0

    async def _due(self, desk: Desk, *, within_day: bool | None) -> list[Task]:
        found: list[Task] = []
        newest = await newest_import(self._pool, desk.section) if self._resting else 0
        for product in desk.section.products:
            rules = desk.market.product(product.id)
            if within_day is isinstance(rules.gate, DayGate):
                continue
            blocks = open_blocks(
                rules,
                self._clock(),
                lead_ms=round(product.lead_s * 1e3),
                ahead_ms=round(product.ahead_min * 6e4),
            )
            taken = await self._taken(desk, rules, blocks)
            found += [
                Task(desk.section, product, rules, block)
                for block in blocks
                if not any(block.begin_ms <= begin < block.end_ms for begin in taken)
                and self._resting.get(_place(desk.section, rules, block), (-1, 0))[0] != newest
            ]
        return found

    async def _taken(self, desk: Desk, rules: Product, blocks: tuple[Block, ...]) -> set[int]:
        if not blocks:
            return set()
        async with connection(self._pool) as conn:
            rows = await conn.execute(
                _TAKEN,
                (
                    *(desk.section.station, desk.market.id, rules.id),
                    *(blocks[0].begin_ms, blocks[-1].end_ms),
                ),
            )
            return {row[0] for row in await rows.fetchall()}

    async def _draft(self, desk: Desk, task: Task) -> int:
        now_ms = self._clock()
        forecast = await forecast_of(self._pool, desk, task, now_ms)
        asked = await self._request(desk, task, forecast, now_ms)
        try:
            asked, made = await self._planned(desk, task, asked)
            made = await self._curver.curved(task.section, task.product, asked, made)
            spare = await asyncio.to_thread(draft, careful(asked))
        except NothingToBid as nothing:
            await self._rest(task, now_ms, nothing.words)
            return 0
        if not made.bids:
            zone = desk.market.calendar.zone
            why = why_it_rests(made, task.rules.id, task.block, zone)
            await self._rest(task, now_ms, why)
        return sum([await self._keep(_new(task, asked, made, spare, bid)) for bid in made.bids])

    async def _draft_spare(self, desk: Desk, task: Task) -> int:
        """Draft a block by what the last days have cost and with half of the power.

        The bid is its own fall-back: people may sign it, and in the end it goes by itself.
        """
        now_ms = self._clock()
        forecast = await desk_price(desk, self._pool, task.section.price, task.block, now_ms)
        asked = careful(await self._request(desk, task, forecast, now_ms))
        try:
            made = await asyncio.to_thread(draft, asked)
        except NothingToBid:
            return 0
        made = replace(made, notes=(*made.notes, _SPARE_NOTE))
        kept = [(bid, content_of(made, bid, asked)) for bid in made.bids]
        return sum(
            [
                await self._keep(
                    NewBid(task.section.desk, task.block.gate_ms, content, fallback=content),
                    why="the drafting takes too long; the fall-back is drafted alone",
                )
                for _, content in kept
            ]
        )

    async def _planned(
        self, desk: Desk, task: Task, asked: DraftRequest
    ) -> tuple[DraftRequest, Draft]:
        """Plan a block; what binds a day ahead is no larger than the limit of CVaR allows."""
        limits = await limits_of(self._pool, desk.section.desk)
        if limits.max_cvar is None or not isinstance(task.rules.gate, DayGate):
            return asked, await asyncio.to_thread(draft, asked)
        return await asyncio.to_thread(capped, asked, limits.max_cvar)

    async def _rest(self, task: Task, now_ms: int, why: Words | None) -> None:
        """Remember that there is nothing to bid, so that it is not planned at every look."""
        self._resting = {one: rest for one, rest in self._resting.items() if rest[1] > now_ms}
        newest = await newest_import(self._pool, task.section)
        self._resting[_place(task.section, task.rules, task.block)] = newest, task.block.gate_ms
        await self._look(task, failed=False, why=why or NO_WORDS)

    async def _tell(self, task: Task, error: Exception) -> None:
        """Keep why the drafting has made no bid for a gate."""
        name = type(error).__name__
        plain = str(error) if isinstance(error, CloudError) else name
        words = error.words if isinstance(error, CloudError) else None
        late = isinstance(error, StillRunning)
        await self._look(task, failed=True, why=words or Words(plain, plain), late=late)

    async def _look(self, task: Task, *, failed: bool, why: Words, late: bool = False) -> None:
        """Keep why no bid stands at a gate."""
        block = task.block
        look = Look(
            *(task.section.station, task.section.market, task.rules.id),
            *(block.begin_ms, block.end_ms, block.gate_ms),
            failed=failed,
            why=why,
            late=late,
        )
        await bids.keep_look(self._pool, self._vault, look, self._clock())

    async def _keep(self, new: NewBid, why: str = "drafted in time") -> int:
        try:
            await bids.draft(self._pool, self._vault, new, who=WHO, why=why, now_ms=self._clock())
        except BidTooLate:  # another jobs worker was faster, or the gate closed meanwhile
            return 0
        return 1

    async def _request(
        self, desk: Desk, task: Task, forecast: Forecast, now_ms: int
    ) -> DraftRequest:
        sold = await self._sold(task.section)
        return await request_of(
            *(self._pool, self._vault, desk, task), sold=sold, forecast=forecast, now_ms=now_ms
        )


async def newest_import(pool: Pool, section: DeskSection) -> int:
    """Return the number of the newest import of any series that a desk looks at; 0: none."""
    beside = [s for one in section.products for s in (*one.held.values(), *one.side.values())]
    series = [section.price, *section.exogenous.values(), *beside]
    async with connection(pool) as conn:
        row = await (await conn.execute(_NEWEST, [series])).fetchone()
    return 0 if row is None or row[0] is None else int(row[0])


def _place(section: DeskSection, rules: Product, block: Block) -> _Place:
    """Return what there is one bid for: two markets may name a product alike."""
    return section.station, section.market, rules.id, block.begin_ms


def _new(task: Task, asked: DraftRequest, made: Draft, spare: Draft, bid: BidSet) -> NewBid:
    """Return one bid of a draft with its fall-back; both are weighed by the same forecast."""
    beside = next((one for one in spare.bids if one.product == bid.product), None)
    spare_on = careful(asked).energy.version
    return NewBid(
        desk=task.section.desk,
        gate_ms=task.block.gate_ms,
        content=content_of(made, bid, asked),
        fallback=None if beside is None else content_of(spare, beside, asked, planned_on=spare_on),
    )
