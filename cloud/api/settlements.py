"""What days and bids were settled at, each time: provisional, revised, final."""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from cloud.api.answers import ERRORS, WordsAnswer
from cloud.api.bid_answers import SettlementAnswer, settlement_answer
from cloud.api.context import DeskOf, MarketReader
from cloud.api.image import now_ms
from cloud.api.stations import StationId
from cloud.errors import NotFound
from cloud.market import bids
from cloud.market.errors import BadDocument
from cloud.market.exchanges.statements import read_statement
from cloud.trading.exchanges import market_of
from cloud.trading.settled_days import DayPlace, KeptDay, days_kept

router = APIRouter(prefix="/stations/{station}", tags=["bids"], responses=ERRORS)


class SettledAnswer(SettlementAnswer):
    """One settlement of a bid."""

    at_ms: int = Field(description="when it was made")


class SettlementList(BaseModel):
    """Every settlement of a bid, the first one first."""

    settlements: list[SettledAnswer]


class DayAnswer(BaseModel):
    """A day as it was settled once."""

    number: int
    final: bool = Field(description="whether the market revises the statement no more")
    at_ms: int
    statement: str = Field(description="id of the exchange's statement")
    theirs: Decimal | None = Field(description="its total; null: it cannot be read")
    ours: Decimal | None = Field(description="total of our own settlement; null: there is none")
    words: WordsAnswer = Field(description="how both lie to one another, or what is missing")
    changes: list[dict[str, Any]] = Field(description="lines that are others than before")


class DayList(BaseModel):
    """Every version of a day, the first one first."""

    versions: list[DayAnswer]
    words: WordsAnswer | None = Field(description="why there is no version; null: there is one")


@router.get("/bids/{bid}/settlements")
async def list_settlements(
    parts: DeskOf,
    _: MarketReader,
    station: StationId,
    bid: Annotated[UUID, Path(description="id of the bid")],
) -> SettlementList:
    """What a bid was settled at, each time; the newest one counts."""
    pool, vault = parts.services.pool, parts.services.vault
    found = await bids.load(pool, vault, str(bid))
    if found.station != station:
        raise NotFound(f"station {station} has no bid {bid}; GET its bids for those it has")
    made = await bids.settlements_of(pool, vault, found)
    return SettlementList(
        settlements=[
            SettledAnswer(at_ms=one.at_ms, **dict(settlement_answer(one.settlement)))
            for one in made
        ]
    )


@router.get("/settled-days/{market}/{day}")
async def list_day(
    parts: DeskOf,
    _: MarketReader,
    station: StationId,
    market: Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$")],
    day: Annotated[dt.date, Path(description="delivery day, in the market's time")],
) -> DayList:
    """What a station's day in a market was settled at, each time, with what has changed."""
    place = DayPlace(station, market, day)
    kept = await days_kept(parts.services.pool, parts.services.vault, place)
    return DayList(
        versions=[_answer(market, one) for one in kept],
        words=None if kept else _none_yet(market, day),
    )


def _none_yet(market: str, day: dt.date) -> WordsAnswer:
    """Why a day has no version: it lasts, or nothing of it is settled."""
    if now_ms() < market_of(market).calendar.day_bounds_ms(day)[1]:
        return WordsAnswer(
            en="the day is not over: its first version is made when it is; what a bid is settled"
            " at so far is among its settlements (GET …/bids/{id}/settlements)",
            zh="交割日尚未结束：首个版本在日终后生成；各申报的暂结结果见"
            " GET …/bids/{id}/settlements",
        )
    return WordsAnswer(
        en="no bid of this day is settled yet, or its statement has not come",
        zh="该日尚无已结算的申报，或结算单未到",
    )


def _answer(market: str, one: KeptDay) -> DayAnswer:
    version = one.version
    try:
        told = read_statement(version.document.body, market_of(market))
    except BadDocument:
        told = None
    return DayAnswer(
        number=one.number,
        final=one.final,
        at_ms=one.at_ms,
        statement=version.document.name if told is None else told.id,
        theirs=None if told is None else told.total,
        ours=None if version.ours is None else version.ours.total,
        words=WordsAnswer(en=version.words.en, zh=version.words.zh),
        changes=[
            {
                "start_ms": change.start_ms,
                "whose": change.whose,
                "item": change.item,
                "detail": change.detail,
                "money": change.money,
                "words": {"en": change.words.en, "zh": change.words.zh},
            }
            for change in version.changes
        ],
    )
