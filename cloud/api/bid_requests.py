"""What is asked of bids, and what a what-if and a forecast are answered with."""

import datetime as dt

from pydantic import BaseModel, Field

from cloud.api.answers import WordsAnswer
from cloud.api.bid_answers import Intervals, JudgementAnswer, Why
from cloud.market.bid import OfferMode


class OffersRequest(BaseModel):
    """Offers in the place of a version's."""

    version: int = Field(ge=1, description="that was changed; its battery and forecast are used")
    mode: OfferMode | None = Field(None, description="null: as it is")
    intervals: Intervals = Field(description="all of the bid, not only what changes")
    why: Why = ""


class EditRequest(OffersRequest):
    """A new version of a bid."""

    newest: int = Field(ge=1, description="last version that the editor has seen")
    fallback: bool = False


class ApproveRequest(BaseModel):
    """That a person has looked at exactly these offers."""

    version: int = Field(ge=1, description="that was looked at")
    fingerprint: str = Field(description="of the version that was looked at")
    why: Why = ""


class WithdrawRequest(BaseModel):
    """Why a bid is taken back."""

    why: Why = Field(min_length=3)


class DraftRequest(BaseModel):
    """A bid of a person or a program. The same again changes nothing."""

    market: str = Field(description="id of the market's profile")
    product: str
    day: dt.date = Field(description="of delivery, in the market's time")
    desk: str = Field("desk", pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="whose limits")
    mode: OfferMode = OfferMode.QUANTITY_PRICE
    intervals: Intervals
    why: Why = ""


class ViolationAnswer(BaseModel):
    """A rule of the market that is broken, and where."""

    rule: str
    start_ms: int | None = Field(description="null: the whole bid")
    segment: int | None = Field(description="index of the segment; null: the whole interval")
    words: WordsAnswer
    origin: str = Field(description="where the rule is published, or why it is assumed")


class HistogramAnswer(BaseModel):
    """How possible days spread over revenue."""

    edges: list[float] = Field(description="one more than counts")
    counts: list[int]


class PossibleDayAnswer(BaseModel):
    """One of the days that a bid is weighed with."""

    rank: float = Field(description="share of the days that earn no more")
    revenue: float
    price: list[float] = Field(description="by interval of the bid")


class WhatIfAnswer(BaseModel):
    """What edited offers would come to; nothing is stored."""

    fingerprint: str
    judgement: JudgementAnswer
    violations: list[ViolationAnswer]
    histogram: HistogramAnswer | None = Field(
        description="null: there is no forecast to weigh with"
    )
    scenarios: int
    missed_mwh: float = Field(description="clears and cannot be followed, on average")
    days: list[PossibleDayAnswer] = Field(description="some of the possible days, by revenue")
    may_approve: bool = Field(description="whether the asker may approve it")


class BidForecast(BaseModel):
    """The forecast that a version was made on."""

    series: str
    version: str
    known_ms: int = Field(description="nothing that became known later went into it")
    start_ms: int
    step_min: int
    unit: str
    levels: list[float]
    mean: list[float]
    quantiles: list[list[float]] = Field(description="by interval, rising along levels")
    flags: list[str]
