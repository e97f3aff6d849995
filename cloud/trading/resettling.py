"""Days settled again: while their statement may be revised, and until they are settled here too.

The first statement of a day is seldom the last: meters are read again, prices come late or are
corrected. A day is looked at, less often as it ages, until the market revises its statement no
more. Where statement, awards, meter or prices have changed, the day is settled anew, and every bid
of it keeps what it came to before, what it comes to now, and which lines have changed.

A closed day is looked at seldom, for a year: an exchange may correct what was final. Prices of it
that are imported later open it again at once (`reopen_days`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from cloud.db import Pool, connection
from cloud.errors import CloudError
from cloud.market import bids
from cloud.market.bids import (
    Bid,
    Cleared,
    Delivery,
    Document,
    Exchange,
    Measured,
    Settlement,
    State,
    Step,
    Unclear,
    Won,
    rows,
)
from cloud.market.bids.settlements import put_settlement
from cloud.market.bids.steps import DESK
from cloud.market.desk.metering import Metered
from cloud.market.errors import MarketError
from cloud.market.exchanges.statements import read_statement
from cloud.market.settlement import Whose, revised
from cloud.market.statement import Statement
from cloud.market.units import DAY_MS, HOUR_MS, MINUTE_MS
from cloud.trading.desk import TradingDesk
from cloud.trading.exchanges import market_of
from cloud.trading.parts import changed_lines, changes, part_of
from cloud.trading.settled_days import (
    Connection,
    DayPlace,
    DayVersion,
    KeptDay,
    newest_digest,
    newest_of,
    put_day,
)
from cloud.trading.settling import SettledDay
from cloud.vault.vault import StationKeys, Vault

_LOOKS: Final = ((2 * DAY_MS, 15 * MINUTE_MS), (14 * DAY_MS, 6 * HOUR_MS))
"""A day so old is looked at so often; an older one daily."""
_LONGEST_MS: Final = 400 * DAY_MS
"""A day that could not be settled here by then never will be; no market revises for longer."""
_CLOSED_LOOKS: Final = ((60 * DAY_MS, 7 * DAY_MS), (_LONGEST_MS, 30 * DAY_MS))
"""A closed day so old is looked at so often; an older one never."""
_NEVER_MS: Final = 2**62
_CLAIM: Final = """
SELECT station, market, day, bids, closed_ms, pg_snapshot_xmin(pg_current_snapshot())
FROM settled_days WHERE due_ms <= %s AND NOT market = ANY(%s)
ORDER BY due_ms, station, market, day FOR UPDATE SKIP LOCKED LIMIT 1
"""
_REST: Final = """
UPDATE settled_days SET due_ms = %s, bids = %s, closed_ms = %s, seen = coalesce(%s::xid8, seen)
WHERE station = %s AND market = %s AND day = %s
"""
_SETTLED: Final = """
SELECT count(*), min(b.product) FROM bids b JOIN bid_versions v ON v.bid = b.id
WHERE b.station = %s AND b.market = %s AND b.day = %s AND v.state = 'settled'
"""


@dataclass(frozen=True)
class _Claimed:
    """A day whose row is held.

    Attributes:
        place: which.
        brought: bids that its newest version is brought to.
        closed_ms: since when it is closed; None: it is open.
        seen: imports of earlier transactions are seen by this look.
    """

    place: DayPlace
    brought: int
    closed_ms: int | None
    seen: str


@dataclass(frozen=True)
class _Look:
    """A look at a day: its statement, and what came of settling it anew."""

    place: DayPlace
    document: Document
    told: Statement
    done: SettledDay
    final: bool
    now_ms: int


class Resettler:
    """Settles days again."""

    def __init__(
        self,
        pool: Pool,
        vault: Vault,
        exchanges: Mapping[str, Exchange],
        desk: TradingDesk,
        clock: Callable[[], int],
    ) -> None:
        self._pool, self._vault = pool, vault
        self._exchanges, self._desk, self._clock = exchanges, desk, clock

    async def run(self) -> int:
        """Look at every day that is due; return how many versions were made.

        Raises:
            CloudError: the first error of a day; the others have been looked at all the same.
        """
        made, silent = 0, set[str]()
        failed: CloudError | None = None
        while True:
            async with connection(self._pool) as held, held.transaction():
                row = await (await held.execute(_CLAIM, (self._clock(), list(silent)))).fetchone()
                if row is None:
                    break
                claimed = _Claimed(DayPlace(*row[:3]), int(row[3]), row[4], str(row[5]))
                try:
                    async with held.transaction():  # a day is brought on whole, or not at all
                        made += await self._turn(held, claimed, silent)
                except CloudError as error:
                    failed = failed or error
                    await self._rest(held, claimed)
        if failed is not None:
            raise failed
        return made

    async def _turn(self, held: Connection, claimed: _Claimed, silent: set[str]) -> int:
        """Look at one day whose row is held; return how many versions were made."""
        place = claimed.place
        market, now_ms = market_of(place.market), self._clock()
        end_ms = market.calendar.day_bounds_ms(place.day)[1]
        found = await held.execute(_SETTLED, (place.station, place.market, place.day))
        row = await found.fetchone()
        count, product = (0, None) if row is None else row
        if now_ms < end_ms or product is None:
            await self._rest(held, claimed, due_ms=max(end_ms, now_ms + MINUTE_MS))
            return 0
        if claimed.closed_ms is not None and place.market not in self._exchanges:
            await self._rest(held, claimed)  # nobody is left who could correct it
            return 0
        exchange = self._exchange(place.market)
        answer = await exchange.statement(place.station, product, place.day)
        if not isinstance(answer, Document):
            if isinstance(answer, Unclear):
                silent.add(place.market)
            await self._rest(held, claimed)
            return 0
        won = await bids.won_on(self._pool, self._vault, place.station, place.market, place.day)
        await self._price(exchange, won, now_ms)
        told = read_statement(answer.body, market)
        look = _Look(
            *(place, answer, told, await self._desk.settle_day(place.station, place.day, told)),
            *(now_ms >= market.final_ms(place.day), now_ms),
        )
        made = await self._keep(held, look)
        if made or count != claimed.brought:
            settled = [one for one in won if one.bid.of(one.version).state is State.SETTLED]
            for one in settled:
                await self._bring(held, look, one)
        closed = look.final and (look.done.ours is not None or now_ms > end_ms + _LONGEST_MS)
        done = replace(claimed, brought=count, closed_ms=now_ms if closed else None)
        await self._rest(held, done, seen=True)
        return made

    async def _price(self, exchange: Exchange, won: tuple[Won, ...], now_ms: int) -> None:
        """Ask again for results whose price was told later than what was cleared."""
        for one in won:
            if all(award.price is not None for award in one.cleared.awards):
                continue
            content, key = one.bid.of(one.version).content, one.bid.key(one.bid.of(one.version))
            answer = await exchange.clearing(content.bid_set, key)
            if isinstance(answer, Cleared) and answer != one.cleared:
                keys = await self._vault.keys(one.bid.station)
                async with connection(self._pool) as conn:
                    await rows.put_paper(conn, keys, one.bid.id, one.version, answer, at_ms=now_ms)

    async def _keep(self, held: Connection, look: _Look) -> int:
        """Keep a version of the day where its inputs are others than before; 0: they are not."""
        place, done = look.place, look.done
        version = DayVersion(look.document, done.record, done.ours, done.words)
        last = await newest_digest(held, place)
        if last is not None and last[1] == version.digest(final=look.final):
            return 0
        keys = await self._vault.keys(place.station)
        before = await newest_of(held, keys, place)
        if before is not None:
            version = replace(version, changes=self._changed(before.version, look))
        number = 1 if before is None else before.number + 1
        await put_day(held, keys, place, KeptDay(number, look.final, look.now_ms, version))
        return 1

    def _changed(self, before: DayVersion, look: _Look) -> tuple[bids.Changed, ...]:
        theirs = read_statement(before.document.body, market_of(look.place.market))
        found = [*revised(theirs.lines, look.told.lines, Whose.THEIRS)]
        if before.ours is not None and look.done.ours is not None:
            found += revised(before.ours.lines, look.done.ours.lines, Whose.OURS)
        return changed_lines(found)

    async def _bring(self, held: Connection, look: _Look, won: Won) -> None:
        """Bring a settled bid to the day's newest version."""
        bid, number = won.bid, won.version
        before = await rows.paper_of(self._pool, self._vault, bid, number, Settlement)
        if before is None:
            raise MarketError(f"bid {bid.id} is settled and has no settlement; restore the store")
        part = part_of(bid, look.told, look.done, market_of(look.place.market))
        part = replace(part, number=before.number, final=look.final, changes=before.changes)
        if part == before:
            return
        after = replace(part, number=before.number + 1, changes=changes(before, part))
        keys = await self._vault.keys(bid.station)
        await rows.lock(held, bid.id)
        await self._measure(held, keys, look, won)
        await rows.put_paper(held, keys, bid.id, number, look.document, at_ms=look.now_ms)
        await put_settlement(held, keys, bid.id, number, after, at_ms=look.now_ms)
        step = Step(*(number, State.SETTLED, State.SETTLED, look.now_ms, DESK), _why(before, after))
        await rows.write_step(held, keys, bid.id, step)

    async def _measure(self, held: Connection, keys: StationKeys, look: _Look, won: Won) -> None:
        """Keep what the meter says now, where it says something else than at delivery."""
        now = delivery_of(won.bid, look.done.readings)
        before = await rows.paper_of(self._pool, self._vault, won.bid, won.version, Delivery)
        if now is not None and (before is None or now.measured != before.measured):
            await rows.put_paper(held, keys, won.bid.id, won.version, now, at_ms=look.now_ms)

    async def _rest(
        self, held: Connection, day: _Claimed, *, due_ms: int | None = None, seen: bool = False
    ) -> None:
        """Write down when a day is looked at next; `seen`: this look has seen all imports."""
        now_ms, place = self._clock(), day.place
        if due_ms is None:
            age_ms = now_ms - market_of(place.market).calendar.day_bounds_ms(place.day)[1]
            due_ms = _next_ms(now_ms, age_ms, closed=day.closed_ms is not None)
        given = due_ms, day.brought, day.closed_ms, day.seen if seen else None
        await held.execute(_REST, (*given, place.station, place.market, place.day))

    def _exchange(self, market: str) -> Exchange:
        try:
            return self._exchanges[market]
        except KeyError as error:
            raise MarketError(
                f"days of market {market} are not final and no exchange is configured for it; add"
                " a table [[market.exchanges]]"
            ) from error


def _next_ms(now_ms: int, age_ms: int, *, closed: bool) -> int:
    """Return when a day of an age is looked at next."""
    if not closed:
        return now_ms + next((often for old, often in _LOOKS if age_ms < old), DAY_MS)
    often_ms = next((often for old, often in _CLOSED_LOOKS if age_ms < old), None)
    return _NEVER_MS if often_ms is None else now_ms + often_ms


def delivery_of(bid: Bid, readings: tuple[Metered, ...]) -> Delivery | None:
    """Return a bid's delivery from the readings of its whole day; None: there are none."""
    step_ms = bid.versions[0].content.bid_set.interval_min * MINUTE_MS
    inside = [one for one in readings if bid.begin_ms <= one.start_ms < bid.end_ms]
    if not inside:
        return None
    energy = dict.fromkeys(range(bid.begin_ms, bid.end_ms, step_ms), Decimal(0))
    for one in inside:
        energy[one.start_ms - (one.start_ms - bid.begin_ms) % step_ms] += one.energy_mwh
    measured = [Measured(start, mwh) for start, mwh in energy.items()]
    return Delivery(tuple(measured), tuple(dict.fromkeys(o.flag for o in inside if o.flag)))


def _why(before: Settlement, after: Settlement) -> str:
    kind = "final" if after.final else "provisional"
    count = len(after.changes)
    lines = f"{count} line{'' if count == 1 else 's'} changed"
    if after.amount == before.amount:
        return f"settled again ({kind}): it stays {after.amount} {after.currency}; {lines}"
    return (
        f"settled again ({kind}): {before.amount} is now {after.amount} {after.currency}; {lines}"
    )
