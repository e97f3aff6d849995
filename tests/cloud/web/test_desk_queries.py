"""What the desk asks the store: as much for hundreds of bids as for a few."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import httpx
import psycopg
import pytest

from cloud.market import bids
from cloud.market.bid import BidInterval, BidSet, Direction, OfferMode, Segment
from cloud.market.bids import (
    Award,
    Cleared,
    Content,
    Delivery,
    Document,
    Explained,
    Judgement,
    Measured,
    NewBid,
    Settlement,
    State,
    rows,
)
from cloud.market.bids.settlements import put_settlement
from cloud.market.exchanges.statements import write_statement
from cloud.market.statement import Item, Line, Statement, total_of
from contract.words import Words
from tests.cloud.desk_day import BATTERY, MARKET
from tests.cloud.web.console import STATION, Console
from tests.cloud.web.feeder import now_ms

PRODUCT = MARKET.product("minute-energy")
MINUTE_MS = 60_000
FEW, MANY = 3, 24
_WAY = (
    *(State.CHECKED, State.APPROVED, State.SUBMITTED, State.ACCEPTED),
    *(State.CLEARED, State.SCHEDULED, State.DELIVERED, State.SETTLED),
)


@contextmanager
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Collect what is asked about bids and prices while pages are made."""
    heard: list[str] = []
    execute = psycopg.AsyncConnection.execute

    async def hear(conn: Any, query: Any, *given: Any, **how: Any) -> Any:
        text = query.decode() if isinstance(query, bytes) else str(query)
        if "bid" in text or "market_" in text:
            heard.append(text)
        return await execute(conn, query, *given, **how)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.AsyncConnection, "execute", hear)
        yield heard


async def settle(console: Console, begin_ms: int) -> str:
    """Bring a bid of a minute from its draft to its statement; return its id."""
    services, day = console.worker.services, PRODUCT.calendar.day_of(begin_ms)
    segment = Segment(Direction.DISCHARGE, Decimal(1), Decimal(50))
    offers = BidSet(
        *(STATION, MARKET.id, PRODUCT.id, day, 1, OfferMode.QUANTITY_PRICE),
        intervals=(BidInterval(begin_ms, (segment,)),),
    )
    gate_ms = PRODUCT.gate_closure_ms(begin_ms)
    new = NewBid("east", gate_ms, Content(offers, {"battery": asdict(BATTERY)}))
    bid = await bids.draft(
        *(services.pool, services.vault, new), who="drafting", why="", now_ms=gate_ms - 1
    )
    energy, paid = Decimal("0.016"), Decimal("0.80")
    line = Line(begin_ms, Item.ENERGY, PRODUCT.id, energy, "MWh", Decimal(50), paid)
    told = Statement("s", MARKET.id, STATION, day, MARKET.currency, (line,), total_of((line,)))
    off = Explained(
        *(begin_ms, 1, energy, energy, Decimal(0), None, Decimal("0.10"), "short"),
        Words("less than awarded", "少于中标"),
    )
    papers: tuple[Any, ...] = (
        Judgement(figures={"var": 1.0, "cvar": 2.0}),
        Cleared(1, (Award(begin_ms, Direction.DISCHARGE, Decimal(1), Decimal(50)),), "EUR"),
        Delivery((Measured(begin_ms, energy),)),
        Document("s.csv", "text/csv", write_statement(told, MARKET)),
    )
    keys = await services.vault.keys(STATION)
    async with services.pool.connection() as conn, conn.transaction():
        before = State.DRAFTED
        for state in _WAY:
            step = rows.Step(1, before, state, begin_ms, "test", "")
            await rows.move(conn, keys, bid, step, approved_by="test")
            before = state
        for paper in papers:
            await rows.put_paper(conn, keys, bid, 1, paper, at_ms=begin_ms)
        settled = Settlement(paid, "EUR", deviations=(off,))
        await put_settlement(conn, keys, bid, 1, settled, at_ms=begin_ms)
        await conn.execute("DELETE FROM bid_turns WHERE bid = %s", [bid])
    return bid


async def free_minutes(console: Console) -> tuple[dt.date, list[int]]:
    """Return a day of the market and its last minutes that nobody has bid for yet."""
    end_ms = now_ms() // MINUTE_MS * MINUTE_MS - 40 * MINUTE_MS
    day = PRODUCT.calendar.day_of(end_ms)
    begin_ms = PRODUCT.calendar.day_bounds_ms(day)[0]
    if end_ms - begin_ms < 12 * MANY * MINUTE_MS:  # so early in the day: that before it
        day -= dt.timedelta(days=1)
        begin_ms, end_ms = PRODUCT.calendar.day_bounds_ms(day)
    async with console.worker.services.pool.connection() as conn:
        rows_there = await conn.execute("SELECT begin_ms FROM bids WHERE station = %s", [STATION])
        taken = {row[0] for row in await rows_there.fetchall()}
    free = [at for at in range(begin_ms, end_ms, MINUTE_MS) if at not in taken]
    return day, free[-MANY:]


def test_a_desk_asks_no_more_of_many_bids_than_of_a_few(console, session, monkeypatch):
    day, minutes = console.do(free_minutes(console))
    names = [console.do(settle(console, begin_ms)) for begin_ms in minutes[:FEW]]
    station = f"/fragments/stations/{STATION}"
    paths = {
        "desk": f"/desk?station={STATION}&bid={names[0]}",
        "bids": f"/bids?station={STATION}",
        "gates": f"{station}/gates",
        "position": f"{station}/position",
        "track": f"{station}/bids/{names[0]}/track",
        "revenue": f"/revenue?station={STATION}&from={day}&to={day}",
    }

    def asked() -> dict[str, int]:
        found = {}
        with httpx.Client(
            base_url=console.url, cookies={"sm_session": session}, timeout=60
        ) as client:
            for name, path in paths.items():
                with listening(monkeypatch) as heard:
                    assert client.get(path).status_code == 200, name
                found[name] = len(heard)
        return found

    few = asked()
    for begin_ms in minutes[FEW:]:
        console.do(settle(console, begin_ms))
    many = asked()

    assert many == few
    assert max(many.values()) <= 24
